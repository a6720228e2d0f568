# SPDX-License-Identifier: Apache-2.0
"""Rules about single events at work, kind by kind: only what a kind can break is looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.check import blocks
from uvtrace.check.chunk import Chunk, Rows
from uvtrace.check.expression import FALSE, TRUE, Truth
from uvtrace.check.flat import Flat, Folded

_DTYPES: Final = {np.dtype(name): at for at, name in enumerate(blocks.DTYPES)} | {
    np.dtype(np.uint64): blocks.DTYPES.index("i8"),
    np.dtype(bool): blocks.DTYPES.index("u1"),
}
ROOM: Final = 1 << 10
"""Hits for which there is room at first."""


@dataclass(frozen=True)
class Single:
    """A rule that is broken by single events.

    Attributes:
        applies: the events that it judges.
        violation: what breaks it, of those.
        kinds: the kinds of event that are looked at; None: all.
        whole_trace: it judges the trace, not a function.
        checked, unknown: where to count, by function; the last is the trace.
        counts: whether anything is counted, or only told (of the whole trace).
    """

    applies: Truth
    violation: Truth
    kinds: frozenset[int] | None
    whole_trace: bool
    checked: NDArray[np.int64]
    unknown: NDArray[np.int64]
    counts: bool = True

    def looks_at(self, kind: int) -> bool:
        """Whether events of a kind are looked at."""
        return self.kinds is None or kind in self.kinds


class OfKind:
    """The rules that events of one kind can be judged by.

    Args:
        kind: of the events.
        singles: all rules.
        parameters: values of parameters by name.
        functions: how many there are.
    """

    def __init__(
        self, kind: int, singles: Iterable[Single], parameters: Mapping[str, int], functions: int
    ) -> None:
        folded, flat = Folded(kind), Flat(parameters)
        rules: list[list[int]] = []
        self._numbers: list[int] = []
        self._singles: list[Single] = []
        for number, each in enumerate(singles):
            applies = folded.truth(each.applies) if each.looks_at(kind) else FALSE
            if applies is FALSE:
                continue
            violation = folded.truth(each.violation)
            if violation is FALSE and not each.counts:
                continue
            rules.append(_rule(flat, each, applies, violation))
            self._numbers.append(number)
            self._singles.append(each)
        self._rules = np.array(rules, np.int64).reshape(-1, blocks.END + 1)
        self._names = tuple(flat.columns)
        self._memory = flat.memory()
        self._fresh = self._memory.made.copy()
        self._functions = functions
        self._room = ROOM

    def judge(self, chunk: Chunk, rows: Rows) -> dict[int, Rows]:
        """Judge the events of some rows.

        Returns:
            The rows that break a rule, ascending, by the rule's number.
        """
        if not len(self._rules) or not len(rows):
            return {}
        hits = self._told(chunk, rows, _columns(chunk, rows, self._names), self._room)
        if not len(hits):
            return {}
        # Of each rule they ascend already; numbers this small are sorted by counting.
        order = np.argsort(hits[:, 0].astype(np.uint16), kind="stable")
        own = rows[hits[order, 1]]
        ends = np.cumsum(np.bincount(hits[:, 0], minlength=len(self._rules))).tolist()
        begins = [0, *ends[:-1]]
        return {
            self._numbers[rule]: own[begin:end]
            for rule, (begin, end) in enumerate(zip(begins, ends, strict=True))
            if begin < end
        }

    def _told(
        self, chunk: Chunk, rows: Rows, columns: list[NDArray[Any]], room: int
    ) -> NDArray[np.int64]:
        hits = np.empty((room, 2), np.int64)
        checked = np.zeros((len(self._rules), self._functions + 1), np.int64)
        unknown = np.zeros_like(checked)
        self._memory.made[:] = self._fresh
        found = blocks.judge(
            self._memory,
            _placed(columns, chosen=[chunk.is_of_rows(name) for name in self._names]),
            rows,
            self._rules,
            chunk.function,
            checked,
            unknown,
            hits,
        )
        if found > room:
            self._room = 2 * found
            return self._told(chunk, rows, columns, self._room)
        for number, single in enumerate(self._singles):
            if not single.counts:
                continue
            single.checked[:] += checked[number]
            single.unknown[:] += unknown[number]
        return hits[:found]


class ByKind:
    """Rules that are broken by single events, judged kind by kind.

    Args:
        singles: the rules.
        parameters: values of parameters by name.
        functions: how many there are.
    """

    def __init__(
        self, singles: Iterable[Single], parameters: Mapping[str, int], functions: int
    ) -> None:
        self._singles = tuple(singles)
        self._parameters = parameters
        self._functions = functions
        self._of: dict[int, OfKind] = {}

    def judge(self, chunk: Chunk) -> dict[int, Rows]:
        """Judge the events of a chunk.

        Returns:
            The rows that break a rule, ascending, by the rule's number; the numbers ascend.
        """
        found: dict[int, list[Rows]] = {}
        for kind in sorted(chunk.kinds):
            of = self._of.get(kind)
            if of is None:
                of = OfKind(kind, self._singles, self._parameters, self._functions)
                self._of[kind] = of
            for number, rows in of.judge(chunk, chunk.rows({kind})).items():
                found.setdefault(number, []).append(rows)
        return {number: _merged(found[number]) for number in sorted(found)}


def _merged(parts: list[Rows]) -> Rows:
    return parts[0] if len(parts) == 1 else np.sort(np.concatenate(parts))


def _rule(flat: Flat, single: Single, applies: Truth, violation: Truth) -> list[int]:
    """The fields of a rule, see :mod:`uvtrace.check.blocks`."""
    one = flat.add(applies)
    begin, middle = flat.code(one)
    whole = int(single.whole_trace) if single.counts else blocks.ASKED
    if violation is FALSE:
        return [one, -1, whole, begin, middle, middle]
    broken = flat.add(violation) if applies is TRUE else flat.both(one, violation)
    return [one, broken, whole, begin, *flat.code(broken)]


def _columns(chunk: Chunk, rows: Rows, names: Iterable[str]) -> list[NDArray[Any]]:
    """Columns of a chunk, of some rows where they are made for rows; each contiguous."""
    taken = (
        chunk.take(name, rows) if chunk.is_of_rows(name) else chunk.column(name) for name in names
    )
    return [np.ascontiguousarray(column) for column in taken]


def _placed(columns: list[NDArray[Any]], chosen: list[bool]) -> blocks.Columns:
    """Where columns lie, which are to be kept as long."""
    return blocks.Columns(
        np.array([column.ctypes.data for column in columns], np.uint64),
        np.array([_DTYPES[column.dtype] for column in columns], np.int64),
        np.array(chosen, bool),
    )
