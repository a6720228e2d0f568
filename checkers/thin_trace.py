# SPDX-License-Identifier: Apache-2.0
"""TRC: the trace itself."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.check import Check, Part
from uvtrace.check.rules import Rule, Severity
from uvtrace.trace.enums import Kind
from uvtrace.trace.events import is_event
from uvtrace.trace.layout import RECORD_VERSION, view_of
from uvtrace.trace.sequence import lost_counts
from uvtrace.trace.trace import Trace

TRC001 = Rule(
    id="TRC001",
    statement="records were lost (sequence gap or drop count)",
    needs=frozenset(),
    source="uvtrace record format: seq",
    example="record 10 is followed by record 15",
)
TRC002 = Rule(
    id="TRC002",
    statement="the sequence runs backwards, or time does on one CPU beyond the clock's tolerance",
    needs=frozenset(),
    source="uvtrace record format: seq, time_ns",
    example="on CPU 1, a record of 5.0 s follows one of 5.2 s",
)
TRC003 = Rule(
    id="TRC003",
    statement="the file ends inside a record",
    needs=frozenset(),
    source="uvtrace record format: whole packets",
    example="the recorder was killed while it wrote",
    severity=Severity.WARNING,
)
TRC004 = Rule(
    id="TRC004",
    statement="record of unknown kind or version",
    needs=frozenset(),
    source="uvtrace record format: version, kind",
    example="a record of kind 200",
)

TIME_TOLERANCE_NS = 100_000_000
"""How far time may run back on one CPU.

A record's time is taken before its place in the ring: an interrupt in between puts its own,
later, records first. Under emulation, soft interrupts can take tens of milliseconds of that; a
clock that is really wrong is off by more.
"""

_KNOWN_KINDS = np.zeros(256, bool)
_KNOWN_KINDS[[kind for kind in Kind if kind not in (Kind.PAD, Kind.CONTINUATION)]] = True


class TraceCheck(Check):
    """Judges that the trace is whole, in order and understood."""

    rules: ClassVar = (TRC001, TRC002, TRC003, TRC004)
    kinds: ClassVar = frozenset()
    whole_trace: ClassVar = True

    def __init__(self, trace: Trace, function: str) -> None:
        super().__init__(trace, function)
        self._next_seq: int | None = None
        self._latest_ns: dict[int, int] = {}

    def see(self, part: Part) -> None:
        records = part.records
        for rule in (TRC001, TRC002, TRC004):
            self.checked[rule.id] += len(records)
        self._judge_sequence(records)
        for cpu in np.unique(records["cpu"]).tolist():
            self._judge_time(cpu, records[records["cpu"] == cpu])
        self._judge_kinds(records)

    def _judge_sequence(self, records: NDArray[np.void]) -> None:
        seq = records["seq"].astype(np.int64)
        counts = lost_counts(records).astype(np.int64)
        following = seq + 1 + counts
        start = int(seq[0]) if self._next_seq is None else self._next_seq
        due = np.concatenate((np.array([start], np.int64), following[:-1]))
        self._next_seq = int(following[-1])
        for row in np.flatnonzero((seq != due) | (counts > 0)).tolist():
            record, off = records[row], int(seq[row] - due[row])
            if off > 0:
                self._at(TRC001, record, f"{off} records are missing before #{record['seq']}")
            if off < 0:
                self._at(TRC002, record, f"#{record['seq']} follows #{due[row] - 1}")
            if counts[row] > 0:
                cause = int(view_of(records[row : row + 1], "meta")["topic"][0])
                text = f"{counts[row]} records were lost at #{record['seq']} (cause {cause})"
                self._at(TRC001, record, text)

    def _judge_time(self, cpu: int, records: NDArray[np.void]) -> None:
        # What tells of the trace has the time at which it was told, or none.
        timed = records[is_event(records["kind"])]
        if len(timed) == 0:
            return
        # What takes time is logged when it ends, with the time it began.
        ends = timed["time_ns"].astype(np.int64) + timed["duration_ns"]
        latest_ns = self._latest_ns.get(cpu, int(ends[0]))
        high = np.maximum.accumulate(np.concatenate((np.array([latest_ns], np.int64), ends)))
        for row in np.flatnonzero(high[:-1] - ends > TIME_TOLERANCE_NS).tolist():
            back_ms = (int(high[row]) - int(ends[row])) / 1e6
            self._at(TRC002, timed[row], f"on CPU {cpu} time runs back by {back_ms:.3f} ms")
        self._latest_ns[cpu] = int(high[-1])

    def _judge_kinds(self, records: NDArray[np.void]) -> None:
        odd_version = records["version"] != RECORD_VERSION
        odd_kind = ~_KNOWN_KINDS[records["kind"]]
        for row in np.flatnonzero(odd_version | odd_kind).tolist():
            record = records[row]
            field = "version" if odd_version[row] else "kind"
            self._at(TRC004, record, f"#{record['seq']} has the unknown {field} {record[field]}")

    def finish(self) -> None:
        self.checked[TRC003.id] = 1
        if self.trace.damage is not None:
            self.report(
                TRC003,
                seq=max(0, (self._next_seq or 0) - 1),
                time_ns=0,
                site=0,
                message=f"the file ends early: {self.trace.damage}",
                role="end",
            )

    def _at(self, rule: Rule, record: np.void, message: str) -> None:
        self.report(
            rule,
            seq=int(record["seq"]),
            time_ns=int(record["time_ns"]),
            site=0,
            message=message,
            role="record",
        )


CHECKS = (TraceCheck,)
