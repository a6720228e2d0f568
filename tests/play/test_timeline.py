# SPDX-License-Identifier: Apache-2.0
"""A live driver is followed through a recording by what it writes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from uvtrace.play.declaration import Place
from uvtrace.play.timeline import PATIENCE, Access, Found, Timeline

A, B, C = (0, 0x0), (0, 0x8), (0, 0x10)


def recording(*accesses: tuple[str, Place, int]) -> Timeline:
    """Accesses as ``("w", A, 1)`` and ``("r", B, 0)``."""
    return Timeline(
        Access(position, place, what == "w", value)
        for position, (what, place, value) in enumerate(accesses)
    )


def test_a_read_gives_what_was_read_at_that_point() -> None:
    timeline = recording(("r", B, 1), ("w", A, 7), ("r", B, 2))
    assert timeline.read(B) == 1
    assert timeline.write(A, 7) is Found.SAME
    assert timeline.read(B) == 2


def test_a_driver_that_polls_longer_reads_the_last_value_again() -> None:
    timeline = recording(("r", B, 0), ("r", B, 1), ("w", A, 7), ("r", B, 9))
    assert [timeline.read(B) for _ in range(5)] == [0, 1, 1, 1, 1]


def test_a_driver_that_polls_less_misses_nothing_of_what_comes_then() -> None:
    timeline = recording(*[("r", B, 0)] * 5, ("w", A, 7), ("r", B, 9))
    assert timeline.read(B) == 0
    timeline.write(A, 7)
    assert timeline.read(B) == 9


def test_a_read_before_any_that_was_recorded_gives_the_first() -> None:
    timeline = recording(("w", A, 7), ("r", B, 9))
    assert timeline.read(B) == 9


def test_one_who_waits_for_something_that_no_write_brings_about_gets_it_in_the_end() -> None:
    # In the recording a timer wrote A before the link came up; here the timer has not run off.
    timeline = recording(("r", B, 0), ("w", A, 7), ("r", B, 1))
    polls = [timeline.read(B) for _ in range(PATIENCE + 2)]
    assert polls[-1] == 1
    assert polls[:PATIENCE] == [0] * PATIENCE


def test_independent_writes_may_change_places() -> None:
    timeline = recording(("w", A, 1), ("w", B, 2), ("r", C, 5))
    assert timeline.write(B, 2) is Found.SAME
    assert timeline.write(A, 1) is Found.SAME
    assert timeline.skipped == []
    assert timeline.limit is None


def test_a_write_that_was_left_out_is_known() -> None:
    timeline = recording(("w", A, 1), ("w", B, 2), ("w", C, 3))
    timeline.write(A, 1)
    timeline.write(C, 3)
    assert [(access.place, access.value) for access in timeline.skipped] == [(B, 2)]


def test_another_value_is_told_and_followed_all_the_same() -> None:
    timeline = recording(("w", A, 1), ("r", B, 9))
    assert timeline.write(A, 2) is Found.OTHER_VALUE
    assert timeline.read(B) == 9


def test_a_register_that_was_never_written_is_nowhere() -> None:
    timeline = recording(("w", A, 1))
    assert timeline.write(C, 1) is Found.NOWHERE
    expected = timeline.expected()
    assert expected is not None
    assert expected.place == A


def test_what_a_timer_does_once_more_is_answered_as_before() -> None:
    # Two PHY registers are read through one register of the device.
    timeline = recording(("w", A, 1), ("r", A, 11), ("w", A, 2), ("r", A, 22))
    for value, answer in ((1, 11), (2, 22)):
        timeline.write(A, value)
        assert timeline.read(A) == answer
    for value, answer in ((1, 11), (2, 22), (2, 22), (1, 11)):
        assert timeline.write(A, value) is Found.AGAIN
        assert timeline.read(A) == answer


def test_a_register_that_gives_back_what_was_written_does_so_for_the_live_driver() -> None:
    timeline = recording(("w", A, 1), ("r", A, 1), ("w", A, 2), ("r", A, 2))
    timeline.write(A, 77)
    assert timeline.read(A) == 77
    timeline.forget()
    assert timeline.read(A) in (1, 2)


def test_a_register_that_was_never_read_is_not_known() -> None:
    assert recording(("w", A, 1)).read(C) is None


PLACES = st.sampled_from([A, B, C])
ACCESSES = st.lists(st.tuples(st.sampled_from("wr"), PLACES, st.integers(0, 3)), max_size=60)


@given(ACCESSES)
def test_the_driver_of_the_recording_itself_never_leaves_it(
    accesses: list[tuple[str, Place, int]],
) -> None:
    timeline = recording(*accesses)
    for what, place, value in accesses:
        if what == "w":
            assert timeline.write(place, value) in (Found.SAME, Found.AGAIN)
        else:
            assert timeline.read(place) is not None
    assert timeline.skipped == []


@given(ACCESSES)
def test_the_driver_of_the_recording_itself_reads_what_it_read(
    accesses: list[tuple[str, Place, int]],
) -> None:
    # Written values are made different, so that each write is found where it was.
    distinct = [(what, place, number) for number, (what, place, _) in enumerate(accesses)]
    timeline = recording(*distinct)
    for what, place, value in distinct:
        if what == "w":
            timeline.write(place, value)
        else:
            assert timeline.read(place) == value
