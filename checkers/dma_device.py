# SPDX-License-Identifier: Apache-2.0
"""DMA: what the device reads and writes, against what is mapped for it."""

from __future__ import annotations

from uvtrace.check.columns import config, device, mapping, record
from uvtrace.check.columns.mapping import Family, MappingState, Owner
from uvtrace.check.expression import Parameter
from uvtrace.check.rule import Case, rule
from uvtrace.check.rules import Severity, Sight
from uvtrace.check.terms import is_device_access, is_first_part, removes_mapping
from uvtrace.trace.enums import Direction, Flag, Kind

from .dma_calls import MAPPING_ERROR

_API = "Linux Documentation/core-api/dma-api.rst"
_HOWTO = "Linux Documentation/core-api/dma-api-howto.rst"
_PAGE = 4096

ALIGNMENT = Parameter(
    "DMA022.alignment", 1, "what the bus aligns requests to: 4 on uvPCI, 1 on PCIe", "bytes"
)

_live = mapping.mapping_state == MappingState.LIVE
_is_streaming = mapping.mapping_family == Family.STREAMING
# A request that has a record at either end meets memory where it arrives.
_accesses = is_device_access & is_first_part & ~record.flags.has(Flag.FAR)
_sends = is_device_access & is_first_part & ~record.flags.has(Flag.APART)
_is_read = record.kind == Kind.DMA_READ
_is_write = record.kind == Kind.DMA_WRITE
# A read of nothing flushes earlier writes: legal anywhere in what may be written.
_moves_data = record.length > 0
_mapped = {"mapped": mapping.mapping_made}

