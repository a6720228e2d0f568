# SPDX-License-Identifier: Apache-2.0
"""What is new, fixed, still there or flaky, and what is no longer covered: tonight and before.

A finding is the same as another one if it has the same signature on the same kernel and device,
whatever workload led to it. It is *new* unless it is known from before and counted then: a finding
that was accepted is new again after the acceptance has expired. It is *fixed* only where its rule
was judged again: a guest that panicked has fixed nothing.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeVar

from uvtrace.check.results import Verdict
from uvtrace.errors import ExitCode
from uvtrace.nightly.acceptance import Acceptance
from uvtrace.nightly.job import Place
from uvtrace.nightly.outcome import JOB_RULE, REQUIRED, Edge, Ended, JobResult, KeptFinding, State

_Key = TypeVar("_Key", State, Edge)


class Status(StrEnum):
    """What a finding is, compared with what was before. New ones are told first."""

    NEW = "new"
    STILL = "still there"
    FLAKY = "flaky"
    """Known, but not in every repetition, tonight or lately."""
    ACCEPTED = "accepted"
    NOT_JUDGED = "not judged"
    """Known, and not found, by those who could not have."""
    FIXED = "fixed"


class Identity(NamedTuple):
    """By which a finding is the same from night to night."""

    signature: str
    kernel: str
    device: str


@dataclass(frozen=True)
class Earlier:
    """What a job came to on an earlier night, and its day, by which expiry is judged."""

    day: datetime.date
    result: JobResult


@dataclass(frozen=True, kw_only=True)
class Spot:
    """Where a finding is, or was.

    Attributes:
        kernel, device: their names in the matrix.
        workloads: those that led to it.
        found: in how many repetitions of these.
        judged: of how many.
        acceptance: what makes it no news, or None.
        lapsed: the acceptance that did until it expired, or None.
    """

    kernel: str
    device: str
    workloads: tuple[str, ...]
    found: int
    judged: int
    acceptance: Acceptance | None = None
    lapsed: Acceptance | None = None

    @property
    def is_flaky(self) -> bool:
        """Whether only some repetitions had it."""
        return 0 < self.found < self.judged


@dataclass(frozen=True, kw_only=True)
class Change:
    """A finding, once, with all the kernels and devices where it has the same status.

    Attributes:
        status: compared with what was before.
        finding: one of them: tonight's, or an earlier one where there is none tonight.
        spots: where, by kernel and device.
    """

    status: Status
    finding: KeptFinding
    spots: tuple[Spot, ...]

    @property
    def is_new_failure(self) -> bool:
        """Whether it makes the run exit with 1."""
        return self.status is Status.NEW and self.finding.is_failure


@dataclass(frozen=True, order=True)
class CoverageLost:
    """What every repetition of an earlier night did, and none of tonight's.

    Attributes:
        place: of which jobs.
        states: not entered any more.
        edges: not taken any more.
    """

    place: Place
    states: tuple[State, ...]
    edges: tuple[Edge, ...]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Of tonight with what was before.

    Attributes:
        changes: new ones first, then in the order of :class:`Status`; by rule and signature.
        coverage_lost: by place.
        idle: acceptances in force that no finding of tonight needed.
        expired: acceptances that hold no longer.
    """

    changes: tuple[Change, ...]
    coverage_lost: tuple[CoverageLost, ...]
    idle: tuple[Acceptance, ...]
    expired: tuple[Acceptance, ...]

    def of(self, status: Status) -> tuple[Change, ...]:
        """The findings of one status."""
        return tuple(change for change in self.changes if change.status is status)

    @property
    def new_failures(self) -> tuple[Change, ...]:
        """The new findings of severity error."""
        return tuple(change for change in self.changes if change.is_new_failure)

    @property
    def exit_code(self) -> ExitCode:
        """1 if there is a new failure."""
        return ExitCode.FAILED if self.new_failures else ExitCode.OK


