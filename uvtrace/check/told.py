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
from uvtrace.check.followers import Follower, Marked
from uvtrace.check.lines import lined
from uvtrace.check.native.function import PIECE, WORD, Told
from uvtrace.loops.heads import address_of
from uvtrace.loops.loop import Bound

_APART: Final = 72
"""Numbers between the columns: as many cache lines as are no power of two."""
_NUMBER_BYTES: Final = 8
_WORDS: Final = PIECE // WORD
_NONE: Final = np.uint64(0)
_ONE: Final = np.uint64(1)


class Columns(NamedTuple):
    """What followers are told: each has some columns, the first of which are the events' rows.

    Attributes:
        first, width: a follower's columns, and how many they are.
        records: which records of the piece each follower is told of, uint64, shape (followers,
            words): one bit for each record.
        scratch: int64, shape (columns, n): what is told of the piece, by record; rows are not.
        ends: how many events of the chunk each follower has been told, in order.
        told: int64, shape (columns, n): what it has been told of them.
        begin: the first row of the piece.
        order: room for the records' places in the piece.
    """

    first: NDArray[np.int64]
    width: NDArray[np.int64]
    records: NDArray[np.uint64]
    scratch: NDArray[np.int64]
    ends: NDArray[np.int64]
    told: NDArray[np.int64]
    begin: NDArray[np.int64]
    order: NDArray[np.uint64]


@loop
def put_in_order(columns: Columns) -> None:
    """What followers have been told of a piece goes behind the rest, ordered by row."""
    begin, order = columns.begin[0], columns.order
    for follower in range(len(columns.ends)):
        count = _find_order(columns.records[follower], order)
        if count == 0:
            continue
        first, end = columns.first[follower], columns.ends[follower]
        columns.ends[follower] = end + count
        rows = columns.told[first, end : end + count]
        for event in range(count):
            rows[event] = begin + np.int64(order[event])
        for column in range(first + 1, first + columns.width[follower]):
            told, scratch = columns.told[column, end : end + count], columns.scratch[column]
            for event in range(count):
                told[event] = scratch[order[event]]
    columns.begin[0] = begin + PIECE


@step
def _find_order(records: NDArray[np.uint64], order: NDArray[np.uint64]) -> int:
    """Which records have a bit; none has one afterwards."""
    count: Any = np.uint64(0)
    for word in range(_WORDS):
        bits: Any = records[word]
        if bits == _NONE:
            continue
        records[word] = _NONE
        first = np.uint64(WORD * word)
        while bits != _NONE:
            order[count] = first + np.uint64(lowest_bit(bits))
            bits &= bits - _ONE
            count += _ONE
    return int(count)


class Room:
    """Where it is written what is found, again and again.

    Args:
        rules: of which the events are told that break them.
        followers: of which those are told that concern them.

    Attributes:
        ends: the addresses at which the rules' next rows are written.
        arguments: of what followers are told, as ``places`` say.
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
        first = np.cumsum([0, *widths])
        self._columns = Columns(
            first=first[:-1],
            width=np.array(widths, np.int64),
            records=np.zeros((len(followers), _WORDS), np.uint64),
            scratch=np.zeros((first[-1], PIECE + _APART), np.int64),
            ends=np.zeros(len(followers), np.int64),
            told=np.zeros((first[-1], 0), np.int64),
            begin=np.zeros(1, np.int64),
            order=np.zeros(PIECE, np.uint64),
        )
        words = [each.words for each in followers]
        self.places = [Told(*of) for of in zip(first.tolist(), words, strict=False)]
        self.arguments = _rows_of(self._columns.scratch)
        self.arguments[first[:-1]] = _rows_of(self._columns.records)

    def begin(self, size: int) -> None:
        """Nothing is found yet of so many events."""
        if size > self._size:
            self._make(size)
        self.ends[:] = self._begins
        self._columns.ends[:] = self._columns.begin[:] = 0

    def _make(self, size: int) -> None:
        self._size = size
        self._rows = lined((len(self.ends), size), np.int64)
        self._begins = _rows_of(self._rows)
        told = lined((len(self._columns.scratch), size + _APART), np.int64)
        self._columns = self._columns._replace(told=told)
        self.behind: Bound = put_in_order.bound(self._columns)  # type: ignore[attr-defined]

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
        one, columns = self._followers[follower], self._columns
        begin, end = columns.first[follower], columns.first[follower] + columns.width[follower]
        told = columns.told[begin:end, : columns.ends[follower]]
        bits = np.ascontiguousarray(told[1 : 1 + one.words].view(np.uint64).T)
        return Marked(told[0], bits, list(told[1 + one.words :]))


def _rows_of(matrix: NDArray[Any]) -> NDArray[np.int64]:
    """Where the rows of a matrix lie in memory."""
    return address_of(matrix) + matrix.strides[0] * np.arange(len(matrix), dtype=np.int64)
