# SPDX-License-Identifier: Apache-2.0
"""The TRC rules, about the trace itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from uvtrace.trace.enums import Kind
from uvtrace.trace.layout import RECORD_VERSION

from .records import Event

WHOLE_TRACE = -1
_TOLERANCE_NS = 100_000_000
_KINDS = frozenset(int(kind) for kind in Kind if kind not in (Kind.PAD, Kind.CONTINUATION))


def trace_rules(
    events: list[Event], damaged: bool, parameters: Mapping[str, int]
) -> Iterator[tuple[str, int, int]]:
    """What is wrong with the trace itself."""
    tolerance_ns = parameters.get("TRC002.tolerance_ns", _TOLERANCE_NS)
    clocks: dict[int, int] = {}
    for e in events:
        if e.missing > 0 or e.lost > 0:
            yield "TRC001", WHOLE_TRACE, e.seq
        if e.missing < 0 or _back_ns(e, clocks) > tolerance_ns:
            yield "TRC002", WHOLE_TRACE, e.seq
        if e.kind not in _KINDS or e.version != RECORD_VERSION:
            yield "TRC004", WHOLE_TRACE, e.seq
    if damaged:
        yield "TRC003", WHOLE_TRACE, events[-1].seq if events else 0


def _back_ns(e: Event, clocks: dict[int, int]) -> int:
    """How far the clock of the event's CPU has run back."""
    if e.kind >= Kind.SNAPSHOT or e.is_a(Kind.MODULE_LOAD, Kind.MODULE_UNLOAD):
        return 0
    latest_ns = clocks.get(e.cpu, e.time_ns)
    clocks[e.cpu] = max(latest_ns, e.time_ns)
    return max(latest_ns - e.time_ns, 0)


RULES = frozenset(("TRC001", "TRC002", "TRC003", "TRC004"))
"""The rules that are judged here."""
