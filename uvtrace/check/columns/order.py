# SPDX-License-Identifier: Apache-2.0
"""Columns of the trace's own order: gaps, loss, clocks."""

from __future__ import annotations

from typing import Final

import numpy as np

from uvtrace.check.expression import Column, NumberColumn

missing_before = NumberColumn(
    "missing_before", np.int64, "records that are missing before this one; negative: it is repeated"
)
lost_here = NumberColumn("lost_here", np.int64, "the lost records that this one stands for")
time_back_ns = NumberColumn(
    "time_back_ns", np.int64, "how far its CPU's clock ran back before it", "ns"
)
file_damaged = NumberColumn("file_damaged", np.int8, "the file ends early (at the end only)")

COLUMNS: Final[tuple[Column, ...]] = tuple(
    term for term in globals().copy().values() if isinstance(term, Column)
)
