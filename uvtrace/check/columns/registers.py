# SPDX-License-Identifier: Apache-2.0
"""Columns of the register that an MMIO or port access meets.

``register`` and what it says of bits need a register map; the values last seen do not: they are
kept for the (bounded number of) places that were accessed.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from uvtrace.check.expression import Column, EventColumn, NumberColumn, TruthColumn

register = NumberColumn(
    "register",
    np.int32,
    "the register's element in the map; -1 none, -2 the map does not tell",
    unknown=-2,
)
register_offset = NumberColumn(
    "register_offset", np.uint64, "the offset of the access in its register", "bytes"
)
last_written = EventColumn("last_written", np.int64, "the last write to this place")
last_written_value = NumberColumn("last_written_value", np.uint64, "what it wrote")
last_read = EventColumn("last_read", np.int64, "the last read of this place")
last_read_value = NumberColumn("last_read_value", np.uint64, "what it gave")
observed_bits = NumberColumn(
    "observed_bits", np.uint64, "the bits that reads since the last write or reset saw set"
)
same_reads = NumberColumn(
    "same_reads",
    np.int32,
    "reads of this place in a row with this value, by this function, nothing else between",
)
same_since = EventColumn("same_since", np.int64, "the first of them")
pending_bits = NumberColumn(
    "pending_bits",
    np.uint64,
    "the bits that a snapshot of registers showed set, and no read since has seen",
)
read_in_handler = TruthColumn(
    "read_in_handler", np.int8, "a hard interrupt handler has read this place before"
)
reset_seen = EventColumn(
    "reset_seen",
    np.int64,
    "the reset that the registers were last in; none where only part of it was seen",
)
writes_since_reset = NumberColumn(
    "writes_since_reset", np.int32, "writes to this place since the function's last reset"
)
reads_since_reset = NumberColumn(
    "reads_since_reset", np.int32, "reads of this place since the function's last reset"
)

COLUMNS: Final[tuple[Column, ...]] = tuple(
    term for term in globals().copy().values() if isinstance(term, Column)
)
