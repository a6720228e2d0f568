# SPDX-License-Identifier: Apache-2.0
"""DMA: mappings."""

from __future__ import annotations

from uvtrace.check.columns import mapping, record
from uvtrace.check.columns.mapping import MappingState
from uvtrace.check.obligation import AtEnd, Obligation
from uvtrace.check.rule import rule
from uvtrace.check.rules import Sight
from uvtrace.check.terms import (
    is_first_part,
    is_return,
    is_unbound,
    removes_mapping,
    succeeded,
)
from uvtrace.trace.enums import Kind

_DEBUG = "Linux kernel/dma/debug.c, check_unmap()"
_is_removal = removes_mapping & is_first_part
# Freeing nothing is legal: stock nvme does so at remove.
_frees_nothing = (record.address == 0) & (mapping.mapping_state != MappingState.LIVE)
_removes = _is_removal & ~_frees_nothing

DMA006 = rule(
    "DMA006",
    "unmap or free of an address that is not mapped",
    needs={Sight.MAP},
    applies=_removes,
    # Mapped by other calls is DMA009's.
    violation=(mapping.mapping_state != MappingState.LIVE) & ~mapping.mapped_elsewhere,
    message="{call} of {address:#x} ({length} bytes), which is not mapped",
    role="unmap",
    source=_DEBUG,
    example="unmap of 0x1000, where only 0x2000 was mapped",
)
DMA007 = rule(
    "DMA007",
    "unmap or free with another size than it was mapped with",
    needs={Sight.MAP},
    applies=_removes,
    # A pool knows the size of its blocks.
    violation=(mapping.mapping_state == MappingState.LIVE)
    & (record.length != mapping.mapping_length)
    & ~((record.kind == Kind.POOL_FREE) & (record.length == 0)),
    message="{call} of {length} bytes at {address:#x}, where {mapping_made} mapped"
    " {mapping_length}",
    role="unmap",
    roles={"mapped": mapping.mapping_made},
    source=_DEBUG,
    example="2048 bytes are mapped, 1522 are unmapped",
)
DMA010 = rule(
    "DMA010",
    "second unmap of the same mapping",
    needs={Sight.MAP},
    applies=_removes,
    violation=(mapping.mapping_state == MappingState.GONE)
    & (record.length == mapping.mapping_length)
    & ~mapping.mapped_elsewhere,
    message="second {call} of {address:#x} ({length} bytes), mapped at {mapping_made} and"
    " unmapped at {mapping_gone}",
    role="unmap",
    roles={"mapped": mapping.mapping_made, "unmapped": mapping.mapping_gone},
    supersedes={"DMA006"},
    source=_DEBUG,
    example="an error path unmaps what the completion handler has already unmapped",
)
DMA011 = rule(
    "DMA011",
    "mappings or coherent memory still held when the driver is unbound",
    needs={Sight.MAP, Sight.LIFE},
    applies=is_unbound & mapping.mappings_complete,
    # A pool's blocks go when it is destroyed; the pages behind it are coherent memory.
    violation=Obligation(
        opened_by=record.kind.is_in((Kind.MAP, Kind.ALLOC)) & is_return & succeeded,
        discharged_by=_is_removal & (mapping.mapping_state == MappingState.LIVE),
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

RULES = (DMA006, DMA007, DMA010, DMA011)