def compare(
    tonight: Sequence[JobResult],
    earlier: Sequence[Earlier],
    *,
    today: datetime.date,
    acceptances: Sequence[Acceptance] = (),
    unsteady: Collection[Identity] = (),
) -> Comparison:
    """Compare a night with what was before.

    Args:
        tonight: its results.
        earlier: what is known of the same places, see
            :func:`uvtrace.nightly.queries.earlier`; none: everything is new.
        today: the day by which expiry is judged.
        acceptances: findings that are no news.
        unsteady: findings that were flaky lately.
    """
    now = _Known(tonight)
    before = _Known([each.result for each in earlier])
    counted = _counted_before(earlier, acceptances)
    needed: set[int] = set()
    groups: dict[tuple[Status, str], list[tuple[KeptFinding, Spot]]] = {}
    for identity in sorted(now.findings.keys() | before.findings.keys()):
        finding = now.sample(identity) or before.findings[identity][0][1]
        spot = _spot(identity, finding, now, before, acceptances, today)
        if spot.found and spot.acceptance is not None:
            needed.add(id(spot.acceptance))
        status = _status(identity, spot, now, before, counted, unsteady)
        if status is not None:
            groups.setdefault((status, identity.signature), []).append((finding, spot))
    return Comparison(
        changes=tuple(_changes(groups)),
        coverage_lost=tuple(_coverage_lost(tonight, [each.result for each in earlier])),
        idle=tuple(each for each in acceptances if each.holds_on(today) and id(each) not in needed),
        expired=tuple(
            each for each in acceptances if each.expires is not None and each.expires < today
        ),
    )


class _Known:
    """Results, looked up by what they are about."""

    def __init__(self, results: Iterable[JobResult]) -> None:
        self.findings: dict[Identity, list[tuple[JobResult, KeptFinding]]] = {}
        self.by_place: dict[Place, list[JobResult]] = {}
        for result in results:
            self.by_place.setdefault(result.place, []).append(result)
            for finding in result.findings:
                if not finding.suppressed:
                    identity = Identity(finding.signature, result.place.kernel, result.place.device)
                    self.findings.setdefault(identity, []).append((result, finding))

    def sample(self, identity: Identity) -> KeptFinding | None:
        """One of the findings, the worst where severities differ; None where there is none."""
        found = [finding for _, finding in self.findings.get(identity, ())]
        return next((each for each in found if each.is_failure), found[0] if found else None)

    def places(self, identity: Identity) -> list[Place]:
        """Where a finding was found."""
        return sorted({result.place for result, _ in self.findings.get(identity, ())})


def _spot(
    identity: Identity,
    finding: KeptFinding,
    now: _Known,
    before: _Known,
    acceptances: Sequence[Acceptance],
    today: datetime.date,
) -> Spot:
    places = now.places(identity) or before.places(identity)
    repetitions = [result for place in places for result in now.by_place.get(place, ())]
    having = {result.key for result, _ in now.findings.get(identity, ())}
    is_of_job = finding.rule == JOB_RULE
    covering = [each for each in acceptances if _covers(each, identity, finding)]
    return Spot(
        kernel=identity.kernel,
        device=identity.device,
        workloads=tuple(place.workload for place in places),
        found=len(having),
        judged=sum(
            1 for each in repetitions if is_of_job or each.ended is Ended.DONE or each.key in having
        ),
        acceptance=next((each for each in covering if each.holds_on(today)), None),
        lapsed=next((each for each in covering if _is_over(each, today)), None),
    )


def _is_over(acceptance: Acceptance, today: datetime.date) -> bool:
    return acceptance.expires is not None and acceptance.expires < today


def _covers(acceptance: Acceptance, identity: Identity, finding: KeptFinding) -> bool:
    return acceptance.covers(
        signature=identity.signature,
        rule=finding.rule,
        device=identity.device,
        kernel=identity.kernel,
    )


