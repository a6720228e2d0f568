# SPDX-License-Identifier: Apache-2.0
"""Windows at work: what is counted, summed, or watched for growth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk, Frame, Rows
from uvtrace.check.compiled import loop, rare_step, step
from uvtrace.check.expression import Number
from uvtrace.check.keys import keys_of
from uvtrace.check.program import Run
from uvtrace.check.truths import Found, Truths, marked
from uvtrace.check.window import Measure, Window

COUNTS, RESETS = 1, 2
_WAYS: Final = 4
_COUNT, _SUM, _GROWTH = range(3)
_MEASURES: Final = {Measure.COUNT: _COUNT, Measure.SUM: _SUM, Measure.GROWTH: _GROWTH}

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
    """The events of a chunk that concern a window, in order, and the losses among them.

    ``function`` and ``time_ns`` are of the whole chunk, whose first record is at position
    ``first``; ``numbers`` (value, limit, span in ns) of each event.
    """

    function: NDArray[np.uint16]
    time_ns: NDArray[np.int64]
    rows: Rows
    what: NDArray[np.uint8]
    keys: NDArray[np.uint64]
    reset_keys: NDArray[np.uint64]
    numbers: NDArray[np.int64]
    lost: Rows
    lost_of: NDArray[np.int64]
    first: int


_VALUE, _LIMIT, _SPAN_NS = range(3)


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
        unsure = found.rows(self._unsure)
        if len(unsure):
            _tally(chunk.function, unsure, self.unknown)
        parts = ((found.rows(self._counts), COUNTS), (found.rows(self._resets), RESETS))
        rows, what = marked(len(chunk), parts)
        if not len(rows) and not len(lost[0]):
            return np.zeros(0, HIT)
        events = self._events(chunk, rows, what, lost)
        hits = np.zeros(len(rows), HIT)
        measure, by_key = _MEASURES[self.window.measure], self.window.reset_key is not None
        state = self._slots, self._epochs
        return hits[: _follow(*state, events, measure, by_key, self.counted, hits)]

    def _events(
        self, chunk: Chunk, rows: Rows, what: NDArray[np.uint8], lost: tuple[Rows, Rows]
    ) -> Events:
        window = self.window
        run = self._program.start(Frame(chunk, rows))
        keys = self._keys(chunk, rows, run, window.key)
        reset = window.reset_key
        numbers = np.empty((3, len(rows)), np.int64)
        for values, term in zip(numbers, (window.of, window.limit, window.span_ns), strict=True):
            values[:] = self._number(run, term)
        return Events(
            function=chunk.function,
            time_ns=chunk.column("time_ns"),
            rows=rows,
            what=what,
            keys=keys,
            reset_keys=keys if reset is None else self._keys(chunk, rows, run, reset),
            numbers=numbers,
            lost=lost[0],
            lost_of=lost[1],
            first=chunk.first,
        )

    def _keys(
        self, chunk: Chunk, rows: Rows, run: Run, key: tuple[Number, ...]
    ) -> NDArray[np.uint64]:
        parts = (run.number(self._program.add(part)).value for part in key)
        return keys_of(chunk, rows, self.functions, parts)

    def _number(self, run: Run, term: Number | int | None) -> Any:
        if isinstance(term, Number):
            return run.number(self._program.add(term)).value
        return term or 0


@loop
def _tally(function: NDArray[np.uint16], rows: Rows, counts: NDArray[np.int64]) -> None:
    for row in rows:
        f: Any = min(np.int64(function[row]), len(counts) - 1)
        counts[f] += 1


@loop
def _follow(
    slots: NDArray[np.void],
    epochs: NDArray[np.int64],
    events: Events,
    measure: int,
    by_key: bool,
    counted: NDArray[np.int64],
    hits: NDArray[np.void],
) -> int:
    """Follow a chunk; returns how many ``hits`` there were."""
    count, following = 0, 0
    for i in range(len(events.rows)):
        row = events.rows[i]
        while following < len(events.lost) and events.lost[following] <= row:
            _lose(epochs, events.lost_of[following])
            following += 1
        f: Any = min(np.int64(events.function[row]), len(epochs) - 1)
        what = events.what[i]
        if what & RESETS:
            if by_key:
                slots[_slot(slots, events.reset_keys[i], events.first + row)].epoch = 0
            else:
                epochs[f] += 1
        if what & COUNTS:
            counted[f] += 1
            slot = slots[_slot(slots, events.keys[i], events.first + row)]
            if slot.epoch != epochs[f]:
                _begin(slot, epochs[f], events, i)
            if measure == _GROWTH:
                _grow(slot, events, i)
            else:
                _count(slot, events, i, measure)
            if slot.measured > events.numbers[_LIMIT, i] and not slot.broken:
                slot.broken = 1
                hit = hits[count]
                hit.row, hit.measured, hit.first = row, slot.measured, slot.first
                count += 1
    for each in range(following, len(events.lost)):
        _lose(epochs, events.lost_of[each])
    return count


@rare_step
def _lose(epochs: NDArray[np.int64], f: int) -> None:
    """Every aggregate of an older epoch is as if it had never been."""
    for each in range(len(epochs)):
        if f < 0 or each == f:
            epochs[each] += 1


@step
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


@step
def _begin(slot: Any, epoch: int, events: Events, i: int) -> None:
    value, row = events.numbers[_VALUE, i], events.rows[i]
    slot.epoch = epoch
    slot.begin_ns, slot.first = events.time_ns[row], events.first + row
    slot.measured, slot.least, slot.before, slot.broken = 0, value, value, 0


@step
def _count(slot: Any, events: Events, i: int, measure: int) -> None:
    span_ns, time_ns = events.numbers[_SPAN_NS, i], events.time_ns[events.rows[i]]
    if span_ns > 0 and time_ns - slot.begin_ns > span_ns:
        _begin(slot, slot.epoch, events, i)
    slot.measured += events.numbers[_VALUE, i] if measure == _SUM else 1


@step
def _grow(slot: Any, events: Events, i: int) -> None:
    value, time_ns = events.numbers[_VALUE, i], events.time_ns[events.rows[i]]
    if time_ns - slot.begin_ns > events.numbers[_SPAN_NS, i]:
        if slot.least > slot.before:
            slot.measured += 1
        else:
            slot.measured, slot.broken = 0, 0
            slot.first = events.first + events.rows[i]
        slot.before = slot.least
        slot.least = value
        slot.begin_ns = time_ns
    slot.least = min(slot.least, value)
