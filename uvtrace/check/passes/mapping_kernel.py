# SPDX-License-Identifier: Apache-2.0
"""The loop over DMA-API calls and device accesses."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.columns import mapping
from uvtrace.check.columns.mapping import Family, MappingState, Owner
from uvtrace.check.compiled import fetch_ahead, loop, rare_step, step
from uvtrace.check.expression import EventColumn
from uvtrace.check.lines import LINE
from uvtrace.check.passes.mapping_table import (
    CAPACITY_MAX,
    DEAD,
    LIVE,
    UNUSED,
    Table,
    add,
    enter,
    expect,
    find_around,
    find_gone,
    find_overlap,
    find_start,
    forget_function,
    forget_pool,
    remove,
)
from uvtrace.trace.enums import Direction, Kind, Phase, Status
from uvtrace.trace.layout import DMA_CALL, LIFE, RECORD, RECORD_SIZE, UNION_SIZE

Row = Any
"""A row of a structured array: numba sees its fields as attributes."""

NO_DRIVER: Final = 255


def _offset(dtype: np.dtype[np.void], name: str) -> int:
    assert dtype.fields is not None
    return int(dtype.fields[name][1])


_UNION: Final = RECORD_SIZE - UNION_SIZE
CALL: Final = np.dtype(
    {
        "names": [
            *("phase", "status", "address", "length", "value", "direction", "flavour", "attrs"),
            *("cpu_address", "phys", "entries", "nents", "coherent", "boundary"),
        ],
        "formats": [
            *(np.uint8, np.uint8, np.uint64, np.uint64, np.uint64, np.uint8, np.uint8, np.uint32),
            *(np.uint64, np.uint64, np.uint32, np.uint32, np.uint8, np.uint64),
        ],
        "offsets": [
            *(_offset(RECORD, name) for name in ("phase", "status", "address", "length", "value")),
            *(
                _UNION + _offset(DMA_CALL, name)
                for name in (
                    *("direction", "flavour", "attrs", "cpu_address", "phys", "entries", "nents"),
                )
            ),
            _UNION + _offset(LIFE, "new_state"),
            _UNION + _offset(LIFE, "segment_boundary"),
        ],
        "itemsize": RECORD_SIZE,
    }
)
"""A record, as the fields that the loop needs of it."""


class Calls(NamedTuple):
    """The events of a chunk, and the losses among them.

    ``records`` (dtype CALL), ``kind`` and ``function`` are of all its records, the first of which
    is at position ``first``; ``rows`` are the events, ascending, ``undriven`` those that tell that
    the function has no driver. ``lost``, ``lost_of``, ``lasting``: the rows before which something
    was lost, of which function (-1: of all), and whether more will be.
    """

    records: NDArray[np.void]
    kind: NDArray[np.uint8]
    function: NDArray[np.uint16]
    rows: NDArray[np.int64]
    lost: NDArray[np.int64]
    lost_of: NDArray[np.int64]
    lasting: NDArray[np.bool_]
    undriven: NDArray[np.int64]
    first: int


_HOT: Final = (
    *("mapping_id", "mapping_length", "mapping_room", "mapping_gone", "overlap"),
    *("mapping_nents", "live_mappings", "mapping_slot", "mapping_state", "mapping_direction"),
    *("mapping_flavour", "mapping_family", "mapping_owner", "mapped_elsewhere"),
    *("mapping_other_flavour", "mappings_complete", "meets_synced"),
)
"""What is looked at of every event: it lies on one cache line."""
LIMITS: Final = np.dtype(
    [
        (column.name, column.dtype)
        for column in (
            *(mapping.dma_mask, mapping.dma_mask_since),
            *(mapping.max_segment, mapping.segment_limit),
        )
    ]
)
"""The limits in force for a call, which seldom change."""
LIMITED_BY: Final = frozenset(LIMITS.names or ())


def _told() -> np.dtype[np.void]:
    """The columns but the limits, the hot ones first: two cache lines."""
    types = {column.name: np.dtype(column.dtype) for column in mapping.COLUMNS}
    types |= {"mapping_slot": np.dtype(np.int32), "meets_synced": np.dtype(np.int8)}
    cold = [name for name in types if name not in (*_HOT, *LIMITED_BY)]
    cold.sort(key=lambda name: -types[name].itemsize)
    names, offsets, at = [*_HOT, *cold], [], 0
    for name in names:
        at = max(at, LINE) if name == cold[0] else at
        offsets.append(at)
        at += types[name].itemsize
    return np.dtype(
        {
            "names": names,
            "formats": [types[name] for name in names],
            "offsets": offsets,
            "itemsize": 2 * LINE,
        },
        align=True,
    )


TOLD: Final = _told()
"""What it tells of it: ``columns.mapping`` but for the limits, the mapping's place in the table,
and whether an access of the device meets the bytes of its last sync for the CPU."""
POSITIONS: Final = frozenset(
    column.name for column in mapping.COLUMNS if isinstance(column, EventColumn)
)


class Limits(NamedTuple):
    """The limits in force for the calls of a chunk: those of most are those of another one.

    ``told`` (dtype LIMITS) are all that there are, and ``places`` (by row) tells which are a
    call's; -1 of what is not followed. ``current`` are those told last by function, for streaming
    and coherent mappings: -1 none in this chunk, or others are in force.
    """

    told: NDArray[np.void]
    places: NDArray[np.int32]
    current: NDArray[np.int32]


class State(NamedTuple):
    """What is kept of every function besides its mappings.

    Attributes:
        complete: every live mapping is in the table.
        blind: calls are missed for the whole recording.
        used: the table holds mappings of the function.
        masks, masks_since: DMA mask for streaming and coherent mappings; 0 not seen.
        segment: maximum segment size and boundary; 0 not seen.
    """

    complete: NDArray[np.int8]
    blind: NDArray[np.int8]
    used: NDArray[np.int8]
    masks: NDArray[np.uint64]
    masks_since: NDArray[np.int64]
    segment: NDArray[np.uint64]


def new_state(functions: int) -> State:
    """Nothing is known yet."""
    return State(
        complete=np.zeros(functions, np.int8),
        blind=np.zeros(functions, np.int8),
        used=np.zeros(functions, np.int8),
        masks=np.zeros((functions, 2), np.uint64),
        masks_since=np.full((functions, 2), -1, np.int64),
        segment=np.zeros((functions, 2), np.uint64),
    )


def no_limits(functions: int) -> Limits:
    """No limits, and no room for any."""
    nothing, places = np.zeros(0, LIMITS), np.zeros(0, np.int32)
    return Limits(nothing, places, np.full((functions, 2), -1, np.int32))


def emptied(limits: Limits, rows: int, calls: int) -> Limits:
    """Limits of no call yet, with room for a chunk's; one's are over when the next one comes."""
    told, places, _ = limits
    if len(told) < calls:
        told = np.empty(calls, LIMITS)
    if len(places) < rows:
        places = np.empty(rows, np.int32)
    places[:rows] = -1
    limits.current[:] = -1
    return limits._replace(told=told, places=places)


_MAP, _UNMAP = int(Kind.MAP), int(Kind.UNMAP)
_ALLOC, _FREE = int(Kind.ALLOC), int(Kind.FREE)
_POOL_ALLOC, _POOL_FREE = int(Kind.POOL_ALLOC), int(Kind.POOL_FREE)
_POOL_DESTROY = int(Kind.POOL_DESTROY)
_FOR_CPU, _FOR_DEVICE = int(Kind.SYNC_FOR_CPU), int(Kind.SYNC_FOR_DEVICE)
_DMA_READ, _DMA_WRITE = int(Kind.DMA_READ), int(Kind.DMA_WRITE)
_MASK, _LIMIT, _PROBE = int(Kind.DMA_MASK), int(Kind.SEGMENT_LIMIT), int(Kind.PROBE)
_REQUEST, _COMPLETION, _OK = int(Phase.REQUEST), int(Phase.COMPLETION), int(Status.OK)
_STREAMING, _COHERENT, _POOL = int(Family.STREAMING), int(Family.COHERENT), int(Family.POOL)
_UNKNOWN, _NEVER = int(MappingState.UNKNOWN), int(MappingState.NEVER)
_IS_LIVE, _IS_GONE = int(MappingState.LIVE), int(MappingState.GONE)
_ZERO: Final = np.uint64(0)
_ALL_64: Final = np.uint64(mapping.ALL_ONES)
_CPU, _DEVICE = int(Owner.CPU), int(Owner.DEVICE)
_TO_DEVICE, _FROM_DEVICE = int(Direction.TO_DEVICE), int(Direction.FROM_DEVICE)


_EXPECTED: Final = 4
"""How many events before it is looked at a mapping is asked for."""
EVENT, LOST, UNDRIVEN, LIMITED = range(4)
"""How far :func:`follow` has come: among the events, the losses, those without a driver, and how
many limits it has told."""


@loop
def follow(
    table: Table,
    state: State,
    calls: Calls,
    told: NDArray[np.void],
    limits: Limits,
    with_overlaps: bool,
    reached: NDArray[np.int64],
) -> bool:
    """Follow the calls of a chunk, as far as there is room for another mapping.

    Args:
        table, state: changed in place.
        calls: in order.
        told: dtype TOLD: filled with what is told of each.
        limits: filled; there is room for those of each.
        with_overlaps: look for overlapping mappings, too.
        reached: int64, shape (4,): zeros to begin with; goes on.

    Returns:
        Whether all of them were followed; else the table is full.
    """
    functions, following, undriven = len(state.complete), reached[LOST], reached[UNDRIVEN]
    bounded = len(table.entries) >= CAPACITY_MAX
    for i in range(reached[EVENT], len(calls.rows)):
        if table.counts[UNUSED] == 0 and not bounded:
            reached[EVENT], reached[LOST], reached[UNDRIVEN] = i, following, undriven
            return False
        fetch_ahead(calls.records, calls.rows, i)
        _expect_ahead(table, calls, i)
        row, one = calls.rows[i], told[i]
        while following < len(calls.lost) and calls.lost[following] <= row:
            _lose_at(table, state, calls, following)
            limits.current[:] = -1
            following += 1
        f: Any = np.int64(calls.function[row])
        kind: Any = np.int64(calls.kind[row])
        if undriven < len(calls.undriven) and calls.undriven[undriven] == row:
            kind = NO_DRIVER
            undriven += 1
        _untold(one)
        if f >= functions:
            continue
        _tell_limits(state, limits, f, kind, row, reached)
        call, position = calls.records[row], calls.first + row
        _follow_one(table, state, limits, f, kind, position, call, one, with_overlaps)
        if one.mapping_state == _UNKNOWN:
            _blank(one)
        one.live_mappings = table.live[f]
        one.mappings_complete = 1 if state.complete[f] else -1
    for each in range(following, len(calls.lost)):
        _lose_at(table, state, calls, each)
    return True


@step
def _expect_ahead(table: Table, calls: Calls, i: int) -> None:
    """Ask for the mapping that an event some events later concerns."""
    if i + _EXPECTED < len(calls.rows):
        row = calls.rows[i + _EXPECTED]
        f: Any = np.int64(calls.function[row])
        expect(table, f, calls.records[row].address)


@step
def _follow_one(
    table: Table,
    state: State,
    limits: Limits,
    f: Any,
    kind: Any,
    position: int,
    call: Row,
    one: Row,
    with_overlaps: bool,
) -> None:
    if kind in (_MAP, _ALLOC, _POOL_ALLOC):
        # Made once the call has returned, and only if it succeeded.
        if call.phase != _REQUEST and call.status == _OK:
            _make(table, state, f, kind, position, call, one, with_overlaps)
    elif kind in (_UNMAP, _FREE, _POOL_FREE):
        if call.phase != _COMPLETION:
            _remove(table, state, f, kind, position, call, one)
    elif kind in (_DMA_READ, _DMA_WRITE):
        entry = _look(table, state, f, kind, call, one)
        if one.mapping_state == _IS_LIVE and one.mapping_owner == _CPU:
            one.meets_synced = _meets_synced(table.entries[entry], call)
    elif kind in (_FOR_CPU, _FOR_DEVICE):
        _sync(table, state, f, kind, position, call, one)
    elif kind == _POOL_DESTROY:
        forget_pool(table, f, call.phys)
    else:
        _live(table, state, f, kind, position, call)
        limits.current[f, :] = -1


@step
def _untold(one: Row) -> None:
    one.mapping_state, one.mapping_slot, one.mapping_id = _UNKNOWN, -1, 0
    one.meets_synced = 0
    one.mapping_made, one.mapping_gone, one.mapping_synced = -1, -1, -1
    one.mapping_address, one.mapping_length, one.mapping_room = _ZERO, _ZERO, _ZERO
    one.mapping_cpu_address = _ZERO
    one.mapping_direction, one.mapping_flavour, one.mapping_family = 0, 0, 0
    one.mapping_owner, one.mapping_nents, one.mapping_entries, one.mapping_attrs = 0, 0, 0, 0
    one.mapped_elsewhere, one.mapping_other, one.mapping_other_flavour = 0, -1, 0
    one.overlap = -1
    one.live_mappings, one.mappings_complete = 0, 0


@step
def _blank(one: Row) -> None:
    one.mapping_address, one.mapping_length = _ALL_64, _ALL_64
    one.mapping_room, one.mapping_cpu_address = _ALL_64, _ALL_64
    one.mapping_direction, one.mapping_flavour = 0xFF, 0xFF
    one.mapping_family, one.mapping_owner = 0xFF, 0xFF
    one.mapping_nents, one.mapping_entries = 0xFFFFFFFF, 0xFFFFFFFF
    one.mapping_attrs = 0xFFFFFFFF
    one.mapping_made, one.mapping_gone, one.mapping_synced = -1, -1, -1
    one.mapped_elsewhere = -1


@rare_step
def _lose_at(table: Table, state: State, calls: Calls, which: int) -> None:
    f, functions = calls.lost_of[which], len(state.complete)
    for each in range(functions):
        if f < 0 or each == f:
            _lose(table, state, each, calls.lasting[which])


@rare_step
def _lose(table: Table, state: State, f: int, lasting: int) -> None:
    if lasting:
        state.blind[f] = 1
    state.complete[f] = 0
    # Other limits may have been set unseen.
    state.masks[f, :], state.segment[f, :] = np.uint64(0), np.uint64(0)
    state.masks_since[f, :] = -1
    if state.used[f]:
        forget_function(table, f)
        state.used[f] = 0


@rare_step
def _live(table: Table, state: State, f: int, kind: int, position: int, call: Row) -> None:
    if kind == _MASK and call.status == _OK:
        # One call may set both: a record of each comes of it.
        which = 1 if call.coherent else 0
        state.masks[f, which] = call.value
        state.masks_since[f, which] = position
    elif kind == _LIMIT:
        state.segment[f, 0] = call.value
        state.segment[f, 1] = call.boundary
    elif kind == NO_DRIVER or (kind == _PROBE and call.phase != _COMPLETION):
        # No driver holds anything yet.
        if state.used[f]:
            forget_function(table, f)
            state.used[f] = 0
        state.complete[f] = 1 - state.blind[f]


@step
def _tell_limits(
    state: State, limits: Limits, f: int, kind: int, row: int, reached: NDArray[np.int64]
) -> None:
    which = 0 if kind == _MAP else 1
    if limits.current[f, which] < 0:
        one = limits.told[reached[LIMITED]]
        one.dma_mask = state.masks[f, which]
        one.dma_mask_since = state.masks_since[f, which]
        one.max_segment = state.segment[f, 0]
        one.segment_limit = state.segment[f, 1]
        limits.current[f, which] = reached[LIMITED]
        reached[LIMITED] += 1
    limits.places[row] = limits.current[f, which]


@step
def _family(kind: int) -> int:
    if kind in (_MAP, _UNMAP):
        return _STREAMING
    return _COHERENT if kind in (_ALLOC, _FREE) else _POOL


@step
def _make(
    table: Table,
    state: State,
    f: int,
    kind: int,
    position: int,
    call: Row,
    one: Row,
    with_overlaps: bool,
) -> None:
    family = _family(kind)
    if with_overlaps and family == _STREAMING:
        other = find_overlap(
            table, f, call.address, call.length, call.direction, np.uint32(call.attrs)
        )
        if other >= 0:
            one.overlap = table.entries[other].made
    entry = add(table)
    if entry < 0:
        # Beyond all bounds: what is mapped from here on is not known.
        state.complete[f] = 0
        state.blind[f] = 1
        return
    new = table.entries[entry]
    new.address, new.length = call.address, call.length
    new.cpu_address, new.pool = call.cpu_address, call.phys
    new.made, new.gone, new.synced = position, -1, -1
    new.attrs, new.nents, new.entries = call.attrs, call.nents, call.entries
    new.function, new.family = f, family
    new.direction, new.flavour, new.owner = call.direction, call.flavour, _DEVICE
    state.used[f] = 1
    enter(table, entry)
    _tell(table, entry, call.address, one)


@step
def _tell(table: Table, entry: int, address: np.uint64, one: Row) -> None:
    of = table.entries[entry]
    one.mapping_state = _IS_LIVE if of.state == LIVE else _IS_GONE
    one.mapping_made = of.made
    one.mapping_gone = of.gone
    one.mapping_id = of.id
    one.mapping_slot = entry
    one.mapping_address = of.address
    one.mapping_length = of.length
    one.mapping_room = of.length - (address - of.address)
    one.mapping_direction = of.direction
    one.mapping_flavour = of.flavour
    one.mapping_family = of.family
    one.mapping_nents = of.nents
    one.mapping_entries = of.entries
    one.mapping_attrs = of.attrs
    one.mapping_cpu_address = of.cpu_address
    one.mapping_owner = of.owner
    one.mapping_synced = of.synced


@step
def _remove(
    table: Table, state: State, f: int, kind: int, position: int, call: Row, one: Row
) -> None:
    family = _family(kind)
    entry = find_start(table, f, family, call.address, call.length, call.direction, call.flavour)
    if entry >= 0:
        _tell(table, entry, call.address, one)
        if not state.complete[f] and one.mapping_length != call.length:
            # It may be another one, made unseen.
            one.mapping_state = _UNKNOWN
        remove(table, entry, position)
        return
    _tell_elsewhere(table, f, family, call, one)
    before = find_gone(table, f, family, call.address)
    if before >= 0:
        _tell(table, before, call.address, one)
    else:
        one.mapping_state = _NEVER
    if not state.complete[f]:
        one.mapping_state = _UNKNOWN


@rare_step
def _tell_elsewhere(table: Table, f: int, family: int, call: Row, one: Row) -> None:
    """Whether another family of calls has mapped the address."""
    for other_family in range(3):
        if other_family == family:
            continue
        other = find_start(
            table, f, other_family, call.address, call.length, call.direction, call.flavour
        )
        if other >= 0:
            one.mapped_elsewhere = 1
            one.mapping_other = table.entries[other].made
            one.mapping_other_flavour = table.entries[other].flavour


@step
def _look(table: Table, state: State, f: int, kind: int, call: Row, one: Row) -> int:
    wanted, refused = -1, -1
    if kind == _DMA_READ:
        refused = _FROM_DEVICE
    elif kind == _DMA_WRITE:
        refused = _TO_DEVICE
    else:
        wanted = int(call.direction)
    entry = find_around(table, f, call.address, call.length, wanted, refused)
    if entry >= 0:
        _tell(table, entry, call.address, one)
    else:
        one.mapping_state = _NEVER
    if one.mapping_state != _IS_LIVE and not state.complete[f]:
        one.mapping_state = _UNKNOWN
    return entry


@rare_step
def _meets_synced(of: Row, call: Row) -> int:
    """Whether an access meets the bytes of the streaming mapping's last sync."""
    if of.family != _STREAMING or of.synced < 0:
        return 0
    if call.address >= of.synced_address:
        return 1 if call.address - of.synced_address < of.synced_length else 0
    return 1 if of.synced_address - call.address < call.length else 0


@rare_step
def _sync(
    table: Table, state: State, f: int, kind: int, position: int, call: Row, one: Row
) -> None:
    entry = _look(table, state, f, kind, call, one)
    if entry >= 0 and table.entries[entry].state != DEAD:
        table.entries[entry].owner = _CPU if kind == _FOR_CPU else _DEVICE
        table.entries[entry].synced = position
        table.entries[entry].synced_address = call.address
        table.entries[entry].synced_length = call.length
