# SPDX-License-Identifier: Apache-2.0
"""What every recording has: its options, its progress, its result, and the drain loop."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from uvtrace.record.consumer import Consumer
from uvtrace.record.output import Output
from uvtrace.record.spec import DeviceSpec
from uvtrace.trace.enums import RingPolicy

DEFAULT_RING_BYTES = 32 << 20
DEFAULT_TIMEOUT_S = 600.0

STDOUT = Path("/dev/stdout")
"""An output that stands for this process's standard output."""

_SHORTEST_PAUSE_S = 0.001
_LONGEST_PAUSE_S = 0.010


@dataclass(frozen=True)
class Options:
    """What to record.

    Attributes:
        output: the trace file; ``.gz`` and ``.zst`` compress.
        devices: what ``--device`` named.
        command: runs while recording; its words, not a shell line.
        driver: a module's name, or the path of a ``.ko``; None for what modalias picks.
        ring_bytes: of the ring's slots; rounded down to a power of two.
        policy: what a full ring does; OVERWRITE is the flight recorder.
        snaplen: bytes kept of a transaction, record included; None keeps all.
        memory: record contents of memory, too.
        timeout_s: how long the command may take.
        keep_bound: do not unbind the driver before recording stops.
        setup: make the device ready before the command runs (VM only).
    """

    output: Path
    devices: Sequence[DeviceSpec]
    command: Sequence[str]
    driver: str | None = None
    ring_bytes: int = DEFAULT_RING_BYTES
    policy: RingPolicy = RingPolicy.DROP
    snaplen: int | None = None
    memory: bool = False
    timeout_s: float = DEFAULT_TIMEOUT_S
    keep_bound: bool = False
    setup: bool = True


@dataclass
class Result:
    """How a recording went. The trace is kept and valid in every case.

    Attributes:
        output: the trace file.
        records: in it.
        lost: records that the trace says are missing.
        exit_code: of the command; None where it did not end.
        ended: ``command`` (as it should), ``timeout``, ``interrupted``, ``panic`` (of the
            recorded kernel), ``died`` (the VM went away) or ``failed`` (see ``failure``).
        failure: why recording did not go all the way.
        console: what the recorded kernel printed, where it is known.
        statistics: the module's counters at the end.
        cpus: CPUs online before and after the command.
        stages: name of each step to seconds since the start.
        warnings: what the user should know.
    """

    output: Path
    records: int = 0
    lost: int = 0
    exit_code: int | None = None
    ended: str = "command"
    failure: str = ""
    console: str = ""
    statistics: dict[str, int] = field(default_factory=dict)
    cpus: list[int] = field(default_factory=list)
    stages: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def as_metadata(self) -> dict[str, Any]:
        """The RESULT document that the trace ends with."""
        document: dict[str, Any] = {
            "exit_code": self.exit_code,
            "ended": self.ended,
            "statistics": self.statistics,
            "cpus": self.cpus,
            "lost": self.lost,
            "stages": {name: round(seconds, 3) for name, seconds in self.stages.items()},
        }
        if self.failure:
            document["failure"] = self.failure
        if self.warnings:
            document["warnings"] = self.warnings
        return document


class Progress(Protocol):
    """Told of how a recording goes on; must return soon."""

    def stage(self, name: str) -> None:
        """A step begins."""

    def counts(self, records: int, lost: int) -> None:
        """So much has been written."""

    def command_output(self, text: bytes, *, is_error: bool) -> None:
        """The command wrote to its standard output, or standard error."""


class NoProgress:
    """Progress that nobody watches; the command's output is dropped."""

    def stage(self, name: str) -> None:
        """Nothing."""

    def counts(self, records: int, lost: int) -> None:
        """Nothing."""

    def command_output(self, text: bytes, *, is_error: bool) -> None:
        """Nothing."""


class Drain:
    """Moves records from the ring to the file, as often as they come.

    Args:
        consumer: the ring's reader.
        output: the file.
        progress: told of the counts.
    """

    def __init__(self, consumer: Consumer, output: Output, progress: Progress) -> None:
        self._consumer = consumer
        self._output = output
        self._progress = progress
        self._pause_s = _SHORTEST_PAUSE_S
        self._told_at = 0.0

    def step(self) -> None:
        """Write what is there; when nothing is, wait a little, each time a little longer."""
        batch = self._consumer.take()
        if len(batch):
            self._output.write(batch)
            self._pause_s = _SHORTEST_PAUSE_S
        else:
            self._output.flush()
            time.sleep(self._pause_s)
            self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)
        self._tell()

    def finish(self) -> None:
        """Write all that is left; for when nothing writes to the ring any more."""
        while len(batch := self._consumer.take()):
            self._output.write(batch)
        for batch in self._consumer.take_rest():
            self._output.write(batch)
        self._progress.counts(self._output.records, self._output.lost)

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._told_at >= 0.1:
            self._told_at = now
            self._progress.counts(self._output.records, self._output.lost)
