# SPDX-License-Identifier: Apache-2.0
"""TRC: the trace itself."""

from __future__ import annotations

from uvtrace.check.columns import order, record
from uvtrace.check.expression import Parameter
from uvtrace.check.rule import Case, rule
from uvtrace.check.rules import Severity
from uvtrace.check.terms import is_end
from uvtrace.trace.enums import Kind
from uvtrace.trace.layout import RECORD_VERSION

TIME_TOLERANCE = Parameter(
    "TRC002.tolerance_ns", 100_000_000, "how far time may run back on one CPU", "ns"
)
# A record's time is taken before its place in the ring: an interrupt in between puts its own,
# later, records first. Under emulation, soft interrupts can take tens of milliseconds of that; a
# clock that is really wrong is off by more.

_KNOWN_KINDS = frozenset(kind for kind in Kind if kind not in (Kind.PAD, Kind.CONTINUATION))

TRC001 = rule(
    "TRC001",
    "records were lost (sequence gap or drop count)",
    whole_trace=True,
    applies=~is_end,
    violation=(order.missing_before > 0) | (order.lost_here > 0),
    cases=[Case(order.lost_here > 0, "{lost_here} records were lost at #{seq} ({loss_cause})")],
    message="{missing_before} records are missing before #{seq}",
    role="record",
    source="uvtrace record format: seq",
    example="record 10 is followed by record 15",
)
TRC002 = rule(
    "TRC002",
    "the sequence runs backwards, or time does on one CPU beyond the clock's tolerance",
    whole_trace=True,
    applies=~is_end,
    violation=(order.missing_before < 0) | (order.time_back_ns > TIME_TOLERANCE),
    cases=[Case(order.missing_before < 0, "#{seq} follows #{seq_before}")],
    message="on CPU {cpu} time runs back by {time_back_ns} ns",
    role="record",
    source="uvtrace record format: seq, time_ns",
    example="on CPU 1, a record of 5.0 s follows one of 5.2 s",
)
TRC003 = rule(
    "TRC003",
    "the file ends inside a record",
    whole_trace=True,
    severity=Severity.WARNING,
    applies=is_end,
    violation=order.file_damaged == 1,
    message="the file ends early: {damage}",
    role="end",
    source="uvtrace record format: whole packets",
    example="the recorder was killed while it wrote",
)
TRC004 = rule(
    "TRC004",
    "record of unknown kind or version",
    whole_trace=True,
    applies=~is_end,
    violation=~record.kind.is_in(_KNOWN_KINDS) | (record.version != RECORD_VERSION),
    cases=[Case(record.version != RECORD_VERSION, "#{seq} has the unknown version {version}")],
    message="#{seq} has the unknown kind {kind:d}",
    role="record",
    source="uvtrace record format: version, kind",
    example="a record of kind 200",
)

RULES = (TRC001, TRC002, TRC003, TRC004)
