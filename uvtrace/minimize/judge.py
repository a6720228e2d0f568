# SPDX-License-Identifier: Apache-2.0
"""Whether a part of a trace proves what the whole proved, and for the same reasons.

The same signature is not enough: a part that lacks a mapping makes an access to it look wild. So
the same record must break the rule, the same records must prove it, and each of them must have
the derived columns that it had in the whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk
from uvtrace.check.columns import ALL
from uvtrace.check.engine import Checker
from uvtrace.check.expression import EventColumn
from uvtrace.check.results import Finding
from uvtrace.minimize.target import Target
from uvtrace.trace.slice import Slicer
from uvtrace.trace.trace import Trace

Positions = NDArray[np.int64]
Columns = dict[tuple[int, str], int]
"""Values of derived columns by position in the whole trace and name."""

Also = Callable[[Trace, Positions], str]
"""Told a part and the positions of its records; says what is wrong with it, or nothing."""

_NUMBER: Final = re.compile(r"#(\d+)")


@dataclass(frozen=True)
class Outcome:
    """What judging a part gave.

    Attributes:
        holds: it proves the finding as the whole does.
        why: what is different; empty where it holds.
        others: signatures of other findings of the same rule.
    """

    holds: bool
    why: str
    others: frozenset[str]


class Judge:
    """Judges parts of a trace.

    Args:
        trace: the whole.
        target: what a part must prove.
        checker: judges by the rule of the target alone.
        also: what else a part must do; each says why it does not.

    Attributes:
        shows_at_once: the finding shows at its record, whatever comes behind that.
        named: positions of records that derived columns of the proof name.
    """

    def __init__(
        self, trace: Trace, target: Target, checker: Checker, also: Sequence[Also] = ()
    ) -> None:
        self._target = target
        self._also = also
        self._checker = checker
        self._slicer = Slicer(trace)
        self._columns: Columns = {}
        self.shows_at_once = False
        if not target.at_end:
            before = trace[: target.position + 1]
            self.shows_at_once, self._columns = self._whole(before)
        if not self.shows_at_once:
            _, self._columns = self._whole(trace)
        names = {column.name for column in target.event_columns}
        told = {value for (_, name), value in self._columns.items() if name in names}
        self.named = tuple(sorted(value for value in told if value >= 0))

    def outcome(self, kept: Positions, emptied: Collection[int] = ()) -> Outcome:
        """Judge the records at these positions, those in ``emptied`` without their values."""
        part = self._slicer.trace(kept, silent=True, emptied=emptied)
        positions = self._slicer.positions(kept).positions
        findings, columns = self._judged(part, positions)
        own = [each for each in findings if each.signature == self._target.finding.signature]
        others = frozenset(each.signature for each in findings) - {self._target.finding.signature}
        if not own:
            return Outcome(False, "the finding is not found", others)
        if not any(self._is_it(finding, part, positions) for finding in own):
            return Outcome(
                False, "the finding is found elsewhere, or proved by other records", others
            )
        for key, value in columns.items():
            if self._columns.get(key, value) != value:
                meaning = ALL[key[1]].meaning
                return Outcome(False, f"it is not known as it was: {meaning} ({key[1]})", others)
        for each in self._also:
            if why := each(part, positions):
                return Outcome(False, why, others)
        return Outcome(True, "", others)

    def _whole(self, trace: Trace) -> tuple[bool, Columns]:
        positions = np.arange(len(trace), dtype=np.int64)
        findings, columns = self._judged(trace, positions)
        wanted = self._target.finding
        same = (each for each in findings if each.signature == wanted.signature)
        return any(each.seq == wanted.seq for each in same), columns

    def _judged(self, trace: Trace, positions: Positions) -> tuple[tuple[Finding, ...], Columns]:
        columns: Columns = {}
        rows = np.flatnonzero(np.isin(positions, np.array(self._target.proof, np.int64)))

        def look(chunk: Chunk) -> None:
            here = rows[(rows >= chunk.first) & (rows < chunk.first + len(chunk))]
            for column in self._target.columns if len(here) else ():
                values = chunk.take(column.name, here - chunk.first).tolist()
                for row, value in zip(here.tolist(), values, strict=True):
                    named = isinstance(column, EventColumn) and value >= 0
                    told = int(positions[value]) if named else int(value)
                    columns[int(positions[row]), column.name] = told

        results = self._checker.check(trace, look=look)
        return results.findings, columns

    def _is_it(self, finding: Finding, part: Trace, positions: Positions) -> bool:
        """Whether a finding of a part is the target: same record, same proof."""
        target = self._target
        where = dict(zip(part.column("seq").tolist(), positions.tolist(), strict=True))
        at_end = finding.seq == len(part) - 1
        if not (at_end if target.at_end else where[finding.seq] == target.position):
            return False
        evidence = {(where[each.seq], each.role) for each in finding.evidence}
        expected = set(target.evidence)
        if target.is_single or target.says_states:
            same = evidence == expected
        else:
            same = evidence <= expected and bool(evidence) == bool(expected)
        return same and (not target.says_states or self._says_the_same(finding))

    def _says_the_same(self, finding: Finding) -> bool:
        """Whether messages are equal but for the numbers of records."""
        mine, whole = (_NUMBER.sub("#", each.message) for each in (finding, self._target.finding))
        return mine == whole
