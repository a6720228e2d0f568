# SPDX-License-Identifier: Apache-2.0
"""What concerns whoever follows more than single events: which ones, and numbers of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk, Frame, Rows
from uvtrace.check.distinct import distinct
from uvtrace.check.expression import FALSE, Expression, Number, Truth
from uvtrace.check.keys import keys_of
from uvtrace.check.program import Program, Run
from uvtrace.check.rule import kinds_of

WORD: Final = 64
"""Bits of a word."""
EVERY: Final = 1 << 16
"""More functions than there can be: a key tells them all apart."""


def unsure_of(term: Truth) -> Truth:
    """The truth that it is not known whether another one holds."""
    if all(column.unknown is None for column in term.columns()):
        return FALSE
    return ~term.is_known


@dataclass(frozen=True, eq=False)
class Mark:
    """Events that concern a follower where a truth is certain, and the bit that tells so."""

    term: Truth
    bit: int
    kinds: frozenset[int] | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kinds", kinds_of(self.term))


@dataclass(frozen=True, eq=False)
class Key:
    """Numbers that are told as one, together with the event's function.

    Attributes:
        parts: the numbers; none: the key is the function's.
        every: functions that there are not have keys of their own, and not the same one.
    """

    parts: tuple[Number, ...]
    every: bool = False


@dataclass(frozen=True, eq=False)
class Asked:
    """A number that is told of the events that have one of some bits, as a mask."""

    what: Number | Key
    bits: int

    @property
    def parts(self) -> tuple[Number, ...]:
        """The numbers, or the key's parts."""
        return self.what.parts if isinstance(self.what, Key) else (self.what,)


class Follower:
    """What is asked of events.

    Args:
        marks: which events; what is never certain is left out.
        asked: what is told of them.

    Attributes:
        words: how many words the bits take.
    """

    def __init__(self, marks: Iterable[tuple[Truth, int]], asked: Iterable[Asked] = ()) -> None:
        self.marks = tuple(Mark(term, bit) for term, bit in marks if term is not FALSE)
        self.asked = tuple(asked)
        self.words = max((mark.bit for mark in self.marks), default=0) // WORD + 1

    def terms(self) -> list[Expression]:
        """Every term in it."""
        numbers = (part for each in self.asked for part in each.parts)
        return [*(mark.term for mark in self.marks), *numbers]

    def digest_parts(self) -> list[object]:
        """What tells it from others; see :meth:`uvtrace.check.program.Program.digest`."""
        keys = [each.what.every if isinstance(each.what, Key) else None for each in self.asked]
        return [
            *self.terms(),
            *(mark.bit for mark in self.marks),
            *(each.bits for each in self.asked),
            *keys,
            *(len(each.parts) for each in self.asked),
        ]


class Marked(NamedTuple):
    """The events of a chunk that concern a follower.

    Attributes:
        rows: ascending, shape (n,).
        bits: shape (n, words).
        numbers: by what was asked for, each of shape (n,); nobody knows what those of events are
            that have none of its bits.
    """

    rows: Rows
    bits: NDArray[np.uint64]
    numbers: Sequence[NDArray[np.int64]]

    @classmethod
    def none(cls, follower: Follower) -> Marked:
        """No event."""
        nothing = np.zeros(0, np.int64)
        bits = np.zeros((0, follower.words), np.uint64)
        return cls(nothing, bits, [nothing] * len(follower.asked))


class Found(Protocol):
    """What was found in a chunk."""

    def events(self, follower: int) -> Marked:
        """The events that concern a follower, by its number; to be used before the next chunk."""
        ...


class Followers:
    """All followers of a check.

    Args:
        program: to which their terms are added.
        functions: how many there are.
    """

    def __init__(self, program: Program, functions: int) -> None:
        self.program = program
        self.functions = functions
        self.all: list[Follower] = []

    def add(self, follower: Follower) -> int:
        """The number of a follower."""
        for term in follower.terms():
            self.program.add(term)
        self.all.append(follower)
        return len(self.all) - 1

    def among_few(self, chunk: Chunk) -> Found:
        """What concerns them among few events, without compiled loops."""
        return _AmongFew(chunk, self)


class _AmongFew:
    """Finds the events of a follower when they are asked for."""

    def __init__(self, chunk: Chunk, followers: Followers) -> None:
        self._chunk = chunk
        self._program = followers.program
        self._functions = followers.functions
        self._all = followers.all
        self._done: dict[int, Rows] = {}
        self._runs: dict[frozenset[int] | None, tuple[Frame, Run]] = {}

    def events(self, follower: int) -> Marked:
        """See :meth:`Found.events`."""
        one = self._all[follower]
        found = [(mark.bit, rows) for mark in one.marks if len(rows := self._rows(mark))]
        if not found:
            return Marked.none(one)
        rows = distinct(np.concatenate([rows for _, rows in found]))
        bits = np.zeros((len(rows), one.words), np.uint64)
        for bit, own in found:
            bits[np.searchsorted(rows, own), bit // WORD] |= np.uint64(1 << bit % WORD)
        run = self._program.start(Frame(self._chunk, rows))
        return Marked(rows, bits, [self._number(rows, run, asked.what) for asked in one.asked])

    def _number(self, rows: Rows, run: Run, what: Number | Key) -> NDArray[np.int64]:
        if isinstance(what, Key):
            parts = (run.number(self._program.add(part)).value for part in what.parts)
            functions = EVERY if what.every else self._functions
            return keys_of(self._chunk, rows, functions, parts).view(np.int64)
        value = run.number(self._program.add(what)).value
        return np.ascontiguousarray(value).astype(np.int64)

    def _rows(self, mark: Mark) -> Rows:
        known = self._done.get(id(mark.term))
        if known is None:
            frame, run = self._run(mark.kinds)
            certain = run.truth(self._program.add(mark.term)).certain
            index = np.flatnonzero(certain).astype(np.int64)
            known = index if frame.rows is None else frame.rows[index]
            self._done[id(mark.term)] = known
        return known

    def _run(self, kinds: frozenset[int] | None) -> tuple[Frame, Run]:
        there = None if kinds is None else kinds & self._chunk.kinds
        if there not in self._runs:
            frame = Frame(self._chunk, None if there is None else self._chunk.rows(there))
            self._runs[there] = frame, self._program.start(frame)
        return self._runs[there]
