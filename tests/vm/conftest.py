# SPDX-License-Identifier: Apache-2.0
"""Recordings in VMs, made through the command line as a user makes them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

import uvtrace
from uvtrace.record import environment, kernels
from uvtrace.trace.trace import Trace

RUN_TIMEOUT_S = 600
UVTRACE = "from uvtrace.cli.main import run; run()"


@dataclass(frozen=True)
class Recorded:
    """How a run of ``uvtrace record`` went."""

    path: Path
    code: int
    stdout: str
    stderr: str

    @property
    def trace(self) -> Trace:
        return uvtrace.open(self.path)


def command_line(path: Path, device: str, *command: str, options: Sequence[str] = ()) -> list[str]:
    """The words of ``uvtrace record --vm``."""
    words = [sys.executable, "-c", UVTRACE, "record", "--vm", "--device", device]
    return [*words, "-o", str(path), *options, "--", *command]


def record(path: Path, device: str, *command: str, options: Sequence[str] = ()) -> Recorded:
    """Record in a VM until the command ends."""
    words = command_line(path, device, *command, options=options)
    done = subprocess.run(words, capture_output=True, text=True, timeout=RUN_TIMEOUT_S, check=False)
    return Recorded(path, done.returncode, done.stdout, done.stderr)


def record_and_signal(
    path: Path, device: str, number: signal.Signals, *, bytes_written: int
) -> Recorded:
    """Record a command without an end; send a signal once the file has grown so large."""
    words = command_line(path, device, "sleep", "300")
    with subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # What a shell starts in the background ignores SIGINT; a terminal's recorder does not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        wait_until(lambda: path.exists() and path.stat().st_size > bytes_written, RUN_TIMEOUT_S)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
        return Recorded(path, process.returncode, stdout, stderr)


def wait_until(condition: Callable[[], bool], timeout_s: float) -> None:
    """Fail when a condition does not come true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def complete_kernels() -> list[str]:
    """Releases of the kernels that a VM can record on."""
    return [kernel.release for kernel in kernels.installed() if kernel.is_complete]


@pytest.fixture(scope="session", autouse=True)
def _vm_is_possible() -> None:
    """A machine that cannot run a VM says what it lacks, and these tests do not run."""
    lacking = [
        f"{check.name} ({check.remedy})"
        for check in environment.examine()
        if check.state is environment.State.MISSING and environment.VM in check.needed_for
    ]
    if lacking:
        pytest.skip(f"no VM here: {', '.join(lacking)}")


@pytest.fixture(scope="session")
def e1000(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """The stock e1000 driver under five pings."""
    path = tmp_path_factory.mktemp("e1000") / "run.pcapng"
    recorded = record(path, "qemu:e1000", "ping", "-c", "5", "10.0.2.2")
    assert path.exists(), recorded.stderr
    return recorded
