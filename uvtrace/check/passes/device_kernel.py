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
from uvtrace.check.compiled import loop, step
from uvtrace.trace.enums import Direction, Flag, Kind, Phase, Status

Numbers = NDArray[np.int64]

WRITTEN: Final = 1 << 15
"""Places that writes of the device are remembered of, a power of two."""
PENDING: Final = 1 << 13
"""Reads that are taken to be outstanding, a power of two."""
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


class Events(NamedTuple):
    """Columns of the chunk, the rows to follow, and those before which something was lost."""

    rows: Numbers
    lost: Numbers
    kind: NDArray[np.uint8]
    phase: NDArray[np.uint8]
    status: NDArray[np.uint8]
    flags: NDArray[np.uint32]
    function: NDArray[np.uint16]
    address: NDArray[np.uint64]
    length: NDArray[np.uint64]
    tag: NDArray[np.uint64]
    state: NDArray[np.int8]
    mapping: Numbers
    slot: NDArray[np.int32]
    direction: NDArray[np.uint8]


class Told(NamedTuple):
    """The columns that are filled, of every record of the chunk."""

    reads: NDArray[np.int32]
    writes: NDArray[np.int32]
    pending: Numbers
    overwritten: Numbers


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


@loop
def follow(state: State, events: Events, first: int, told: Told) -> None:
    """Follow the events of a chunk whose first record is at position ``first``."""
    following = 0
    for row in events.rows:
        if following < len(events.lost) and events.lost[following] <= row:
            _forget_all(state)
            while following < len(events.lost) and events.lost[following] <= row:
                following += 1
        f, kind = np.int64(events.function[row]), events.kind[row]
        if f >= len(state.epoch):
            continue
        if kind == _HANDLER_EXIT:
            state.handled[f] = first + row
        elif kind in (_READ, _WRITE):
            if not events.flags[row] & _FAR:
                _access(state, events, row, f, first + row, told)
        elif kind == _UNBIND:
            if events.phase[row] != _REQUEST:
                _forget(state, f)
        elif kind == _RESET:
            if events.phase[row] != _REQUEST:
                _end_reads(state, f)
        elif events.state[row] == _LIVE:
            used = state.used[events.slot[row]]
            if used.mapping != events.mapping[row] or used.epoch != state.epoch[f]:
                continue
            if kind == _FOR_CPU:
                used.token = _next(state)
            elif events.phase[row] != _COMPLETION:
                _remove(state, row, used, told)
    if following < len(events.lost):
        _forget_all(state)


@step
def _next(state: State) -> int:
    state.serial[0] += 1
    return int(state.serial[0])


@step
def _forget(state: State, f: Any) -> None:
    state.epoch[f], state.handled[f] = _next(state), -1


@step
def _forget_all(state: State) -> None:
    for f in range(len(state.epoch)):
        _forget(state, f)


@step
def _access(state: State, events: Events, row: Any, f: Any, position: Any, told: Told) -> None:
    kind, phase, length = events.kind[row], events.phase[row], events.length[row]
    if phase == _COMPLETION:
        _answer(state, f, events.tag[row], length, events.status[row])
        return
    if events.state[row] != _LIVE or length == 0:
        return
    slot, mapping = events.slot[row], events.mapping[row]
    used = state.used[slot]
    if used.mapping != mapping or used.epoch != state.epoch[f]:
        used.mapping, used.epoch, used.token = mapping, state.epoch[f], _next(state)
        used.reads, used.writes, used.pending = 0, 0, 0
    if kind == _READ:
        used.reads += 1
        if phase == _REQUEST:
            reading = _place_of_read(state, f, events.tag[row])
            reading.tag, reading.left, reading.function = events.tag[row], length, f
            reading.epoch, reading.mapping, reading.slot = state.epoch[f], mapping, slot
            reading.position = position
            used.pending += 1
        return
    used.writes += 1
    if events.direction[row] == _TO_DEVICE:
        return
    before = _write(state, used.token, events.address[row], position)
    if 0 <= before < state.handled[f]:
        told.overwritten[row] = before


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


@step
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
def _remove(state: State, row: Any, used: Any, told: Told) -> None:
    told.reads[row], told.writes[row] = used.reads, used.writes
    if used.pending > 0:
        oldest = np.int64(-1)
        for one in state.reading:
            mine = one.left != 0 and one.mapping == used.mapping and one.epoch == used.epoch
            if mine and (oldest < 0 or one.position < oldest):
                oldest = one.position
        told.pending[row] = oldest
    used.mapping = 0
