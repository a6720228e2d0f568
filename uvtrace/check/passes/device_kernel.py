# SPDX-License-Identifier: Apache-2.0
"""The loop over what a device does to live mappings, and over what ends it.

What is known of a mapping lies at its place in the mapping pass's table, so that it is found
without a search and as many mappings are followed as that pass follows. Writes and outstanding
reads are kept in tables of a fixed size: where one is full the oldest makes room, and of what is
no longer known nothing is told.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.columns.mapping import MappingState
from uvtrace.check.compiled import fetch_ahead, fetch_line, loop, rare_step, step
from uvtrace.check.record_view import record_view
from uvtrace.trace.enums import Direction, Flag, Kind, Phase, Status

Numbers = NDArray[np.int64]

WRITTEN: Final = 1 << 15
"""Places that writes of the device are remembered of, a power of two."""
PENDING: Final = 1 << 13
"""Reads that are taken to be outstanding, a power of two."""
_MAPPED_AHEAD: Final = 6
"""Events of mappings ahead that are asked for: most are events of the device, or end mappings."""
_WAYS: Final = 8
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)

_READ, _WRITE = int(Kind.DMA_READ), int(Kind.DMA_WRITE)
_UNBIND, _RESET = int(Kind.UNBIND), int(Kind.RESET)
_FOR_CPU, _HANDLER_EXIT = int(Kind.SYNC_FOR_CPU), int(Kind.HANDLER_EXIT)
_REQUEST, _COMPLETION, _OK = int(Phase.REQUEST), int(Phase.COMPLETION), int(Status.OK)
_TO_DEVICE, _LIVE = int(Direction.TO_DEVICE), int(MappingState.LIVE)
_FAR: Final = np.uint32(Flag.FAR)

USED: Final = np.dtype(
    [
        ("mapping", np.int64),
        ("epoch", np.int64),
        ("token", np.int64),
        ("reads", np.int32),
        ("writes", np.int32),
        ("pending", np.int32),
    ],
    align=True,
)
"""What the device has done to a live mapping.

