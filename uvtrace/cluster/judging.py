# SPDX-License-Identifier: Apache-2.0
"""Judging many recordings: one after the other, in several processes, or on a cluster.

What comes out is the same, in the order given. Processes of this machine speak through pipes, not
as workers of a Dask cluster: those listen on a port, and do what whoever reaches it says.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace

from uvtrace.cluster.connection import connected
from uvtrace.cluster.judge import Case, Judged, judged, sent_along, with_content, with_state
from uvtrace.cluster.work import Work
from uvtrace.cluster.workplace import Workplaces
from uvtrace.errors import ExitCode
from uvtrace.trace.texts import printable


@dataclass(frozen=True)
class _Numbered:
    """A case, and its place in the order."""

    number: int
    case: Case


def in_processes(cases: Sequence[Case], jobs: int) -> tuple[Judged, ...]:
    """Judge recordings in so many processes; a recording that kills its process is one result."""
    found: dict[int, Judged] = {}
    with _pool(jobs) as pool:
        futures = {
            pool.submit(judged, with_content(case) if case.run == "-" else case): number
            for number, case in enumerate(cases)
        }
        for number, outcome in _outcomes(pool, futures):
            if outcome is not None:
                found[number] = outcome
    for number, case in enumerate(cases):
        if number not in found:
            found[number] = _alone(case)
    return tuple(found[number] for number in range(len(cases)))


def _outcomes(
    pool: ProcessPoolExecutor, futures: dict[Future[Judged], int]
) -> Iterator[tuple[int, Judged | None]]:
    """What each came to; None where a process died, of its own case or of another one."""
    try:
        for future in as_completed(futures):
            try:
                yield futures[future], future.result()
            except BrokenProcessPool:
                yield futures[future], None
    except KeyboardInterrupt:
        pool.shutdown(wait=False, cancel_futures=True)
        raise


def _alone(case: Case) -> Judged:
    """Judge a recording that may be what killed a process."""
    with _pool(1) as pool:
        try:
            return pool.submit(judged, case).result()
        except BrokenProcessPool:
            text = "the process that judged it was killed (was there too little memory?)"
            return Judged(line=f"{printable(case.run)}: {text}", code=ExitCode.ENVIRONMENT)


def _pool(jobs: int) -> ProcessPoolExecutor:
    # Not forked from here: libraries have threads by now. The server imports all once.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([judged.__module__])
    return ProcessPoolExecutor(jobs, mp_context=context, initializer=_end_silently)


def _end_silently() -> None:
    """Ctrl-C ends a process at once; what there is to say says the one that waits for it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def on_cluster(
    cases: Sequence[Case], scheduler: str, warn: Callable[[str], None]
) -> tuple[Judged, ...]:
    """Judge recordings on the workers of a Dask cluster.

    A worker reads a file itself if it sees it, at its own path; else the file is sent along.

    Args:
        cases: the recordings.
        scheduler: its address, or its file.
        warn: told in one line of each worker that is not used.

    Raises:
        UvtraceError: the scheduler does not answer, went away, or has no worker.
    """
    books = {case.book: sent_along(case.book) for case in cases}
    found: dict[int, Judged] = {}
    with connected(scheduler) as client:
        places = Workplaces(client, warn=warn)
        left = [
            _Numbered(number, with_state(replace(case, book=books[case.book])))
            for number, case in enumerate(cases)
        ]
        # Standard input is here only.
        for prepare in (_with_stdin, _with_content):
            work = Work(
                client=client, workplaces=places, function=_judged, tasks=left, prepare=prepare
            )
            try:
                for done in work:
                    found[done.task.number] = done.result or _given_up(done.task, done.died)
            finally:
                for done in work.end():
                    found[done.task.number] = done.result or _given_up(done.task, done.died)
            left = [each for each in left if found[each.number].unseen]
    return tuple(found[number] for number in range(len(cases)))


def _judged(numbered: _Numbered) -> Judged:
    return judged(numbered.case)


def _with_stdin(numbered: _Numbered) -> _Numbered:
    case = numbered.case
    return replace(numbered, case=with_content(case)) if case.run == "-" else numbered


def _with_content(numbered: _Numbered) -> _Numbered:
    return replace(numbered, case=with_content(numbered.case))


def _given_up(numbered: _Numbered, died: Sequence[str]) -> Judged:
    text = f"{len(died)} workers died while they judged it"
    return Judged(line=f"{printable(numbered.case.run)}: {text}", code=ExitCode.ENVIRONMENT)
