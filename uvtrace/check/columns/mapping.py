# SPDX-License-Identifier: Apache-2.0
"""Columns of the DMA mapping that an unmap, a sync or a device's access concerns.

Of an unmap or free it is the live mapping at that address which fits best, as in
kernel/dma/debug.c; of a sync or a device's access, a live mapping that holds the first byte.
Where none is live, it is the one there that went last.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np

from uvtrace.check.expression import Column, EventColumn, NumberColumn, TruthColumn
from uvtrace.trace import enums


class MappingState(IntEnum):
    """What is known of the mapping at an address."""

    UNKNOWN = -1
    """Mappings may have been made unseen."""
    NEVER = 0
    """There was none, as far back as the bounded history goes."""
    LIVE = 1
    GONE = 2


class Family(IntEnum):
    """Mappings that may share an address without being the same thing."""

    STREAMING = 0
    COHERENT = 1
    POOL = 2


class Owner(IntEnum):
    """Who may touch a streaming mapping."""

    DEVICE = 0
    CPU = 1


ALL_ONES: Final = 2**64 - 1
"""Of a mapping that is not known, as of other numbers all bits of their size."""

mapping_state = NumberColumn(
    "mapping_state", np.int8, "the state of the mapping", values=MappingState, unknown=-1
)
mapping_made = EventColumn("mapping_made", np.int64, "the call that made the mapping")
mapping_gone = EventColumn("mapping_gone", np.int64, "the call that removed the mapping")
mapping_id = NumberColumn("mapping_id", np.int64, "the mapping's serial number; 0 none")
mapping_address = NumberColumn(
    "mapping_address", np.uint64, "the mapping's first address", unknown=ALL_ONES
)
mapping_length = NumberColumn(
    "mapping_length", np.uint64, "the mapping's length", "bytes", unknown=ALL_ONES
)
mapping_room = NumberColumn(
    "mapping_room",
    np.uint64,
    "bytes from the address to the mapping's end",
    "bytes",
    unknown=ALL_ONES,
)
mapping_direction = NumberColumn(
    "mapping_direction",
    np.uint8,
    "the mapping's direction",
    values=enums.Direction,
    unknown=0xFF,
)
mapping_flavour = NumberColumn(
    "mapping_flavour",
    np.uint8,
    "the calls that made the mapping",
    values=enums.Flavour,
    unknown=0xFF,
)
mapping_family = NumberColumn(
    "mapping_family", np.uint8, "the mapping's family", values=Family, unknown=0xFF
)
mapping_nents = NumberColumn(
    "mapping_nents", np.uint32, "the entry count it was mapped with", unknown=0xFFFFFFFF
)
mapping_entries = NumberColumn(
    "mapping_entries", np.uint32, "segments in its DMA list", unknown=0xFFFFFFFF
)
mapping_attrs = NumberColumn(
    "mapping_attrs", np.uint32, "the attributes it was mapped with", unknown=0xFFFFFFFF
)
mapping_cpu_address = NumberColumn(
    "mapping_cpu_address",
    np.uint64,
    "the kernel's address of the mapped memory",
    unknown=ALL_ONES,
)
mapping_owner = NumberColumn(
    "mapping_owner",
    np.uint8,
    "who owns the mapping after its last sync",
    values=Owner,
    unknown=0xFF,
)
mapping_synced = EventColumn("mapping_synced", np.int64, "the mapping's last sync")
mapped_elsewhere = TruthColumn(
    "mapped_elsewhere",
    np.int8,
    "the address is mapped by another family of calls",
    unknown=-1,
)
mapping_other = EventColumn("mapping_other", np.int64, "the mapping by another family of calls")
mapping_other_flavour = NumberColumn(
    "mapping_other_flavour", np.uint8, "the other family's calls", values=enums.Flavour
)
overlap = EventColumn(
    "overlap", np.int64, "a live mapping that a new one overlaps, one of them device-writable"
)
dma_mask = NumberColumn("dma_mask", np.uint64, "the DMA mask in force for the call; 0 not seen")
dma_mask_since = EventColumn("dma_mask_since", np.int64, "what set the DMA mask")
max_segment = NumberColumn(
    "max_segment", np.uint64, "the maximum segment size in force; 0 not seen", "bytes"
)
segment_limit = NumberColumn(
    "segment_limit", np.uint64, "the segment boundary in force; 0 not seen"
)
live_mappings = NumberColumn(
    "live_mappings", np.int32, "the function's live streaming mappings after this call"
)
mappings_complete = TruthColumn(
    "mappings_complete",
    np.int8,
    "every mapping of the function was seen to be made",
    unknown=-1,
)

COLUMNS: Final[tuple[Column, ...]] = tuple(
    term for term in globals().copy().values() if isinstance(term, Column)
)
