# SPDX-License-Identifier: Apache-2.0
"""Every night's results, in SQLite or PostgreSQL."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, insert, select, tuple_, update

from uvtrace.errors import UsageError
from uvtrace.nightly import rows
from uvtrace.nightly.acceptance import Acceptance
from uvtrace.nightly.database import opened, told
from uvtrace.nightly.job import Place
from uvtrace.nightly.outcome import JobResult, Night
from uvtrace.nightly.schema import ACCEPTED, JOBS, RUNS
from uvtrace.version import VERSION

_PLACE = tuple_(JOBS.c.kernel, JOBS.c.device, JOBS.c.workload)


class History:
    """The nights of one or more matrices; what each method writes is there as a whole or not.

    Args:
        where: the path of an SQLite file, or a URL: ``postgresql://USER@HOST/NAME``.

    Raises:
        UsageError: it is neither SQLite nor PostgreSQL.
        EnvironmentLacksError: the driver for PostgreSQL is not installed.
        UvtraceError: the database cannot be reached, or a later version has written it; every
            method may raise it, too.
    """

    def __init__(self, where: str | Path) -> None:
        self._engine: Engine = opened(where)

    def __enter__(self) -> History:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the database go."""
        self._engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection; what is done with it counts when the block ends without an error."""
        with told(self._engine.url), self._engine.begin() as connection:
            yield connection

    def begin(self, matrix: str, started: datetime.datetime) -> Night:
        """A new night.

        Args:
            matrix: what the matrix is called: nights of the same name are compared.
            started: when, with its time zone.
        """
        values = {"matrix": matrix, "started": started, "finished": None, "tool": VERSION}
        with self.transaction() as connection:
            row = connection.execute(insert(RUNS).values(**values).returning(*RUNS.c)).one()
        return _night(row)

    def finish(self, night: Night, finished: datetime.datetime) -> None:
        """Note that all jobs of a night have been done."""
        with self.transaction() as connection:
            connection.execute(
                update(RUNS).where(RUNS.c.id == night.number).values(finished=finished)
            )

    def store(self, night: Night, result: JobResult) -> None:
        """Keep what a job came to; it takes the place of an earlier result of the same job."""
        place = result.place
        with self.transaction() as connection:
            connection.execute(
                delete(JOBS).where(
                    JOBS.c.run == night.number,
                    JOBS.c.kernel == place.kernel,
                    JOBS.c.device == place.device,
                    JOBS.c.workload == place.workload,
                    JOBS.c.repetition == result.repetition,
                )
            )
            values = rows.of_job(night.number, result)
            job = connection.execute(
                insert(JOBS).values(**values).returning(JOBS.c.id)
            ).scalar_one()
            for table, listed in rows.of_result(job, result):
                if listed:
                    connection.execute(insert(table), listed)

    def digests(self, night: Night) -> dict[str, str]:
        """The jobs of a night that are done: key and digest."""
        chosen = select(JOBS).where(JOBS.c.run == night.number)
        with self.transaction() as connection:
            found = connection.execute(chosen).all()
        return {f"{rows.place(row)}/{row.repetition}": row.digest for row in found}

    def results(
        self, night: Night, places: Collection[Place] | None = None
    ) -> tuple[JobResult, ...]:
        """What the jobs of a night came to, by kernel, device, workload and repetition.

        Args:
            night: of this history.
            places: only of these jobs; of all by default.
        """
        chosen = JOBS.c.run == night.number
        if places is not None:
            chosen &= _PLACE.in_([astuple(place) for place in places])
        with self.transaction() as connection:
            return rows.results(connection, chosen)

    def places(self, night: Night) -> frozenset[Place]:
        """The kernels, devices and workloads of which a night has results."""
        wanted = select(JOBS.c.kernel, JOBS.c.device, JOBS.c.workload).distinct()
        with self.transaction() as connection:
            found = connection.execute(wanted.where(JOBS.c.run == night.number)).all()
        return frozenset(Place(*row) for row in found)

    def nights(self, matrix: str, *, finished_only: bool = True) -> tuple[Night, ...]:
        """The nights of a matrix, oldest first."""
        chosen = select(RUNS).where(RUNS.c.matrix == matrix).order_by(RUNS.c.id)
        with self.transaction() as connection:
            found = tuple(_night(row) for row in connection.execute(chosen))
        return tuple(each for each in found if each.finished is not None or not finished_only)

    def before(self, night: Night) -> Night | None:
        """The last night of the same matrix that had finished before this one was begun."""
        earlier = [each for each in self.nights(night.matrix) if each.number < night.number]
        return earlier[-1] if earlier else None

    def unfinished(self, matrix: str) -> Night | None:
        """The newest night of a matrix, where it is not finished: it may be taken up again."""
        nights = self.nights(matrix, finished_only=False)
        return nights[-1] if nights and nights[-1].finished is None else None

    def accept(self, matrix: str, acceptance: Acceptance) -> None:
        """Take findings into the baseline of a matrix.

        Raises:
            UsageError: there is no reason, or no day from which on it holds.
        """
        if not acceptance.reason.strip():
            raise UsageError("an accepted finding needs a reason")
        if acceptance.since is None or not (acceptance.signature or acceptance.rule):
            raise UsageError("an acceptance needs a first day, and a signature or a rule")
        names = ("signature", "rule", "device", "kernel", "reason", "since", "expires")
        values = {name: getattr(acceptance, name) for name in names}
        with self.transaction() as connection:
            connection.execute(insert(ACCEPTED).values(matrix=matrix, **values))

    def accepted(self, matrix: str) -> tuple[Acceptance, ...]:
        """The baseline of a matrix, in the order in which it was accepted."""
        chosen = select(ACCEPTED).where(ACCEPTED.c.matrix == matrix).order_by(ACCEPTED.c.id)
        with self.transaction() as connection:
            found: Sequence[Row[Any]] = connection.execute(chosen).all()
        return tuple(_acceptance(row) for row in found)


def _night(row: Row[Any]) -> Night:
    return Night(
        number=row.id,
        matrix=row.matrix,
        started=row.started,
        finished=row.finished,
        tool=row.tool,
    )


def _acceptance(row: Row[Any]) -> Acceptance:
    return Acceptance(
        signature=row.signature,
        rule=row.rule,
        device=row.device,
        kernel=row.kernel,
        reason=row.reason,
        since=row.since,
        expires=row.expires,
        origin=f"accepted on {row.since}",
    )
