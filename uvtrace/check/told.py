# SPDX-License-Identifier: Apache-2.0
"""Where it is written which events break rules, and which concern followers.

Events are judged in pieces, kind by kind within each. What followers are told lies in a scratch
that stays in the processor's caches, and is put in order behind each piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Rows
from uvtrace.check.compiled import loop, lowest_bit, step
from uvtrace.check.followers import WORD, Follower, Marked
from uvtrace.check.lines import lined
from uvtrace.check.native.function import PIECE, Told
from uvtrace.loops.heads import address_of
from uvtrace.loops.loop import Bound

_APART: Final = 72
"""Numbers between the columns: as many cache lines as are no power of two."""
_NUMBER_BYTES: Final = 8
_WORDS: Final = PIECE // WORD
_WORD_SHIFT: Final = WORD.bit_length() - 1


class Columns(NamedTuple):
    """What followers are told: each has some columns, the first of which are the events' rows.

    Attributes:
        base: where each follower's count lies in ``counts``.
        first, width: its columns, and how many they are.
        counts: how many events of the piece there are, each at its ``base``.
        scratch: int64, shape (columns, PIECE + 1): what is told of the piece, from index 1 on.
        ends: how many events of the chunk each follower has been told, in order.
        told: int64, shape (columns, n): what it has been told of them.
    """

    base: NDArray[np.int64]
    first: NDArray[np.int64]
    width: NDArray[np.int64]
    counts: NDArray[np.int64]
    scratch: NDArray[np.int64]
    ends: NDArray[np.int64]
    told: NDArray[np.int64]


class Order(NamedTuple):
    """The order of a piece's events: bits of the rows that have one, the event that each of these
    has, and the events by row."""

    bits: NDArray[np.uint64]
    events: NDArray[np.int64]
    order: NDArray[np.int64]


@loop
def put_in_order(columns: Columns, order: Order) -> None:
    """What followers have been told of a piece goes behind the rest, ordered by row."""
    for follower in range(len(columns.base)):
        base = columns.base[follower]
        count = columns.counts[base]
        if count == 0:
            continue
        columns.counts[base] = 0
        first, end = columns.first[follower], columns.ends[follower]
        columns.ends[follower] = end + count
        if _is_ordered(columns.scratch, first, count):
            for column in range(first, first + columns.width[follower]):
                for event in range(count):
                    columns.told[column, end + event] = columns.scratch[column, 1 + event]
            continue
        _find_order(columns.scratch, first, count, order)
        for column in range(first, first + columns.width[follower]):
            for event in range(count):
                columns.told[column, end + event] = columns.scratch[column, order.order[event]]


@step
def _is_ordered(scratch: NDArray[np.int64], rows: int, count: int) -> bool:
    ordered = True
    for event in range(1, count):
        ordered &= scratch[rows, event] < scratch[rows, event + 1]
    return ordered


@step
def _find_order(scratch: NDArray[np.int64], rows: int, count: int, order: Order) -> None:
    for event in range(1, count + 1):
        place = scratch[rows, event] & (PIECE - 1)
        order.events[place] = event
        order.bits[place >> _WORD_SHIFT] |= np.uint64(1) << np.uint64(place & (WORD - 1))
    found = 0
    for number in range(_WORDS):
        bits: Any = order.bits[number]
        order.bits[number] = np.uint64(0)
        while bits != np.uint64(0):
            order.order[found] = order.events[WORD * number + lowest_bit(bits)]
            bits &= bits - np.uint64(1)
            found += 1


class Room:
    """Where it is written what is found, again and again.

    Args:
        rules: of which the events are told that break them.
        followers: of which those are told that concern them.

    Attributes:
        ends: the addresses at which the rules' next rows are written.
        counts: what followers are told, as ``places`` say.
        places: where each one is told of events.
        behind: what is called behind each piece.
    """

    def __init__(self, rules: int, followers: Sequence[Follower]) -> None:
        self._followers = followers
        self._size = -1
        self._rows = np.zeros((rules, 0), np.int64)
        self.ends = np.zeros(rules, np.int64)
        self._begins = self.ends.copy()
        widths = [1 + each.words + len(each.asked) for each in followers]
        self._first = np.cumsum([0, *widths])
        bases = np.cumsum([0, *(1 + width for width in widths)])
        words = [each.words for each in followers]
        self.places = [Told(base, of) for base, of in zip(bases.tolist(), words, strict=False)]
        self.counts = np.zeros(bases[-1], np.int64)
        self._scratch = np.full((self._first[-1], PIECE + 1), -1, np.int64)
        for base, first, width in zip(bases, self._first, widths, strict=False):
            lies = address_of(self._scratch) + self._scratch.strides[0] * (first + np.arange(width))
            self.counts[base + 1 : base + 1 + width] = lies
        self._columns = Columns(
            base=bases[:-1],
            first=self._first[:-1],
            width=np.array(widths, np.int64),
            counts=self.counts,
            scratch=self._scratch,
            ends=np.zeros(len(followers), np.int64),
            told=np.zeros((self._first[-1], 0), np.int64),
        )
        bits, events = np.zeros(_WORDS, np.uint64), np.zeros(PIECE, np.int64)
        self._order = Order(bits, events, events.copy())

    def begin(self, size: int) -> None:
        """Nothing is found yet of so many events."""
        if size > self._size:
            self._make(size)
        self.ends[:] = self._begins
        self._columns.ends[:] = 0

    def _make(self, size: int) -> None:
        self._size = size
        rules = len(self.ends)
        self._rows = lined((rules, size), np.int64)
        lies = _NUMBER_BYTES * size * np.arange(rules, dtype=np.int64)
        self._begins = address_of(self._rows) + lies
        told = lined((self._first[-1], size + _APART), np.int64)
        self._columns = self._columns._replace(told=told)
        self.behind: Bound = put_in_order.bound(self._columns, self._order)  # type: ignore[attr-defined]

    def rows(self) -> dict[int, Rows]:
        """The rows that break rules, ascending, by the rule's number; used before the next ones."""
        counts = (self.ends - self._begins) // _NUMBER_BYTES
        found = {
            number: self._rows[number, : counts[number]]
            for number in np.flatnonzero(counts).tolist()
        }
        for rows in found.values():
            rows.sort()
        return found

    def events(self, follower: int) -> Marked:
        """The events that concern a follower."""
        one, first = self._followers[follower], self._first[follower]
        columns = self._columns.told[:, : self._columns.ends[follower]]
        numbers = first + 1 + one.words
        bits = columns[first + 1 : numbers].view(np.uint64).T
        own = [columns[number] for number in range(numbers, numbers + len(one.asked))]
        return Marked(columns[first], np.ascontiguousarray(bits), own)
