# SPDX-License-Identifier: Apache-2.0
"""The events that z3 found, given to the engine: it must see in them what z3 saw.

They are written out as a trace, which is checked like any other: where a rule looks at records
alone it must fire. What passes derive cannot be written into a record: there the engine's
judgement is run on columns that hold what z3 said, without the passes, and must fire on them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk
from uvtrace.check.columns import ALL, record
from uvtrace.check.columns.record import COMMON_FIELDS, VIEW_FIELDS
from uvtrace.check.engine import check
from uvtrace.check.expression import Column
from uvtrace.check.findings import Findings
from uvtrace.check.judging import Judgement
from uvtrace.check.lint.opening import openings
from uvtrace.check.lint.scene import Scene, Values, default_of
from uvtrace.check.loss import Losses
from uvtrace.check.message import Witness
from uvtrace.check.program import Program
from uvtrace.check.results import WHOLE_TRACE
from uvtrace.check.rule import END, Rule
from uvtrace.trace.enums import Kind
from uvtrace.trace.layout import VIEW_OF_KIND, make_records, view_of
from uvtrace.trace.trace import Trace, open_bytes
from uvtrace.trace.writer import PcapngWriter

FUNCTION: Final = "0000:00:00.0"
_RECORD: Final = frozenset(column.name for column in record.COLUMNS)
_COMPUTED: Final = frozenset({"site", "position"})


def fires_on_trace(rule: Rule, scene: Scene, events: Sequence[Values]) -> bool:
    """Whether the engine finds the rule broken in a trace of these events.

    Before them goes nothing, or what a recording usually opens with.
    """
    told = records_of(scene, events)
    for opening in openings():
        records = np.concatenate((opening.records, told))
        records["seq"] = np.arange(len(records))
        trace = trace_of(records, opening.payloads)
        results = check(trace, rules=(rule,), parameters=scene.parameters)
        if any(finding.rule == rule.id for finding in results.findings):
            return True
    return False


def fires_on_columns(rule: Rule, scene: Scene, events: Sequence[Values]) -> bool:
    """Whether the engine, given these events' columns, finds the rule broken."""
    records = records_of(scene, events)
    earlier = make_records(scene.first, kind=Kind.CONFIG_READ, function=0)
    earlier["seq"] = np.arange(scene.first)
    told = records.copy()
    told["kind"] = np.where(records["kind"] == END, Kind.CONFIG_READ, records["kind"])
    program = Program(scene.parameters)
    witness = Witness(trace_of(np.concatenate((earlier, told))))
    findings = Findings(witness, program, [FUNCTION, WHOLE_TRACE])
    judgement = Judgement((rule,), (), program, findings, 1)
    chunk = chunk_of(records, scene.first, events, rule.columns())
    if any(event["kind"] == END for event in events):
        judgement.take_end(chunk, whole=rule.whole_trace)
    else:
        judgement.take(chunk)
        judgement.finish(scene.first + len(events) - 1)
    return any(finding.rule == rule.id for finding in findings.all())


def records_of(scene: Scene, events: Sequence[Values]) -> NDArray[np.void]:
    """The events as records, dtype RECORD, shape (len(events),)."""
    records = make_records(len(events), function=0)
    records["seq"] = scene.first + np.arange(len(events))
    records["time_ns"] = scene.times_ns
    for row, event in enumerate(events):
        one = records[row : row + 1]
        one["kind"] = event["kind"]
        view = VIEW_OF_KIND.get(event["kind"])
        fields = VIEW_FIELDS[view] if view is not None and view in VIEW_FIELDS else {}
        for name, value in event.items():
            if name in COMMON_FIELDS:
                field = COMMON_FIELDS[name]
                one[field] = np.array(value, ALL[name].dtype).astype(one[field].dtype)
            elif name in fields:
                view_of(one, str(view))[fields[name]] = value
    return records


def trace_of(records: NDArray[np.void], payloads: Mapping[int, bytes] | None = None) -> Trace:
    """The records as a trace, through the writer and the reader.

    Args:
        records: dtype RECORD, shape (n,), of function 0.
        payloads: by row, of records that have one; others are zeros.
    """
    given = dict(payloads or {})
    contents = [given.get(row, bytes(int(one["payload"]))) for row, one in enumerate(records)]
    file = BytesIO()
    with PcapngWriter(file, functions=[(FUNCTION, "lint")]) as writer:
        writer.write(records, contents)
    return open_bytes(file.getvalue(), "lint")


def chunk_of(
    records: NDArray[np.void], first: int, events: Sequence[Values], columns: Sequence[Column]
) -> Chunk:
    """The events as a chunk in which every derived column is told."""
    chunk = Chunk(records, first, Losses.none(), lambda _: b"")
    for column in {**ALL, **{column.name: column for column in columns}}.values():
        if column.name not in _RECORD:
            chunk.put(column.name, _column(column, events))
    return chunk


def _column(column: Column, events: Sequence[Values]) -> NDArray[Any]:
    default = default_of(column)
    return np.array([event.get(column.name, default) for event in events], column.dtype)
