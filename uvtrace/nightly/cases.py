# SPDX-License-Identifier: Apache-2.0
"""A night as test cases: of each kernel, device and workload the job itself, and each rule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from uvtrace.check.results import Verdict
from uvtrace.nightly.compare import Comparison, Identity, Status
from uvtrace.nightly.job import Place
from uvtrace.nightly.outcome import JOB_RULE, JobResult, KeptFinding
from uvtrace.trace.texts import printable


class Outcome(Enum):
    """Of a case."""

    PASSED = auto()
    FAILED = auto()
    """There is a new failure."""
    KNOWN = auto()
    """It failed, and that is no news."""
    WARNED = auto()
    UNKNOWN = auto()
    VACUOUS = auto()


@dataclass(frozen=True, kw_only=True)
class Case:
    """A rule, or the job itself, at a place.

    Attributes:
        place: the kernel, device and workload.
        name: the rule's ID, or ``JOB``.
        outcome: of all repetitions together.
        reason: why it did not pass, or is no news.
        lines: the findings, one a line.
    """

    place: Place
    name: str
    outcome: Outcome
    reason: str = ""
    lines: tuple[str, ...] = ()


def cases_of(comparison: Comparison, results: Iterable[JobResult]) -> dict[Place, tuple[Case, ...]]:
    """The cases of each place, by place; the job first, then rules by their IDs."""
    places: dict[Place, list[JobResult]] = {}
    for result in results:
        places.setdefault(result.place, []).append(result)
    statuses = statuses_of(comparison)
    return {place: _cases(place, places[place], statuses) for place in sorted(places)}


def statuses_of(comparison: Comparison) -> dict[Identity, Status]:
    """The status of every finding that was found."""
    return {
        Identity(change.finding.signature, spot.kernel, spot.device): change.status
        for change in comparison.changes
        for spot in change.spots
        if spot.found
    }


def _cases(
    place: Place, results: Sequence[JobResult], statuses: dict[Identity, Status]
) -> tuple[Case, ...]:
    findings: dict[str, list[tuple[KeptFinding, Status]]] = {}
    for result in results:
        for finding in result.findings:
            identity = Identity(finding.signature, place.kernel, place.device)
            if not finding.suppressed and identity in statuses:
                findings.setdefault(finding.rule, []).append((finding, statuses[identity]))
    rules = {verdict.rule for result in results for verdict in result.verdicts}
    rules |= findings.keys() - {JOB_RULE}
    job = _case(place, JOB_RULE, findings.get(JOB_RULE, ()), results)
    return (job, *(_case(place, rule, findings.get(rule, ()), results) for rule in sorted(rules)))


def _case(
    place: Place,
    name: str,
    findings: Sequence[tuple[KeptFinding, Status]],
    results: Sequence[JobResult],
) -> Case:
    outcome, reason = _outcome(name, findings, results)
    told = {f"{status}: {finding.message} ({finding.signature})" for finding, status in findings}
    return Case(
        place=place,
        name=printable(name),
        outcome=outcome,
        reason=printable(reason),
        lines=tuple(printable(line) for line in sorted(told)),
    )


def _outcome(
    name: str, findings: Sequence[tuple[KeptFinding, Status]], results: Sequence[JobResult]
) -> tuple[Outcome, str]:
    failures = [(finding, status) for finding, status in findings if finding.is_failure]
    if any(status is Status.NEW for _, status in failures):
        return Outcome.FAILED, "new"
    if failures:
        return Outcome.KNOWN, ", ".join(sorted({str(status) for _, status in failures}))
    if findings:
        return Outcome.WARNED, ""
    if name == JOB_RULE:
        return Outcome.PASSED, ""
    verdicts = [each for result in results for each in result.verdicts if each.rule == name]
    for verdict, outcome in (
        # Suppressed findings leave their rule's verdict a fail, which is accepted.
        (Verdict.FAIL, Outcome.KNOWN),
        (Verdict.PASS, Outcome.PASSED),
        (Verdict.UNKNOWN, Outcome.UNKNOWN),
    ):
        found = [each.reason for each in verdicts if each.verdict is verdict]
        if found:
            return outcome, found[0] or ("suppressed" if outcome is Outcome.KNOWN else "")
    return Outcome.VACUOUS, next((each.reason for each in verdicts), "")
