# SPDX-License-Identifier: Apache-2.0
"""Obligations at work: what is open, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk, Rows
from uvtrace.check.compiled import AHEAD, fetch, loop, rare_step, step
from uvtrace.check.expression import Number
from uvtrace.check.followers import EVERY, Asked, Follower, Followers, Found, Key, Marked
from uvtrace.check.keys import keys_of
from uvtrace.check.latest import Latest
from uvtrace.check.obligation import AtEnd, Obligation
from uvtrace.check.record_view import record_view
from uvtrace.check.remembered import Remembered

_OPENS, _DISCHARGES, _BREAKS, _FORGETS, _TELLS = range(5)
"""Bits of events; those from the last one on tell a number that the key remembers."""
OPENS, DISCHARGES, BREAKS, FORGETS = (1 << bit for bit in range(_TELLS))
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


_RECORD: Final = record_view(("length", "ip", "caller"))


class Events(NamedTuple):
    """The events of a chunk that concern an obligation, in order, and the losses among them.

    ``records`` (dtype _RECORD), ``function`` and ``latest_ns`` are of the whole chunk, whose first
    record is at position ``first``; ``before_ns`` is the latest time before it. ``deadline_ns`` is
    of each event, or one number for all of them.
    """

    records: NDArray[np.void]
    function: NDArray[np.uint16]
    latest_ns: NDArray[np.int64]
    rows: Rows
    what: NDArray[np.uint64]
    keys: NDArray[np.uint64]
    discharge_keys: NDArray[np.uint64]
    break_keys: NDArray[np.uint64]
    deadline_ns: NDArray[np.int64]
    lost: Rows
    lost_of: NDArray[np.int64]
    first: int
    before_ns: int


@dataclass
class Duties:
    """One obligation, followed through a trace.

    Args:
        obligation: what to follow.
        followers: where it is added.
        functions: how many there are.

    Attributes:
        closed: duties discharged or broken, by function.
        unsure: duties whose end is not known, by function.
    """

    obligation: Obligation
    followers: Followers
    functions: int
    closed: NDArray[np.int64] = field(init=False)
    unsure: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        duty = self.obligation
        told = [part for part in duty.key if isinstance(part, Latest)]
        marks = [
            (duty.opened_by, _OPENS),
            (duty.discharged_by, _DISCHARGES),
            (duty.broken_by, _BREAKS),
            (duty.forgotten_by, _FORGETS),
            *((part.event, _TELLS + number) for number, part in enumerate(told)),
        ]
        self._remembered = [Remembered(self.functions) for _ in told]
        self._asked: list[Asked] = []
        self._key = self._ask_key(duty)
        self._other = self._ask_other(duty.discharge_key, DISCHARGES)
        self._breaking = self._ask_other(duty.break_key, BREAKS)
        self._deadline_ns = self._ask_deadline(duty.deadline_ns)
        self._number = self.followers.add(Follower(marks, self._asked))
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
        events, is_lost = found.events(self._number), len(lost[0]) > 0
        if not len(events.rows) and not is_lost and self.obligation.deadline_ns is None:
            return np.zeros(0, BROKEN)
        opening, telling = _counted(events.bits[:, 0])
        if not opening and not self._live() and not (self._remembered and (telling or is_lost)):
            return np.zeros(0, BROKEN)
        followed = self._events(chunk, events, lost, latest_ns, before_ns)
        self._make_room(opening)
        broken = np.empty(self._live() + opening, BROKEN)
        duty = self.obligation
        by_key, ends = duty.break_key is not None, duty.deadline_ns is not None
        tallies = self.closed, self.unsure
        count = _follow(self._open, followed, by_key, ends, broken, *tallies)
        return _described(broken[:count], chunk)

    def _ask_key(self, duty: Obligation) -> list[int]:
        """Ask for the key of events that open; returns the places of it, or of its parts."""
        first = len(self._asked)
        if not self._remembered:
            parts = tuple(part for part in duty.key if isinstance(part, Number))
            bits = OPENS if duty.discharge_key is not None else OPENS | DISCHARGES
            self._asked.append(Asked(Key(parts, every=True), bits))
            return [first]
        bit = _TELLS
        for part in duty.key:
            if isinstance(part, Latest):
                self._asked.append(Asked(part.value, 1 << bit))
                bit += 1
            else:
                self._asked.append(Asked(part, OPENS))
        return list(range(first, len(self._asked)))

    def _ask_other(self, key: tuple[Number, ...] | None, bits: int) -> int | None:
        """Ask for a key of its own; returns its place."""
        if key is None:
            return None
        self._asked.append(Asked(Key(key, every=True), bits))
        return len(self._asked) - 1

    def _ask_deadline(self, deadline_ns: Number | None) -> NDArray[np.int64] | None:
        """Ask for the deadline of events that open, unless it is the same for all: returns that."""
        if deadline_ns is None:
            return _NO_DEADLINE
        always = self.followers.program.constant(deadline_ns)
        if always is not None:
            return np.array([always], np.int64)
        self._asked.append(Asked(deadline_ns, OPENS))
        return None

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
        events: Marked,
        lost: tuple[Rows, NDArray[np.int64]],
        latest_ns: NDArray[np.int64],
        before_ns: int,
    ) -> Events:
        keys = self._keys(chunk, events, lost)
        others = [
            keys if place is None else events.numbers[place].view(np.uint64)
            for place in (self._other, self._breaking)
        ]
        always_ns = self._deadline_ns
        return Events(
            records=chunk.records.view(_RECORD),
            function=chunk.function,
            latest_ns=latest_ns,
            rows=events.rows,
            what=events.bits[:, 0],
            keys=keys,
            discharge_keys=others[0],
            break_keys=others[1],
            deadline_ns=events.numbers[-1] if always_ns is None else always_ns,
            lost=lost[0],
            lost_of=lost[1],
            first=chunk.first,
            before_ns=before_ns,
        )

    def _keys(
        self, chunk: Chunk, events: Marked, lost: tuple[Rows, NDArray[np.int64]]
    ) -> NDArray[np.uint64]:
        """The keys of events that open; of others, too, where none is told."""
        if not self._remembered:
            return events.numbers[self._key[0]].view(np.uint64)
        bit, parts = _TELLS, []
        remembered = iter(self._remembered)
        for part, place in zip(self.obligation.key, self._key, strict=True):
            if isinstance(part, Latest):
                one = next(remembered)
                parts.append(one.values(events, bit, place, chunk.function, lost))
                bit += 1
            else:
                parts.append(events.numbers[place].view(np.uint64))
        return keys_of(chunk, events.rows, EVERY, parts)


_NO_DEADLINE: Final = np.full(1, -1, np.int64)


@loop
def _counted(what: NDArray[np.uint64]) -> tuple[int, int]:
    """How many events open, and how many tell a number."""
    opening: Any = 0
    telling = 0
    for one in what:
        opening += np.int64(one & np.uint64(1))
        telling += one >> np.uint64(_TELLS) != 0
    return opening, telling


def _described(broken: NDArray[np.void], chunk: Chunk) -> NDArray[np.void]:
    """What was broken, with what the records of this chunk say of it."""
    if not len(broken):
        return broken
    own = np.flatnonzero(broken["position"] >= chunk.first)
    opened = chunk.records[broken["position"][own] - chunk.first]
    broken["site"][own] = np.where(opened["caller"] != 0, opened["caller"], opened["ip"])
    broken["length"][own] = opened["length"]
    return broken


_AT_END: Final = {AtEnd.KEPT: 0, AtEnd.UNKNOWN: 1, AtEnd.BROKEN: 2}


@loop
def _follow(
    open_: Open,
    events: Events,
    by_key: bool,
    ends: bool,
    broken: NDArray[np.void],
    closed: NDArray[np.int64],
    unsure: NDArray[np.int64],
) -> int:
    """Follow a chunk; returns how many were ``broken``. ``ends``: duties have a deadline."""
    count, following, per_event = 0, 0, len(events.deadline_ns) > 1
    for i in range(len(events.rows)):
        _expect_ahead(open_, events, i)
        row = events.rows[i]
        while following < len(events.lost) and events.lost[following] <= row:
            count = _lose(open_, events, following, broken, count, closed, unsure)
            following += 1
        what, now_ns, position = events.what[i], events.latest_ns[row], events.first + row
        f: Any = min(np.int64(events.function[row]), len(closed) - 1)
        if what & np.uint64(DISCHARGES):
            count = _discharge(open_, events.discharge_keys[i], now_ns, broken, count, closed)
        if what & np.uint64(BREAKS):
            key = events.break_keys[i]
            count = _break(open_, by_key, key, f, position, now_ns, broken, count, closed)
        if what & np.uint64(FORGETS):
            _forget(open_, f, unsure, False)
        if what & np.uint64(OPENS):
            wait_ns = events.deadline_ns[i if per_event else 0]
            deadline_ns = now_ns + wait_ns if wait_ns >= 0 else _NEVER
            _add(open_, events.keys[i], f, position, deadline_ns, unsure)
    for each in range(following, len(events.lost)):
        count = _lose(open_, events, each, broken, count, closed, unsure)
    if ends:
        count = _expire(open_, events.latest_ns[-1], broken, count, closed)
    _describe(open_, events)
    return count


@step
def _expect_ahead(open_: Open, events: Events, i: int) -> None:
    """Ask for what an event some events later needs: its time, and where its duties are."""
    if i + AHEAD < len(events.rows):
        fetch(events.latest_ns, events.rows[i + AHEAD])
        fetch(open_.heads, _bucket(open_, events.keys[i + AHEAD]))


@step
def _bucket(open_: Open, key: np.uint64) -> int:
    return int(np.int64(key >> np.uint64(20)) & (len(open_.heads) - 1))


@rare_step
def _describe(open_: Open, events: Events) -> None:
    """Note of the duties that stay open what their records, which will be gone, say.

    Most are closed soon: to read the record of each one would cost more than all the rest.
    """
    index = open_.counts[NEWEST]
    while index >= 0 and open_.duties[index].position >= events.first:
        one = open_.duties[index]
        record = events.records[one.position - events.first]
        one.length, one.site = record.length, record.caller if record.caller != 0 else record.ip
        index = one.older


@rare_step
def _lose(
    open_: Open,
    events: Events,
    which: int,
    broken: NDArray[np.void],
    count: int,
    closed: NDArray[np.int64],
    unsure: NDArray[np.int64],
) -> int:
    """Something was lost, before the record at which that is told: at the time of the last one."""
    row = events.lost[which]
    now_ns = events.latest_ns[row - 1] if row > 0 else events.before_ns
    # What was too late by then is broken all the same.
    count = _expire(open_, now_ns, broken, count, closed)
    _forget(open_, events.lost_of[which], unsure, True)
    return count


@step
def _add(
    open_: Open,
    key: np.uint64,
    f: int,
    position: int,
    deadline_ns: int,
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
    one.key, one.function, one.open = key, f, 1
    one.position, one.deadline_ns = position, deadline_ns
    _link(open_, index)


@step
def _link(open_: Open, index: Any) -> None:
    one = open_.duties[index]
    bucket = _bucket(open_, one.key)
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


@step
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


@loop
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


@rare_step
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


@step
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
        index = np.int64(open_.heads[_bucket(open_, key)])
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


@rare_step
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


@rare_step
def _forget(open_: Open, f: int, unsure: NDArray[np.int64], counts: bool) -> None:
    """The duties of a function (-1: of all) are over; ``counts``: nobody knows how they end."""
    index = np.int64(open_.counts[OLDEST])
    while index >= 0:
        one = open_.duties[index]
        following = np.int64(one.newer)
        if f < 0 or one.function == f:
            if counts:
                unsure[one.function] += 1
            _close(open_, index)
        index = following


@rare_step
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


@loop
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
