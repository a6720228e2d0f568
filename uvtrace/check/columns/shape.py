# SPDX-License-Identifier: Apache-2.0
"""Columns of what the register map says of an access's width and of registers' halves."""

from __future__ import annotations

from typing import Final

import numpy as np

from uvtrace.check.expression import Column, EventColumn, NumberColumn, TruthColumn
from uvtrace.registers.map import HalfOrder

allowed_widths = NumberColumn(
    "allowed_widths",
    np.uint8,
    "the widths that the register may be accessed with, 1, 2, 4 and 8 added up; 0 none is known",
    "bytes",
)
leaves_register = TruthColumn(
    "leaves_register", np.int8, "the access ends behind the register that it begins in"
)
half = NumberColumn(
    "half", np.int8, "the half of a 64-bit register that is accessed: 1 low, 2 high, 0 no half"
)
half_order = NumberColumn(
    "half_order", np.uint8, "the order in which its halves must be accessed", values=HalfOrder
)
half_before = EventColumn(
    "half_before",
    np.int64,
    "the access of the other half, in the same direction, that this one completes",
)

COLUMNS: Final[tuple[Column, ...]] = tuple(
    term for term in globals().copy().values() if isinstance(term, Column)
)
