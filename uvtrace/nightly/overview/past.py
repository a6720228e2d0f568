# SPDX-License-Identifier: Apache-2.0
"""What the history tells of many nights at once: sums and means, made by the database."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, func, or_, select

from uvtrace.check.rules import Severity
from uvtrace.nightly.acceptance import Acceptance
from uvtrace.nightly.history import History
from uvtrace.nightly.outcome import Ended, Night
from uvtrace.nightly.rows import signature_sha256
from uvtrace.nightly.schema import EDGES, FINDINGS, JOBS, LATENCIES, RUNS

TREND_NIGHTS: Final = 60
"""So many nights the charts show."""

Series = Mapping[int, float]
"""Number of the night to a value; nights without one are left out."""


class Key(NamedTuple):
    """By which a finding is looked up: its signature's digest, and where it was."""

    digest: str
    kernel: str
    device: str


def key_of(signature: str, kernel: str, device: str) -> Key:
    """The key of a finding."""
    return Key(signature_sha256(signature), kernel, device)


@dataclass(frozen=True, kw_only=True)
class Tally:
    """A night in numbers.

    Attributes:
        night: it.
        new: failures that counted for the first time; the same signature on another kernel or
            device is another one.
        known: failures that had counted before.
        accepted: those that an acceptance in force silenced.
        ended: how many jobs ended in each way.
        seconds: that the jobs took together.
    """

    night: Night
    new: int
    known: int
    accepted: int
    ended: Mapping[Ended, int]
    seconds: float

    @property
    def broken(self) -> int:
        """Jobs that did not get to their end."""
        return sum(count for how, count in self.ended.items() if how is not Ended.DONE)


@dataclass(frozen=True, kw_only=True)
class Past:
    """The nights up to the one that is told.

    Attributes:
        tallies: of each night, oldest first.
        seen: of each finding, the numbers of the nights that had it, ascending.
        edges: by device: different steps of contracts that were taken.
        seconds: by device: what a job took, on average.
        latencies: by device and by what took so long: the mean of the jobs' medians, in ns.
    """

    tallies: tuple[Tally, ...]
    seen: Mapping[Key, tuple[int, ...]] = field(default_factory=dict)
    edges: Mapping[str, Series] = field(default_factory=dict)
    seconds: Mapping[str, Series] = field(default_factory=dict)
    latencies: Mapping[tuple[str, str], Series] = field(default_factory=dict)

    @property
    def shown(self) -> tuple[Tally, ...]:
        """The nights that charts show."""
        return self.tallies[-TREND_NIGHTS:]


def past(history: History, night: Night, acceptances: Sequence[Acceptance] = ()) -> Past:
    """What there is to tell of a night and of the finished ones before it.

    Args:
        history: of the nights.
        night: the last of them, finished or not.
        acceptances: by which a failure of a day counts or not.
    """
    before = [each for each in history.nights(night.matrix) if each.number < night.number]
    nights = (*before, night)
    of_nights = _of(night)
    of_shown = of_nights & (JOBS.c.run >= nights[-TREND_NIGHTS:][0].number)
    with history.transaction() as connection:
        jobs = _jobs(connection, of_nights)
        seen, failures = _findings(connection, of_nights, nights, acceptances)
        return Past(
            tallies=tuple(_tally(each, jobs, failures) for each in nights),
            seen=seen,
            edges=_edges(connection, of_shown),
            seconds=_seconds(connection, of_shown),
            latencies=_latencies(connection, of_shown),
        )


def _of(night: Night) -> ColumnElement[bool]:
    """Jobs of a night, and of the finished ones of its matrix before it."""
    wanted = select(RUNS.c.id).where(
        RUNS.c.matrix == night.matrix,
        RUNS.c.id <= night.number,
        or_(RUNS.c.finished.is_not(None), RUNS.c.id == night.number),
    )
    return JOBS.c.run.in_(wanted)


_Jobs = Mapping[int, Mapping[Ended, tuple[int, float]]]


def _jobs(connection: Connection, chosen: ColumnElement[bool]) -> _Jobs:
    """By night and by how they ended: how many there are, and the seconds that they took."""
    wanted = (
        select(JOBS.c.run, JOBS.c.ended, func.count(), func.sum(JOBS.c.seconds))
        .where(chosen)
        .group_by(JOBS.c.run, JOBS.c.ended)
    )
    found: dict[int, dict[Ended, tuple[int, float]]] = defaultdict(dict)
    for run, ended, count, seconds in connection.execute(wanted):
        found[run][Ended(ended)] = (count, float(seconds))
    return found


