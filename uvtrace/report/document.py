# SPDX-License-Identifier: Apache-2.0
"""The page: one file that holds everything it shows, and may reach nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import resources
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.results import Results
from uvtrace.registers import RegisterMap
from uvtrace.report.around import Place, Surroundings
from uvtrace.report.findings import Told, findings, look
from uvtrace.report.frame import framed
from uvtrace.report.groups import GROUPS
from uvtrace.report.header import header, outcome
from uvtrace.report.markup import Markup, bytes_block, data_block, joined, tag, text
from uvtrace.report.sequence import diagram
from uvtrace.report.states import Device, states
from uvtrace.report.timeline import Timeline, lane_kinds, timeline_of
from uvtrace.report.transactions import ROWS_MAX, Table, rows_shown, table_of
from uvtrace.report.verdicts import rules_told, verdicts
from uvtrace.trace.digest import digest
from uvtrace.trace.texts import printable
from uvtrace.trace.trace import Trace
from uvtrace.version import VERSION

GENERATOR: Final = "uvtrace report"
"""How a page of ours is known."""

_DIAGRAMS_MAX: Final = 200
_STYLES: Final = ("base.css", "findings.css", "table.css")
_SCRIPTS: Final = ("theme.js", "unpack.js", "timeline.js", "filter.js", "table.js", "main.js")


class Progress(Protocol):
    """Told what is being done, and how far it is."""

    def __call__(self, stage: str, done: int = 0, total: int = 0) -> None: ...


def no_progress(stage: str, done: int = 0, total: int = 0) -> None:
    """Nobody is told."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What a page is about.

    Attributes:
        trace: the recording.
        results: of the check, explained.
        told: the findings to tell.
        device: contracts and registers of its functions.
        registers: what the user says the registers are, or None.
        rows_max: transactions that the table holds at most.
    """

    trace: Trace
    results: Results
    told: Sequence[Told]
    device: Device
    registers: RegisterMap | None = None
    rows_max: int = ROWS_MAX


def page(subject: Subject, progress: Progress = no_progress) -> str:
    """The page's text."""
    trace, results = subject.trace, subject.results
    progress("drawing the findings")
    around = Surroundings(trace)
    places = around.places(each.finding for each in subject.told)
    told = findings(subject.told, results, _diagrams(subject, around, places))
    progress("counting")
    facts = digest(trace)
    timeline = timeline_of(trace, results.start_ns)
    progress("drawing the states")
    graphs = states(trace, subject.device, subject.registers)
    evidence = [row for place in places for row in place.roles]
    rows = rows_shown(len(trace), evidence, subject.rows_max)
    table = _table(subject, rows, progress)
    return _filled(
        {
            "header": header(results, facts),
            "findings": told,
            "findings_count": text(f"{len(subject.told):,}"),
            "verdicts": verdicts(results, _first(subject.told)),
            "states": graphs,
            "rules": rules_told(results),
            "note": _note(trace, rows),
        },
        title=text(f"{outcome(results)}: {trace.path or 'trace'}"),
        data=joined(_data(subject, timeline, table)),
    )


def _diagrams(
    subject: Subject, around: Surroundings, places: Sequence[Place]
) -> dict[int, Callable[[], Markup]]:
    """By number of the finding: what draws it."""
    drawn = list(zip(subject.told, places, strict=True))[:_DIAGRAMS_MAX]
    return {
        told.number: partial(
            diagram, subject.trace, around, place, f"{told.finding.rule}: {told.finding.message}"
        )
        for told, place in drawn
    }


def _table(subject: Subject, rows: NDArray[np.int64] | None, progress: Progress) -> Table:
    total = len(subject.trace) if rows is None else len(rows)
    return table_of(
        subject.trace,
        subject.results.start_ns,
        subject.device.registers,
        rows,
        lambda done: progress("packing the transactions", done, total),
    )


def _note(trace: Trace, rows: NDArray[np.int64] | None) -> Markup:
    """What is to be said of a table that does not hold all."""
    if rows is None:
        return Markup("")
    note = f"{len(rows):,} of {len(trace):,} transactions: the first ones, and those of findings."
    return tag("p", note, class_="hint")


def _first(told: Sequence[Told]) -> dict[tuple[str, str], int]:
    """By function and rule: the first finding."""
    first: dict[tuple[str, str], int] = {}
    for each in told:
        first.setdefault((each.finding.function, each.finding.rule), each.number)
    return first


def _data(subject: Subject, timeline: Timeline, table: Table) -> list[Markup]:
    """What the scripts read, the largest last."""
    blocks = [
        data_block("data-timeline", _timeline(subject, timeline)),
        data_block("data-table", table.facts | {"roles": _roles(subject)}),
    ]
    blocks += [data_block(f"words-{name}", words) for name, words in table.words.items()]
    blocks += [bytes_block(f"column-{name}", each.data) for name, each in table.columns.items()]
    return blocks


def _timeline(subject: Subject, timeline: Timeline) -> dict[str, Any]:
    return {
        "span": timeline.span_ns,
        "lanes": [
            {
                "name": group.name,
                "title": group.title,
                "kinds": lane_kinds(group),
                "counts": counts.tolist(),
            }
            for group, counts in zip(GROUPS, timeline.counts, strict=True)
            if counts.any()
        ],
        "findings": [
            {
                "number": told.number,
                "rule": told.finding.rule,
                "look": look(told.finding),
                "time": max(told.finding.time_ns - subject.results.start_ns, 0),
                "seq": told.finding.seq,
                "message": printable(told.finding.message),
            }
            for told in subject.told
        ],
    }


def _roles(subject: Subject) -> list[list[Any]]:
    """Number of the record, role, number of the finding, look: for the marks in the table."""
    roles: list[list[Any]] = []
    for told in subject.told:
        shade = look(told.finding)
        for each in told.finding.evidence:
            roles.append([each.seq, printable(each.role), told.number, shade])
        roles.append([told.finding.seq, told.finding.rule, told.number, shade])
    return roles


def _filled(parts: dict[str, Markup], *, title: Markup, data: Markup) -> str:
    page_files = resources.files("uvtrace.report") / "page"
    return framed(
        page_files / "page.html",
        parts,
        title=title,
        generator=f"{GENERATOR} {VERSION}",
        styles=[page_files / name for name in _STYLES],
        scripts=[page_files / name for name in _SCRIPTS],
        data=data,
    )
