# SPDX-License-Identifier: Apache-2.0
"""The loop over accesses to registers: it remembers what was last done at each place."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.columns import registers
from uvtrace.check.compiled import fetch_ahead, loop, rare_step, step
from uvtrace.check.record_view import record_view
from uvtrace.trace.enums import Flag, Kind, Phase, Status
from uvtrace.trace.layout import ACCESS, BAR_NONE, LIFE

Numbers = NDArray[np.int64]
Words = NDArray[np.uint64]

READ, WRITE, RESET, LOSS, SHOWN, BEGINS, PROMPT, NOTHING = range(8)
"""What an event is: an answered read, a write, the end of a reset that was seen, loss, a snapshot's
value of a place, the beginning of something after which nothing is known, the first half of a
read, and nothing that matters."""

PLACES: Final = 1 << 15
"""Places that are remembered, of all functions; a new one may take the room of an old one."""
_PROBES: Final = 16

EVENTS: Final = ("last_written", "last_read", "same_since", "reset_seen")
NAMES: Final = (
    *(*EVENTS, "same_reads", "writes_since_reset", "reads_since_reset", "read_in_handler"),
    *("last_written_value", "last_read_value", "observed_bits", "pending_bits"),
)
"""The columns that the loop tells; those of EVENTS are -1 where there is no event."""
TOLD: Final = np.dtype(
    [(column.name, column.dtype) for column in registers.COLUMNS if column.name in NAMES],
    align=True,
)

PLACE: Final = np.dtype(
    [
        ("key", np.uint64),
        ("epoch", np.int64),
        ("written", np.int64),
        ("read", np.int64),
        ("since", np.int64),
        ("same", np.int64),
        ("rank", np.int64),
        ("writes", np.int64),
        ("reads", np.int64),
        ("in_handler", np.int64),
        ("wrote", np.uint64),
        ("gave", np.uint64),
        ("observed", np.uint64),
        ("pending", np.uint64),
    ]
)


class State(NamedTuple):
    """``places``: a hash table. By function: ``epoch`` counts resets, ``seen`` is the last one,
    ``begun`` the reset that was begun by hand, ``rank`` how many records there were."""

    places: NDArray[np.void]
    epoch: Numbers
    seen: Numbers
    begun: Numbers
    rank: Numbers


RECORD_VIEW: Final = record_view(
    ("kind", "phase", "status", "flags", "function", "value"),
    {"bar": (ACCESS, "bar"), "offset": (ACCESS, "offset"), "old_state": (LIFE, "old_state")},
)
"""A record, as the fields that the loop needs of it."""

EVENT: Final = np.dtype(
    [
        ("row", np.int64),
        ("function", np.int64),
        ("key", np.uint64),
        ("value", np.uint64),
        ("resets", np.uint64),
        ("resets_value", np.uint64),
        ("begun", np.int64),
        ("rank", np.int64),
        ("code", np.uint8),
        ("hard", np.bool_),
    ],
    align=True,
)
"""What happened. ``key``: the place; ``resets``: bits that, with ``resets_value``, reset the
function; ``begun``: the reset begun by hand; ``rank``: records of its function before it."""

_MMIO_READ, _MMIO_WRITE = int(Kind.MMIO_READ), int(Kind.MMIO_WRITE)
_PIO_READ, _PIO_WRITE = int(Kind.PIO_READ), int(Kind.PIO_WRITE)
_RESET, _POWER, _PROBE = int(Kind.RESET), int(Kind.POWER), int(Kind.PROBE)
_REQUEST, _COMPLETION, _OK = int(Phase.REQUEST), int(Phase.COMPLETION), int(Status.OK)
_BLIND: Final = np.uint32(Flag.OUTSIDE | Flag.STALE | Flag.UNDECODED | Flag.FAR)
_HARD, _FAR = np.uint32(Flag.HARDIRQ), np.uint32(Flag.FAR)
_D3HOT: Final = 3


def key_of(function: int, bar: int, offset: int) -> int:
    """A number for each place, other than 0: function + 1, BAR, and 48 bits of offset."""
    return ((function + 1) << 51 | (bar & 7) << 48 | offset & ((1 << 48) - 1)) & ((1 << 64) - 1)


def new_state(functions: int) -> State:
    """Nothing is known."""
    return State(
        np.zeros(PLACES, PLACE),
        np.ones(functions, np.int64),
        np.full(functions, -1, np.int64),
        np.full(functions, -1, np.int64),
        np.zeros(functions, np.int64),
    )


class Events(NamedTuple):
    """The events of a chunk, and what else is told there of registers.

    Attributes:
        records: all of the chunk, dtype RECORD_VIEW, the first of which is at position ``first``.
        kind, phase, flags, function: of all of them.
        rows: those that are events, ascending.
        resets, resets_value: of each event the bits that, with this value, reset the function;
            shape (0,) where none does.
        begun, begun_places: the resets that were begun by hand, and which of them each row has.
        extra: losses and values in snapshots, dtype EVENT, ascending.
        first: see ``records``.
    """

    records: NDArray[np.void]
    kind: NDArray[np.uint8]
    phase: NDArray[np.uint8]
    flags: NDArray[np.uint32]
    function: NDArray[np.uint16]
    rows: Numbers
    resets: Words
    resets_value: Words
    begun: Numbers
    begun_places: NDArray[np.int32]
    extra: NDArray[np.void]
    first: int


@loop
def codes(records: NDArray[np.void], rows: Numbers, told: NDArray[np.uint8]) -> None:
    """Fill in what each event is; arguments as of :class:`Events`."""
    for i in range(len(rows)):
        told[i] = _code(records[rows[i]])


@loop
def follow(state: State, events: Events, event: NDArray[np.void], told: NDArray[np.void]) -> None:
    """Follow the events of a chunk.

    Args:
        state: changed in place.
        events: what there is.
        event: dtype EVENT, shape (1,): where each is put together.
        told: dtype TOLD, shape (events + 1,): filled; the last one is of no meaning.
    """
    rows, rank, extra = events.rows, state.rank, 0
    at, own, nothing = 0, event[0], told[len(rows)]
    for row in range(len(events.kind)):
        while extra < len(events.extra) and events.extra[extra].row <= row:
            _follow_one(state, events.extra[extra], events.first, nothing)
            extra += 1
        f: Any = np.int64(events.function[row])
        kind = events.kind[row]
        if at < len(rows) and rows[at] == row:
            fetch_ahead(events.records, rows, at)
            own.row = row
            _gather_one(events.records[row], own)
            if len(events.resets):
                own.resets, own.resets_value = events.resets[at], events.resets_value[at]
            own.begun = events.begun[events.begun_places[row]]
            own.rank = rank[f] if f < len(rank) else 0
            _follow_one(state, own, events.first, told[at])
            at += 1
        asks = events.phase[row] == _REQUEST and kind in (_MMIO_READ, _PIO_READ)
        # The other end's record of a message is nothing more that happened.
        if f < len(rank) and not asks and not events.flags[row] & _FAR:
            rank[f] += 1
    for each in range(extra, len(events.extra)):
        _follow_one(state, events.extra[each], events.first, nothing)


@step
def _gather_one(record: Any, event: Any) -> None:
    f, bar = np.uint64(record.function), np.uint64(record.bar)
    place = np.uint64(record.offset) & np.uint64((1 << 48) - 1)
    event.function = record.function
    event.key = (f + np.uint64(1)) << np.uint64(51) | (bar & np.uint64(7)) << np.uint64(48) | place
    event.value = record.value
    event.code = _code(record)
    event.hard = (record.flags & _HARD) != 0
    event.resets, event.resets_value = np.uint64(0), np.uint64(0)


@step
def _code(record: Any) -> int:
    kind, in_bar = record.kind, record.bar != BAR_NONE
    seen = (record.flags & _BLIND) == 0
    returned, begun = record.phase != _REQUEST, record.phase != _COMPLETION
    ended = returned and record.status == _OK
    if in_bar and kind in (_MMIO_READ, _PIO_READ):
        return READ if seen and ended else PROMPT
    if in_bar and kind in (_MMIO_WRITE, _PIO_WRITE):
        return WRITE if seen and begun else NOTHING
    if kind == _RESET:
        return RESET if ended else BEGINS
    wakes = kind == _POWER and record.old_state >= _D3HOT
    return BEGINS if wakes or (kind == _PROBE and begun) else NOTHING


@step
def _follow_one(state: State, event: Any, first: int, one: Any) -> None:
    _untold(one)
    f, code = event.function, event.code
    position = first + event.row
    if code == LOSS:
        _forget(state, f)
    if f < 0 or f >= len(state.epoch) or code == NOTHING:
        return
    if code == BEGINS:
        _reset(state, f, -1)
    elif code == RESET:
        _reset(state, f, position)
    if event.begun >= 0 and event.begun != state.begun[f]:
        state.begun[f] = event.begun
        _reset(state, f, event.begun)
    if code in (READ, WRITE, PROMPT, SHOWN):
        place = _place(state, f, event.key)
        _tell(place, state.seen[f], one)
        if code == READ:
            _read(event, place, position, one)
        elif code == WRITE:
            _write(state, event, place, position)
        elif code == SHOWN:
            place.pending = event.value


@step
def _untold(one: Any) -> None:
    one.last_written, one.last_read, one.same_since, one.reset_seen = -1, -1, -1, -1
    one.same_reads, one.writes_since_reset, one.reads_since_reset = 0, 0, 0
    one.read_in_handler = 0
    one.last_written_value, one.last_read_value = np.uint64(0), np.uint64(0)
    one.observed_bits, one.pending_bits = np.uint64(0), np.uint64(0)


@rare_step
def _forget(state: State, f: int) -> None:
    for each in range(len(state.epoch)):
        if f < 0 or each == f:
            _reset(state, each, -1)
    for place in state.places:
        if f < 0 or np.int64(place.key >> np.uint64(51)) == f + 1:
            place.key = 0


@step
def _reset(state: State, f: int, seen: int) -> None:
    state.epoch[f] += 1
    state.seen[f] = seen


@step
def _place(state: State, f: int, key: Any) -> Any:
    """Where a place is remembered; made, or made over, where it was not."""
    home = np.int64((key * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(49)) % PLACES
    chosen = home
    for probe in range(_PROBES):
        slot = (home + probe) % PLACES
        if state.places[slot].key == key:
            chosen = slot
            break
        if state.places[slot].key == 0:
            chosen = slot
            break
    place = state.places[chosen]
    if place.key != key:
        place.key = key
        place.written, place.read = -1, -1
        place.in_handler = 0
        place.epoch = 0
    if place.epoch != state.epoch[f]:
        place.epoch = state.epoch[f]
        place.writes, place.reads = 0, 0
        place.since, place.same, place.rank = -1, 0, -2
        place.observed, place.pending = 0, 0
    return place


@step
def _tell(place: Any, seen: int, one: Any) -> None:
    one.last_written, one.last_read = place.written, place.read
    one.same_since, one.reset_seen = place.since, seen
    one.writes_since_reset, one.reads_since_reset = place.writes, place.reads
    one.read_in_handler = place.in_handler
    one.last_written_value = place.wrote if place.written >= 0 else np.uint64(0)
    one.last_read_value = place.gave if place.read >= 0 else np.uint64(0)
    one.observed_bits, one.pending_bits = place.observed, place.pending


@step
def _read(event: Any, place: Any, position: int, one: Any) -> None:
    value = event.value
    goes_on = place.same > 0 and place.gave == value and place.rank + 1 == event.rank
    if not goes_on:
        place.same, place.since = 0, position
    place.same += 1
    place.rank = event.rank
    place.read, place.gave = position, value
    place.reads += 1
    place.observed |= value
    place.pending &= ~value
    if event.hard:
        place.in_handler = 1
    one.same_reads, one.same_since = place.same, place.since


@step
def _write(state: State, event: Any, place: Any, position: int) -> None:
    f, value, resets = event.function, event.value, event.resets
    # Writing a 1 resets whatever was there; a 0 only where there was none before.
    known = place.writes > 0 or place.reads > 0 or event.resets_value != 0
    newest = place.wrote if place.written > place.read else place.gave
    was = event.resets_value == 0 and known and (newest & resets) == 0
    place.written, place.wrote = position, value
    place.writes += 1
    place.observed = 0
    place.pending &= ~value
    place.same = 0
    if resets != 0 and (value & resets) == event.resets_value and not was:
        _reset(state, f, position if known else -1)
        # The write itself is of the time after the reset: it must not be taken for one before.
        place.epoch = state.epoch[f]
        place.writes, place.reads = 1, 0