def _counted_before(
    earlier: Iterable[Earlier], acceptances: Sequence[Acceptance]
) -> frozenset[Identity]:
    """The findings that were known and counted: none that an acceptance silenced then."""
    counted = set()
    for each in earlier:
        place = each.result.place
        holding = [acceptance for acceptance in acceptances if acceptance.holds_on(each.day)]
        for finding in each.result.findings:
            identity = Identity(finding.signature, place.kernel, place.device)
            silenced = any(_covers(acceptance, identity, finding) for acceptance in holding)
            if not finding.suppressed and not silenced:
                counted.add(identity)
    return frozenset(counted)


def _status(
    identity: Identity,
    spot: Spot,
    now: _Known,
    before: _Known,
    counted: frozenset[Identity],
    unsteady: Collection[Identity],
) -> Status | None:
    """None for what is neither there nor was counted: an accepted finding that is gone."""
    if spot.found:
        if spot.acceptance is not None:
            return Status.ACCEPTED
        if identity in unsteady:
            return Status.FLAKY
        if identity not in counted:
            return Status.NEW
        return Status.FLAKY if spot.is_flaky else Status.STILL
    if identity not in counted:
        return None
    if not _judged_again(identity, now, before):
        return Status.NOT_JUDGED
    return Status.FLAKY if identity in unsteady else Status.FIXED


def _judged_again(identity: Identity, now: _Known, before: _Known) -> bool:
    """Whether every workload that led to a finding could have led to it tonight."""
    _, finding = before.findings[identity][0]
    return all(
        any(_could_find(result, finding) for result in now.by_place.get(place, ()))
        for place in before.places(identity)
    )


def _could_find(result: JobResult, finding: KeptFinding) -> bool:
    if result.ended is not Ended.DONE:
        return False
    if finding.rule == JOB_RULE or finding.signature.startswith(REQUIRED):
        return True
    judged = (Verdict.PASS, Verdict.FAIL)
    return any(each.rule == finding.rule and each.verdict in judged for each in result.verdicts)


def _changes(
    groups: Mapping[tuple[Status, str], list[tuple[KeptFinding, Spot]]],
) -> Iterator[Change]:
    order = list(Status)
    for status, signature in sorted(groups, key=lambda key: (order.index(key[0]), key[1])):
        found = groups[status, signature]
        samples = [finding for finding, _ in found]
        finding = next((each for each in samples if each.is_failure), samples[0])
        yield Change(status=status, finding=finding, spots=tuple(spot for _, spot in found))


def _coverage_lost(
    tonight: Iterable[JobResult], earlier: Iterable[JobResult]
) -> Iterator[CoverageLost]:
    now, before = _covering(tonight), _covering(earlier)
    for place in sorted(now.keys() & before.keys()):
        # What was lost in recording is not to be called lost in the driver.
        if any(each.trace is not None and each.trace.lost for each in now[place]):
            continue
        automata = frozenset.intersection(*(frozenset(each.automata) for each in now[place]))
        states = _always(dict(each.states) for each in before[place])
        edges = _always(dict(each.edges) for each in before[place])
        lost = CoverageLost(
            place,
            tuple(sorted(_gone(states, (dict(each.states) for each in now[place]), automata))),
            tuple(sorted(_gone(edges, (dict(each.edges) for each in now[place]), automata))),
        )
        if lost.states or lost.edges:
            yield lost


def _covering(results: Iterable[JobResult]) -> dict[Place, list[JobResult]]:
    """The results that tell what was covered, by place."""
    found: dict[Place, list[JobResult]] = {}
    for result in results:
        if result.ended is Ended.DONE and result.trace is not None:
            found.setdefault(result.place, []).append(result)
    return found


def _always(each: Iterable[Mapping[_Key, int]]) -> frozenset[_Key]:
    return frozenset.intersection(*(frozenset(counts) for counts in each))


def _gone(
    known: frozenset[_Key], now: Iterable[Mapping[_Key, int]], automata: frozenset[str]
) -> Iterator[_Key]:
    there: set[_Key] = set().union(*now)
    return (key for key in known if key not in there and key[0] in automata)
