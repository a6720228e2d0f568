# SPDX-License-Identifier: Apache-2.0
"""DMA: what a driver maps, and how long it holds it."""

from __future__ import annotations

from uvtrace.check.columns import device, mapping, record
from uvtrace.check.expression import Parameter
from uvtrace.check.obligation import AtEnd, Obligation
from uvtrace.check.rule import Case, rule
from uvtrace.check.rules import Severity, Sight
from uvtrace.check.terms import (
    is_first_part,
    is_return,
    is_unbound,
    makes_mapping,
    probe_begins,
    removes_mapping,
    succeeded,
)
from uvtrace.check.window import Measure, Window
from uvtrace.trace.enums import Direction, Flavour, Kind

_HOWTO = "Linux Documentation/core-api/dma-api-howto.rst"

GROWTH_CALLS = Parameter(
    "DMA026.unmaps", 1000, "unmaps on end, each of which leaves more mapped than the one before"
)
GROWTH_SPANS = Parameter(
    "DMA026.spans", 30, "spans on end, in each of which the least number of mappings has risen"
)
GROWTH_SPAN_NS = Parameter("DMA026.span_ns", 1_000_000_000, "the length of a span", "ns")
GROWTH_FLOOR = Parameter("DMA026.floor", 1024, "mappings that a driver's rings may well hold")

_makes = makes_mapping & is_return & succeeded
_maps = (record.kind == Kind.MAP) & is_return
_is_unmap = (record.kind == Kind.UNMAP) & is_first_part

