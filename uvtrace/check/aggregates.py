# SPDX-License-Identifier: Apache-2.0
"""Windows at work: what is counted, summed, or watched for growth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk, Rows
from uvtrace.check.compiled import loop, rare_step, step
from uvtrace.check.expression import Literal, Number
from uvtrace.check.followers import Asked, Follower, Followers, Found, Key, Marked, unsure_of
from uvtrace.check.window import Measure, Window

_COUNTS, _RESETS, _UNSURE = range(3)
"""Bits of events."""
COUNTS, RESETS, UNSURE = (1 << bit for bit in range(3))
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
    ``first``; ``values``, ``limits`` and ``spans_ns`` of each event that counts, or one for all of
    them: ``steps`` tells how far apart those of two events lie.
    """

    function: NDArray[np.uint16]
    time_ns: NDArray[np.int64]
    rows: Rows
    what: NDArray[np.uint64]
    keys: NDArray[np.uint64]
    reset_keys: NDArray[np.uint64]
    values: NDArray[np.int64]
    limits: NDArray[np.int64]
    spans_ns: NDArray[np.int64]
    steps: NDArray[np.int64]
    lost: Rows
    lost_of: NDArray[np.int64]
    first: int


_KEY, _RESET_KEY = range(2)
"""What is asked of events first, the second only where windows start over by key."""
_VALUE, _LIMIT, _SPAN_NS = range(3)
"""Numbers of events that count."""


@dataclass
class Aggregates:
    """One window, followed through a trace.

    Args:
        window: what to follow.
        followers: where it is added.
        functions: how many there are.

    Attributes:
        counted, unknown: events that counted, or of which that is not known, by function.
    """

    window: Window
    followers: Followers
    functions: int
    counted: NDArray[np.int64] = field(init=False)
    unknown: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        one = self.window
        marks = [(one.counts, _COUNTS), (one.reset_by, _RESETS), (unsure_of(one.counts), _UNSURE)]
        asked = [Asked(Key(one.key), COUNTS)]
        if one.reset_key is not None:
            asked.append(Asked(Key(one.reset_key), RESETS))
        self._numbers: list[int | NDArray[np.int64]] = []
        """Of each number the place where it is asked for, or the one value that it always has."""
        for number in (_number(one.of), one.limit, _number(one.span_ns)):
            value = self.followers.program.constant(number)
            if value is None:
                self._numbers.append(len(asked))
                asked.append(Asked(number, COUNTS))
            else:
                self._numbers.append(np.array([value], np.int64))
        self._steps = np.array([isinstance(number, int) for number in self._numbers], np.int64)
        self._number = self.followers.add(Follower(marks, asked))
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
        events = found.events(self._number)
        if not len(events.rows) and not len(lost[0]):
            return np.zeros(0, HIT)
        hits = np.empty(len(events.rows), HIT)
        measure, by_key = _MEASURES[self.window.measure], self.window.reset_key is not None
        followed = self._followed(chunk, events, lost)
        tallies = self.counted, self.unknown
        return hits[: _follow(self._slots, self._epochs, followed, measure, by_key, *tallies, hits)]

    def _followed(self, chunk: Chunk, events: Marked, lost: tuple[Rows, Rows]) -> Events:
        numbers, by_key = events.numbers, self.window.reset_key is not None
        keys = numbers[_KEY].view(np.uint64)
        values, limits, spans_ns = (
            numbers[number] if isinstance(number, int) else number for number in self._numbers
        )
        return Events(
            function=chunk.function,
            time_ns=chunk.column("time_ns"),
            rows=events.rows,
            what=events.bits[:, 0],
            keys=keys,
            reset_keys=numbers[_RESET_KEY].view(np.uint64) if by_key else keys,
            values=values,
            limits=limits,
            spans_ns=spans_ns,
            steps=self._steps,
            lost=lost[0],
            lost_of=lost[1],
            first=chunk.first,
        )


def _number(term: Number | int | None) -> Number:
    return term if isinstance(term, Number) else Literal(term or 0)


@loop
def _follow(
    slots: NDArray[np.void],
    epochs: NDArray[np.int64],
    events: Events,
    measure: int,
    by_key: bool,
    counted: NDArray[np.int64],
    unknown: NDArray[np.int64],
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
        if what & np.uint64(UNSURE):
            unknown[f] += 1
        if what & np.uint64(RESETS):
            if by_key:
                slots[_slot(slots, events.reset_keys[i], events.first + row)].epoch = 0
            else:
                epochs[f] += 1
        if what & np.uint64(COUNTS):
            counted[f] += 1
            slot = slots[_slot(slots, events.keys[i], events.first + row)]
            if slot.epoch != epochs[f]:
                _begin(slot, epochs[f], events, i)
            if measure == _GROWTH:
                _grow(slot, events, i)
            else:
                _count(slot, events, i, measure)
            if slot.measured > events.limits[i * events.steps[_LIMIT]] and not slot.broken:
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
    value, row = events.values[i * events.steps[_VALUE]], events.rows[i]
    slot.epoch = epoch
    slot.begin_ns, slot.first = events.time_ns[row], events.first + row
    slot.measured, slot.least, slot.before, slot.broken = 0, value, value, 0


@step
def _count(slot: Any, events: Events, i: int, measure: int) -> None:
    span_ns = events.spans_ns[i * events.steps[_SPAN_NS]]
    time_ns = events.time_ns[events.rows[i]]
    if span_ns > 0 and time_ns - slot.begin_ns > span_ns:
        _begin(slot, slot.epoch, events, i)
    slot.measured += events.values[i * events.steps[_VALUE]] if measure == _SUM else 1


@step
def _grow(slot: Any, events: Events, i: int) -> None:
    value, time_ns = events.values[i * events.steps[_VALUE]], events.time_ns[events.rows[i]]
    if time_ns - slot.begin_ns > events.spans_ns[i * events.steps[_SPAN_NS]]:
        if slot.least > slot.before:
            slot.measured += 1
        else:
            slot.measured, slot.broken = 0, 0
            slot.first = events.first + events.rows[i]
        slot.before = slot.least
        slot.least = value
        slot.begin_ns = time_ns
    slot.least = min(slot.least, value)