``epoch`` is that of its function: another one, and all this is of the past. ``token`` is another
number after every sync for the CPU: what was written under an earlier one does not count.
"""
_PLACE: Final = np.dtype(
    [("token", np.int64), ("address", np.uint64), ("position", np.int64)], align=True
)
_READING: Final = np.dtype(
    [
        ("tag", np.uint64),
        ("left", np.uint64),
        ("function", np.int64),
        ("epoch", np.int64),
        ("mapping", np.int64),
        ("slot", np.int64),
        ("position", np.int64),
    ],
    align=True,
)


class State(NamedTuple):
    """What is kept.

    Attributes:
        used: dtype USED, by place in the table of mappings.
        written: where the device wrote, by hash.
        reading: its outstanding reads, by hash; ``left`` is 0 where there is none.
        epoch: of each function, another number whenever it is forgotten.
        handled: of each function, when a handler last returned.
        serial: the number last given to an epoch or a token.
    """

    used: NDArray[np.void]
    written: NDArray[np.void]
    reading: NDArray[np.void]
    epoch: Numbers
    handled: Numbers
    serial: Numbers


RECORD: Final = record_view(
    ("kind", "phase", "status", "flags", "function", "address", "length", "tag")
)
"""A record, as the fields that the loops need of it."""
POSITIONS: Final = ("pending_read", "overwritten")
TOLD: Final = np.dtype(
    [(name, np.int32) for name in ("device_reads", "device_writes")]
    + [(name, np.int64) for name in POSITIONS],
    align=True,
)
"""What the loop tells of an event, as in ``columns.device``."""


class Events(NamedTuple):
    """The events of a chunk, and the rows before which something was lost, and of which function
    (-1: of all).

    ``records`` (dtype RECORD) are all of the chunk, the first of which is at position ``first``;
    ``rows`` are the events, ascending. ``mappings``: what the mapping pass told of the rows
    ``mapped``, among which is every event that concerns a mapping.
    """

    rows: Numbers
    lost: Numbers
    lost_of: Numbers
    records: NDArray[np.void]
    mapped: Numbers
    mappings: NDArray[np.void]
    first: int


def new_state(functions: int) -> State:
    """Nothing is known yet."""
    return State(
        used=np.zeros(0, USED),
        written=np.zeros(WRITTEN, _PLACE),
        reading=np.zeros(PENDING, _READING),
        epoch=np.arange(1, functions + 1, dtype=np.int64),
        handled=np.full(functions, -1, np.int64),
        serial=np.full(1, functions, np.int64),
    )


def with_room(state: State, mappings: int) -> State:
    """The same state with places for so many mappings."""
    if len(state.used) >= mappings:
        return state
    used = np.zeros(mappings, USED)
    used[: len(state.used)] = state.used
    return state._replace(used=used)


LONG, PLACES = range(2)


@loop
def find_rare(
    mapped: Numbers,
    mappings: NDArray[np.void],
    accesses: Numbers,
    records: NDArray[np.void],
    rare: Numbers,
    counts: Numbers,
) -> None:
    """Find the accesses of the device that need a closer look.

    Args:
        mapped, mappings: see :class:`Events`.
        accesses: their rows, ascending.
        records: of the chunk, dtype RECORD.
        rare: shape (accesses,): filled with the places among ``mapped`` of those that run past
            the end of a live mapping.
        counts: filled: how many these are, and how many places of mappings are met.
    """
    at = 0
    for row in accesses:
        while mapped[at] < row:
            at += 1
        fetch_line(mappings, min(at + _MAPPED_AHEAD, len(mappings) - 1))
        mapping = mappings[at]
        counts[PLACES] = max(counts[PLACES], mapping.mapping_slot + 1)
        if mapping.mapping_state != _LIVE:
            continue
        if records[row].length > mapping.mapping_room:
            rare[counts[LONG]] = at
            counts[LONG] += 1


@loop
def follow(state: State, events: Events, told: NDArray[np.void]) -> None:
    """Follow the events of a chunk; fill ``told``, dtype TOLD, of each."""
    following, at = 0, 0
    for i in range(len(events.rows)):
        fetch_ahead(events.records, events.rows, i)
        row, one = events.rows[i], told[i]
        while following < len(events.lost) and events.lost[following] <= row:
            _lose(state, events.lost_of[following])
            following += 1
        one.device_reads, one.device_writes, one.pending_read, one.overwritten = 0, 0, -1, -1
        while at < len(events.mapped) - 1 and events.mapped[at] < row:
            at += 1
        fetch_line(events.mappings, min(at + _MAPPED_AHEAD, len(events.mappings) - 1))
        record = events.records[row]
        f, position = np.int64(record.function), events.first + row
        if f >= len(state.epoch):
            continue
        if record.kind == _HANDLER_EXIT:
            state.handled[f] = position
        elif record.kind == _READ or record.kind == _WRITE:
            if not record.flags & _FAR:
                _access(state, record, events.mappings[at], f, position, one)
        elif record.kind == _UNBIND:
            if record.phase != _REQUEST:
                _forget(state, f)
        elif record.kind == _RESET:
            if record.phase != _REQUEST:
                _end_reads(state, f)
        elif events.mappings[at].mapping_state == _LIVE:
            _meet(state, record, events.mappings[at], f, one)
    for each in range(following, len(events.lost)):
        _lose(state, events.lost_of[each])


@step
def _meet(state: State, record: Any, mapping: Any, f: Any, one: Any) -> None:
    """A live mapping is synced for the CPU, or goes."""
    if mapping.mapping_slot >= len(state.used):
        return
    used = state.used[mapping.mapping_slot]
    if used.mapping != mapping.mapping_id or used.epoch != state.epoch[f]:
        return
    if record.kind == _FOR_CPU:
        used.token = _next(state)
    elif record.phase != _COMPLETION:
        _remove(state, used, one)


@step
def _next(state: State) -> int:
    state.serial[0] += 1
    return int(state.serial[0])


@rare_step
def _forget(state: State, f: Any) -> None:
    state.epoch[f], state.handled[f] = _next(state), -1


@rare_step
def _lose(state: State, f: Any) -> None:
    """What one function, or with -1 any, has done may have been missed."""
    functions = len(state.epoch)
    low, high = (0, functions) if f < 0 else (f, min(f + 1, functions))
    for each in range(low, high):
        _forget(state, each)


@step
def _access(state: State, record: Any, mapping: Any, f: Any, position: Any, one: Any) -> None:
    kind, phase, length = record.kind, record.phase, record.length
    if phase == _COMPLETION:
        _answer(state, f, record.tag, length, record.status)
        return
    if mapping.mapping_state != _LIVE or length == 0:
        return
    slot, number = mapping.mapping_slot, mapping.mapping_id
    used = state.used[slot]
    if used.mapping != number or used.epoch != state.epoch[f]:
        used.mapping, used.epoch, used.token = number, state.epoch[f], _next(state)
        used.reads, used.writes, used.pending = 0, 0, 0
    if kind == _READ:
        used.reads += 1
        if phase == _REQUEST:
            reading = _place_of_read(state, f, record.tag)
            reading.tag, reading.left, reading.function = record.tag, length, f
            reading.epoch, reading.mapping, reading.slot = state.epoch[f], number, slot
            reading.position = position
            used.pending += 1
        return
    used.writes += 1
    if mapping.mapping_direction == _TO_DEVICE:
        return
    before = _write(state, used.token, record.address, position)
    if 0 <= before < state.handled[f]:
        one.overwritten = before


@step
def _write(state: State, token: int, address: np.uint64, position: int) -> int:
    """Remember a write; the position of the earlier one at the same place, -1 for none."""
    home = np.int64(((address ^ np.uint64(token) * _MIX) * _MIX) >> np.uint64(32))
    chosen = home & (len(state.written) - 1)
    before = np.int64(-1)
    for way in range(_WAYS):
        place = (home + way) & (len(state.written) - 1)
        one = state.written[place]
        if one.token == token and one.address == address:
            chosen, before = place, one.position
            break
        if one.position < state.written[chosen].position:
            chosen = place
    one = state.written[chosen]
    one.token, one.address, one.position = token, address, position
    return int(before)


@step
def _home_of_read(f: int, tag: np.uint64) -> int:
    return int(np.int64(((tag ^ np.uint64(f) << np.uint64(48)) * _MIX) >> np.uint64(40)))


@step
def _is_open(state: State, one: Any, f: int) -> bool:
    return bool(one.left != 0 and one.function == f and one.epoch == state.epoch[f])


@step
def _place_of_read(state: State, f: int, tag: np.uint64) -> Any:
    """Where a read that is requested is remembered; one with the same tag is over, and of many
    the oldest."""
    home = _home_of_read(f, tag)
    chosen = home & (len(state.reading) - 1)
    for way in range(_WAYS):
        place = (home + way) & (len(state.reading) - 1)
        one = state.reading[place]
        if one.tag == tag and _is_open(state, one, f):
            chosen = place
            break
        oldest = state.reading[chosen]
        if oldest.left != 0 and (one.left == 0 or one.position < oldest.position):
            chosen = place
    _end(state, chosen)
    return state.reading[chosen]


@step
def _end(state: State, place: int) -> None:
    """A read is no longer outstanding."""
    one = state.reading[place]
    if one.left == 0:
        return
    one.left = 0
    used = state.used[one.slot]
    if used.mapping == one.mapping and used.epoch == one.epoch:
        used.pending -= 1


@rare_step
def _end_reads(state: State, f: Any) -> None:
    """A reset function waits for no answer."""
    for place in range(len(state.reading)):
        if _is_open(state, state.reading[place], f):
            _end(state, place)


@step
def _answer(state: State, f: int, tag: np.uint64, length: np.uint64, status: int) -> None:
    home = _home_of_read(f, tag)
    for way in range(_WAYS):
        place = (home + way) & (len(state.reading) - 1)
        one = state.reading[place]
        if one.tag == tag and _is_open(state, one, f):
            if status != _OK or length >= one.left:
                _end(state, place)
            else:
                one.left -= length
            return


@step
def _remove(state: State, used: Any, told: Any) -> None:
    told.device_reads, told.device_writes = used.reads, used.writes
    if used.pending > 0:
        oldest = np.int64(-1)
        for one in state.reading:
            mine = one.left != 0 and one.mapping == used.mapping and one.epoch == used.epoch
            if mine and (oldest < 0 or one.position < oldest):
                oldest = one.position
        told.pending_read = oldest
    used.mapping = 0
