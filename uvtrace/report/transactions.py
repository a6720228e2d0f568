# SPDX-License-Identifier: Apache-2.0
"""The table of transactions: a trace as packed columns, and what the table needs to tell them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.registers import RegisterMap
from uvtrace.report.groups import GROUPS, group_of_kind
from uvtrace.report.packing import Packed, pack, pack_steps
from uvtrace.report.words import Cells, Words, numbers_of
from uvtrace.trace.enums import Kind
from uvtrace.trace.layout import FUNCTION_NONE, kinds_of
from uvtrace.trace.texts import kind_text, printable
from uvtrace.trace.trace import Trace

ROWS_MAX: Final = 2_000_000
"""Transactions that a page holds if it is not told otherwise."""
_CHUNK: Final = 1 << 16
_WORDS_MAX: Final = 400

ACCESSES: Final = kinds_of("access")
_ADDRESSED: Final = (*kinds_of("dma"), Kind.DMA_READ, Kind.DMA_WRITE, Kind.IOMAP, Kind.IOUNMAP)
_SIZED: Final = (*ACCESSES, *kinds_of("dma"), Kind.DMA_READ, Kind.DMA_WRITE)


@dataclass(frozen=True)
class Table:
    """The transactions of a page.

    Attributes:
        columns: by name.
        words: texts by column whose cells are numbers of texts.
        facts: what else a script must know to show them.
    """

    columns: dict[str, Packed]
    words: dict[str, list[str]]
    facts: dict[str, Any]


def rows_shown(records: int, always: Iterable[int], limit: int) -> NDArray[np.int64] | None:
    """Which rows a page holds: all (None), or the first ones and those that must not lack."""
    if records <= limit:
        return None
    needed = np.unique(np.array([row for row in always if 0 <= row < records], np.int64))
    first = np.setdiff1d(np.arange(min(limit, records), dtype=np.int64), needed)
    return np.union1d(first[: max(limit - len(needed), 0)], needed)


def table_of(
    trace: Trace,
    start_ns: int,
    registers: Mapping[int, RegisterMap],
    rows: NDArray[np.int64] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Table:
    """The table of a trace, or of some rows of it.

    Args:
        trace: what :func:`uvtrace.open` gives.
        start_ns: the time that the page counts from.
        registers: by function index, what its registers are called.
        rows: ascending; all by default.
        progress: told how many rows have been taken.
    """
    chosen = trace if rows is None else trace[rows]
    gather = _Gather(trace, start_ns, Cells(registers))
    taken = 0
    for part in chosen.chunks(_CHUNK):
        gather.take(part)
        taken += len(part)
        if progress is not None:
            progress(taken)
    return gather.table(len(chosen), rows)


class _Gather:
    """Columns, as the chunks come."""

    def __init__(self, trace: Trace, start_ns: int, cells: Cells) -> None:
        self._trace = trace
        self._start_ns = np.uint64(start_ns)
        self._cells = cells
        self._sites = Words()
        self._parts: dict[str, list[NDArray[Any]]] = {}

    def take(self, part: Trace) -> None:
        """A chunk."""
        records = part.records
        since = np.where(
            records["time_ns"] > self._start_ns, records["time_ns"] - self._start_ns, np.uint64(0)
        )
        site = np.where(records["caller"] != 0, records["caller"], records["ip"])
        rows = np.arange(len(records))
        cells = {
            "seq": records["seq"].astype(np.int64),
            "time": since.astype(np.int64),
            "function": records["function"],
            "kind": records["kind"],
            "cpu": records["cpu"],
            "address": records["address"],
            "length": records["length"],
            "value": records["value"],
            "duration": records["duration_ns"],
            "site": numbers_of(
                rows, (site,), self._sites, lambda row: self._trace.symbol(int(site[row]))
            ),
            "place": self._cells.place(part),
            "detail": self._cells.detail(part),
            "note": self._cells.note(part),
        }
        for name, column in cells.items():
            self._parts.setdefault(name, []).append(np.array(column))

    def table(self, count: int, rows: NDArray[np.int64] | None) -> Table:
        """All that was taken."""
        columns = {
            name: (pack_steps if name in ("seq", "time") else pack)(np.concatenate(parts))
            for name, parts in self._parts.items()
        }
        if rows is not None:
            columns["packet"] = pack_steps(rows)
        words = {
            "site": self._sites,
            "place": self._cells.places,
            "detail": self._cells.details,
            "note": self._cells.notes,
        }
        facts = {
            "rows": count,
            "columns": {
                name: {"width": column.width, "steps": column.steps}
                for name, column in columns.items()
            },
            **_names(self._trace),
        }
        return Table(columns, {name: _listed(each) for name, each in words.items()}, facts)


def _listed(words: Words) -> list[str]:
    return [printable(each)[:_WORDS_MAX] for each in words.all()]


def _names(trace: Trace) -> dict[str, Any]:
    groups = group_of_kind().tolist()
    return {
        "kinds": [{"name": kind_text(kind), "group": groups[kind]} for kind in range(256)],
        "groups": [{"name": group.name, "title": group.title} for group in GROUPS],
        "functions": [printable(function.name) for function in trace.functions],
        "noFunction": FUNCTION_NONE,
        "accesses": [int(kind) for kind in ACCESSES],
        "addressed": [int(kind) for kind in _ADDRESSED],
        "sized": [int(kind) for kind in _SIZED],
    }
