# SPDX-License-Identifier: Apache-2.0
"""What the history tells of a finding: since when, on which kernels, and whether every time."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Final

from sqlalchemy import distinct, func, select

from uvtrace.nightly.compare import Earlier, Identity
from uvtrace.nightly.history import History
from uvtrace.nightly.job import Place
from uvtrace.nightly.outcome import Ended, Night
from uvtrace.nightly.rows import signature_sha256
from uvtrace.nightly.schema import FINDINGS, JOBS, RUNS

NIGHTS: Final = 10
"""So many nights are looked back by default."""


@dataclass(frozen=True, order=True)
class Sighting:
    """When a finding was seen on a kernel and device.

    Attributes:
        kernel, device: their names in the matrix.
        first, last: beginning of the first and of the last night that found it.
        nights: how many nights did.
    """

    kernel: str
    device: str
    first: datetime.datetime
    last: datetime.datetime
    nights: int


@dataclass(frozen=True, order=True)
class Flake:
    """A finding that only some repetitions of a night had.

    Attributes:
        place: of which jobs.
        signature: of the finding.
        found: in how many repetitions.
        judged: of how many.
    """

    place: Place
    signature: str
    found: int
    judged: int


def sightings(history: History, matrix: str, signature: str) -> tuple[Sighting, ...]:
    """First and last seen, by kernel and device; empty where it was never seen."""
    wanted = (
        select(
            JOBS.c.kernel,
            JOBS.c.device,
            func.min(RUNS.c.started).label("first"),
            func.max(RUNS.c.started).label("last"),
            func.count(distinct(RUNS.c.id)).label("nights"),
        )
        .select_from(FINDINGS)
        .join(JOBS, FINDINGS.c.job == JOBS.c.id)
        .join(RUNS, JOBS.c.run == RUNS.c.id)
        .where(FINDINGS.c.signature_sha256 == signature_sha256(signature))
        .where(RUNS.c.matrix == matrix)
        .group_by(JOBS.c.kernel, JOBS.c.device)
    )
    with history.transaction() as connection:
        found = connection.execute(wanted).all()
    return tuple(sorted(Sighting(*row) for row in found))


def first_seen(history: History, matrix: str, signature: str) -> datetime.datetime | None:
    """When a finding was seen for the first time, on whatever kernel."""
    return min((each.first for each in sightings(history, matrix, signature)), default=None)


def last_seen(history: History, matrix: str, signature: str) -> datetime.datetime | None:
    """When a finding was seen for the last time, on whatever kernel."""
    return max((each.last for each in sightings(history, matrix, signature)), default=None)


def flaky(history: History, night: Night) -> tuple[Flake, ...]:
    """The findings of a night that only some of the judged repetitions of their jobs had."""
    place = (JOBS.c.kernel, JOBS.c.device, JOBS.c.workload)
    of_night = JOBS.c.run == night.number
    judged = (
        select(*place, func.count().label("judged"))
        .where(of_night, JOBS.c.ended == str(Ended.DONE))
        .group_by(*place)
    )
    found = (
        select(*place, FINDINGS.c.signature, func.count(distinct(JOBS.c.id)).label("found"))
        .select_from(FINDINGS)
        .join(JOBS, FINDINGS.c.job == JOBS.c.id)
        .where(of_night, JOBS.c.ended == str(Ended.DONE))
        .group_by(*place, FINDINGS.c.signature)
    )
    with history.transaction() as connection:
        of_place = {tuple(row)[:3]: row.judged for row in connection.execute(judged)}
        all_found = connection.execute(found).all()
    flakes = (
        Flake(Place(*row[:3]), row.signature, row.found, of_place[tuple(row)[:3]])
        for row in all_found
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
        results = history.results(before)
        found += [Earlier(before.day, each) for each in results if each.place not in told]
        told |= {
            each.place for each in results if each.ended is Ended.DONE and each.trace is not None
        }
    return tuple(found)


def unsteady(history: History, night: Night, *, nights: int = NIGHTS) -> frozenset[Identity]:
    """The findings that were flaky on one of the nights before."""
    return frozenset(
        Identity(flake.signature, flake.place.kernel, flake.place.device)
        for before in _before(history, night, nights)
        for flake in flaky(history, before)
    )


def _before(history: History, night: Night, nights: int) -> list[Night]:
    """The finished nights before, newest first."""
    before = [each for each in history.nights(night.matrix) if each.number < night.number]
    return before[: -nights - 1 : -1]
