# SPDX-License-Identifier: Apache-2.0
"""How a recording's progress is shown: one live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Protocol, Self

import click

from uvtrace.record.session import Progress

_STAGES = {
    "build": "preparing the kernel module",
    "boot": "booting",
    "again": "the guest crashed before recording began, booting again",
    "booted": "guest is up, loading the module",
    "loaded": "module is loaded",
    "arm": "arming",
    "armed": "armed, binding the driver",
    "bind": "binding the driver",
    "bound": "driver is bound, setting up",
    "ready": "running the command",
    "command": "running the command",
    "ran": "command has ended, unbinding",
    "unbind": "unbinding",
    "unbound": "stopping",
    "stopped": "stopped",
    "failed": "could not go on",
    "end": "reading what is left",
    "done": "done",
}


class Display(Progress, Protocol):
    """Progress that is shown while its context lasts."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class Lines:
    """One line per step, on stderr; the command's output goes where the command's would.

    Args:
        stdout_is_taken: the trace goes to stdout, and all that the command says to stderr.
    """

    def __init__(self, *, stdout_is_taken: bool = False) -> None:
        self._begun = time.monotonic()
        self._stdout_is_taken = stdout_is_taken

    def stage(self, name: str) -> None:
        """A step begins."""
        seconds = time.monotonic() - self._begun
        self._say(f"uvtrace: {seconds:5.1f} s  {_STAGES.get(name, name)}")

    def counts(self, records: int, lost: int) -> None:
        """Said at the end only."""

    def command_output(self, text: bytes, *, is_error: bool) -> None:
        """Pass it on, byte for byte."""
        stream = sys.stderr if is_error or self._stdout_is_taken else sys.stdout
        stream.flush()
        stream.buffer.write(text)
        stream.buffer.flush()

    def _say(self, text: str) -> None:
        click.echo(text, err=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to put back."""


class LiveLine(Lines):
    """A line that is written over: stage, records, lost, seconds."""

    def __init__(self, *, stdout_is_taken: bool = False) -> None:
        from rich.console import Console
        from rich.status import Status

        super().__init__(stdout_is_taken=stdout_is_taken)
        self._status = Status("starting", console=Console(stderr=True))
        self._stage = "starting"
        self._counts = ""

    def stage(self, name: str) -> None:
        """A step begins."""
        self._stage = _STAGES.get(name, name)
        self._show()

    def counts(self, records: int, lost: int) -> None:
        """So much has been written."""
        self._counts = f"  {records:,} records, {lost:,} lost"
        self._show()

    def command_output(self, text: bytes, *, is_error: bool) -> None:
        """Pass it on; the line makes room for it."""
        self._status.stop()
        super().command_output(text, is_error=is_error)
        self._status.start()

    def _show(self) -> None:
        seconds = time.monotonic() - self._begun
        self._status.update(f"{seconds:5.1f} s  {self._stage}{self._counts}")

    def __enter__(self) -> Self:
        self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()


class Quiet(Lines):
    """Only the command's output."""

    def stage(self, name: str) -> None:
        """Nothing."""


def display(*, quiet: bool = False, stdout_is_taken: bool = False) -> Display:
    """What suits where stderr goes."""
    if quiet:
        return Quiet(stdout_is_taken=stdout_is_taken)
    kind = LiveLine if sys.stderr.isatty() else Lines
    return kind(stdout_is_taken=stdout_is_taken)
