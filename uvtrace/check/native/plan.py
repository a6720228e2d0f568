# SPDX-License-Identifier: Apache-2.0
"""In which order rules are tested: what many of them ask is asked once, and first."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Final, NamedTuple

from uvtrace.check.flat import Flat

_SWITCH_FROM: Final = 3
"""As many values of one number are told apart at once."""


class What(Enum):
    """What an output is told."""

    COUNT = "how many events it is true of"
    EVENT = "the events that it is true of, with numbers of them"
    VIOLATION = "the events that it is true of, and how many it may be true of"


class Asked(NamedTuple):
    """A number that is told of an event.

    Attributes:
        place: where it is told, among the numbers of whoever asks.
        nodes: the number's node; of a key the nodes of its parts.
        is_key: it is a key of the function and the nodes.
        every: functions that there are not have keys of their own.
    """

    place: int
    nodes: tuple[int, ...]
    is_key: bool
    every: bool


class Output(NamedTuple):
    """A conjunction, and what is asked of it.

    Attributes:
        what: is asked.
        number: of the counter among those of the kind, of the rule, or of the follower.
        whole: it is counted for the whole trace, not by function.
        decided: its conjuncts that are never unknown.
        unsure: its other conjuncts.
        applies: those of ``unsure`` by which events are judged at all.
        bit: by which the follower is told that it was this one.
        numbers: what the follower is told besides.
    """

    what: What
    number: int
    whole: bool
    decided: frozenset[int]
    unsure: frozenset[int]
    applies: frozenset[int] = frozenset()
    bit: int = 0
    numbers: tuple[Asked, ...] = ()


class Test(NamedTuple):
    """A truth that is never unknown, and what follows where it is true, and where it is not."""

    of: int
    then: tuple[Step, ...]
    otherwise: tuple[Step, ...]


class Switch(NamedTuple):
    """A number that is always known, and what follows for some of its values."""

    of: int
    cases: dict[int, tuple[Step, ...]]


Step = Test | Switch | Output


class _Open(NamedTuple):
    """An output, and what is still to be tested of it."""

    output: Output
    left: frozenset[int]


def planned(flat: Flat, outputs: Iterable[Output]) -> tuple[Step, ...]:
    """The steps that serve all outputs, one after the other."""
    return tuple(_Planner(flat).steps([_Open(output, output.decided) for output in outputs]))


class _Planner:
    def __init__(self, flat: Flat) -> None:
        self._flat = flat
        self._negated: dict[int, int] = {}

    def steps(self, open_: Sequence[_Open]) -> list[Step]:
        """The steps that serve some outputs."""
        done: list[Step] = [each.output for each in open_ if not each.left]
        rest = [each for each in open_ if each.left]
        while rest:
            step, rest = self._next(rest)
            done.append(step)
        return done

    def _next(self, open_: list[_Open]) -> tuple[Step, list[_Open]]:
        of, value = self._best(open_)
        return self._switch(open_, value) if of is None else self._test(open_, of)

    def _best(self, open_: list[_Open]) -> tuple[int | None, int]:
        """The truth that most outputs ask for; or None, and a number whose value they ask for."""
        asked = Counter(number for each in open_ for number in each.left)
        for number in list(asked):
            asked[number] += asked.get(self._negation(number), 0)
        best = min(asked, key=lambda number: (-asked[number], self._weight(number), number))
        values: dict[int, set[int]] = defaultdict(set)
        askers: Counter[int] = Counter()
        for each in open_:
            for of, literal in self._equalities(each).items():
                values[of].add(literal)
                askers[of] += 1
        several = [of for of in values if len(values[of]) >= _SWITCH_FROM]
        most = max(several, key=lambda of: (askers[of], -of), default=None)
        if most is not None and askers[most] > asked[best]:
            return None, most
        return best, 0

    def _weight(self, number: int) -> int:
        return self._flat.nodes[number].weight

    def _negation(self, number: int) -> int:
        if number not in self._negated:
            self._negated[number] = self._flat.negated(number)
        return self._negated[number]

    def _equalities(self, one: _Open) -> dict[int, int]:
        """The literals that numbers are to be equal to."""
        found = {}
        for number in sorted(one.left):
            node = self._flat.nodes[number]
            if node.op == "compare" and node.facts[0] == "==":
                left, right = node.inputs
                if self._flat.nodes[right].op == "literal":
                    found[left] = number
        return found

    def _test(self, open_: list[_Open], of: int) -> tuple[Step, list[_Open]]:
        opposite = self._negation(of)
        then = [_Open(each.output, each.left - {of}) for each in open_ if of in each.left]
        otherwise = [
            _Open(each.output, each.left - {opposite}) for each in open_ if opposite in each.left
        ]
        rest = [each for each in open_ if of not in each.left and opposite not in each.left]
        return Test(of, tuple(self.steps(then)), tuple(self.steps(otherwise))), rest

    def _switch(self, open_: list[_Open], of: int) -> tuple[Step, list[_Open]]:
        cases: dict[int, list[_Open]] = defaultdict(list)
        rest = []
        for each in open_:
            test = self._equalities(each).get(of)
            if test is None:
                rest.append(each)
                continue
            value = self._flat.nodes[self._flat.nodes[test].inputs[1]].facts[0]
            cases[value].append(_Open(each.output, each.left - {test}))
        return Switch(of, {value: tuple(self.steps(own)) for value, own in cases.items()}), rest
