# SPDX-License-Identifier: Apache-2.0
"""After a night: reports of the jobs that found something, minimised traces of what is new.

Each is made by a command of its own, within a bound of time: what cannot be had in time is left
out, new findings come first, and a recording that makes us fail spoils nothing else.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvtrace
from uvtrace.errors import ExitCode, InputError
from uvtrace.nightly.bounded import Bounds, run_bounded
from uvtrace.nightly.compare import Change, Comparison, Status
from uvtrace.nightly.folder import NightFolder
from uvtrace.nightly.job import Job
from uvtrace.nightly.outcome import JOB_RULE, REQUIRED, Ended, JobResult
from uvtrace.report.folder import PAGE
from uvtrace.trace.texts import printable

MINIMISE_S: Final = 120.0
"""So long minimising one finding may take, reading and judging the recording included."""
REPORT_S: Final = 180.0
"""So long one report may take."""
_MEMORY_BYTES: Final = 2 << 30
_FILE_BYTES: Final = 1 << 30
_CONSOLE_LINES: Final = 5000
_LEAST_S: Final = 3.0
"""With less time than this left, nothing is begun."""

Told = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class _Task:
    """A command that makes something.

    Attributes:
        what: for whoever watches.
        recording: of which it is made: a path or a URL.
        arguments: for uvtrace.
        makes: the file by which it is known to be done.
        log: gets what the command says.
        seconds: that it may take at most.
        keeps_log: what it says belongs to what it makes.
    """

    what: str
    recording: str
    arguments: Sequence[str]
    makes: Path
    log: Path
    seconds: float
    keeps_log: bool = False

    @property
    def is_done(self) -> bool:
        """Whether it was made on an earlier try, of this very recording."""
        if not self.makes.exists():
            return False
        recording = Path(self.recording)
        return _is_url(self.recording) or (self.makes.stat().st_mtime >= recording.stat().st_mtime)


def prove(
    jobs: Sequence[Job],
    results: Sequence[JobResult],
    comparison: Comparison,
    folder: NightFolder,
    *,
    seconds: float,
    side_by_side: int = 1,
    told: Told = lambda line: None,
) -> None:
    """Make reports and minimised traces. Ctrl-C leaves out the rest.

    Args:
        jobs: of the night.
        results: of these.
        comparison: says what is new.
        folder: of the night.
        seconds: that all of it may take; 0: none is made.
        side_by_side: how many are made at a time.
        told: gets a line for each that could not be made.
    """
    by_key = {job.key: job for job in jobs}
    for result in results:
        _keep_console(result, folder)
    if not seconds:
        return
    tasks = [*_minimised(by_key, results, comparison, folder)]
    tasks += _reports(by_key, results, comparison, folder)
    left = [task for task in tasks if not task.is_done]
    end, stop = time.monotonic() + seconds, threading.Event()
    with ThreadPoolExecutor(side_by_side, thread_name_prefix="proof") as pool:
        try:
            for line in pool.map(lambda task: _made(task, end, stop), left):
                if line:
                    told(line)
        except KeyboardInterrupt:
            stop.set()
            told("interrupted: the other reports are left out")


def recording_of(result: JobResult, folder: NightFolder) -> str | None:
    """Where a job's recording can be read, a path or URL; None where it cannot be from here."""
    own = folder.recording(result.key)
    if own.is_file():
        return str(own)
    location = result.trace.location if result.trace is not None else ""
    return location if _is_url(location) or (location and Path(location).is_file()) else None


def _is_url(location: str) -> bool:
    return "://" in location


def _made(task: _Task, end: float, stop: threading.Event) -> str:
    """Make one; what is to be told if that fails."""
    left = end - time.monotonic()
    if stop.is_set():
        return ""
    if left < _LEAST_S:
        return f"{task.what}: left out, the time for reports is over"
    bounds = Bounds(
        seconds=min(task.seconds, left), memory_bytes=_MEMORY_BYTES, file_bytes=_FILE_BYTES
    )
    task.log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", "from uvtrace.cli.main import run; run()", *task.arguments]
    ending = run_bounded(command, bounds, log=task.log, watched=[task.makes], stop=stop)
    said = task.log.read_text(encoding="utf-8", errors="replace")
    if not task.keeps_log:
        task.log.unlink()
    fine = (ExitCode.OK, ExitCode.FAILED, ExitCode.INPUT)
    if ending.exit_code in fine and task.makes.exists():
        return ""
    if ending.stopped:
        return ""
    lines = said.strip().splitlines()
    why = f"gave up: {ending.exceeded}" if ending.exceeded else lines[-1] if lines else "failed"
    if task.keeps_log:
        task.log.write_text(f"{why}\n", encoding="utf-8")
    return printable(f"{task.what}: {why}")


