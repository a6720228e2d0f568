# SPDX-License-Identifier: Apache-2.0
"""Obligations at work: what is open, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk, Frame, Rows
from uvtrace.check.expression import Number
from uvtrace.check.keys import keys_of
from uvtrace.check.latest import Latest
from uvtrace.check.obligation import AtEnd, Obligation
from uvtrace.check.program import Run
from uvtrace.check.remembered import Remembered
from uvtrace.check.truths import Found, Truths, marked

OPENS, DISCHARGES, BREAKS, FORGETS, LOSES, TELLS = 1, 2, 4, 8, 16, 32
_NEVER: Final = np.iinfo(np.int64).max
_START: Final = 1 << 10

DUTY: Final = np.dtype(
    [
        ("key", np.uint64),
        ("site", np.uint64),
        ("length", np.uint64),
        ("position", np.int64),
        ("deadline_ns", np.int64),
        ("function", np.int32),
        ("next", np.int32),
        ("previous", np.int32),
        ("newer", np.int32),
        ("older", np.int32),
        ("open", np.uint8),
    ]
)
"""What is open, chained by bucket, and by age."""
BROKEN: Final = np.dtype(
    [
        ("position", np.int64),
        ("breaker", np.int64),
        ("site", np.uint64),
        ("length", np.uint64),
        ("function", np.int32),
    ]
)
"""A duty that was broken, and the event that broke it; -1 the deadline."""


class Open(NamedTuple):
    """The duties that are open. ``counts``: [0] free, [1] oldest, [2] newest, [3] dropped."""

    duties: NDArray[np.void]
    heads: NDArray[np.int32]
    unused: NDArray[np.int32]
    counts: NDArray[np.int64]


FREE, OLDEST, NEWEST, DROPPED = range(4)


def nothing_open(capacity: int) -> Open:
    """Room for ``capacity`` duties (a power of two)."""
    counts = np.array([capacity, -1, -1, 0], np.int64)
    unused = np.arange(capacity - 1, -1, -1, dtype=np.int32)
    return Open(np.zeros(capacity, DUTY), np.full(2 * capacity, -1, np.int32), unused, counts)


class Events(NamedTuple):
    """The events of a chunk that concern an obligation, in order."""

    rows: Rows
    what: NDArray[np.uint8]
    function: NDArray[np.int64]
    keys: NDArray[np.uint64]
    discharge_keys: NDArray[np.uint64]
    break_keys: NDArray[np.uint64]
    deadline_ns: NDArray[np.int64]
    latest_ns: NDArray[np.int64]
    site: NDArray[np.uint64]
    length: NDArray[np.uint64]


@dataclass
class Duties:
    """One obligation, followed through a trace.

    Args:
        obligation: what to follow.
        truths: where its terms are added.
        functions: how many there are.

    Attributes:
        closed: duties discharged or broken, by function.
        unsure: duties whose end is not known, by function.
    """

    obligation: Obligation
    truths: Truths
    functions: int
    closed: NDArray[np.int64] = field(init=False)
    unsure: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        duty = self.obligation
        self._program = self.truths.program
        for term in duty.terms():
            self._program.add(term)
        self._marks = [
            (self.truths.add(term), bit)
            for term, bit in (
                (duty.opened_by, OPENS),
                (duty.discharged_by, DISCHARGES),
                (duty.broken_by, BREAKS),
                (duty.forgotten_by, FORGETS),
            )
        ]
        self._key = [
            Remembered(part, self.truths, self.functions) if isinstance(part, Latest) else part
            for part in duty.key
        ]
        told = (part for part in self._key if isinstance(part, Remembered))
        self._marks += [(part.event, TELLS) for part in told]
        self._open = nothing_open(_START)
        self._latest_ns = 0
        self.closed = np.zeros(self.functions + 1, np.int64)
        self.unsure = np.zeros(self.functions + 1, np.int64)

    def take(
        self, chunk: Chunk, found: Found, lost: tuple[Rows, NDArray[np.int64]]
    ) -> NDArray[np.void]:
        """Follow a chunk.

        Args:
            chunk: the events.
            found: where truths are certain among them.
            lost: rows and functions of losses that no duty survives.

        Returns:
            What was broken, dtype BROKEN.
        """
        latest_ns = chunk.latest_ns(self._latest_ns)
        before_ns, self._latest_ns = self._latest_ns, int(latest_ns[-1])
        opening = len(found.rows(self._marks[0][0]))
        if not opening and not self._live() and not self._is_told(found, lost):
            return np.zeros(0, BROKEN)
        events = self._events(chunk, found, lost, latest_ns, before_ns)
        self._make_room(opening)
        broken = np.zeros(self._live() + opening, BROKEN)
        count = _follow(
            self._open,
            events,
            chunk.first,
            self.obligation.break_key is not None,
            broken,
            self.closed,
            self.unsure,
        )
        if self.obligation.deadline_ns is not None:
            count = _expire(self._open, self._latest_ns, broken, count, self.closed)
        return broken[:count]

    def _is_told(self, found: Found, lost: tuple[Rows, NDArray[np.int64]]) -> bool:
        """Whether what its keys remember may change."""
        told = [number for number, bit in self._marks if bit == TELLS]
        return bool(told) and (len(lost[0]) > 0 or any(len(found.rows(each)) for each in told))

    def finish(self) -> NDArray[np.void]:
        """The trace ends; returns what that breaks."""
        broken = np.zeros(self._live(), BROKEN)
        at_end = self.obligation.at_end
        count = _end(self._open, broken, self.closed, self.unsure, _AT_END[at_end])
        return broken[:count]

    def _live(self) -> int:
        return len(self._open.duties) - int(self._open.counts[FREE])

    def _make_room(self, opening: int) -> None:
        needed = self._live() + opening
        capacity = len(self._open.duties)
        limit = max(self.obligation.limit, _START)
        while capacity < min(needed, limit):
            capacity *= 2
        if capacity > len(self._open.duties):
            larger = nothing_open(capacity)
            _move(self._open, larger)
            self._open = larger

    def _events(
        self,
        chunk: Chunk,
        found: Found,
        lost: tuple[Rows, NDArray[np.int64]],
        latest_ns: NDArray[np.int64],
        before_ns: int,
    ) -> Events:
        duty = self.obligation
        parts = ((found.rows(number), bit) for number, bit in self._marks)
        rows, what = marked(len(chunk), parts)
        frame = Frame(chunk, rows)
        run = self._program.start(frame)
        function = frame.column("function").astype(np.int64)
        keys = self._opening_keys(frame, rows, run, function, found, lost)
        own = Events(
            rows=rows,
            what=what,
            function=function,
            keys=keys,
            discharge_keys=self._other(run, function, duty.discharge_key, keys),
            break_keys=self._other(run, function, duty.break_key, keys),
            deadline_ns=self._deadlines(run, len(rows)),
            latest_ns=latest_ns[rows],
            site=frame.column("site"),
            length=frame.column("length"),
        )
        # A loss is told before its record: the time is that of the record before it.
        before = np.concatenate((np.array([before_ns], np.int64), latest_ns))
        return _with_losses(own, *lost, before)

    def _opening_keys(
        self,
        frame: Frame,
        rows: Rows,
        run: Run,
        function: NDArray[np.int64],
        found: Found,
        lost: tuple[Rows, NDArray[np.int64]],
    ) -> NDArray[np.uint64]:
        return keys_of(
            function,
            (
                part.values(rows, found.rows(part.event), frame, run, lost)
                if isinstance(part, Remembered)
                else run.number(self._program.add(part)).value
                for part in self._key
            ),
        )

    def _other(
        self,
        run: Run,
        function: NDArray[np.int64],
        key: tuple[Number, ...] | None,
        keys: NDArray[np.uint64],
    ) -> NDArray[np.uint64]:
        if key is None:
            return keys
        return keys_of(function, (run.number(self._program.add(part)).value for part in key))

    def _deadlines(self, run: Run, count: int) -> NDArray[np.int64]:
        deadline = self.obligation.deadline_ns
        if deadline is None:
            return np.full(count, -1, np.int64)
        values = run.number(self._program.add(deadline)).value
        return np.ascontiguousarray(values.astype(np.int64))


_AT_END: Final = {AtEnd.KEPT: 0, AtEnd.UNKNOWN: 1, AtEnd.BROKEN: 2}


def _with_losses(
    events: Events, rows: Rows, functions: NDArray[np.int64], before_ns: NDArray[np.int64]
) -> Events:
    """The events with losses among them, each before the record it is told at."""
    if not len(rows):
        return events
    lost: dict[str, Any] = {"rows": rows, "function": functions, "what": np.uint8(LOSES)}
    lost["latest_ns"] = before_ns[rows]
    order = np.argsort(np.concatenate((rows, events.rows)), kind="stable")
    joined: list[Any] = []
    for name in Events._fields:
        own: NDArray[Any] = getattr(events, name)
        told = np.zeros(len(rows), own.dtype)
        told[:] = lost.get(name, 0)
        joined.append(np.concatenate((told, own))[order])
    return Events(*joined)


@numba.njit(cache=True)
def _follow(
    open_: Open,
    events: Events,
    first: int,
    by_key: bool,
    broken: NDArray[np.void],
    closed: NDArray[np.int64],
    unsure: NDArray[np.int64],
) -> int:
    count = 0
    for i in range(len(events.rows)):
        what, now_ns, f = events.what[i], events.latest_ns[i], events.function[i]
        if what & LOSES:
            # What was too late by then is broken all the same.
            count = _expire(open_, now_ns, broken, count, closed)
            _forget(open_, f, unsure)
            continue
        f = min(f, len(closed) - 1)
        position = first + events.rows[i]
        if what & DISCHARGES:
            count = _discharge(open_, events.discharge_keys[i], now_ns, broken, count, closed)
        if what & BREAKS:
            key = events.break_keys[i]
            count = _break(open_, by_key, key, f, position, now_ns, broken, count, closed)
        if what & FORGETS:
            _forget(open_, f, unsure[:0])
        if what & OPENS:
            wait_ns = events.deadline_ns[i]
            deadline_ns = now_ns + wait_ns if wait_ns >= 0 else _NEVER
            key, site, length = events.keys[i], events.site[i], events.length[i]
            _add(open_, key, f, position, deadline_ns, site, length, unsure)
    return count


@numba.njit(cache=True)
def _add(
    open_: Open,
    key: np.uint64,
    f: int,
    position: int,
    deadline_ns: int,
    site: np.uint64,
    length: np.uint64,
    unsure: NDArray[np.int64],
) -> None:
    if open_.counts[FREE] == 0:
        oldest = open_.counts[OLDEST]
        unsure[open_.duties[oldest].function] += 1
        open_.counts[DROPPED] += 1
        _close(open_, oldest)
    open_.counts[FREE] -= 1
    index = open_.unused[open_.counts[FREE]]
    one = open_.duties[index]
    one.key, one.site, one.length = key, site, length
    one.position, one.deadline_ns, one.function, one.open = position, deadline_ns, f, 1
    _link(open_, index)


@numba.njit(cache=True)
def _link(open_: Open, index: Any) -> None:
    one = open_.duties[index]
    bucket = np.int64(one.key >> np.uint64(20)) & (len(open_.heads) - 1)
    one.next = open_.heads[bucket]
    one.previous = -2 - bucket
    if one.next >= 0:
        open_.duties[one.next].previous = index
    open_.heads[bucket] = index
    one.older = open_.counts[NEWEST]
    one.newer = -1
    if one.older >= 0:
        open_.duties[one.older].newer = index
    else:
        open_.counts[OLDEST] = index
    open_.counts[NEWEST] = index


@numba.njit(cache=True)
def _close(open_: Open, index: Any) -> None:
    one = open_.duties[index]
    if one.previous >= 0:
        open_.duties[one.previous].next = one.next
    else:
        open_.heads[-2 - one.previous] = one.next
    if one.next >= 0:
        open_.duties[one.next].previous = one.previous
    if one.older >= 0:
        open_.duties[one.older].newer = one.newer
    else:
        open_.counts[OLDEST] = one.newer
    if one.newer >= 0:
        open_.duties[one.newer].older = one.older
    else:
        open_.counts[NEWEST] = one.older
    one.open = 0
    open_.unused[open_.counts[FREE]] = index
    open_.counts[FREE] += 1


@numba.njit(cache=True)
def _move(source: Open, target: Open) -> None:
    index = source.counts[OLDEST]
    while index >= 0:
        old = source.duties[index]
        target.counts[FREE] -= 1
        place = target.unused[target.counts[FREE]]
        new = target.duties[place]
        new.key, new.site, new.length = old.key, old.site, old.length
        new.position, new.deadline_ns = old.position, old.deadline_ns
        new.function, new.open = old.function, 1
        _link(target, place)
        index = old.newer
    target.counts[DROPPED] = source.counts[DROPPED]


@numba.njit(cache=True)
def _tell(
    open_: Open,
    index: Any,
    breaker: int,
    broken: NDArray[np.void],
    count: int,
    closed: NDArray[np.int64],
) -> int:
    one = open_.duties[index]
    told = broken[count]
    told.position, told.breaker, told.function = one.position, breaker, one.function
    told.site, told.length = one.site, one.length
    closed[one.function] += 1
    _close(open_, index)
    return count + 1


@numba.njit(cache=True)
def _discharge(
    open_: Open,
    key: np.uint64,
    now_ns: int,
    broken: NDArray[np.void],
    count: int,
    closed: NDArray[np.int64],
) -> int:
    """Discharge the oldest duty with a key, after those whose deadline has passed."""
    while True:
        found = np.int64(-1)
        index = np.int64(open_.heads[np.int64(key >> np.uint64(20)) & (len(open_.heads) - 1)])
        while index >= 0:
            one = open_.duties[index]
            if one.key == key and (found < 0 or one.position < open_.duties[found].position):
                found = index
            index = np.int64(one.next)
        if found < 0:
            return count
        if open_.duties[found].deadline_ns >= now_ns:
            closed[open_.duties[found].function] += 1
            _close(open_, found)
            return count
        count = _tell(open_, found, -1, broken, count, closed)


@numba.njit(cache=True)
def _break(
    open_: Open,
    by_key: bool,
    key: np.uint64,
    f: int,
    breaker: int,
    now_ns: int,
    broken: NDArray[np.void],
    count: int,
    closed: NDArray[np.int64],
) -> int:
    index = np.int64(open_.counts[OLDEST])
    while index >= 0:
        one = open_.duties[index]
        following = np.int64(one.newer)
        if one.function == f and (not by_key or one.key == key):
            by = breaker if one.deadline_ns >= now_ns else -1
            count = _tell(open_, index, by, broken, count, closed)
        index = following
    return count


@numba.njit(cache=True)
def _forget(open_: Open, f: int, unsure: NDArray[np.int64]) -> None:
    index = np.int64(open_.counts[OLDEST])
    while index >= 0:
        one = open_.duties[index]
        following = np.int64(one.newer)
        if f < 0 or one.function == f:
            if len(unsure):
                unsure[one.function] += 1
            _close(open_, index)
        index = following


@numba.njit(cache=True)
def _expire(
    open_: Open,
    now_ns: int,
    broken: NDArray[np.void],
    count: int,
    closed: NDArray[np.int64],
) -> int:
    index = np.int64(open_.counts[OLDEST])
    while index >= 0:
        following = np.int64(open_.duties[index].newer)
        if open_.duties[index].deadline_ns < now_ns:
            count = _tell(open_, index, -1, broken, count, closed)
        index = following
    return count


@numba.njit(cache=True)
def _end(
    open_: Open,
    broken: NDArray[np.void],
    closed: NDArray[np.int64],
    unsure: NDArray[np.int64],
    at_end: int,
) -> int:
    count = 0
    while open_.counts[OLDEST] >= 0:
        index = np.int64(open_.counts[OLDEST])
        if at_end == 2:
            count = _tell(open_, index, -1, broken, count, closed)
        else:
            if at_end == 1:
                unsure[open_.duties[index].function] += 1
            _close(open_, index)
    return count
