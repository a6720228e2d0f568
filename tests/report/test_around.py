# SPDX-License-Identifier: Apache-2.0
"""What stands around a finding: neighbours, lives of memory, the driver's life."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.story import Story
from uvtrace.report.around import Place, Surroundings, _joined, _meets
from uvtrace.trace.trace import Trace

RANGES = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 6)), min_size=1, max_size=8)


def reused(times: int) -> Trace:
    """An address that is mapped and unmapped again and again."""
    story = Story().begin().probe()
    for _ in range(times):
        story.map(0x1000, 64).mmio_write(0x10, 1).unmap(0x1000, 64)
    return story.trace()


@given(RANGES, RANGES)
def test_ranges_meet_if_they_share_a_byte_or_begin_alike(
    some: list[tuple[int, int]], others: list[tuple[int, int]]
) -> None:
    low = np.array([begin for begin, _ in some], np.uint64)
    high = np.array([begin + length for begin, length in some], np.uint64)
    begins = np.array([begin for begin, _ in others], np.uint64)
    ends = np.array([begin + length for begin, length in others], np.uint64)
    met, _ = _meets(low, high, *_joined(begins, ends))
    for (begin, length), found in zip(some, met.tolist(), strict=True):
        shares = any(
            set(range(begin, begin + length)) & set(range(one, one + size)) for one, size in others
        )
        if shares:
            assert found
        elif length and all(size for _, size in others):
            assert not found


def test_of_an_address_that_is_used_again_only_the_life_in_question_is_taken() -> None:
    trace = reused(5)
    maps = np.flatnonzero(trace.column("kind") == 16)
    place = Place(int(maps[2]), {int(maps[2]): "here"}, 0)
    around = Surroundings(trace)
    rows = np.array([maps[2]])
    assert around.lives(place, rows, whole=False).tolist() == [maps[2], maps[2] + 2]
    assert len(around.lives(place, rows, whole=True)) == 10


def test_neighbours_are_of_the_same_function() -> None:
    story = Story("0000:00:03.0").mmio_write(0, 1)
    story.function("0000:00:04.0").mmio_write(0, 2).mmio_write(0, 3)
    trace = story.function("0000:00:03.0").mmio_write(0, 4).mmio_write(0, 5).trace()
    around = Surroundings(trace)
    assert around.neighbours(Place(3, {3: "here"}, 0), 1).tolist() == [0, 3, 4]
    assert around.neighbours(Place(3, {3: "here"}, -1), 1).tolist() == [2, 3, 4]


def test_the_setting_is_that_of_the_life_that_the_finding_is_in() -> None:
    story = Story().begin()
    for _ in range(3):
        story.probe().config_write(0x04, 0x6).config_read(0x04, 0x6).iomap()
        story.mmio_write(0, 1).remove().iounmap().unbound()
    trace = story.trace()
    here = int(np.flatnonzero(trace.column("kind") == 4)[1])
    place = Place(here, {here: "here"}, 0)
    around = Surroundings(trace)
    short = trace[around.setting(place, whole=False)]
    assert (short.column("kind") == 1).sum() == 1
    assert (short.column("kind") == 2).sum() == 2
    assert (short.column("kind") == 32).sum() == 1
    whole = trace[around.setting(place, whole=True)]
    assert (whole.column("kind") == 32).sum() == 3
