# SPDX-License-Identifier: Apache-2.0
"""Windows at work: what is counted, summed, or watched for growth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Frame, Rows
from uvtrace.check.expression import Number
from uvtrace.check.keys import keys_of
from uvtrace.check.program import Program, Run
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
HIT: Final = np.dtype([("index", np.int64), ("measured", np.int64), ("first", np.int64)])
"""An event that broke a window: its index in the frame, what was measured, since when."""


class Events(NamedTuple):
    """The events of a chunk that concern a window, in order."""

    at: NDArray[np.int64]
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
        program: where its terms are compiled.
        functions: how many there are.

    Attributes:
        counted, unknown: events that counted, or of which that is not known, by function.
    """

    window: Window
    program: Program
    functions: int
    counted: NDArray[np.int64] = field(init=False)
    unknown: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        for term in self.window.terms():
            self.program.add(term)
        size = 1 << max(int(self.window.keys - 1).bit_length(), 3)
        self._slots = np.zeros(size, SLOT)
        self._epochs = np.ones(self.functions + 1, np.int64)
        self.counted = np.zeros(self.functions + 1, np.int64)
        self.unknown = np.zeros(self.functions + 1, np.int64)

    def take(
        self, frame: Frame, run: Run, lost: tuple[Rows, NDArray[np.int64]]
    ) -> NDArray[np.void]:
        """Follow a chunk; arguments as of :meth:`uvtrace.check.duties.Duties.take`.

        Returns:
            The events that broke it, dtype HIT.
        """
        events = self._events(frame, run, lost)
        hits = np.zeros(len(events.at), HIT)
        measure, by_key = _MEASURES[self.window.measure], self.window.reset_key is not None
        first = frame.chunk.first
        count = _follow(self._slots, self._epochs, events, measure, by_key, first, hits)
        return hits[:count]

    def _events(self, frame: Frame, run: Run, lost: tuple[Rows, NDArray[np.int64]]) -> Events:
        window, function = self.window, frame.column("function").astype(np.int64)
        function = np.minimum(function, self.functions)
        counts = run.truth(self.program.add(window.counts))
        resets = run.truth(self.program.add(window.reset_by)).certain
        self._tally(function, counts.certain, counts.unknown)
        what = (counts.certain * COUNTS + resets * RESETS).astype(np.uint8)
        index = np.flatnonzero(what).astype(np.int64)
        key = self._keys(run, function, window.key)[index]
        reset = window.reset_key
        own = Events(
            at=index,
            row=index if frame.rows is None else frame.rows[index],
            what=what[index],
            function=function[index],
            key=key,
            reset_key=key if reset is None else self._keys(run, function, reset)[index],
            time_ns=frame.column("time_ns")[index],
            value=self._numbers(run, window.of, index),
            limit=self._numbers(run, window.limit, index),
            span_ns=self._numbers(run, window.span_ns, index),
        )
        return _with_losses(own, *lost)

    def _tally(
        self, function: NDArray[np.int64], counts: NDArray[np.bool_], unknown: NDArray[np.bool_]
    ) -> None:
        size = len(self.counted)
        self.counted += np.bincount(function[counts], minlength=size)
        self.unknown += np.bincount(function[unknown], minlength=size)

    def _keys(
        self, run: Run, function: NDArray[np.int64], key: tuple[Number, ...]
    ) -> NDArray[np.uint64]:
        return keys_of(function, (run.number(self.program.add(part)).value for part in key))

    def _numbers(self, run: Run, term: Number | int | None, index: Rows) -> NDArray[np.int64]:
        if not isinstance(term, Number):
            return np.full(len(index), term or 0, np.int64)
        values = run.number(self.program.add(term)).value
        return np.ascontiguousarray(values[index]).astype(np.int64)


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
    for i in range(len(events.at)):
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
                hits[count].index = events.at[i]
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
