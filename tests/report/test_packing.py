# SPDX-License-Identifier: Apache-2.0
"""What is packed for a page comes out again, and what is alike is packed small."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from uvtrace.report.packing import pack, pack_steps, unpack
from uvtrace.report.words import grouped

WORDS = st.lists(st.integers(0, (1 << 64) - 1), max_size=40)
TIMES = st.lists(st.integers(-(1 << 61), 1 << 61), max_size=40)


@given(WORDS)
def test_numbers_come_out_as_they_went_in(numbers: list[int]) -> None:
    packed = pack(np.array(numbers, np.uint64))
    assert unpack(packed, len(numbers)).tolist() == numbers


@given(TIMES)
def test_steps_come_out_also_where_they_lead_back(numbers: list[int]) -> None:
    packed = pack_steps(np.array(numbers, np.int64))
    assert unpack(packed, len(numbers)).tolist() == numbers


def test_a_million_consecutive_numbers_take_a_thousandth() -> None:
    assert len(pack_steps(np.arange(1_000_000)).data) < 2000


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_rows_are_of_one_group_exactly_if_they_are_equal(rows: list[tuple[int, int]]) -> None:
    first, codes = grouped(*(np.array(column, np.uint64) for column in zip(*rows, strict=True)))
    for one, code in zip(rows, codes.tolist(), strict=True):
        assert rows[int(first[code])] == one
    assert len(first) == len(set(rows))
