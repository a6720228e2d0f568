# SPDX-License-Identifier: Apache-2.0
"""Runs a replay, and comes back to what the recording left open where that explains a difference.

A recording does not show when a frame came in or a timer ran off, only what came of it. Where the
two differ, other choices are tried from the last copy of the replay, newest choice first; a choice
that lets both agree again is kept. What no choice explains is a divergence.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from uvtrace.replay.copies import Copier
from uvtrace.replay.course import Course
from uvtrace.replay.engine import Choice, Engine, Key, Mismatch
from uvtrace.replay.target import Target

_COPY_EVERY: Final = 128
"""Steps between copies."""
_COPIES_KEPT: Final = 6
_RECENT: Final = 160
"""Choices at most so many steps back are tried otherwise."""
_CHOICES_MAX: Final = 12
_TRIALS_MAX: Final = 80
_STEPS_MAX: Final = 10_000
"""Steps that are replayed again, at most, to explain one difference."""
_FAR_ENOUGH: Final = 12
"""A choice explains a difference if both agree for so many steps behind it."""
_DEPTH: Final = 2
_BRANCHES: Final = 4
_HOPELESS: Final = 2
"""After so many searches in vain, differences of that kind are taken as they are."""


@dataclass(frozen=True)
class Copy:
    """A replay at some step; ``state`` None: at its beginning."""

    at: int
    state: bytes | None
    choices: int


@dataclass(frozen=True)
class _Found:
    """A replay that goes on agreeing, its decisions, and the first choice that is another."""

    engine: Engine
    decisions: dict[Key, int]
    since: int


class _Budget:
    """What may be spent on explaining one difference."""

    def __init__(self) -> None:
        self._trials, self._steps = _TRIALS_MAX, _STEPS_MAX

    def spend(self, steps: int) -> None:
        self._trials -= 1
        self._steps -= steps

    @property
    def is_spent(self) -> bool:
        return self._trials <= 0 or self._steps <= 0


class Runner:
    """Replays one course.

    Args:
        course: what to replay.
        begin: makes the target, as at power-on.
        can_copy: False: the target cannot be begun anew again and again: no choices are tried.

    Attributes:
        at: the step that is being done.
        explained: differences for which another choice was found.
    """

    def __init__(self, course: Course, begin: Callable[[], Target], can_copy: bool = True) -> None:
        self._course = course
        self._begin = begin
        self._can_copy = can_copy
        self._copier = Copier(course, course.script)
        self._copies: list[Copy] = [Copy(0, None, 0)]
        self._accepted: dict[int, list[Mismatch]] = {}
        self._in_vain: Counter[tuple[object, ...]] = Counter()
        self._decisions: dict[Key, int] = {}
        self.explained = 0
        self.at = 0

    def run(self) -> Iterator[tuple[Engine, Mismatch | None]]:
        """Go through the script: yields each divergence, and now and then nothing, for progress.

        The engine that is yielded last is the finished one.
        """
        engine = Engine(self._course, self._begin())
        copied = 0
        try:
            while not engine.finished:
                if engine.at - copied >= _COPY_EVERY and engine.settled:
                    copied = engine.at
                    self._keep(engine)
                    yield engine, None
                self.at = engine.at
                try:
                    engine.step()
                except Mismatch as mismatch:
                    better = self._explain(engine, mismatch)
                    if better is not None:
                        engine, copied = better, 0
                        continue
                    yield engine, mismatch
                    self._accepted.setdefault(engine.at, []).append(mismatch)
                    engine.go_on(mismatch)
            yield engine, None
        finally:
            engine.target.close()

    # ------------------------------------------------------------- copies

    def _keep(self, engine: Engine) -> None:
        if not self._can_copy or engine.chosen == self._copies[-1].choices:
            return  # there is nothing new that could be chosen otherwise
        state = self._copier.copy(engine)
        if state is None:
            return
        self._copies.append(Copy(engine.at, state, engine.chosen))
        del self._copies[1:-_COPIES_KEPT]

    def _restored(self, copy: Copy, decisions: dict[Key, int]) -> Engine:
        if copy.state is None:
            engine = Engine(self._course, self._begin())
        else:
            engine = self._copier.restore(copy.state)
        engine.decisions = decisions
        return engine

    # ------------------------------------------------------------- search

    def _explain(self, engine: Engine, mismatch: Mismatch) -> Engine | None:
        """The replay with a choice by which there is no such difference; None: there is none."""
        signature = mismatch.signature()
        if not self._can_copy or self._in_vain[signature] >= _HOPELESS:
            return None
        if engine.is_constant(mismatch):
            return None
        budget = _Budget()
        found = self._search(engine, mismatch, self._decisions, _DEPTH, budget)
        if found is None:
            self._in_vain[signature] += 1
            return None
        self._in_vain[signature] = 0
        self.explained += 1
        engine.target.close()
        self._decisions = found.decisions
        # Later copies are of the course that was chosen before.
        self._copies = [copy for copy in self._copies if copy.choices <= found.since]
        return found.engine

    def _search(
        self,
        engine: Engine,
        mismatch: Mismatch,
        decisions: dict[Key, int],
        depth: int,
        budget: _Budget,
        since: int = sys.maxsize,
    ) -> _Found | None:
        """Try other choices; copies made behind choice ``since`` are of another course."""
        further: list[tuple[_Found, Mismatch]] = []
        for changed in self._alternatives(engine, mismatch):
            if budget.is_spent:
                break
            tried = {**decisions, **{choice.key: option for choice, option in changed}}
            first = min(choice.index for choice, _ in changed)
            copy = self._copy_before(min(first, since))
            budget.spend(mismatch.number - copy.at)
            trial, failed = self._try(copy, tried, mismatch.number)
            found = _Found(trial, tried, min(first, since))
            if failed is None:
                return found
            if failed.number > mismatch.number:
                further.append((found, failed))
            else:
                trial.target.close()
        if depth > 1:
            for found, failed in sorted(further, key=lambda each: -each[1].number)[:_BRANCHES]:
                deeper = self._search(
                    found.engine, failed, found.decisions, depth - 1, budget, found.since
                )
                if deeper is not None:
                    return deeper
        return None

    def _alternatives(
        self, engine: Engine, mismatch: Mismatch
    ) -> Iterator[tuple[tuple[Choice, int], ...]]:
        recent = [
            choice
            for choice in list(engine.choices)[-_CHOICES_MAX:]
            if choice.number >= mismatch.number - _RECENT
        ][::-1]
        single = [
            (choice, option)
            for choice in recent
            for option in choice.options
            if option != choice.chosen
        ]
        yield from ((each,) for each in single)
        for one, other in combinations(single[:8], 2):
            if one[0] is not other[0]:
                yield (one, other)

    def _copy_before(self, choice: int) -> Copy:
        return next(each for each in reversed(self._copies) if each.choices <= choice)

    def _try(
        self, copy: Copy, decisions: dict[Key, int], number: int
    ) -> tuple[Engine, Mismatch | None]:
        """Replay with other decisions until it is clear whether they explain it."""
        trial = self._restored(copy, decisions)
        until = number + _FAR_ENOUGH
        while trial.at <= until and not trial.finished:
            try:
                trial.step()
            except Mismatch as mismatch:
                known = self._accepted.get(trial.at, ())
                if trial.at < number and any(_same(mismatch, each) for each in known):
                    trial.go_on(mismatch)
                    continue
                return trial, mismatch
        return trial, None


def _same(one: Mismatch, other: Mismatch) -> bool:
    return one.difference == other.difference and str(one.got) == str(other.got)
