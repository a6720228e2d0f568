# SPDX-License-Identifier: Apache-2.0
"""Columns of where an MMIO or port access goes: the BAR's window and the iomap."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np

from uvtrace.check.expression import Column, EventColumn, NumberColumn, TruthColumn


class IomapState(IntEnum):
    """What is known of the mapping that an access goes through."""

    UNKNOWN = -1
    NEVER = 0
    LIVE = 1
    GONE = 2


bar_length = NumberColumn(
    "bar_length", np.uint64, "the length of the accessed BAR; 0 where it is not known", "bytes"
)
bar_is_memory = TruthColumn("bar_is_memory", np.int8, "the BAR decodes memory", unknown=-1)
bar_is_prefetchable = TruthColumn(
    "bar_is_prefetchable", np.int8, "the BAR is prefetchable", unknown=-1
)
iomap_state = NumberColumn(
    "iomap_state", np.int8, "the state of the iomap it goes through", values=IomapState, unknown=-1
)
is_stale = TruthColumn(
    "is_stale", np.int8, "the access went through a mapping after iounmap", unknown=-1
)
iomap_made = EventColumn("iomap_made", np.int64, "the iomap")
iomap_gone = EventColumn("iomap_gone", np.int64, "the iounmap")
region_held = TruthColumn("region_held", np.int8, "the BAR's region is requested", unknown=-1)
region_since = EventColumn("region_since", np.int64, "the request or release of the BAR's region")

COLUMNS: Final[tuple[Column, ...]] = tuple(
    term for term in globals().copy().values() if isinstance(term, Column)
)
