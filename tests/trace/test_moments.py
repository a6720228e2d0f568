# SPDX-License-Identifier: Apache-2.0
"""Records by number, and the first event's time."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.story import Story
from uvtrace.trace.moments import rows_of, start_ns
from uvtrace.trace.trace import Trace


def _numbered(numbers: list[int]) -> Trace:
    story = Story()
    for number in numbers:
        story.mmio_read(0, seq=number)
    # Without the records that name the sites.
    return story.trace()[: len(numbers)]


@settings(deadline=None)
@given(st.lists(st.integers(1, 60), unique=True, max_size=30), st.sets(st.integers(1, 70)))
def test_rows_are_found_in_any_order_with_gaps(numbers: list[int], wanted: set[int]) -> None:
    there = wanted & set(numbers)
    assert rows_of(_numbered(numbers), wanted) == {n: numbers.index(n) for n in there}


def test_a_number_that_no_record_has_is_left_out() -> None:
    assert rows_of(_numbered([5, 7, 9]), {-1, 4, 6, 7, 10**12, 1 << 70}) == {7: 1}


def test_the_start_is_the_first_events_not_a_snapshots() -> None:
    assert start_ns(Story(start_ns=77).mmio_read(0).mmio_read(0).trace()) == 77
    assert start_ns(Story().trace()) == 0
