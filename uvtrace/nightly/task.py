# SPDX-License-Identifier: Apache-2.0
"""A job as a worker does it: recorded in a folder of its own, judged, and put where it belongs."""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from uvtrace.cluster.sent import SentFile, sent_file
from uvtrace.cluster.stop import Stop, StoppedError, TaskStop
from uvtrace.errors import UvtraceError
from uvtrace.nightly.job import Job, files_of, with_files
from uvtrace.nightly.matrix import Limits
from uvtrace.nightly.outcome import Ended, JobResult
from uvtrace.nightly.recorder import record
from uvtrace.nightly.result import Course, result_of, without_store
from uvtrace.record.workspace import owned_folder
from uvtrace.trace import remote

Recorder = Callable[[Job, Path, Limits, Stop], tuple[Path | None, Course]]
"""Makes a job's recording, as :func:`uvtrace.nightly.recorder.record` does."""

_TOKEN: Final = ".night"
_JUDGING: Final = threading.Lock()
"""Recordings are judged one after another: each may take all the memory there is for one."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where what a night records belongs.

    Attributes:
        folder: absolute; of the night, where its matrix was read.
        token: that lies in it, so that a worker knows whether it sees the same folder.
        host: the machine that it is on.
        name: of the night below a store, ``MATRIX/NUMBER``.
        store: URL, or empty: recordings stay where they are made.
    """

    folder: Path
    token: str
    host: str
    name: str
    store: str = ""


@dataclass(frozen=True, kw_only=True)
class Task:
    """All that a worker needs to do a job.

    Attributes:
        job: it.
        limits: what it may take.
        site: where its recording belongs.
        recorder: makes the recording.
        files: those that the job names, where workers may not see them.
    """

    job: Job
    limits: Limits
    site: Site
    recorder: Recorder = record
    files: Mapping[str, SentFile] | None = None


def site_of(folder: Path, name: str, store: str = "") -> Site:
    """Where what a night records belongs: a folder of this machine, which is made."""
    folder = Path(os.path.abspath(folder))
    folder.mkdir(parents=True, exist_ok=True)
    token = folder / _TOKEN
    if not token.is_file():
        token.write_text(uuid.uuid4().hex, encoding="ascii")
    return Site(
        folder=folder,
        token=token.read_text(encoding="ascii"),
        host=socket.gethostname(),
        name=name,
        store=store.rstrip("/"),
    )


def with_its_files(task: Task) -> Task:
    """A task that takes along the files that its job names.

    Raises:
        OSError: one of them cannot be read.
    """
    return replace(task, files={name: sent_file(path) for name, path in files_of(task.job).items()})


def do(task: Task) -> JobResult:
    """Do a task on a Dask worker.

    Raises:
        UvtraceError: its checks cannot be used.
        Reschedule: it was given up; somebody else is to do it, if anybody still wants it.
    """
    from distributed import Reschedule

    try:
        return done(task, TaskStop())
    except StoppedError:
        raise Reschedule from None


def done(task: Task, stop: Stop) -> JobResult:
    """What a task comes to.

    A recording is made in a folder that only this try knows, and moved when it is whole: one that
    a worker was killed over gets in nobody's way, and is removed by the next who works there.

    Raises:
        UvtraceError: its checks cannot be used; what is wrong with this machine is a result.
        StoppedError: it was given up.
    """
    base, is_site = _base(task.site)
    try:
        base.mkdir(parents=True, exist_ok=True)
        with owned_folder(base, ".job-") as folder:
            return _done_in(folder, task, stop, base, "" if is_site else socket.gethostname())
    except OSError as error:
        reason = f"{error.filename or base}: {error.strerror}"
        course = Course(ended=Ended.FAILED, reason=f"on {socket.gethostname()}: {reason}")
        return result_of(task.job, None, course)


def _done_in(folder: Path, task: Task, stop: Stop, base: Path, host: str) -> JobResult:
    """What a task comes to that is done in a folder; ``host`` is told where it is another one."""
    files = {name: str(file.placed(folder)) for name, file in (task.files or {}).items()}
    job = with_files(task.job, files)
    recording, course = task.recorder(job, folder, task.limits, stop)
    if host and course.ended is Ended.FAILED:
        course = replace(course, reason=f"on {host}: {course.reason}")
    with _JUDGING:
        if stop.is_set():
            raise StoppedError(job.key)
        result = result_of(job, recording, course)
    return _put_away(result, folder, task, base, host)


def _put_away(result: JobResult, folder: Path, task: Task, base: Path, host: str) -> JobResult:
    """The result, its recording and log where they belong."""
    problem = ""
    location = ""
    # The log first: who sees a recording finds what was said.
    for file in sorted(folder.glob(f"{task.job.key}.*")):
        name = f"{task.job.key}{file.name.removeprefix(str(task.job.repetition))}"
        place = ""
        if task.site.store and not problem:
            try:
                place = _stored(file, f"{task.site.store}/{task.site.name}/{name}")
            except UvtraceError as error:
                problem = str(error)
        place = place or _moved(file, base / name, host)
        if not name.endswith(".log"):
            location = place
    if result.trace is None:
        return result
    kept = replace(result, trace=replace(result.trace, location=location or result.trace.location))
    return without_store(kept, problem) if problem else kept


def _stored(file: Path, url: str) -> str:
    remote.put(file, url)
    return url


def _moved(file: Path, place: Path, host: str) -> str:
    place.parent.mkdir(parents=True, exist_ok=True)
    file.replace(place)
    return f"{host}:{place}" if host else str(place)


def _base(site: Site) -> tuple[Path, bool]:
    """Where this machine keeps a night's recordings, and whether that is the night's own folder."""
    try:
        if (site.folder / _TOKEN).read_text(encoding="ascii") == site.token:
            return site.folder, True
    except (OSError, UnicodeDecodeError):
        pass
    root = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return Path(root, "uvtrace/nightly", site.token, site.name), False
