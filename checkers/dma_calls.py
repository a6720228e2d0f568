# SPDX-License-Identifier: Apache-2.0
"""DMA: what a driver hands back or syncs, against what it has mapped.

The rules of kernel/dma/debug.c, which sees the same calls: there they are warnings in the log of
a kernel built for it, here they are judged on any.
"""

from __future__ import annotations

from uvtrace.check.columns import mapping, record
from uvtrace.check.columns.mapping import Family, MappingState
from uvtrace.check.rule import Case, rule
from uvtrace.check.rules import Sight
from uvtrace.check.terms import is_first_part, is_sync, removes_mapping
from uvtrace.trace.enums import Direction, Flavour, Kind

MAPPING_ERROR = 2**64 - 1
"""DMA_MAPPING_ERROR: what a failed mapping returns instead of an address."""

_UNMAP = "Linux kernel/dma/debug.c, check_unmap()"
_SYNC = "Linux kernel/dma/debug.c, check_sync()"

_live = mapping.mapping_state == MappingState.LIVE
_is_removal = removes_mapping & is_first_part
# Freeing nothing is legal: stock nvme does so at remove.
_frees_nothing = (record.address == 0) & ~_live
_removes = _is_removal & ~_frees_nothing
_is_unmap = (record.kind == Kind.UNMAP) & is_first_part
_is_free = (record.kind == Kind.FREE) & is_first_part
# Where a block of a pool begins, the pages behind the pool may begin, too.
_elsewhere = mapping.mapped_elsewhere & (mapping.mapping_other_flavour != Flavour.POOL)
_is_streaming = mapping.mapping_family == Family.STREAMING
# A list has a record for each of its segments: what is said of the call is said once.
_of_a_list = (record.flavour == Flavour.SG) & (record.entry == 0)

