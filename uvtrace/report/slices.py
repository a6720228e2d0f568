# SPDX-License-Identifier: Apache-2.0
"""A slice of the recording for each finding: short, legal, and enough to find it again.

A slice holds the proof, what stands around it, the whole lives of the memory it touches, and what
decides the function's state: its snapshot, config accesses, and its driver's life. It is judged
before it is written: if the finding does not come of it, or another one comes that the recording
does not have (a contract's states are entered by accesses that a part may lack), more of the
recording is taken. What cannot be shown by a part (a leak among thousands of mappings that a slice
would have to hold, a storm) is said in the report.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.results import Finding, Results
from uvtrace.report.around import Place, Surroundings
from uvtrace.trace.slice import Slicer
from uvtrace.trace.trace import Trace
from uvtrace.version import VERSION

Judge = Callable[[Trace], Results]
"""Judges a slice as the recording was judged."""

_REACHES: Final = (6, 200)
"""Records around each record of the proof, tried one after the other."""
_RECORDS_MAX: Final = 200_000
"""A slice of more records than this is no help to anybody."""
_AFTER: Final = 50

PROVES: Final = ""
SHOWS: Final = (
    "It shows the records, but does not prove the finding by itself: the rule needs more of the"
    " recording than a slice may hold."
)


@dataclass(frozen=True)
class Slice:
    """A slice that was written.

    Attributes:
        records: how many it holds, with those that name its sites.
        proves: whether checking it finds the same finding, and none that is new.
    """

    records: int
    proves: bool


class Slices:
    """Writes slices of one trace.

    Args:
        trace: what :func:`uvtrace.open` gives.
        around: of that trace.
        results: of its check, explained.
        judge: judges a slice by the same rules.
    """

    def __init__(self, trace: Trace, around: Surroundings, results: Results, judge: Judge) -> None:
        self._trace = trace
        self._around = around
        self._rules = results.rules
        self._known = {(each.function, each.signature) for each in results.findings}
        self._judge = judge
        self._slicer = Slicer(trace)

    def write(self, target: str | os.PathLike[str], finding: Finding, place: Place) -> Slice | None:
        """Write the slice of a finding; None where the trace has none of its records."""
        if not place.roles:
            return None
        first: NDArray[np.int64] | None = None
        for chosen in self._choices(place):
            first = chosen if first is None else first
            if self._proves(chosen, finding):
                return self._written(target, chosen, finding, place, proves=True)
        assert first is not None
        return self._written(target, first, finding, place, proves=False)

    def _choices(self, place: Place) -> Iterator[NDArray[np.int64]]:
        """Rows to try, few first; the last are all of the function: a contract may need them."""
        setting = self._around.setting(place, whole=True)
        short = self._around.setting(place, whole=False)
        tries = ((_REACHES[0], False), *((reach, True) for reach in _REACHES))
        for reach, much in tries:
            near = self._around.neighbours(place, reach)
            whole = np.union1d(near, self._around.pairs(place, near))
            lives = self._around.lives(place, whole, whole=much)
            yield np.unique(np.concatenate([setting if much else short, whole, lives]))
        own = self._around.own(place.function)
        until = int(np.searchsorted(own, max(place.roles))) + 1 + _AFTER
        for end in (until, len(own)):
            if end <= _RECORDS_MAX:
                yield np.union1d(setting, own[:end])

    def _proves(self, chosen: NDArray[np.int64], finding: Finding) -> bool:
        if len(chosen) > _RECORDS_MAX:
            return False
        found = self._judge(self._slicer.trace(chosen, silent=True)).findings
        signatures = {(each.function, each.signature) for each in found}
        return (finding.function, finding.signature) in signatures and signatures <= self._known

    def _written(
        self,
        target: str | os.PathLike[str],
        chosen: NDArray[np.int64],
        finding: Finding,
        place: Place,
        *,
        proves: bool,
    ) -> Slice:
        notes = (
            f"{finding.severity}[{finding.rule}]: {finding.message}",
            f"signature: {finding.signature}",
            *(() if proves else (SHOWS,)),
            f"slice of a report by uvtrace {VERSION}",
        )
        sliced = self._slicer.write(target, chosen, self._comments(finding, place), notes=notes)
        return Slice(len(sliced), proves)

    def _comments(self, finding: Finding, place: Place) -> dict[int, list[str]]:
        """By row: the part that a record plays in the proof, and why it counts."""
        comments = {
            row: [f"{role}: proof of {finding.rule} at #{finding.seq}"]
            for row, role in place.roles.items()
        }
        if place.row >= 0:
            told = [
                f"{place.roles[place.row]}: {finding.severity}[{finding.rule}]: {finding.message}"
            ]
            if finding.rule in self._rules:
                words = self._rules[finding.rule]
                told.append(f"why: {words.statement} ({words.source})")
            comments[place.row] = told
        return comments
