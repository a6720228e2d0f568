# SPDX-License-Identifier: Apache-2.0
"""A night from its jobs to what is news in the morning."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from uvtrace.nightly.acceptance import Acceptance
from uvtrace.nightly.compare import Comparison, compare
from uvtrace.nightly.history import History
from uvtrace.nightly.job import Job
from uvtrace.nightly.matrix import Matrix
from uvtrace.nightly.outcome import JobResult, Night
from uvtrace.nightly.queries import earlier, unsteady
from uvtrace.nightly.scheduler import Recorder, Watcher, run_jobs


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
    name: str,
    matrix: Matrix,
    jobs: Sequence[Job],
    history: History,
    recorder: Recorder,
    *,
    now: datetime.datetime | None = None,
    watcher: Watcher | None = None,
) -> Morning:
    """Do all jobs of a matrix, or those that the newest night has left, and compare.

    Args:
        name: what the matrix is called in the history.
        matrix: says how many jobs run side by side, and what is expected.
        jobs: of the matrix.
        history: of the nights.
        recorder: makes the recordings.
        now: when it begins; this moment by default.
        watcher: told of each job.

    Raises:
        UvtraceError: see :func:`uvtrace.nightly.scheduler.run_jobs`.
    """
    began = now or datetime.datetime.now(datetime.UTC)
    night = history.unfinished(name) or history.begin(name, began)
    run_jobs(
        jobs,
        night,
        history,
        recorder,
        side_by_side=matrix.limits.jobs,
        watcher=watcher,
    )
    history.finish(night, now or datetime.datetime.now(datetime.UTC))
    wanted = {job.key for job in jobs}
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
