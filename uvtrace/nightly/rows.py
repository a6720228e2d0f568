# SPDX-License-Identifier: Apache-2.0
"""A job's result as rows of the history's tables, and back."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, select

from uvtrace.check.results import Verdict
from uvtrace.check.rules import Severity
from uvtrace.nightly.job import Place
from uvtrace.nightly.outcome import (
    Ended,
    JobResult,
    KeptFinding,
    KeptLatency,
    KeptTrace,
    KeptVerdict,
)
from uvtrace.nightly.schema import (
    AUTOMATA,
    EDGES,
    FINDINGS,
    JOBS,
    LATENCIES,
    STATES,
    TRACES,
    VERDICTS,
    storable,
)

Values = dict[str, Any]
_PARTS = (VERDICTS, FINDINGS, AUTOMATA, STATES, EDGES, LATENCIES, TRACES)


def signature_sha256(signature: str) -> str:
    """By which findings of a signature are looked up."""
    return hashlib.sha256(storable(signature).encode()).hexdigest()


def of_job(run: int, result: JobResult) -> Values:
    """The row in ``jobs``."""
    return {
        "run": run,
        **asdict(result.place),
        "repetition": result.repetition,
        "release": result.release,
        "digest": result.digest,
        "ended": str(result.ended),
        "reason": result.reason,
        "seconds": result.seconds,
    }


def of_result(job: int, result: JobResult) -> Iterator[tuple[Table, list[Values]]]:
    """The rows in the other tables."""
    yield VERDICTS, _rows(job, result.verdicts)
    findings = _rows(job, result.findings)
    for row in findings:
        row["signature_sha256"] = signature_sha256(row["signature"])
    yield FINDINGS, findings
    yield AUTOMATA, [{"job": job, "automaton": name} for name in result.automata]
    yield (
        STATES,
        [
            {"job": job, "automaton": automaton, "state": state, "visits": visits}
            for (automaton, state), visits in result.states
        ],
    )
    names = ("automaton", "source", "target", "label")
    yield (
        EDGES,
        [
            {"job": job, **dict(zip(names, edge, strict=True)), "count": count}
            for edge, count in result.edges
        ],
    )
    yield LATENCIES, _rows(job, result.latencies)
    yield TRACES, _rows(job, [result.trace] if result.trace is not None else [])


def _rows(job: int, kept: Iterable[Any]) -> list[Values]:
    return [{"job": job, **asdict(each)} for each in kept]


def place(row: Row[Any]) -> Place:
    """The place of a row in ``jobs``."""
    return Place(row.kernel, row.device, row.workload)


def results(connection: Connection, chosen: ColumnElement[bool]) -> tuple[JobResult, ...]:
    """The results of jobs, by kernel, device, workload and repetition.

    Args:
        connection: of the history.
        chosen: a condition on ``jobs``.
    """
    jobs = connection.execute(select(JOBS).where(chosen)).all()
    parts: dict[int, dict[str, list[Row[Any]]]] = defaultdict(lambda: defaultdict(list))
    for table in _PARTS:
        wanted = select(table).join(JOBS, table.c.job == JOBS.c.id).where(chosen)
        for row in connection.execute(wanted.order_by(table.c.id)):
            parts[row.job][table.name].append(row)
    found = [_result(job, parts[job.id]) for job in jobs]
    # Not by the database, whose collation may be anything.
    return tuple(sorted(found, key=lambda each: (each.place, each.repetition)))


def _result(job: Row[Any], parts: dict[str, list[Row[Any]]]) -> JobResult:
    return JobResult(
        place=place(job),
        repetition=job.repetition,
        release=job.release,
        digest=job.digest,
        ended=Ended(job.ended),
        reason=job.reason,
        seconds=job.seconds,
        verdicts=tuple(_verdict(row) for row in parts["verdicts"]),
        findings=tuple(_finding(row) for row in parts["findings"]),
        automata=tuple(row.automaton for row in parts["automata"]),
        states=tuple(((row.automaton, row.state), row.visits) for row in parts["states"]),
        edges=tuple(
            ((row.automaton, row.source, row.target, row.label), row[_COUNT_OF_EDGE])
            for row in parts["edges"]
        ),
        latencies=tuple(_latency(row) for row in parts["latencies"]),
        trace=_trace(parts["traces"]),
    )


_COUNT_OF_EDGE = list(EDGES.c.keys()).index("count")


def _verdict(row: Row[Any]) -> KeptVerdict:
    return KeptVerdict(
        function=row.function,
        rule=row.rule,
        verdict=Verdict(row.verdict),
        checked=row.checked,
        reason=row.reason,
    )


def _finding(row: Row[Any]) -> KeptFinding:
    told = {**row._mapping, "severity": Severity(row.severity)}
    return KeptFinding(**_without(told, "id", "job", "signature_sha256"))


def _latency(row: Row[Any]) -> KeptLatency:
    return KeptLatency(**_without(dict(row._mapping), "id", "job"))


def _trace(found: Sequence[Row[Any]]) -> KeptTrace | None:
    return KeptTrace(**_without(dict(found[0]._mapping), "id", "job")) if found else None


def _without(values: Values, *names: str) -> Values:
    return {name: value for name, value in values.items() if name not in names}
