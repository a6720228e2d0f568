# SPDX-License-Identifier: Apache-2.0
"""Runs a command that may take only so much time, memory and room on the disk."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from uvtrace.cluster.stop import Stop
from uvtrace.record.machine import dying_with_us

GRACE_S: Final = 20.0
"""So long a command that is asked to end may take to end by itself: a recorder ends its VM."""
_INTERVAL_S: Final = 0.2


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What a command may take, its descendants included.

    Attributes:
        seconds: of wall-clock time.
        memory_bytes: resident at any time.
        file_bytes: of each file watched.
    """

    seconds: float
    memory_bytes: int
    file_bytes: int


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a command ended.

    Attributes:
        exit_code: its own; negative for a signal.
        exceeded: what it took too much of, in words; empty for nothing.
        stopped: whether it was asked to end from outside.
        seconds: that it took.
    """

    exit_code: int
    exceeded: str
    stopped: bool
    seconds: float


def run_bounded(
    command: Sequence[str],
    bounds: Bounds,
    *,
    log: Path,
    watched: Iterable[Path] = (),
    stop: Stop | None = None,
    grace_s: float = GRACE_S,
) -> Ending:
    """Run a command until it ends, exceeds its bounds, or is to stop.

    It is asked to end, too, when this process is killed.

    Args:
        command: the program and its arguments.
        bounds: what it may take.
        log: gets what it says.
        watched: files that it writes, which may not grow beyond the bounds; the log is one, too.
        stop: ends it when it is set.
        grace_s: from asking it to end until it is killed, with all its descendants.
    """
    began = time.monotonic()
    files = (*watched, log)
    with log.open("wb") as said:
        # A session of its own: Ctrl-C is for us, and we ask it to end.
        process = subprocess.Popen(
            [*dying_with_us("TERM"), *command],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    exceeded, stopped = "", False
    try:
        while not _ended_within(process, _INTERVAL_S):
            stopped = stop is not None and stop.is_set()
            exceeded = _exceeded(process.pid, bounds, time.monotonic() - began, files)
            if stopped or exceeded:
                break
    finally:
        _end(process, grace_s)
    return Ending(
        exit_code=process.returncode,
        exceeded=exceeded,
        stopped=stopped,
        seconds=time.monotonic() - began,
    )


def _ended_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    return process.returncode is not None


def _exceeded(pid: int, bounds: Bounds, seconds: float, files: Iterable[Path]) -> str:
    if seconds > bounds.seconds:
        return f"more than {bounds.seconds:g} s"
    if memory_bytes(pid) > bounds.memory_bytes:
        return f"more than {bounds.memory_bytes >> 20} MB of memory"
    for path in files:
        with contextlib.suppress(OSError):
            if path.stat().st_size > bounds.file_bytes:
                return f"more than {bounds.file_bytes >> 10} kB in {path.name}"
    return ""


def _end(process: subprocess.Popen[bytes], grace_s: float) -> None:
    """Ask a command to end; then kill it, and what it has started."""
    if process.poll() is None:
        # Not SIGINT: whoever was started in the background ignores it, and so do his children.
        process.send_signal(signal.SIGTERM)
        if _ended_within(process, grace_s):
            return
        # Who is killed cannot end his VM.
        for pid in (process.pid, *_descendants(process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def memory_bytes(pid: int) -> int:
    """What a process and its descendants hold in memory; what several of them share counts once."""
    return sum(_proportional(each) for each in (pid, *_descendants(pid)))


def _proportional(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:")), 0)


def _descendants(pid: int) -> list[int]:
    """The processes that a process has started, and theirs."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        try:
            children = (task / "children").read_text().split()
        except OSError:
            continue
        for child in map(int, children):
            found += [child, *_descendants(child)]
    return found
