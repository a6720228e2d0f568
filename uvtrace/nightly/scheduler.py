# SPDX-License-Identifier: Apache-2.0
"""Runs the jobs of a night, several side by side; what is finished is kept, whatever comes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from pathlib import Path
from typing import Protocol

from uvtrace.nightly.history import History
from uvtrace.nightly.job import Job
from uvtrace.nightly.outcome import JobResult, Night
from uvtrace.nightly.recorder import StoppedError
from uvtrace.nightly.result import Course, result_of

Recorder = Callable[[Job, threading.Event], tuple[Path | None, Course]]
"""Makes a job's recording, as :func:`uvtrace.nightly.recorder.record` does."""


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
    jobs: Sequence[Job],
    night: Night,
    history: History,
    recorder: Recorder,
    *,
    side_by_side: int = 1,
    watcher: Watcher | None = None,
) -> None:
    """Do the jobs of a night that are not done yet.

    A job counts as done if the night has a result of the same digest. The results are stored one
    by one: after Ctrl-C or a crash, calling this again with the same night does the others.

    Args:
        jobs: all jobs of the night, in the order in which they are begun.
        night: in ``history``.
        history: gets the results.
        recorder: makes the recordings.
        side_by_side: how many recordings are made at a time; they are judged one after another.
        watcher: told of each job.

    Raises:
        UvtraceError: a job's checks cannot be used, or the history not be written; jobs that were
            running are given up.
    """
    watching = watcher or NobodyWatches()
    known = history.digests(night)
    left = []
    for job in jobs:
        if known.get(job.key) == job.digest:
            watching.skipped(job)
        else:
            left.append(job)
    done = len(jobs) - len(left)

    def keep(result: JobResult) -> None:
        nonlocal done
        history.store(night, result)
        done += 1

    for result in _results(left, recorder, side_by_side, keep):
        watching.finished(result, done, len(jobs))


def _results(
    jobs: Sequence[Job],
    recorder: Recorder,
    side_by_side: int,
    keep: Callable[[JobResult], None],
) -> Iterator[JobResult]:
    """The results as they come, each kept before.

    Given up early, the recordings that are being made end, and what is finished is kept, too.
    """
    stop = threading.Event()
    judging = threading.Lock()
    with ThreadPoolExecutor(side_by_side, thread_name_prefix="job") as pool:
        left = {pool.submit(_done, job, recorder, stop, judging) for job in jobs}
        try:
            for future in as_completed(tuple(left)):
                result = future.result()
                keep(result)
                left.discard(future)
                yield result
        finally:
            stop.set()
            cancelled = {future for future in left if future.cancel()}
            finished, _ = wait(left - cancelled)
            for future in finished:
                if future.exception() is None:
                    keep(future.result())


def _done(
    job: Job, recorder: Recorder, stop: threading.Event, judging: threading.Lock
) -> JobResult:
    recording, course = recorder(job, stop)
    with judging:
        if stop.is_set():
            raise StoppedError(job.key)
        return result_of(job, recording, course)