DMA011 = rule(
    "DMA011",
    "mappings or coherent memory still held when the driver is unbound",
    needs={Sight.MAP, Sight.LIFE},
    applies=is_unbound & mapping.mappings_complete,
    # Blocks of a pool go with it, and a pool that is left is seen by the pages behind it.
    violation=Obligation(
        opened_by=record.kind.is_in({Kind.MAP, Kind.ALLOC}) & is_return & succeeded,
        # Also where it is not sure that this one was meant: nobody is accused of what may be freed.
        discharged_by=removes_mapping & is_first_part & (mapping.mapping_id != 0),
        key=(mapping.mapping_id,),
        broken_by=is_unbound,
        at_end=AtEnd.KEPT,
    ),
    message="{count} x {family} made at {opened_at} ({total_length} bytes, the first at"
    " {first_address:#x}) still held when the driver is unbound",
    role="mapped",
    source="Linux kernel/dma/debug.c, dma_debug_device_change()",
    example="remove() frees its ring, but not the buffers in it",
)
DMA017 = rule(
    "DMA017",
    "overlapping live mappings of which one lets the device write",
    needs={Sight.MAP},
    # The pass leaves out what may overlap: DMA_ATTR_SKIP_CPU_SYNC, and pools in their pages. A
    # frame that is sent on from the page it came in lies in the page's receive mapping: debug.c,
    # too, lets a new TO_DEVICE mapping be.
    applies=_maps & succeeded & (record.direction != Direction.TO_DEVICE),
    violation=mapping.overlap >= 0,
    message="map of {length} bytes at {address:#x} as {direction} overlaps the live mapping of"
    " {overlap}",
    role="map",
    roles={"mapped": mapping.overlap},
    source="Linux kernel/dma/debug.c, add_dma_entry() and active_cacheline_insert()",
    example="a buffer is given to the receive ring twice",
)
# x86-64: below lies user space, and of the kernel's half only modules (their text, and data that
# vmalloc backs) have a place of their own; stacks and vmalloc share theirs with all memory.
_USER_END = 1 << 47
_MODULES, _MODULES_END = 0xFFFFFFFFC0000000, 0xFFFFFFFFFF000000
_in_module = record.cpu_address.is_between(_MODULES, _MODULES_END)
DMA018 = rule(
    "DMA018",
    "mapping of memory that must not be mapped: of a module's image, or an invalid address",
    needs={Sight.MAP},
    applies=_maps & (record.flavour != Flavour.RESOURCE) & (record.cpu_address != 0),
    violation=_in_module | (record.cpu_address < _USER_END),
    cases=[
        Case(
            _in_module,
            "map of {length} bytes at CPU address {cpu_address:#x}, which lies in a module's image",
        )
    ],
    message="map of {length} bytes at {cpu_address:#x}, which is no address of the kernel's memory",
    role="map",
    source="Linux kernel/dma/debug.c, check_for_illegal_area(); arch/x86/x86_64/mm.rst",
    example="a command in a static variable of the driver is mapped",
)
_mask = mapping.dma_mask
DMA019 = rule(
    "DMA019",
    "DMA address above the mask in force when it was mapped",
    needs={Sight.MAP, Sight.LIFE},
    # Compared without adding, as a hostile length could wrap round.
    applies=_makes & (_mask != 0),
    violation=(record.address > _mask)
    | ((record.length > 0) & (record.length - 1 > _mask - record.address)),
    message="{kind_name} of {length} bytes at {address:#x}, above the DMA mask {dma_mask:#x}",
    role="map",
    roles={"mask set": mapping.dma_mask_since},
    source=f"{_HOWTO}, DMA addressing capabilities",
    example="an address above 4 GiB is mapped for a device that was told to have 32 bits",
)
DMA024 = rule(
    "DMA024",
    "sg segment larger than max_seg_size or across the segment boundary",
    needs={Sight.MAP},
    applies=_maps
    & succeeded
    & (record.flavour == Flavour.SG)
    & ((mapping.max_segment != 0) | (mapping.segment_limit != 0)),
    violation=((mapping.max_segment != 0) & (record.length > mapping.max_segment))
    | (
        (mapping.segment_limit != 0)
        & (record.length > 0)
        & (record.length - 1 > mapping.segment_limit - (record.address & mapping.segment_limit))
    ),
    cases=[
        Case(
            (mapping.max_segment != 0) & (record.length > mapping.max_segment),
            "segment {entry} at {address:#x} has {length} bytes, where the device takes"
            " {max_segment}",
        )
    ],
    message="segment {entry} of {length} bytes at {address:#x} crosses the segment boundary"
    " {segment_limit:#x}",
    role="map",
    source="Linux kernel/dma/debug.c, check_sg_segment()",
    example="dma_set_max_seg_size() of 64 KiB, and a segment of 128 KiB",
)
DMA025 = rule(
    "DMA025",
    "zero-length mapping",
    needs={Sight.MAP},
    applies=record.kind.is_in({Kind.MAP, Kind.ALLOC}) & is_return,
    # What failed as a whole has no segments that a record could tell of.
    violation=(record.length == 0) & ((record.flavour != Flavour.SG) | succeeded),
    message="{kind_name} of 0 bytes at {address:#x}",
    role="map",
    source="Windows Driver Verifier, DMA verification 0x21; Linux dma_map_page_attrs()",
    example="the linear part of a frame is empty and mapped all the same",
)
_held = mapping.live_mappings
DMA026_UNMAPS = rule(
    "DMA026",
    "live mappings grow without bound over repeated work",
    needs={Sight.MAP},
    severity=Severity.WARNING,
    violation=Window(
        counts=_is_unmap,
        measure=Measure.GROWTH,
        of=_held,
        span_ns=1,
        limit=GROWTH_CALLS,
        reset_by=is_unbound | probe_begins,
    ),
    message="{measured} unmaps on end, each of which left more mapped than the one before:"
    " {live_mappings} mappings are live, {first} was the first",
    role="unmap",
    source="Linux kernel/dma/debug.c, active_cacheline_inc_overlap(); dma-api.rst, Part III",
    example="each transmitted frame maps two fragments, and its completion unmaps one",
    variant="unmaps",
)
DMA026_SPANS = rule(
    "DMA026",
    "live mappings grow without bound over time",
    needs={Sight.MAP},
    severity=Severity.WARNING,
    violation=Window(
        counts=record.kind.is_in({Kind.MAP, Kind.UNMAP}) & (_held > GROWTH_FLOOR),
        measure=Measure.GROWTH,
        of=_held,
        span_ns=GROWTH_SPAN_NS,
        limit=GROWTH_SPANS,
        reset_by=is_unbound | probe_begins,
    ),
    message="the least number of live mappings has risen for {measured} spans on end, to"
    " {live_mappings}; {first} was the first",
    role="map",
    source="Linux kernel/dma/debug.c, active_cacheline_inc_overlap(); dma-api.rst, Part III",
    example="one received frame in a thousand is dropped without an unmap",
    variant="time",
)
DMA031 = rule(
    "DMA031",
    "mapping error not checked: the driver goes on with an address whose mapping failed",
    needs={Sight.MAP, Sight.MMIO},
    # All ones in 64 bits, as the same thread's first access after a mapping of its own failed.
    # To unmap or sync it is DMA013's.
    applies=(record.kind == Kind.MMIO_WRITE) & is_first_part,
    violation=(device.failed_map >= 0) & (record.width == 8) & (record.value == 2**64 - 1),
    message="write of DMA_MAPPING_ERROR to BAR {bar} + {offset:#x}: the mapping at {failed_map}"
    " had failed",
    role="write",
    roles={"failed": device.failed_map},
    source="Linux kernel/dma/debug.c, check_unmap(); dma-api-howto.rst, Handling Errors",
    example="dma_map_single() fails, and its result goes into the ring's base register",
)

RULES = (
    *(DMA011, DMA017, DMA018, DMA019, DMA024, DMA025),
    *(DMA026_UNMAPS, DMA026_SPANS, DMA031),
)