DMA001 = rule(
    "DMA001",
    "device accesses an address that was never mapped",
    needs={Sight.MAP, Sight.DMA},
    applies=_accesses,
    violation=mapping.mapping_state == MappingState.NEVER,
    message="device {access} of {length} bytes at {address:#x}, which was never mapped",
    source=_API,
    example="the driver puts a CPU address into a descriptor",
)
DMA002 = rule(
    "DMA002",
    "device accesses an address after it was unmapped or freed",
    needs={Sight.MAP, Sight.DMA},
    applies=_accesses,
    violation=mapping.mapping_state == MappingState.GONE,
    message="device {access} of {length} bytes at {address:#x}, mapped at {mapping_made} and"
    " unmapped at {mapping_gone}",
    roles={"mapped": mapping.mapping_made, "unmapped": mapping.mapping_gone},
    source=f"{_API}, dma_unmap_single(); Windows Driver Verifier 0x10",
    example="the ring is freed before the device was stopped",
)
DMA003 = rule(
    "DMA003",
    "device access starts in a mapping and runs past its end",
    needs={Sight.MAP, Sight.DMA},
    applies=_accesses,
    violation=_live & (record.length > mapping.mapping_room) & ~device.runs_on,
    message="device {access} of {length} bytes at {address:#x}, where the mapping of"
    " {mapping_made} ends after {mapping_room}",
    roles=_mapped,
    source="Windows Driver Verifier, DMA verification 0x0F",
    example="a frame of 1600 bytes is received into a buffer mapped with 1522",
)
DMA004 = rule(
    "DMA004",
    "device writes a TO_DEVICE mapping or reads a FROM_DEVICE mapping",
    needs={Sight.MAP, Sight.DMA},
    applies=_accesses & _moves_data,
    violation=_live
    & _is_streaming
    & (
        (_is_write & (mapping.mapping_direction == Direction.TO_DEVICE))
        | (_is_read & (mapping.mapping_direction == Direction.FROM_DEVICE))
    ),
    message="device {access} of {length} bytes at {address:#x}, which {mapping_made} mapped"
    " {mapping_direction}",
    roles=_mapped,
    source=f"{_API}, enum dma_data_direction",
    example="the device writes its status back into a command mapped TO_DEVICE",
)
# Only what was synced for the CPU is the CPU's: the rest of the mapping never changed hands.
DMA005 = rule(
    "DMA005",
    "device writes memory of a streaming mapping that the CPU owns and may be writing",
    needs={Sight.MAP, Sight.DMA},
    severity=Severity.WARNING,
    applies=_accesses & _is_write & _moves_data,
    violation=_live
    & _is_streaming
    # FROM_DEVICE buffers may be given back without a sync: the CPU does not write them.
    & (mapping.mapping_direction == Direction.BIDIRECTIONAL)
    & (mapping.mapping_owner == Owner.CPU)
    & device.meets_synced,
    message="device write of {length} bytes at {address:#x}, synced for the CPU at"
    " {mapping_synced} and not for the device since",
    roles={"mapped": mapping.mapping_made, "synced": mapping.mapping_synced},
    source=f"{_HOWTO}, Using Streaming DMA mappings",
    example="a bidirectional mailbox is synced for the CPU, and the device answers once more",
)
DMA013 = rule(
    "DMA013",
    "the mapping-error cookie handed to the device",
    needs={Sight.DMA},
    applies=_accesses,
    # A request that began below it would have to cross the end of the address space.
    violation=record.address == MAPPING_ERROR,
    message="device {access} of {length} bytes at DMA_MAPPING_ERROR",
    supersedes={"DMA001", "DMA002", "DMA020", "DMA022"},
    source="Linux kernel/dma/debug.c, check_unmap(); include/linux/dma-mapping.h",
    example="a descriptor is filled with what a failed dma_map_page() returned",
    variant="device",
)
DMA020 = rule(
    "DMA020",
    "one request crosses a 4 KiB boundary",
    needs={Sight.DMA},
    applies=_sends,
    violation=record.length > _PAGE - (record.address & (_PAGE - 1)),
    message="device {access} of {length} bytes at {address:#x} crosses a 4 KiB boundary",
    source="PCI Express Base Specification 5.0, 2.2.7 Memory, I/O, and Configuration Request Rules",
    example="the device reads 64 bytes at 0x1fe0 with one request",
)
_length = record.length.bits(0, 63)
_too_large = (_is_write & (_length > config.max_payload)) | (
    _is_read & (_length > config.max_read_request)
)
DMA021 = rule(
    "DMA021",
    "write larger than Max Payload or read larger than Max Read Request",
    needs={Sight.CFG, Sight.DMA},
    applies=_sends,
    violation=_too_large,
    cases=[
        Case(
            _is_read,
            "device read of {length} bytes at {address:#x}, where Max Read Request is"
            " {max_read_request}",
        )
    ],
    message="device write of {length} bytes at {address:#x}, where Max Payload is {max_payload}",
    roles={"limit set": config.device_control_since},
    source="PCI Express Base Specification 5.0, 7.5.3.4 Device Control Register; uvPCI: 128 bytes",
    example="the device writes 256 bytes at once where the driver programmed 128",
)
_DWORD = 4
_room = _DWORD - (record.address & (_DWORD - 1))
_in_one_dword = record.length <= _room
_has_enables = (record.first_be != 0) | (record.last_be != 0)
DMA022 = rule(
    "DMA022",
    "request breaks the bus's alignment (uvPCI: 32-bit) or its byte enables' rules",
    needs={Sight.DMA},
    applies=_sends & _moves_data,
    violation=~record.address.is_aligned_to(ALIGNMENT)
    | ~record.length.is_aligned_to(ALIGNMENT)
    | (_has_enables & _in_one_dword & (record.last_be != 0))
    | (_has_enables & ~_in_one_dword & ((record.first_be == 0) | (record.last_be == 0))),
    message="device {access} of {length} bytes at {address:#x} (byte enables {first_be:#x},"
    " {last_be:#x})",
    source="Ultraviolet, uvPCI; PCI Express Base Specification 5.0, 2.2.5 Byte Enables Rules",
    example="a request for one dword has Last DW Byte Enables",
)
DMA027 = rule(
    "DMA027",
    "unmapped while a device request to it is still outstanding",
    needs={Sight.MAP, Sight.DMA, Sight.CPL},
    applies=removes_mapping & is_first_part,
    violation=_live & (device.pending_read >= 0),
    message="{call} of {length} bytes at {address:#x} while the device's read of {pending_read} is"
    " outstanding",
    role="unmap",
    roles={"requested": device.pending_read, "mapped": mapping.mapping_made},
    supersedes={"DMA002"},
    source=f"{_API}, dma_unmap_single(); Windows Driver Verifier 0x10",
    example="a timeout handler unmaps the frame that the device is just reading",
)
DMA030 = rule(
    "DMA030",
    "device fills a buffer again that was neither synced for the CPU nor unmapped since",
    needs={Sight.MAP, Sight.DMA, Sight.ISR},
    severity=Severity.WARNING,
    applies=_accesses & _is_write & _moves_data,
    violation=_live & _is_streaming & (device.overwritten >= 0),
    message="device write of {length} bytes at {address:#x} over those of {overwritten}, which no"
    " sync_for_cpu or unmap gave to the driver, though its handler ran",
    roles={"mapped": mapping.mapping_made, "written before": device.overwritten},
    source=f"{_HOWTO}, Using Streaming DMA mappings",
    example="received data is copied out of the buffer, which then goes back into the ring",
)
DMA032 = rule(
    "DMA032",
    "streaming mapping's direction does not fit its use all through",
    needs={Sight.MAP, Sight.DMA},
    applies=(record.kind == Kind.UNMAP) & is_first_part,
    violation=_live
    & (
        (
            (mapping.mapping_direction == Direction.FROM_DEVICE)
            & (device.device_reads > 0)
            & (device.device_writes == 0)
        )
        | (
            (mapping.mapping_direction == Direction.TO_DEVICE)
            & (device.device_writes > 0)
            & (device.device_reads == 0)
        )
    ),
    message="unmap of {address:#x}, mapped {mapping_direction} at {mapping_made}: the device read"
    " it {device_reads} times and wrote it {device_writes} times",
    role="unmap",
    roles=_mapped,
    source=f"{_API}, enum dma_data_direction",
    example="a frame to be sent is mapped FROM_DEVICE",
)

RULES = (
    *(DMA001, DMA002, DMA003, DMA004, DMA005, DMA013),
    *(DMA020, DMA021, DMA022, DMA027, DMA030, DMA032),
)
