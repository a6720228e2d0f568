# SPDX-License-Identifier: Apache-2.0
"""Slices of one track are nested, whatever the clocks say."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from uvtrace.perfetto.lanes import Lanes, Nest

STEPS = st.lists(
    st.tuples(st.sampled_from(["begin", "end", "add"]), st.integers(0, 50), st.integers(0, 120)),
    max_size=40,
)


@settings(deadline=None)
@given(STEPS)
def test_slices_never_overlap_without_one_being_within_the_other(
    steps: list[tuple[str, int, int]],
) -> None:
    nest, now, open_ = Nest(), 1_000, 0
    events: list[tuple[int, int, str]] = []
    for what, wait, duration in steps:
        now += wait - 5
        if what == "begin":
            events.append((nest.begin(now), len(events), "begin"))
            open_ += 1
        elif what == "end" and open_:
            events.append((nest.end(now), len(events), "end"))
            open_ -= 1
        elif what == "add":
            begins, ends = nest.add(now - duration, now)
            events += [(begins, len(events), f"add {len(events)}")]
            events += [(ends, len(events), f"end of add {len(events) - 1}")]
    stack: list[str] = []
    for _, _, what in sorted(events):
        if not what.startswith("end"):
            stack.append(what)
            continue
        opened = stack.pop()
        assert (opened == "begin") == (what == "end")
        assert opened == "begin" or what == f"end of {opened}"
    assert len(stack) == open_ == nest.depth


def test_a_lane_that_is_free_is_taken_again() -> None:
    lanes = Lanes()
    assert [lanes.take(key) for key in "abc"] == [0, 1, 2]
    assert lanes.give("b") == 1
    assert lanes.take("d") == 1
    assert lanes.give("unknown") is None
    assert lanes.left() == {"a": 0, "c": 2, "d": 1}
