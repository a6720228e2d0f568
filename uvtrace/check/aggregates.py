# SPDX-License-Identifier: Apache-2.0
"""Windows at work: what is counted, summed, or watched for growth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk, Frame, Rows
from uvtrace.check.expression import Number
from uvtrace.check.keys import keys_of
from uvtrace.check.program import Run
from uvtrace.check.truths import Found, Truths, marked
from uvtrace.check.window import Measure, Window

COUNTS, RESETS, LOSES = 1, 2, 4
_WAYS: Final = 4
_MEASURES: Final = {Measure.COUNT: 0, Measure.SUM: 1, Measure.GROWTH: 2}

SLOT: Final = np.dtype(
    [
        ("key", np.uint64),
        ("epoch", np.int64),
        ("used", np.int64),
        ("begin_ns", np.int64),
        ("first", np.int64),
        ("measured", np.int64),
        ("least", np.int64),
        ("before", np.int64),
        ("broken", np.uint8),
    ]
)
"""One aggregate. ``least`` is of the span under way, ``before`` of the one before it (GROWTH)."""
HIT: Final = np.dtype([("row", np.int64), ("measured", np.int64), ("first", np.int64)])
"""An event that broke a window: its row in the chunk, what was measured, since when."""


class Events(NamedTuple):
    """The events of a chunk that concern a window, in order."""

    row: NDArray[np.int64]
    what: NDArray[np.uint8]
    function: NDArray[np.int64]
    key: NDArray[np.uint64]
    reset_key: NDArray[np.uint64]
    time_ns: NDArray[np.int64]
    value: NDArray[np.int64]
    limit: NDArray[np.int64]
    span_ns: NDArray[np.int64]


@dataclass
class Aggregates:
    """One window, followed through a trace.

    Args:
        window: what to follow.
        truths: where its terms are added.
        functions: how many there are.

    Attributes:
        counted, unknown: events that counted, or of which that is not known, by function.
    """

    window: Window
    truths: Truths
    functions: int
    counted: NDArray[np.int64] = field(init=False)
    unknown: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self._program = self.truths.program
        for term in self.window.terms():
            self._program.add(term)
        self._counts = self.truths.add(self.window.counts)
        self._unsure = self.truths.add_unknown(self.window.counts)
        self._resets = self.truths.add(self.window.reset_by)
        size = 1 << max(int(self.window.keys - 1).bit_length(), 3)
        self._slots = np.zeros(size, SLOT)
        self._epochs = np.ones(self.functions + 1, np.int64)
        self.counted = np.zeros(self.functions + 1, np.int64)
        self.unknown = np.zeros(self.functions + 1, np.int64)

    def take(
        self, chunk: Chunk, found: Found, lost: tuple[Rows, NDArray[np.int64]]
    ) -> NDArray[np.void]:
        """Follow a chunk; arguments as of :meth:`uvtrace.check.duties.Duties.take`.

        Returns:
            The events that broke it, dtype HIT.
        """
        self._tally(chunk, self.counted, found.rows(self._counts))
        self._tally(chunk, self.unknown, found.rows(self._unsure))
        parts = ((found.rows(self._counts), COUNTS), (found.rows(self._resets), RESETS))
        rows, what = marked(len(chunk), parts)
        if not len(rows) and not len(lost[0]):
            return np.zeros(0, HIT)
        events = _with_losses(self._events(chunk, rows, what), *lost)
        hits = np.zeros(len(events.row), HIT)
        measure, by_key = _MEASURES[self.window.measure], self.window.reset_key is not None
        count = _follow(self._slots, self._epochs, events, measure, by_key, chunk.first, hits)
        return hits[:count]

    def _events(self, chunk: Chunk, rows: Rows, what: NDArray[np.uint8]) -> Events:
        window, frame = self.window, Frame(chunk, rows)
        run = self._program.start(frame)
        function = np.minimum(frame.column("function").astype(np.int64), self.functions)
        key = self._keys(run, function, window.key)
        reset = window.reset_key
        return Events(
            row=rows,
            what=what,
            function=function,
            key=key,
            reset_key=key if reset is None else self._keys(run, function, reset),
            time_ns=frame.column("time_ns"),
            value=self._numbers(run, window.of, len(rows)),
            limit=self._numbers(run, window.limit, len(rows)),
            span_ns=self._numbers(run, window.span_ns, len(rows)),
        )

    def _tally(self, chunk: Chunk, counts: NDArray[np.int64], rows: Rows) -> None:
        if len(rows):
            function = np.minimum(chunk.function[rows], self.functions)
            counts += np.bincount(function, minlength=len(counts))

    def _keys(
        self, run: Run, function: NDArray[np.int64], key: tuple[Number, ...]
    ) -> NDArray[np.uint64]:
        return keys_of(function, (run.number(self._program.add(part)).value for part in key))

    def _numbers(self, run: Run, term: Number | int | None, count: int) -> NDArray[np.int64]:
        if not isinstance(term, Number):
            return np.full(count, term or 0, np.int64)
        values = run.number(self._program.add(term)).value
        return np.ascontiguousarray(values).astype(np.int64)


def _with_losses(events: Events, rows: Rows, functions: NDArray[np.int64]) -> Events:
    """The events with losses among them, each before the record it is told at."""
    if not len(rows):
        return events
    lost: dict[str, Any] = {"row": rows, "function": functions, "what": np.uint8(LOSES)}
    order = np.argsort(np.concatenate((rows, events.row)), kind="stable")
    joined: list[Any] = []
    for name in Events._fields:
        own: NDArray[Any] = getattr(events, name)
        told = np.zeros(len(rows), own.dtype)
        told[:] = lost.get(name, 0)
        joined.append(np.concatenate((told, own))[order])
    return Events(*joined)


@numba.njit(cache=True)
def _follow(
    slots: NDArray[np.void],
    epochs: NDArray[np.int64],
    events: Events,
    measure: int,
    by_key: bool,
    first: int,
    hits: NDArray[np.void],
) -> int:
    count = 0
    for i in range(len(events.row)):
        what, f = events.what[i], events.function[i]
        if what & LOSES:
            # Every aggregate of an older epoch is as if it had never been.
            if f < 0:
                epochs += 1
            else:
                epochs[f] += 1
            continue
        if what & RESETS:
            if by_key:
                slots[_slot(slots, events.reset_key[i], first + events.row[i])].epoch = 0
            else:
                epochs[f] += 1
        if what & COUNTS:
            slot = slots[_slot(slots, events.key[i], first + events.row[i])]
            if slot.epoch != epochs[f]:
                _begin(slot, epochs[f], events, i, first)
            if measure == 2:
                _grow(slot, events, i, first)
            else:
                _count(slot, events, i, first, measure)
            if slot.measured > events.limit[i] and not slot.broken:
                slot.broken = 1
                hits[count].row = events.row[i]
                hits[count].measured = slot.measured
                hits[count].first = slot.first
                count += 1
    return count


@numba.njit(cache=True)
def _slot(slots: NDArray[np.void], key: np.uint64, now: int) -> int:
    """The slot of a key; that of the key least recently used where there is none."""
    base = np.int64(key >> np.uint64(20)) & (len(slots) - 1)
    oldest = base
    for way in range(_WAYS):
        place = (base + way) & (len(slots) - 1)
        if slots[place].key == key and slots[place].used > 0:
            slots[place].used = now + 1
            return int(place)
        if slots[place].used < slots[oldest].used:
            oldest = place
    slots[oldest].key = key
    slots[oldest].epoch = 0
    slots[oldest].used = now + 1
    return int(oldest)


@numba.njit(cache=True)
def _begin(slot: Any, epoch: int, events: Events, i: int, first: int) -> None:
    slot.epoch = epoch
    slot.begin_ns = events.time_ns[i]
    slot.first = first + events.row[i]
    slot.measured = 0
    slot.least = events.value[i]
    slot.before = events.value[i]
    slot.broken = 0


@numba.njit(cache=True)
def _count(slot: Any, events: Events, i: int, first: int, measure: int) -> None:
    span_ns = events.span_ns[i]
    if span_ns > 0 and events.time_ns[i] - slot.begin_ns > span_ns:
        _begin(slot, slot.epoch, events, i, first)
    slot.measured += events.value[i] if measure == 1 else 1


@numba.njit(cache=True)
def _grow(slot: Any, events: Events, i: int, first: int) -> None:
    value = events.value[i]
    if events.time_ns[i] - slot.begin_ns > events.span_ns[i]:
        if slot.least > slot.before:
            slot.measured += 1
        else:
            slot.measured, slot.broken = 0, 0
            slot.first = first + events.row[i]
        slot.before = slot.least
        slot.least = value
        slot.begin_ns = events.time_ns[i]
    slot.least = min(slot.least, value)