_Failures = Mapping[int, Counter[str]]


def _findings(
    connection: Connection,
    chosen: ColumnElement[bool],
    nights: Sequence[Night],
    acceptances: Sequence[Acceptance],
) -> tuple[dict[Key, tuple[int, ...]], _Failures]:
    """On which nights each finding was, and by night how many failures count as what."""
    columns = (
        *(FINDINGS.c.signature_sha256, JOBS.c.kernel, JOBS.c.device, JOBS.c.run),
        *(FINDINGS.c.signature, FINDINGS.c.rule, FINDINGS.c.severity),
    )
    wanted = (
        select(*columns)
        .select_from(FINDINGS)
        .join(JOBS, FINDINGS.c.job == JOBS.c.id)
        .where(chosen, FINDINGS.c.suppressed == "")
        .distinct()
        .order_by(JOBS.c.run)
    )
    days = {each.number: each.day for each in nights}
    seen: dict[Key, list[int]] = defaultdict(list)
    covering: dict[Key, list[Acceptance]] = {}
    counted: set[Key] = set()
    failures: dict[int, Counter[str]] = defaultdict(Counter)
    for row in connection.execute(wanted):
        key = Key(*row[:3])
        if seen[key][-1:] != [row.run]:
            seen[key].append(row.run)
        if row.severity != Severity.ERROR:
            continue
        if key not in covering:
            covering[key] = [
                each for each in acceptances if _covers(each, row.signature, row.rule, key)
            ]
        if any(each.holds_on(days[row.run]) for each in covering[key]):
            failures[row.run]["accepted"] += 1
        else:
            failures[row.run]["known" if key in counted else "new"] += 1
            counted.add(key)
    return {key: tuple(runs) for key, runs in seen.items()}, failures


def _covers(acceptance: Acceptance, signature: str, rule: str, key: Key) -> bool:
    return acceptance.covers(signature=signature, rule=rule, device=key.device, kernel=key.kernel)


def _tally(night: Night, jobs: _Jobs, failures: _Failures) -> Tally:
    ended = jobs.get(night.number, {})
    counts = failures.get(night.number, Counter())
    return Tally(
        night=night,
        new=counts["new"],
        known=counts["known"],
        accepted=counts["accepted"],
        ended={how: count for how, (count, _) in ended.items()},
        seconds=sum(seconds for _, seconds in ended.values()),
    )


def _edges(connection: Connection, chosen: ColumnElement[bool]) -> dict[str, dict[int, float]]:
    edge = (EDGES.c.automaton, EDGES.c.source, EDGES.c.target, EDGES.c.label)
    taken = (
        select(JOBS.c.device, JOBS.c.run, *edge)
        .select_from(EDGES)
        .join(JOBS, EDGES.c.job == JOBS.c.id)
        .where(chosen, EDGES.c.count > 0)
        .distinct()
        .subquery()
    )
    wanted = select(taken.c.device, taken.c.run, func.count()).group_by(taken.c.device, taken.c.run)
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for device, run, count in connection.execute(wanted):
        found[device][run] = float(count)
    return found


def _seconds(connection: Connection, chosen: ColumnElement[bool]) -> dict[str, dict[int, float]]:
    wanted = (
        select(JOBS.c.device, JOBS.c.run, func.avg(JOBS.c.seconds))
        .where(chosen, JOBS.c.ended == str(Ended.DONE))
        .group_by(JOBS.c.device, JOBS.c.run)
    )
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for device, run, seconds in connection.execute(wanted):
        found[device][run] = float(seconds)
    return found


def _latencies(
    connection: Connection, chosen: ColumnElement[bool]
) -> dict[tuple[str, str], dict[int, float]]:
    wanted = (
        select(JOBS.c.device, LATENCIES.c.what, JOBS.c.run, func.avg(LATENCIES.c.median_ns))
        .select_from(LATENCIES)
        .join(JOBS, LATENCIES.c.job == JOBS.c.id)
        .where(chosen)
        .group_by(JOBS.c.device, LATENCIES.c.what, JOBS.c.run)
    )
    found: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for device, what, run, median_ns in connection.execute(wanted):
        found[device, what][run] = float(median_ns)
    return found
