# SPDX-License-Identifier: Apache-2.0
"""What the history tells of a finding: since when, on which kernels, and whether every time."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, distinct, func, select

from uvtrace.nightly.acceptance import Acceptance, fits
from uvtrace.nightly.compare import Earlier, Identity
from uvtrace.nightly.history import History
from uvtrace.nightly.job import Place
from uvtrace.nightly.outcome import Ended, Night
from uvtrace.nightly.schema import FINDINGS, JOBS, RUNS

NIGHTS: Final = 10
"""So many nights are looked back by default."""


@dataclass(frozen=True, order=True)
class Flake:
    """A finding that only some repetitions of a night had.

    Attributes:
        place: of which jobs.
        signature: of the finding.
        found: in how many repetitions.
        judged: of how many.
        rule: of the finding.
        night: number of the night.
    """

    place: Place
    signature: str
    found: int
    judged: int
    rule: str = ""
    night: int = 0


@dataclass(frozen=True, order=True, kw_only=True)
class Known:
    """What the finished nights tell of a finding on a kernel and device.

    Attributes:
        signature, rule, severity, message: of the finding; the newest message.
        kernel, device: their names in the matrix.
        workloads: those that led to it.
        first, last: beginning of the first and of the last night that found it.
        last_night: the number of the latter.
        nights: how many nights did.
        flaky_nights: on how many of these some repetitions of a job did not have it.
    """

    signature: str
    kernel: str
    device: str
    rule: str
    severity: str
    message: str
    workloads: tuple[str, ...]
    first: datetime.datetime
    last: datetime.datetime
    last_night: int
    nights: int
    flaky_nights: int


def known_findings(
    history: History,
    matrix: str,
    *,
    signature: str = "*",
    kernel: str = "*",
    device: str = "*",
    flaky_only: bool = False,
) -> tuple[Known, ...]:
    """Every finding of the finished nights, by signature, kernel and device.

    Args:
        history: of the nights.
        matrix: what the matrix is called in the history.
        signature, kernel, device: patterns; ``*`` and ``?`` are wildcards, and a signature that
            is written out as it is fits, too.
        flaky_only: leave out what was there in every repetition of every night that had it.
    """
    nights = {each.number: each for each in history.nights(matrix)}
    chosen = _of_finished(matrix)
    with history.transaction() as connection:
        flakes = {
            (each.night, each.signature, each.place.kernel, each.place.device)
            for each in _flakes(connection, chosen)
        }
        messages = _newest_messages(connection, chosen)
        groups: dict[Identity, list[_Seen]] = defaultdict(list)
        for row in connection.execute(_seen(chosen)):
            seen = _Seen(*row)
            exact = seen.signature == signature or fits(signature, seen.signature)
            if exact and fits(kernel, seen.kernel) and fits(device, seen.device):
                groups[Identity(seen.signature, seen.kernel, seen.device)].append(seen)
    found = [
        _known(identity, own, nights, flakes, messages[identity.signature])
        for identity, own in groups.items()
    ]
    return tuple(sorted(each for each in found if each.flaky_nights or not flaky_only))


class _Seen(NamedTuple):
    """That a job of a night found something."""

    night: int
    kernel: str
    device: str
    workload: str
    signature: str
    rule: str
    severity: str


def _of_finished(matrix: str) -> ColumnElement[bool]:
    finished = select(RUNS.c.id).where(RUNS.c.matrix == matrix, RUNS.c.finished.is_not(None))
    return JOBS.c.run.in_(finished)


def _seen(chosen: ColumnElement[bool]) -> Select[Any]:
    return (
        select(
            *(JOBS.c.run, JOBS.c.kernel, JOBS.c.device, JOBS.c.workload),
            *(FINDINGS.c.signature, FINDINGS.c.rule, FINDINGS.c.severity),
        )
        .select_from(FINDINGS)
        .join(JOBS, FINDINGS.c.job == JOBS.c.id)
        .where(chosen, FINDINGS.c.suppressed == "")
        .distinct()
    )


def _newest_messages(connection: Connection, chosen: ColumnElement[bool]) -> dict[str, str]:
    """By signature."""
    newest = (
        select(func.max(FINDINGS.c.id))
        .join(JOBS, FINDINGS.c.job == JOBS.c.id)
        .where(chosen, FINDINGS.c.suppressed == "")
        .group_by(FINDINGS.c.signature_sha256)
    )
    wanted = select(FINDINGS.c.signature, FINDINGS.c.message).where(FINDINGS.c.id.in_(newest))
    return {row.signature: row.message for row in connection.execute(wanted)}


def _known(
    identity: Identity,
    seen: Sequence[_Seen],
    nights: Mapping[int, Night],
    flakes: Collection[tuple[int, str, str, str]],
    message: str,
) -> Known:
    numbers = sorted({each.night for each in seen})
    newest = max(seen)
    return Known(
        signature=identity.signature,
        kernel=identity.kernel,
        device=identity.device,
        rule=newest.rule,
        severity=newest.severity,
        message=message,
        workloads=tuple(sorted({each.workload for each in seen})),
        first=nights[numbers[0]].started,
        last=nights[numbers[-1]].started,
        last_night=numbers[-1],
        nights=len(numbers),
        flaky_nights=sum((number, *identity) in flakes for number in numbers),
    )


def flaky(history: History, night: Night) -> tuple[Flake, ...]:
    """The findings of a night that only some of the judged repetitions of their jobs had."""
    with history.transaction() as connection:
        return _flakes(connection, JOBS.c.run == night.number)


def _flakes(connection: Connection, chosen: ColumnElement[bool]) -> tuple[Flake, ...]:
    place = (JOBS.c.run, JOBS.c.kernel, JOBS.c.device, JOBS.c.workload)
    done = chosen & (JOBS.c.ended == str(Ended.DONE))
    judged = select(*place, func.count().label("judged")).where(done).group_by(*place)
    finding = (FINDINGS.c.signature, FINDINGS.c.rule)
    found = (
        select(*place, *finding, func.count(distinct(JOBS.c.id)).label("found"))
        .select_from(FINDINGS)
        .join(JOBS, FINDINGS.c.job == JOBS.c.id)
        .where(done, FINDINGS.c.suppressed == "")
        .group_by(*place, *finding)
    )
    of_place = {tuple(row)[:4]: row.judged for row in connection.execute(judged)}
    flakes = (
        Flake(
            place=Place(row.kernel, row.device, row.workload),
            signature=row.signature,
            found=row.found,
            judged=of_place[tuple(row)[:4]],
            rule=row.rule,
            night=row.run,
        )
        for row in connection.execute(found)
    )
    return tuple(sorted(each for each in flakes if each.found < each.judged))


def earlier(history: History, night: Night, *, nights: int = NIGHTS) -> tuple[Earlier, ...]:
    """What a night is compared with.

    That is, of each kernel, device and workload, what it came to on the finished night before; and
    where none of its jobs got to the end then, also on the last night on which one did.

    Args:
        history: of the nights.
        night: which is not among what it is compared with.
        nights: how many nights are looked back.
    """
    found: list[Earlier] = []
    told: set[Place] = set()
    for before in _before(history, night, nights):
        left = history.places(before) - told
        # Most nights but the last have nothing left to tell, and each has a lot of results.
        results = history.results(before, left) if left else ()
        found += [Earlier(before.day, each) for each in results]
        told |= {
            each.place for each in results if each.ended is Ended.DONE and each.trace is not None
        }
    return tuple(found)


def unsteady(
    history: History,
    night: Night,
    *,
    nights: int = NIGHTS,
    acceptances: Sequence[Acceptance] = (),
) -> frozenset[Identity]:
    """The findings that were flaky on one of the nights before, and counted then.

    Args:
        history: of the nights.
        night: before which it is looked.
        nights: how many nights are looked back.
        acceptances: what was silenced on a night is not known from it.
    """
    found = set()
    for before in _before(history, night, nights):
        holding = [each for each in acceptances if each.holds_on(before.day)]
        for flake in flaky(history, before):
            identity = Identity(flake.signature, flake.place.kernel, flake.place.device)
            if not any(_silences(each, flake) for each in holding):
                found.add(identity)
    return frozenset(found)


def _silences(acceptance: Acceptance, flake: Flake) -> bool:
    return acceptance.covers(
        signature=flake.signature,
        rule=flake.rule,
        device=flake.place.device,
        kernel=flake.place.kernel,
    )


def _before(history: History, night: Night, nights: int) -> list[Night]:
    """The finished nights before, newest first."""
    before = [each for each in history.nights(night.matrix) if each.number < night.number]
    return before[: -nights - 1 : -1]
