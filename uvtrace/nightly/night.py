# SPDX-License-Identifier: Apache-2.0
"""A night from its jobs to what is news in the morning."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from uvtrace.nightly.acceptance import Acceptance
from uvtrace.nightly.compare import Comparison, compare
from uvtrace.nightly.crew import Crew
from uvtrace.nightly.history import History
from uvtrace.nightly.matrix import Matrix
from uvtrace.nightly.outcome import JobResult, Night
from uvtrace.nightly.queries import earlier, unsteady
from uvtrace.nightly.scheduler import Watcher, run_jobs
from uvtrace.nightly.task import Task


@dataclass(frozen=True, kw_only=True)
class Morning:
    """What a night came to.

    Attributes:
        night: it.
        results: of its jobs, by kernel, device, workload and repetition.
        comparison: with the nights before.
    """

    night: Night
    results: tuple[JobResult, ...]
    comparison: Comparison


def run_night(
    night: Night,
    matrix: Matrix,
    tasks: Sequence[Task],
    history: History,
    crew: Crew,
    *,
    now: datetime.datetime | None = None,
    watcher: Watcher | None = None,
) -> Morning:
    """Do all jobs of a matrix, or those that the night has left, and compare.

    Args:
        night: new, or one that was not finished.
        matrix: says what is expected.
        tasks: all its jobs.
        history: of the nights.
        crew: does them.
        now: when it ends; by default when it does.
        watcher: told of each job.

    Raises:
        UvtraceError: see :func:`uvtrace.nightly.scheduler.run_jobs`.
    """
    run_jobs(tasks, night, history, crew, watcher=watcher)
    history.finish(night, now or datetime.datetime.now(datetime.UTC))
    wanted = {task.job.key for task in tasks}
    # A night that was taken up again may have results of jobs that the matrix no longer has.
    results = tuple(each for each in history.results(night) if each.key in wanted)
    return Morning(
        night=night,
        results=results,
        comparison=compared(history, night, results, matrix.expected),
    )


def compared(
    history: History,
    night: Night,
    results: Sequence[JobResult],
    expected: Sequence[Acceptance] = (),
) -> Comparison:
    """A night's results, compared with the nights before by what is accepted and expected."""
    acceptances = (*history.accepted(night.matrix), *expected)
    return compare(
        results,
        earlier(history, night),
        today=night.day,
        acceptances=acceptances,
        unsteady=unsteady(history, night, acceptances=acceptances),
    )
