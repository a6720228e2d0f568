# SPDX-License-Identifier: Apache-2.0
"""Where truths are certain: what opens, counts or steps is asked once, for all that follow it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.by_kind import Single
from uvtrace.check.chunk import Chunk, Frame, Rows
from uvtrace.check.compiled import loop
from uvtrace.check.expression import FALSE, TRUE, Truth
from uvtrace.check.program import Program, Run
from uvtrace.check.rule import kinds_of

NEVER: Final = -1
"""The number of a truth that no event makes certain."""
_NOWHERE: Final[Rows] = np.zeros(0, np.int64)
_WORD: Final = 8


class Found(Protocol):
    """Where truths are certain in a chunk."""

    def rows(self, number: int) -> Rows:
        """The rows where a truth is certain, ascending; ``number`` as :class:`Truths` gave it."""
        ...


class Truths:
    """Truths that are asked of every event. Add them all, then ask for :meth:`singles`.

    Args:
        program: by which few events are judged.
        functions: how many there are.
    """

    def __init__(self, program: Program, functions: int) -> None:
        self._program = program
        self._terms: list[Truth] = []
        self._kinds: list[frozenset[int] | None] = []
        self._numbers: dict[int, int] = {}
        self._nobody = np.zeros((2, functions + 1), np.int64)

    @property
    def program(self) -> Program:
        """By which few events are judged."""
        return self._program

    def add(self, term: Truth) -> int:
        """The number of a truth: where it is certain can be asked for."""
        if term is FALSE:
            return NEVER
        known = self._numbers.get(id(term))
        if known is None:
            known = self._numbers[id(term)] = self._added(term, kinds_of(term))
        return known

    def add_unknown(self, term: Truth) -> int:
        """The number of the truth that it is not known whether ``term`` holds."""
        if all(column.unknown is None for column in term.columns()):
            return NEVER
        return self._added(~term.is_known, kinds_of(term))

    def _added(self, term: Truth, kinds: frozenset[int] | None) -> int:
        self._program.add(term)
        self._terms.append(term)  # so that its id stays its own
        self._kinds.append(kinds)
        return len(self._terms) - 1

    def singles(self) -> list[Single]:
        """The truths, for the compiled interpreter, in the order of their numbers."""
        checked, unknown = self._nobody
        return [
            Single(TRUE, term, kinds, True, checked, unknown, counts=False)
            for term, kinds in zip(self._terms, self._kinds, strict=True)
        ]

    def among_few(self, chunk: Chunk) -> Found:
        """Where they are certain among few events, without compiled loops."""
        return _AmongFew(chunk, self._program, self._terms, self._kinds)


class Told:
    """What the compiled interpreter has found; ``first`` is the number it gave the first truth."""

    def __init__(self, found: Mapping[int, Rows], first: int) -> None:
        self._found = found
        self._first = first

    def rows(self, number: int) -> Rows:
        """See :meth:`Found.rows`."""
        return _NOWHERE if number < 0 else self._found.get(self._first + number, _NOWHERE)


class _AmongFew:
    """Evaluates a truth when its rows are asked for."""

    def __init__(
        self,
        chunk: Chunk,
        program: Program,
        terms: Sequence[Truth],
        kinds: Sequence[frozenset[int] | None],
    ) -> None:
        self._chunk = chunk
        self._program = program
        self._terms = terms
        self._kinds = kinds
        self._done: dict[int, Rows] = {}
        self._runs: dict[frozenset[int] | None, tuple[Frame, Run]] = {}

    def rows(self, number: int) -> Rows:
        """See :meth:`Found.rows`."""
        if number < 0:
            return _NOWHERE
        if number not in self._done:
            frame, run = self._run(self._kinds[number])
            certain = run.truth(self._program.add(self._terms[number])).certain
            index = np.flatnonzero(certain).astype(np.int64)
            self._done[number] = index if frame.rows is None else frame.rows[index]
        return self._done[number]

    def _run(self, kinds: frozenset[int] | None) -> tuple[Frame, Run]:
        there = None if kinds is None else kinds & self._chunk.kinds
        if there not in self._runs:
            frame = Frame(self._chunk, None if there is None else self._chunk.rows(there))
            self._runs[there] = frame, self._program.start(frame)
        return self._runs[there]


def marked(size: int, parts: Iterable[tuple[Rows, int]]) -> tuple[Rows, NDArray[np.uint8]]:
    """Rows with the bits of all the lists in which they are.

    Args:
        size: how many rows there can be.
        parts: lists of rows, ascending, and the bit that each of them gives.

    Returns:
        The rows, ascending, and their bits.
    """
    some = [(rows, bit) for rows, bit in parts if len(rows)]
    if not some:
        return _NOWHERE, np.zeros(0, np.uint8)
    if all(rows is some[0][0] for rows, _ in some):
        bits = np.bitwise_or.reduce([bit for _, bit in some])
        return some[0][0], np.full(len(some[0][0]), bits, np.uint8)
    words = np.zeros(size // _WORD + 1, np.uint64)
    what = words.view(np.uint8)
    for rows, bit in some:
        _mark(what, rows, bit)
    most = sum(len(rows) for rows, _ in some) + 1
    found, told = np.empty(most, np.int64), np.empty(most, np.uint8)
    count = _gather(words, what, found, told)
    return found[:count], told[:count]


@loop
def _mark(what: NDArray[np.uint8], rows: Rows, bit: int) -> None:
    for row in rows:
        what[row] |= np.uint8(bit)


@loop
def _gather(
    words: NDArray[np.uint64], what: NDArray[np.uint8], rows: Rows, told: NDArray[np.uint8]
) -> int:
    """Fill in the rows that have bits, and their bits; returns how many; there is room for one
    more. ``words`` and ``what`` are the same bytes."""
    count = 0
    for word in range(len(words)):
        if words[word] == 0:
            continue
        # Each row is written, and stays where it has bits: there is nothing to predict.
        for row in range(_WORD * word, _WORD * (word + 1)):
            rows[count], told[count] = row, what[row]
            count += what[row] != 0
    return count
