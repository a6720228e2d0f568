# SPDX-License-Identifier: Apache-2.0
"""Columns of what the register map says of the bits that an access carries.

Bit 0 is the access's own first bit, also where it begins inside a register. Where the map knows no
register, or there is none (``register`` tells), no bit is set.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from uvtrace.check.expression import Column, NumberColumn, TruthColumn


def _bits(name: str, meaning: str) -> NumberColumn:
    return NumberColumn(name, np.uint64, meaning)


readable_bits = _bits("readable_bits", "the bits that can be read")
writable_bits = _bits("writable_bits", "the bits that can be written")
plain_bits = _bits("plain_bits", "the bits that keep what is written")
volatile_bits = _bits("volatile_bits", "the bits that hardware may change")
read_clears_bits = _bits("read_clears_bits", "the bits that a read clears")
write_clears_bits = _bits("write_clears_bits", "the bits that writing 1 clears")
write_once_bits = _bits("write_once_bits", "the bits of which only the first write counts")
required_bits = _bits("required_bits", "the bits that must be written with a certain value")
required_value = _bits("required_value", "that value")
reset_bits = _bits("reset_bits", "the bits whose value after reset is fixed and known")
reset_value = _bits("reset_value", "that value")
can_be_all_ones = TruthColumn("can_be_all_ones", np.int8, "the register can read as all ones")
is_mask_register = TruthColumn(
    "is_mask_register", np.int8, "all ones is the customary value to mask or clear everything"
)
is_whole_register = TruthColumn(
    "is_whole_register", np.int8, "the access is to exactly one whole register"
)

COLUMNS: Final[tuple[Column, ...]] = tuple(
    term for term in globals().copy().values() if isinstance(term, Column)
)
