# SPDX-License-Identifier: Apache-2.0
"""Gives the jobs of a night to the workers of a cluster; what is finished is kept, come what may.

A night on this machine goes the same way: its cluster is within this process.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from uvtrace.cluster.work import Done
from uvtrace.nightly.crew import Crew
from uvtrace.nightly.history import History
from uvtrace.nightly.job import Job
from uvtrace.nightly.outcome import Ended, JobResult, Night
from uvtrace.nightly.result import Course, result_of
from uvtrace.nightly.task import Task


class Watcher(Protocol):
    """Told of how a night goes on; always from the thread that runs it."""

    def skipped(self, job: Job) -> None:
        """A job has been done already."""

    def finished(self, result: JobResult, done: int, of: int) -> None:
        """A job has been done, and its result is kept."""


class NobodyWatches:
    """A night that nobody watches."""

    def skipped(self, job: Job) -> None:
        """Nothing."""

    def finished(self, result: JobResult, done: int, of: int) -> None:
        """Nothing."""


def run_jobs(
    tasks: Sequence[Task],
    night: Night,
    history: History,
    crew: Crew,
    *,
    watcher: Watcher | None = None,
) -> None:
    """Do the jobs of a night that are not done yet.

    A job counts as done if the night has a result of the same digest. The results are stored one
    by one: after Ctrl-C or a crash, calling this again with the same night does the others.

    Args:
        tasks: all jobs of the night, in the order in which they are begun.
        night: in ``history``.
        history: gets the results.
        crew: does them.
        watcher: told of each job.

    Raises:
        EnvironmentLacksError: the scheduler went away, or no worker is left.
        UvtraceError: a job's checks cannot be used, or the history not be written; jobs that were
            running are given up.
    """
    watching = watcher or NobodyWatches()
    known = history.digests(night)
    left = []
    for task in tasks:
        if known.get(task.job.key) == task.job.digest:
            watching.skipped(task.job)
        else:
            left.append(task)
    done = len(tasks) - len(left)

    def keep(each: Done[Task, JobResult]) -> JobResult:
        nonlocal done
        result = each.result or _nobody_survived(each)
        history.store(night, result)
        done += 1
        return result

    work = crew.work(left)
    try:
        for each in work:
            watching.finished(keep(each), done, len(tasks))
    finally:
        for each in work.end():
            keep(each)


def _nobody_survived(each: Done[Task, JobResult]) -> JobResult:
    reason = f"{len(each.died)} workers, the last at {each.died[-1]}"
    course = Course(ended=Ended.WORKER_DIED, reason=reason, exit_code=None)
    return result_of(each.task.job, None, course)
