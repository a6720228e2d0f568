# SPDX-License-Identifier: Apache-2.0
"""Leaving out what is not needed, with few tests.

Units (transactions, then what happens within them, then values) are left out all at once if that
does, else by halves: with ``r`` of ``n`` needed that takes about ``2 r log2(n / r)`` tests. Where
both halves together could not go and the first one could, the second is known to be needed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.minimize.judge import Outcome

Positions = NDArray[np.int64]
Unit = tuple[int, ...]

PATIENCE: Final = 48
"""Tests on end without success after which the rest of a phase is left as it is."""


@dataclass(frozen=True)
class Budget:
    """What minimising may cost.

    Attributes:
        tests: parts that are judged at most.
        seconds: after which no new test begins.
    """

    tests: int = 200
    seconds: float = 600.0


class SpentError(Exception):
    """The budget is spent."""


def counted(count: int, what: str) -> str:
    """``1 test``, ``2 tests``."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


@dataclass
class Reduction:
    """A part that proves the finding, and what it took to find it.

    Attributes:
        judge: judges positions, and those whose values are left out.
        budget: what it may cost.
        kept: the best part so far.
        emptied: those of its records whose values do not matter.
        tests: how many parts were judged.
        others: signatures of other findings that were met.
        reasons: what happens without a unit, by its first record.
        given_up: a phase was ended before everything in it was tried.
        progress: told the number of tests and of records after each test.
    """

    judge: Callable[[Positions, frozenset[int]], Outcome]
    budget: Budget
    kept: Positions
    progress: Callable[[int, int], None] | None = None
    emptied: frozenset[int] = frozenset()
    tests: int = 0
    others: set[str] = field(default_factory=set)
    reasons: dict[int, str] = field(default_factory=dict)
    given_up: bool = False
    begun: float = field(default_factory=time.monotonic)
    _known: dict[tuple[bytes, frozenset[int]], Outcome] = field(default_factory=dict)
    _fruitless: int = 0

    def begin_with(self, slices: Iterable[Positions]) -> None:
        """Take the first slice that proves the finding; none does: stay with what is kept."""
        for each in slices:
            if len(each) >= len(self.kept):
                return
            if self._holds(each, self.emptied):
                self.kept = each
                return

    def leave_out(self, units: Sequence[Unit], *, needed: bool = False) -> None:
        """Leave out as many units as can be spared.

        Args:
            units: those first that are least likely to be needed.
            needed: whether it is known that not all of them can go.
        """
        self._fruitless = 0
        self._halve(tuple(units), needed, self._drop)

    def empty(self, positions: Sequence[int]) -> None:
        """Leave out the values and payloads that do not matter."""
        self._fruitless = 0
        self._halve(tuple((each,) for each in positions), False, self._drop_values)

    def _halve(
        self, units: tuple[Unit, ...], needed: bool, drop: Callable[[tuple[Unit, ...]], bool]
    ) -> None:
        if not units or (not needed and drop(units)):
            return
        if len(units) == 1:
            return
        if self._fruitless >= PATIENCE:
            self.given_up = True
            return
        middle = len(units) // 2
        first_went = drop(units[:middle])
        if not first_went:
            self._halve(units[:middle], True, drop)
        self._halve(units[middle:], first_went, drop)

    def _drop(self, units: tuple[Unit, ...]) -> bool:
        gone = np.array([position for unit in units for position in unit], np.int64)
        left = self.kept[~np.isin(self.kept, gone)]
        if len(left) == len(self.kept):
            return True
        outcome = self._outcome(left, self.emptied)
        if outcome.holds:
            self.kept = left
        elif len(units) == 1:
            self.reasons[units[0][0]] = outcome.why
        return outcome.holds

    def _drop_values(self, units: tuple[Unit, ...]) -> bool:
        emptied = self.emptied | {unit[0] for unit in units}
        if self._holds(self.kept, emptied):
            self.emptied = emptied
            return True
        return False

    def _holds(self, positions: Positions, emptied: frozenset[int]) -> bool:
        return self._outcome(positions, emptied).holds

    def _outcome(self, positions: Positions, emptied: frozenset[int]) -> Outcome:
        key = positions.tobytes(), emptied
        known = self._known.get(key)
        if known is not None:
            return known
        if self.tests >= self.budget.tests:
            raise SpentError(counted(self.budget.tests, "test"))
        if self.tests and time.monotonic() - self.begun >= self.budget.seconds:
            raise SpentError(f"{self.budget.seconds:g} s")
        outcome = self._known[key] = self.judge(positions, emptied)
        self.tests += 1
        self.others |= outcome.others
        self._fruitless = 0 if outcome.holds else self._fruitless + 1
        if self.progress is not None:
            self.progress(self.tests, len(positions) if outcome.holds else len(self.kept))
        return outcome