DMA006 = rule(
    "DMA006",
    "unmap or free of an address that is not mapped",
    needs={Sight.MAP},
    applies=_removes,
    # Mapped by other calls is DMA009's.
    violation=~_live & ~_elsewhere,
    message="{call} of {address:#x} ({length} bytes), which is not mapped",
    role="unmap",
    source=_UNMAP,
    example="unmap of 0x1000, where only 0x2000 was mapped",
)
DMA007 = rule(
    "DMA007",
    "unmap or free with another size than it was mapped with",
    needs={Sight.MAP},
    applies=_removes,
    # A pool knows the size of its blocks.
    violation=_live
    & (record.length != mapping.mapping_length)
    & ~((record.kind == Kind.POOL_FREE) & (record.length == 0)),
    message="{call} of {length} bytes at {address:#x}, where {mapping_made} mapped"
    " {mapping_length}",
    role="unmap",
    roles={"mapped": mapping.mapping_made},
    source=_UNMAP,
    example="2048 bytes are mapped, 1522 are unmapped",
)
DMA008 = rule(
    "DMA008",
    "unmap with another direction than it was mapped with",
    needs={Sight.MAP},
    applies=_is_unmap,
    violation=_live & (record.direction != mapping.mapping_direction),
    message="unmap of {address:#x} as {direction}, where {mapping_made} mapped it"
    " {mapping_direction}",
    role="unmap",
    roles={"mapped": mapping.mapping_made},
    source=_UNMAP,
    example="a buffer is mapped FROM_DEVICE and unmapped BIDIRECTIONAL",
)
DMA009 = rule(
    "DMA009",
    "unmap with the wrong call (single, sg, coherent, pool, resource)",
    needs={Sight.MAP},
    applies=_removes,
    # dma_unmap_single and dma_unmap_page are one function: a mix of these two is no mistake.
    violation=(_live & (record.flavour != mapping.mapping_flavour)) | (~_live & _elsewhere),
    cases=[
        Case(
            ~_live,
            "{call} of {address:#x} with the call for {flavour}, where {mapping_other} made"
            " {mapping_other_flavour}",
        )
    ],
    message="{call} of {address:#x} with the call for {flavour}, where {mapping_made} made"
    " {mapping_flavour}",
    role="unmap",
    roles={"mapped": mapping.mapping_made, "mapped by another call": mapping.mapping_other},
    source=_UNMAP,
    example="dma_unmap_single() of what dma_map_sg() has mapped",
)
DMA010 = rule(
    "DMA010",
    "second unmap of the same mapping",
    needs={Sight.MAP},
    applies=_removes,
    violation=(mapping.mapping_state == MappingState.GONE)
    & ((record.length == mapping.mapping_length) | (record.kind == Kind.POOL_FREE))
    & ~_elsewhere,
    message="second {call} of {address:#x} ({length} bytes), mapped at {mapping_made} and"
    " unmapped at {mapping_gone}",
    role="unmap",
    roles={"mapped": mapping.mapping_made, "unmapped": mapping.mapping_gone},
    supersedes={"DMA006"},
    source=_UNMAP,
    example="an error path unmaps what the completion handler has already unmapped",
)
DMA012 = rule(
    "DMA012",
    "sg list unmapped or synced with another entry count than it was mapped with",
    needs={Sight.MAP},
    applies=(removes_mapping | is_sync) & is_first_part & _of_a_list,
    violation=_live
    & (mapping.mapping_flavour == Flavour.SG)
    & (record.nents != mapping.mapping_nents),
    message="{call} of a list at {address:#x} with {nents} entries, which {mapping_made} mapped"
    " with {mapping_nents}",
    role="call",
    roles={"mapped": mapping.mapping_made},
    source="Linux kernel/dma/debug.c, check_unmap() and check_sync()",
    example="dma_map_sg() of 8 entries returns 3, and 3 is what dma_unmap_sg() is given",
)
DMA013 = rule(
    "DMA013",
    "the mapping-error cookie handed to an unmap or a sync",
    needs={Sight.MAP},
    applies=((record.kind == Kind.UNMAP) | is_sync) & is_first_part,
    violation=record.address == MAPPING_ERROR,
    message="{call} of DMA_MAPPING_ERROR, which is no address",
    role="call",
    supersedes={"DMA006", "DMA007", "DMA010", "DMA012", "DMA014", "DMA015"},
    source="Linux kernel/dma/debug.c, check_unmap(); include/linux/dma-mapping.h",
    example="the error path unmaps every fragment, also the one that could not be mapped",
    variant="call",
)
DMA014 = rule(
    "DMA014",
    "sync of memory that is not mapped",
    needs={Sight.MAP},
    # A sync of nothing does nothing.
    applies=is_sync & is_first_part & (record.length > 0),
    violation=~_live,
    cases=[
        Case(
            mapping.mapping_state == MappingState.GONE,
            "{call} of {length} bytes at {address:#x}, unmapped at {mapping_gone}",
        )
    ],
    message="{call} of {length} bytes at {address:#x}, which is not mapped",
    role="sync",
    roles={"mapped": mapping.mapping_made, "unmapped": mapping.mapping_gone},
    source=_SYNC,
    example="the receive path unmaps the buffer, then syncs its header",
)
DMA015 = rule(
    "DMA015",
    "sync outside the mapped range",
    needs={Sight.MAP},
    applies=is_sync & is_first_part,
    violation=_live & (record.length > mapping.mapping_room),
    message="{call} of {length} bytes at {address:#x}, of which {mapping_made} mapped"
    " {mapping_room}",
    role="sync",
    roles={"mapped": mapping.mapping_made},
    source=_SYNC,
    example="a frame of 1522 bytes is synced in a buffer mapped with 1500",
)
DMA016 = rule(
    "DMA016",
    "sync with a direction that the mapping does not allow",
    needs={Sight.MAP},
    applies=is_sync & is_first_part,
    # debug.c also warns of FROM_DEVICE memory synced for the device, which dma-api-howto.rst
    # allows, and which many drivers do to give a buffer back.
    violation=_live
    & _is_streaming
    & (mapping.mapping_direction != Direction.BIDIRECTIONAL)
    & (record.direction != mapping.mapping_direction),
    message="{call} of {address:#x} as {direction}, where {mapping_made} mapped it"
    " {mapping_direction}",
    role="sync",
    roles={"mapped": mapping.mapping_made},
    source=_SYNC,
    example="a buffer mapped TO_DEVICE is synced FROM_DEVICE",
)
DMA023 = rule(
    "DMA023",
    "coherent memory freed with another size or CPU address than it was allocated with",
    needs={Sight.MAP},
    applies=_is_free & ~_frees_nothing,
    violation=_live
    & (
        (record.length != mapping.mapping_length)
        | (
            (record.flavour == Flavour.COHERENT)
            & (record.cpu_address != 0)
            & (mapping.mapping_cpu_address != 0)
            & (record.cpu_address != mapping.mapping_cpu_address)
        )
    ),
    cases=[
        Case(
            record.length != mapping.mapping_length,
            "free of {length} bytes at {address:#x}, where {mapping_made} allocated"
            " {mapping_length}",
        )
    ],
    message="free of {address:#x} at CPU address {cpu_address:#x}, where {mapping_made} allocated"
    " it at {mapping_cpu_address:#x}",
    role="free",
    roles={"allocated": mapping.mapping_made},
    supersedes={"DMA007"},
    source=_UNMAP,
    example="a ring is allocated with 4096 bytes and freed with the size that it was grown to",
)

RULES = (
    *(DMA006, DMA007, DMA008, DMA009, DMA010, DMA012),
    *(DMA013, DMA014, DMA015, DMA016, DMA023),
)
