# SPDX-License-Identifier: Apache-2.0
"""In which order outputs are tested: each is reached where all that it asks for is true."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from uvtrace.check.expression import NumberColumn, Truth
from uvtrace.check.flat import Flat
from uvtrace.check.native import plan
from uvtrace.check.native.plan import Output, Step, Switch, What, planned

COLUMNS = [NumberColumn(name, np.int64, name) for name in "abc"]
ATOMS: list[Truth] = [
    *(column == value for column in COLUMNS for value in range(4)),
    *(column != 2 for column in COLUMNS),
    *(column > 1 for column in COLUMNS),
]
conjunctions = st.lists(st.sets(st.sampled_from(range(len(ATOMS))), max_size=3), max_size=12)


def outputs_of(flat: Flat, asked: Iterable[set[int]]) -> list[Output]:
    return [
        Output(
            What.EVENT, number, True, frozenset(flat.add(ATOMS[each]) for each in of), frozenset()
        )
        for number, of in enumerate(asked)
    ]


def value_of(flat: Flat, number: int, values: dict[str, int]) -> int:
    """What a node is for an event with some values."""
    node = flat.nodes[number]
    if node.op == "column":
        return values[node.facts[0]]
    if node.op == "literal":
        return int(node.facts[0])
    left, right = (value_of(flat, each, values) for each in node.inputs)
    return {
        "==": left == right,
        "!=": left != right,
        ">": left > right,
        "<=": left <= right,
    }[node.facts[0]]


def reached(flat: Flat, steps: Iterable[Step], values: dict[str, int]) -> list[int]:
    """The outputs that an event comes to."""
    found: list[int] = []
    for step in steps:
        if isinstance(step, Output):
            found.append(step.number)
        elif isinstance(step, plan.Test):
            chosen = step.then if value_of(flat, step.of, values) else step.otherwise
            found += reached(flat, chosen, values)
        else:
            found += reached(flat, step.cases.get(value_of(flat, step.of, values), ()), values)
    return found


@given(conjunctions, st.lists(st.integers(0, 4), min_size=3, max_size=3))
def test_an_output_is_reached_once_where_all_is_true_and_not_elsewhere(
    asked: list[set[int]], values: list[int]
) -> None:
    flat, of = Flat(3, {}, {}), dict(zip("abc", values, strict=True))
    steps = planned(flat, outputs_of(flat, asked))
    expected = [
        number
        for number, atoms in enumerate(asked)
        if all(value_of(flat, flat.add(ATOMS[each]), of) for each in atoms)
    ]
    assert sorted(reached(flat, steps, of)) == expected


def test_what_many_ask_is_asked_once() -> None:
    flat = Flat(3, {}, {})
    steps = planned(flat, outputs_of(flat, [{14, 0}, {14, 5}, {14, 6}, {14}]))
    assert len(steps) == 1
    (step,) = steps
    assert isinstance(step, plan.Test)
    assert step.of == flat.add(ATOMS[14])


def test_values_of_one_number_are_told_apart_at_once() -> None:
    flat = Flat(3, {}, {})
    (step,) = planned(flat, outputs_of(flat, [{0}, {1}, {2}, {3, 5}]))
    assert isinstance(step, Switch)
    assert sorted(step.cases) == [0, 1, 2, 3]
