# SPDX-License-Identifier: Apache-2.0
"""Where the values of columns lie in memory."""

from __future__ import annotations

import numpy as np

from uvtrace.check.native.access import offset_in_row
from uvtrace.loops.heads import address_of

PAIR = np.dtype([("small", np.int8), ("large", np.int64)], align=True)


def test_a_field_lies_in_its_structure_wherever_the_structures_begin() -> None:
    pairs = np.zeros(10, PAIR)
    assert offset_in_row(pairs["small"]) == 0
    assert offset_in_row(pairs["large"]) == 8
    assert offset_in_row(pairs[3:7]["large"]) == 8


def test_a_column_lies_in_its_row_and_what_is_contiguous_at_its_beginning() -> None:
    table = np.zeros((5, 3), np.int64)
    assert offset_in_row(table[1:, 2]) == 16
    assert offset_in_row(table[1]) == 0
    assert offset_in_row(np.arange(9)[2:]) == 0


def test_an_address_is_that_of_the_first_element() -> None:
    pairs = np.zeros(10, PAIR)
    assert address_of(pairs["large"]) == address_of(pairs) + 8
    assert address_of(pairs[2:]) == address_of(pairs) + 2 * PAIR.itemsize