def _minimised(
    jobs: Mapping[str, Job],
    results: Sequence[JobResult],
    comparison: Comparison,
    folder: NightFolder,
) -> Iterator[_Task]:
    new = comparison.of(Status.NEW)
    for change in sorted(new, key=lambda each: not each.finding.is_failure):
        finding = change.finding
        if finding.rule == JOB_RULE or finding.signature.startswith(REQUIRED):
            continue
        having = [each for each in _having(change, results) if recording_of(each, folder)]
        if not having:
            continue
        # The proof is the same in each: the shortest recording is the quickest to judge.
        result = min(having, key=lambda each: each.trace.records if each.trace else 0)
        recording = recording_of(result, folder)
        assert recording is not None
        target = folder.minimal(finding)
        yield _Task(
            what=f"minimised trace of {finding.signature}",
            recording=recording,
            arguments=(
                *("minimize", recording, "--finding", finding.signature),
                *("-o", str(target), "--seconds", f"{MINIMISE_S / 2:g}"),
                *_judged_by(jobs[result.key]),
            ),
            makes=target,
            log=folder.minimal_told(finding),
            seconds=MINIMISE_S,
            keeps_log=True,
        )


def _having(change: Change, results: Sequence[JobResult]) -> list[JobResult]:
    """The results with a finding at the places where it is new."""
    places = {(spot.kernel, spot.device) for spot in change.spots}
    return [
        result
        for result in results
        if (result.place.kernel, result.place.device) in places
        and any(each.signature == change.finding.signature for each in result.findings)
    ]


def _reports(
    jobs: Mapping[str, Job],
    results: Sequence[JobResult],
    comparison: Comparison,
    folder: NightFolder,
) -> Iterator[_Task]:
    new = {
        result.key for change in comparison.of(Status.NEW) for result in _having(change, results)
    }
    for result in sorted(results, key=lambda each: each.key not in new):
        recording = recording_of(result, folder)
        if recording is None or not any(not each.suppressed for each in result.findings):
            continue
        job, target = jobs[result.key], folder.report(result.key)
        yield _Task(
            what=f"report of {result.key}",
            recording=recording,
            arguments=(
                *("report", "--quiet", recording, "-o", str(target)),
                *_judged_by(job),
                *_chosen(job),
            ),
            makes=target / PAGE,
            log=target.with_suffix(".report.log"),
            seconds=REPORT_S,
        )


def _judged_by(job: Job) -> list[str]:
    registers = ["--registers", job.registers] if job.registers else []
    contract = ["--contract", job.contract] if job.contract else []
    return [*registers, *contract]


def _chosen(job: Job) -> Iterator[str]:
    checks = job.checks
    if checks.selection.select:
        yield from ("--select", ",".join(checks.selection.select))
    if checks.selection.ignore:
        yield from ("--ignore", ",".join(checks.selection.ignore))
    if checks.suppressions is not None:
        yield from ("--suppressions", str(checks.suppressions))


def _keep_console(result: JobResult, folder: NightFolder) -> None:
    """What the guest's kernel said, as a file, where its job went wrong."""
    wrong = result.ended is not Ended.DONE or any(
        finding.rule == JOB_RULE for finding in result.findings
    )
    recording = recording_of(result, folder)
    if not wrong or recording is None:
        return
    try:
        lines = uvtrace.open(recording).metadata.console.splitlines()
    except InputError:
        return
    if lines:
        target = folder.console(result.key)
        target.parent.mkdir(parents=True, exist_ok=True)
        # Whoever prints the file to a terminal must not be surprised.
        told = "\n".join(printable(line) for line in lines[-_CONSOLE_LINES:])
        target.write_text(f"{told}\n", encoding="utf-8")
