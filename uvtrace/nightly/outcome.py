# SPDX-License-Identifier: Apache-2.0
"""What a job came to: the part of it that is kept and compared with other nights'."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from enum import StrEnum

from uvtrace.check.results import Verdict
from uvtrace.check.rules import Severity
from uvtrace.nightly.job import Place

JOB_RULE = "JOB"
"""``rule`` of findings that are about the job itself: its guest panicked, it hung, …"""
REQUIRED = "REQUIRED:"
"""What signatures begin with where a required rule did not pass."""

State = tuple[str, str]
"""Automaton and state."""
Edge = tuple[str, str, str, str]
"""Automaton, source, target, label."""


class Ended(StrEnum):
    """How a job ended."""

    DONE = "done"
    """The workload ended by itself, whatever its exit code."""
    TIMEOUT = "timeout"
    """The workload hung, and was ended; what it did is judged."""
    PANIC = "panic"
    """The recorded kernel panicked; what came before is judged."""
    DIED = "died"
    """The VM went away."""
    BOUNDS = "bounds"
    """The job took more time, memory or room than it may."""
    WORKER_DIED = "worker-died"
    """Every worker that tried it died over it."""
    FAILED = "failed"
    """Nothing could be recorded, or not be read."""


@dataclass(frozen=True, kw_only=True)
class KeptFinding:
    """The findings of one signature in a job.

    Attributes:
        signature: stable from night to night and kernel to kernel.
        rule: its ID.
        severity: of the rule.
        function: what the PCI function is called wherever it is plugged in.
        site: call site of the first.
        message: of the first.
        seq: record of the first; -1 where there is none.
        count: how many there are.
        suppressed: the reason, where a suppression takes them out of the judgement; else empty.
    """

    signature: str
    rule: str
    severity: Severity
    message: str
    function: str = ""
    site: str = ""
    seq: int = -1
    count: int = 1
    suppressed: str = ""

    @property
    def is_failure(self) -> bool:
        """Whether it makes a run fail when it is new."""
        return self.severity is Severity.ERROR and not self.suppressed


@dataclass(frozen=True, kw_only=True)
class KeptVerdict:
    """The verdict of one rule on one function, with how many events were judged."""

    function: str
    rule: str
    verdict: Verdict
    checked: int
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class KeptLatency:
    """How long something took, of one function."""

    function: str
    what: str
    count: int
    median_ns: float
    p95_ns: float


@dataclass(frozen=True, kw_only=True)
class KeptTrace:
    """Where a job's recording is, a path or URL, and how much there is in it."""

    location: str
    records: int
    lost: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """What a job came to.

    Attributes:
        place: what it was about.
        repetition: from 1.
        release: the kernel's release.
        digest: of what the job depended on.
        ended: how it ended.
        reason: why, where that is not told by ``ended``; one line.
        seconds: that it took.
        verdicts, findings: of checking the recording.
        automata: the state machines that it was run through.
        states: how often each state was entered.
        edges: how often each allowed edge was taken.
        latencies: how long things took.
        trace: the recording, where there is one.
    """

    place: Place
    repetition: int
    release: str = ""
    digest: str = ""
    ended: Ended = Ended.DONE
    reason: str = ""
    seconds: float = 0.0
    verdicts: tuple[KeptVerdict, ...] = ()
    findings: tuple[KeptFinding, ...] = ()
    automata: tuple[str, ...] = ()
    states: tuple[tuple[State, int], ...] = ()
    edges: tuple[tuple[Edge, int], ...] = ()
    latencies: tuple[KeptLatency, ...] = ()
    trace: KeptTrace | None = None

    @property
    def key(self) -> str:
        """As :attr:`uvtrace.nightly.job.Job.key`."""
        return f"{self.place}/{self.repetition}"


@dataclass(frozen=True, kw_only=True)
class Night:
    """A run of all the jobs of a matrix.

    Attributes:
        number: in the history.
        matrix: what the matrix is called in the history.
        started: when.
        finished: when; None while it runs, or where it was given up.
        tool: uvtrace's version.
    """

    number: int
    matrix: str
    started: datetime.datetime
    finished: datetime.datetime | None
    tool: str

    @property
    def day(self) -> datetime.date:
        """The day by which expiry is judged: that of its beginning, UTC."""
        return self.started.astimezone(datetime.UTC).date()
