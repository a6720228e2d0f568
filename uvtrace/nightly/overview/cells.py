# SPDX-License-Identifier: Apache-2.0
"""The matrix: what each kernel, device and workload came to, one cell each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from uvtrace.check.results import Verdict
from uvtrace.nightly.cases import statuses_of
from uvtrace.nightly.compare import Comparison, Identity, Status
from uvtrace.nightly.job import Place
from uvtrace.nightly.outcome import Ended, JobResult, KeptFinding


class Look(StrEnum):
    """What a cell is, the worst first."""

    NEW = "new failure"
    JOB = "job failed"
    KNOWN = "known failure"
    FLAKY = "flaky"
    ACCEPTED = "accepted"
    NOT_RUN = "not run"
    PASSED = "passed"


_ENDED_WORDS = {
    Ended.TIMEOUT: "hang",
    Ended.DIED: "VM died",
    Ended.BOUNDS: "out of bounds",
    Ended.FAILED: "not recorded",
}


def ended_words(ended: Ended) -> str:
    """How a job ended, in a word or two."""
    return _ENDED_WORDS.get(ended, str(ended))


@dataclass(frozen=True, kw_only=True)
class CellFinding:
    """A finding in a cell.

    Attributes:
        finding: of one of the repetitions that had it.
        status: compared with the nights before.
        found: in how many repetitions.
    """

    finding: KeptFinding
    status: Status
    found: int


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A place of the matrix.

    Attributes:
        number: from 1, in the order of the matrix.
        place: it.
        planned: how many repetitions there should be.
        results: of the repetitions that were made.
        findings: that are not suppressed, the news first.
        absent: why there is no result, where that is known.
    """

    number: int
    place: Place
    planned: int
    results: tuple[JobResult, ...]
    findings: tuple[CellFinding, ...]
    absent: str = ""

    @property
    def failures(self) -> tuple[CellFinding, ...]:
        """The findings that make a run fail when they are new."""
        return tuple(each for each in self.findings if each.finding.is_failure)

    @property
    def broken(self) -> tuple[JobResult, ...]:
        """The repetitions that did not get to their end."""
        return tuple(each for each in self.results if each.ended is not Ended.DONE)

    @property
    def look(self) -> Look:
        """What it is."""
        if not self.results:
            return Look.NOT_RUN
        statuses = {each.status for each in self.failures}
        if self.broken and statuses - {Status.ACCEPTED}:
            return Look.JOB
        for status, look in _LOOKS.items():
            if status in statuses:
                return look
        return Look.PASSED

    @property
    def is_new(self) -> bool:
        """Whether it has a new failure."""
        return any(each.status is Status.NEW for each in self.failures)

    @property
    def seconds(self) -> float:
        """What a repetition took, on average; 0 where there is none."""
        times = [each.seconds for each in self.results]
        return sum(times) / len(times) if times else 0.0

    def verdicts(self, verdict: Verdict) -> int:
        """How many rules have a verdict, in the repetition that has most of it."""
        counts = [
            len({each.rule for each in result.verdicts if each.verdict is verdict})
            for result in self.results
        ]
        return max(counts, default=0)


_LOOKS = {
    Status.NEW: Look.NEW,
    Status.STILL: Look.KNOWN,
    Status.FLAKY: Look.FLAKY,
    Status.ACCEPTED: Look.ACCEPTED,
}


def cells(
    planned: Mapping[Place, int],
    results: Sequence[JobResult],
    comparison: Comparison,
    absent: Mapping[Place, str],
) -> tuple[Cell, ...]:
    """The cells of a night.

    Args:
        planned: the places of the matrix in its order, and how many repetitions each has.
        results: of the night.
        comparison: of these with the nights before.
        absent: why a place has no results, where that is known.
    """
    of_place: dict[Place, list[JobResult]] = {place: [] for place in planned}
    for result in results:
        of_place.setdefault(result.place, []).append(result)
    statuses = statuses_of(comparison)
    return tuple(
        Cell(
            number=number,
            place=place,
            planned=max(planned.get(place, 0), len(own)),
            results=tuple(own),
            findings=_findings(place, own, statuses),
            absent=absent.get(place, ""),
        )
        for number, (place, own) in enumerate(of_place.items(), 1)
    )


def _findings(
    place: Place, results: Sequence[JobResult], statuses: Mapping[Identity, Status]
) -> tuple[CellFinding, ...]:
    found: dict[str, list[KeptFinding]] = {}
    for result in results:
        for finding in result.findings:
            if not finding.suppressed:
                found.setdefault(finding.signature, []).append(finding)
    order = list(Status)
    told = [
        CellFinding(finding=own[0], status=status, found=len(own))
        for signature, own in found.items()
        if (status := statuses.get(Identity(signature, place.kernel, place.device))) is not None
    ]
    return tuple(sorted(told, key=lambda each: (order.index(each.status), each.finding.signature)))
