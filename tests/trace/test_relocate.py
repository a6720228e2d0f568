# SPDX-License-Identifier: Apache-2.0
"""Moving addresses keeps what relates them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from uvtrace.trace.relocate import AddressSpace

ADDRESS = st.one_of(st.integers(0, 1 << 20), st.integers(0, 1 << 33), st.integers(0, 2**64 - 1))
RANGES = st.lists(st.tuples(ADDRESS, st.integers(0, 1 << 18)), min_size=1, max_size=30)


def space_of(ranges: list[tuple[int, int]]) -> AddressSpace:
    space = AddressSpace()
    # In two batches, as a trace comes in chunks.
    for part in (ranges[::2], ranges[1::2]):
        starts = np.array([start for start, _ in part], np.uint64)
        space.add(starts, np.array([length for _, length in part], np.uint64))
    return space


def moved(space: AddressSpace, address: int) -> int:
    return int(space.move(np.array([address], np.uint64))[0])


@given(RANGES, st.integers(1, 2**63), st.integers(1, 1 << 18), st.data())
def test_containment_and_distance_within_a_range_are_kept(
    others: list[tuple[int, int]], start: int, length: int, data: st.DataObject
) -> None:
    space = space_of([*others, (start, length)])
    offset = data.draw(st.integers(0, length - 1))
    assert moved(space, start + offset) - moved(space, start) == offset


@given(RANGES)
def test_ranges_overlap_after_moving_if_and_only_if_they_did(
    ranges: list[tuple[int, int]],
) -> None:
    real = [(a, max(1, n)) for a, n in ranges if 0 < a < 2**64 - 2**19]
    space = space_of(ranges)
    now = [(moved(space, a), n) for a, n in real]
    for i, (a, n) in enumerate(real):
        for j, (b, m) in enumerate(real):
            before = a < b + m and b < a + n
            after = now[i][0] < now[j][0] + m and now[j][0] < now[i][0] + n
            assert before == after


@given(RANGES)
def test_the_offset_in_64_kib_is_kept(ranges: list[tuple[int, int]]) -> None:
    space = space_of(ranges)
    for address, _ in ranges:
        if address not in (0, 2**64 - 1):
            assert moved(space, address) % 0x10000 == address % 0x10000


@given(RANGES)
def test_nothing_and_a_failed_mapping_stay_what_they_are(ranges: list[tuple[int, int]]) -> None:
    space = space_of(ranges)
    assert moved(space, 0) == 0
    assert moved(space, 2**64 - 1) == 2**64 - 1


def test_a_range_stays_on_its_side_of_4_gib() -> None:
    space = space_of([(0x7F123000, 64), (0x1_2345_6000, 64)])
    assert moved(space, 0x7F123000) < 1 << 32 <= moved(space, 0x1_2345_6000)


def test_where_a_range_was_does_not_show() -> None:
    here, there = space_of([(0x7F120000, 64)]), space_of([(0x3AB50000, 64)])
    assert moved(here, 0x7F120000) == moved(there, 0x3AB50000)
