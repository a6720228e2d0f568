# SPDX-License-Identifier: Apache-2.0
"""Few tests are enough, whatever is needed."""

from __future__ import annotations

from math import ceil, log2

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uvtrace.minimize.judge import Outcome
from uvtrace.minimize.reduce import Budget, Positions, Reduction, SpentError


def reduction(n: int, needed: set[int], budget: Budget | None = None) -> Reduction:
    def judge(kept: Positions, emptied: frozenset[int]) -> Outcome:
        holds = needed <= set(kept.tolist()) and needed.isdisjoint(emptied)
        return Outcome(holds, "" if holds else "something is missing", frozenset())

    return Reduction(judge, budget or Budget(10_000), np.arange(n))


@settings(deadline=None)
@given(st.integers(1, 300), st.data())
def test_exactly_what_is_needed_is_left_in_few_tests(n: int, data: st.DataObject) -> None:
    needed = data.draw(st.sets(st.integers(0, n - 1), max_size=6))
    made = reduction(n, needed)
    made.leave_out([(position,) for position in range(n)])
    assert set(made.kept.tolist()) == needed
    r = len(needed)
    assert made.tests <= 1 + 2 * r * (ceil(log2(n / max(r, 1))) + 2)


@settings(deadline=None)
@given(st.integers(1, 100), st.data())
def test_exactly_the_values_that_matter_are_left(n: int, data: st.DataObject) -> None:
    needed = data.draw(st.sets(st.integers(0, n - 1), max_size=4))
    made = reduction(n, needed)
    made.empty(range(n))
    assert set(range(n)) - made.emptied == needed
    assert len(made.kept) == n


def test_units_go_as_a_whole() -> None:
    made = reduction(6, {3})
    made.leave_out([(0, 1), (2, 3), (4, 5)])
    assert made.kept.tolist() == [2, 3]
    assert made.reasons == {2: "something is missing"} or made.reasons == {}


def test_what_was_judged_before_costs_no_test() -> None:
    made = reduction(4, {1})
    made.leave_out([(n,) for n in range(4)])
    tests = made.tests
    made.leave_out([(1,)])
    assert made.tests == tests


def test_a_budget_of_tests_is_kept_to() -> None:
    made = reduction(1000, {5, 500, 995}, Budget(tests=7))
    with pytest.raises(SpentError, match="7 tests"):
        made.leave_out([(n,) for n in range(1000)])
    assert made.tests == 7
    assert {5, 500, 995} <= set(made.kept.tolist())


def test_a_budget_of_time_is_kept_to() -> None:
    made = reduction(1000, {5}, Budget(seconds=0.0))
    with pytest.raises(SpentError, match="0 s"):
        made.leave_out([(n,) for n in range(1000)])
    assert made.tests == 1


def test_where_everything_is_needed_it_is_given_up() -> None:
    made = reduction(1000, set(range(1000)))
    made.leave_out([(n,) for n in range(1000)])
    assert made.given_up
    assert made.tests < 120
    assert len(made.kept) == 1000
