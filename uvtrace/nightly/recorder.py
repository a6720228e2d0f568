# SPDX-License-Identifier: Apache-2.0
"""One job: a recording in a VM, in a process of its own, and what it came to."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

import uvtrace
from uvtrace.cluster.stop import Stop, StoppedError
from uvtrace.errors import InputError
from uvtrace.nightly.bounded import Bounds, Ending, run_bounded
from uvtrace.nightly.job import Job
from uvtrace.nightly.matrix import Limits
from uvtrace.nightly.outcome import Ended
from uvtrace.nightly.result import Course
from uvtrace.trace.trace import Trace

SUFFIX: Final = ".pcapng.zst"
RECORDER_BYTES: Final = 1 << 30
"""What recorder, ring, QEMU itself and the building of the module take beside the VM's RAM."""

_ENDED: Final = {
    "command": Ended.DONE,
    "timeout": Ended.TIMEOUT,
    "panic": Ended.PANIC,
    "died": Ended.DIED,
}
# Of the kernel's own code segment: a program's address tells nothing.
_SITE = re.compile(r"RIP: 0010:(?P<symbol>[^\s/]+)(?:/0x[0-9a-f]+)?(?P<module> \[\w+\])?")
_SAID: Final = "the kernel said: "
_LOG_BYTES: Final = 4000


def command_of(job: Job, recording: Path) -> list[str]:
    """The command that makes a job's recording."""
    driver = ["--driver", job.driver] if job.driver else []
    return [
        *(sys.executable, "-c", "from uvtrace.cli.main import run; run()"),
        *("record", "--vm", "--quiet", "-o", str(recording)),
        *("--kernel", job.release, "--device", job.spec, *driver),
        *("--cpus", str(job.cpus), "--ram", f"{job.ram_bytes >> 20}M"),
        *("--timeout", f"{job.timeout_s:g}"),
        *(["--memory"] if job.memory else []),
        *([] if job.setup else ["--no-setup"]),
        *("--", "sh", "-c", job.command),
    ]


def record(job: Job, folder: Path, limits: Limits, stop: Stop) -> tuple[Path | None, Course]:
    """Make a job's recording, ``KEY.pcapng.zst`` with what was said in ``KEY.log`` beside it.

    Args:
        job: it.
        folder: below which the file is put.
        limits: what the job may take.
        stop: ends it when it is set.

    Returns:
        The recording, or None where nothing could be recorded; and how it went.

    Raises:
        StoppedError: ``stop`` was set before it ended.
    """
    recording = folder / f"{job.key}{SUFFIX}"
    log = folder / f"{job.key}.log"
    recording.parent.mkdir(parents=True, exist_ok=True)
    recording.unlink(missing_ok=True)
    bounds = Bounds(
        seconds=limits.seconds,
        memory_bytes=job.ram_bytes + RECORDER_BYTES,
        file_bytes=limits.trace_bytes,
    )
    command = command_of(job, recording)
    ending = run_bounded(command, bounds, log=log, watched=[recording], stop=stop)
    if ending.stopped:
        raise StoppedError(job.key)
    return (recording if recording.exists() else None), _course(recording, ending, log)


def _course(recording: Path, ending: Ending, log: Path) -> Course:
    if ending.exceeded:
        return Course(ended=Ended.BOUNDS, reason=ending.exceeded, seconds=ending.seconds)
    try:
        trace = uvtrace.open(recording)
    except InputError:
        return Course(ended=Ended.FAILED, reason=_last_line(log), seconds=ending.seconds)
    return _course_told(trace, ending, log)


def _course_told(trace: Trace, ending: Ending, log: Path) -> Course:
    """What the recorder has written of its end into the recording."""
    told = trace.metadata.result
    ended = _ENDED.get(told.get("ended", ""), Ended.FAILED)
    code = told.get("exit_code")
    # Who was ended in time has nothing more to say; who has not said why, said it last.
    last = _last_line(log) if ended is Ended.FAILED else ""
    reason = "" if ended is Ended.DONE else str(told.get("failure") or last)
    oops = next((each for each in told.get("warnings", ()) if str(each).startswith(_SAID)), "")
    site = _SITE.search(trace.metadata.console) if oops or ended is Ended.PANIC else None
    return Course(
        ended=ended,
        reason=reason.partition("\n")[0],
        site=f"{site['symbol']}{site['module'] or ''}" if site else "",
        oops=str(oops).removeprefix(_SAID),
        exit_code=code if isinstance(code, int) else None,
        seconds=ending.seconds,
    )


def _last_line(log: Path) -> str:
    """What a recorder that recorded nothing said last."""
    said = log.read_bytes()[-_LOG_BYTES:].decode(errors="replace")
    lines = [line for line in said.splitlines() if line.strip()]
    return lines[-1].removeprefix("uvtrace: ") if lines else "the recorder ended without a word"
