# SPDX-License-Identifier: Apache-2.0
"""The loops over what happens to a function and its interrupts."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.columns.life import DriverState
from uvtrace.check.compiled import copy_row, fetch_ahead, loop, rare_step, step
from uvtrace.check.record_view import record_view
from uvtrace.trace.enums import Flag, IrqType, Kind, Phase, Status
from uvtrace.trace.layout import BUS, IRQ, LIFE

NO_DRIVER, DRIVER, DELAYS, NOTHING = 253, 252, 251, 250
"""What a snapshot is, instead of its kind."""
CPUS: Final = 1 << 12
_IRQS: Final = 1 << 12
_VECTORS: Final = 1 << 11
_TAGS: Final = 1 << 14

RECORD: Final = record_view(
    (
        *("kind", "phase", "status", "flags", "function", "tag", "value", "address"),
        "time_ns",
    ),
    {
        **{name: (LIFE, name) for name in ("old_state", "new_state")},
        **{name: (IRQ, name) for name in ("irq", "type", "count", "vector")},
        "bus_vector": (BUS, "vector"),
    },
)
"""A record, as the fields that the loop needs of it."""


class Events(NamedTuple):
    """What happens in a chunk, and what is lost.

    ``records`` (dtype RECORD) are all of the chunk, the first of which is at position ``first``;
    ``rows`` are the events, ascending; ``told``, ``codes`` the snapshots among them that matter.
    ``lost``, ``lost_of``: rows before which something was lost, and of which function (-1: all).
    """

    records: NDArray[np.void]
    rows: NDArray[np.int64]
    lost: NDArray[np.int64]
    lost_of: NDArray[np.int64]
    told: NDArray[np.int64]
    codes: NDArray[np.int64]
    first: int


class Made(NamedTuple):
    """Versions, of each one the row from which it is in force, and its function."""

    table: NDArray[np.int64]
    rows: NDArray[np.int64]
    changed: NDArray[np.int64]


FIELDS: Final = (
    *("driver_state", "driver_since", "last_reset", "reset_pending", "", "last_power"),
    *("last_power_from", "", "d3hot_delay_ms", "d3cold_delay_ms", "enable_count"),
    *("enable_since", "vectors_granted", "vectors_since", "handlers"),
)
"""The fields of a version that are columns."""
_STATE, _SINCE, _LAST_RESET, _PENDING, RESET_NS, _LAST_POWER = range(6)
_POWER_FROM, POWER_NS, _D3HOT, _D3COLD, _ENABLED, _ENABLED_SINCE = range(6, 12)
_GRANTED, _GRANTED_SINCE, _HANDLERS = 12, 13, 14

_SNAPSHOT: Final = int(Kind.SNAPSHOT)
_PROBE, _BIND, _UNBIND = int(Kind.PROBE), int(Kind.BIND), int(Kind.UNBIND)
_POWER, _RESET = int(Kind.POWER), int(Kind.RESET)
_ENABLE, _DISABLE = int(Kind.ENABLE_DEVICE), int(Kind.DISABLE_DEVICE)
_ALLOC, _FREE = int(Kind.VECTOR_ALLOC), int(Kind.VECTOR_FREE)
_REQUEST_IRQ, _FREE_IRQ = int(Kind.IRQ_REQUEST), int(Kind.IRQ_FREE)
_ENTER, _EXIT = int(Kind.HANDLER_ENTER), int(Kind.HANDLER_EXIT)
_MSI, _MSIX = int(Kind.MSI), int(Kind.MSIX)
_ASSERT, _DEASSERT = int(Kind.INTX_ASSERT), int(Kind.INTX_DEASSERT)
_REQUEST, _COMPLETION, _OK = int(Phase.REQUEST), int(Phase.COMPLETION), int(Status.OK)
_UNKNOWN, _UNBOUND = int(DriverState.UNKNOWN), int(DriverState.UNBOUND)
_PROBING, _BOUND = int(DriverState.PROBING), int(DriverState.BOUND)
_REMOVING = int(DriverState.REMOVING)
_INTX = int(IrqType.INTX)
_THREADED: Final = np.uint32(Flag.THREADED)


class State(NamedTuple):
    """What is kept of every function.

    Attributes:
        fields: the version in force.
        irq_number, irq_count, irq_since: handlers by Linux interrupt number.
        vector_count, vector_since: handlers by kind of interrupt and vector.
        tag, entered: positions of handler entries, by tag.
    """

    fields: NDArray[np.int64]
    irq_number: NDArray[np.int64]
    irq_count: NDArray[np.int64]
    irq_since: NDArray[np.int64]
    vector_count: NDArray[np.int64]
    vector_since: NDArray[np.int64]
    tag: NDArray[np.uint64]
    entered: NDArray[np.int64]


def new_state(functions: int) -> State:
    """Nothing is known yet."""
    fields = np.full((functions + 1, len(FIELDS)), -1, np.int64)
    fields[:, _PENDING] = 0
    return State(
        fields=fields,
        irq_number=np.full((functions, _IRQS), -1, np.int64),
        irq_count=np.zeros((functions, _IRQS), np.int64),
        irq_since=np.full((functions, _IRQS), -1, np.int64),
        vector_count=np.zeros((functions, 4, _VECTORS), np.int64),
        vector_since=np.full((functions, 4, _VECTORS), -1, np.int64),
        tag=np.zeros(_TAGS, np.uint64),
        entered=np.full(_TAGS, -1, np.int64),
    )


def follow(
    state: State, events: Events, told: NDArray[np.int64], changes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Follow the events of a chunk.

    Args:
        state: changed in place.
        events: in order.
        told: int64, shape (events, 3): filled with handler_registered, handler_since and
            handler_entered.
        changes: how many of the events change the state of their function.

    Returns:
        What :class:`uvtrace.check.passes.versions.Versions` takes.
    """
    functions = len(state.irq_count)
    most = changes + len(events.lost) * functions
    table = np.empty((functions + 1 + most, len(FIELDS)), np.int64)
    table[: functions + 1] = state.fields
    made = Made(table, np.empty(most, np.int64), np.empty(most, np.int64))
    count = _follow(state, events, told, made)
    return table[: functions + 1 + count], made.rows[:count], made.changed[:count]


@loop
def _follow(state: State, events: Events, told: NDArray[np.int64], made: Made) -> int:
    functions, following, snapshot, count = len(state.irq_count), 0, 0, 0
    for i in range(len(events.rows)):
        fetch_ahead(events.records, events.rows, i)
        row = events.rows[i]
        while following < len(events.lost) and events.lost[following] <= row:
            count = _lose(state, events, following, made, count)
            following += 1
        record, position = events.records[row], events.first + row
        told[i, 0], told[i, 1], told[i, 2] = -1, -1, -1
        f: Any = np.int64(record.function)
        kind: Any = np.int64(record.kind)
        if kind == _SNAPSHOT:
            kind = NOTHING
            if snapshot < len(events.told) and events.told[snapshot] == row:
                kind = events.codes[snapshot]
                snapshot += 1
        if f >= functions:
            continue
        if kind <= _DEASSERT or _ENTER <= kind <= _EXIT:
            _tell(state, f, kind, record, position, told[i])
            continue
        if kind in (_REQUEST_IRQ, _FREE_IRQ):
            _tell(state, f, kind, record, position, told[i])
        _change(state, f, kind, record, position)
        count = _make(state, f, row + 1, made, count)
    for each in range(following, len(events.lost)):
        count = _lose(state, events, each, made, count)
    return count


@rare_step
def _make(state: State, f: int, row: int, made: Made, count: int) -> int:
    """A version of a function is in force from a row on; returns how many there are now."""
    copy_row(made.table, len(state.irq_count) + 1 + count, state.fields, f)
    made.rows[count], made.changed[count] = row, f
    return count + 1


@rare_step
def _lose(state: State, events: Events, which: int, made: Made, count: int) -> int:
    """Something was lost; returns how many versions there are now."""
    of = events.lost_of[which]
    for f in range(len(state.irq_count)):
        if of < 0 or f == of:
            fields = state.fields[f]
            # The delays are the function's own: nothing that was missed can have changed them.
            d3hot, d3cold = fields[_D3HOT], fields[_D3COLD]
            fields[:] = -1
            fields[_PENDING], fields[_D3HOT], fields[_D3COLD] = 0, d3hot, d3cold
            state.irq_number[f] = -1
            count = _make(state, f, events.lost[which], made, count)
    return count


@rare_step
def _change(state: State, f: int, kind: int, event: Any, position: int) -> None:
    fields = state.fields[f]
    if kind == DELAYS:
        fields[_D3HOT], fields[_D3COLD] = np.int64(event.value), np.int64(event.address)
    elif kind == NO_DRIVER:
        _begin(state, f)
        fields[_STATE], fields[_SINCE] = _UNBOUND, position
    elif kind == DRIVER:
        fields[_STATE], fields[_SINCE] = _BOUND, position
    elif _PROBE <= kind <= _UNBIND:
        _change_driver(state, f, kind, event, position)
    elif kind in (_POWER, _RESET):
        _change_power(fields, kind, event, position)
    else:
        _change_resources(state, f, kind, event, position)


@rare_step
def _begin(state: State, f: int) -> None:
    """No driver holds anything yet."""
    fields = state.fields[f]
    fields[_ENABLED] = max(fields[_ENABLED], 0)
    fields[_GRANTED], fields[_HANDLERS] = 0, 0
    state.irq_number[f] = -1
    state.vector_count[f] = 0
    state.vector_since[f] = -1


@rare_step
def _change_driver(state: State, f: int, kind: int, event: Any, position: int) -> None:
    fields = state.fields[f]
    fields[_SINCE] = position
    if kind == _BIND:
        fields[_STATE] = _BOUND
    elif kind == _PROBE and event.phase != _COMPLETION:
        _begin(state, f)
        fields[_STATE] = _PROBING
    elif kind == _UNBIND and event.phase == _REQUEST:
        fields[_STATE] = _REMOVING
    else:
        fields[_STATE] = _UNBOUND


@rare_step
def _change_power(fields: NDArray[np.int64], kind: int, event: Any, position: int) -> None:
    ended_ns = np.int64(event.time_ns)  # told at the return
    if kind == _POWER:
        if event.old_state != event.new_state:
            fields[_LAST_POWER], fields[POWER_NS] = position, ended_ns
            fields[_POWER_FROM] = event.old_state if event.old_state <= 4 else -1
    elif event.phase == _REQUEST:
        fields[_LAST_RESET], fields[_PENDING], fields[RESET_NS] = position, 1, -1
    else:
        if not fields[_PENDING]:
            fields[_LAST_RESET] = position
        fields[_PENDING], fields[RESET_NS] = 0, ended_ns


@rare_step
def _change_resources(state: State, f: int, kind: int, event: Any, position: int) -> None:
    fields = state.fields[f]
    succeeded = event.phase != _REQUEST and event.status == _OK
    if kind in (_ENABLE, _DISABLE):
        if kind == _DISABLE or succeeded:
            fields[_ENABLED], fields[_ENABLED_SINCE] = np.int64(event.value), position
    elif kind == _ALLOC:
        if succeeded:
            fields[_GRANTED], fields[_GRANTED_SINCE] = event.count, position
    elif kind == _FREE:
        fields[_GRANTED], fields[_GRANTED_SINCE] = 0, position
    elif kind == _REQUEST_IRQ:
        if succeeded:
            _register(state, f, event, position, 1)
    elif kind == _FREE_IRQ and event.phase != _REQUEST:
        _register(state, f, event, position, -1)


@rare_step
def _register(state: State, f: int, event: Any, position: int, step: int) -> None:
    fields = state.fields[f]
    if fields[_HANDLERS] < 0:
        return
    slot = event.irq % _IRQS
    if state.irq_number[f, slot] != event.irq:
        if state.irq_number[f, slot] >= 0 and state.irq_count[f, slot] > 0:
            # Of two interrupts in one place only one is remembered: what is left is not known.
            fields[_HANDLERS] = -1
            return
        state.irq_number[f, slot], state.irq_count[f, slot] = event.irq, 0
    # To free what was never requested takes away no other interrupt's handler.
    before = state.irq_count[f, slot]
    state.irq_count[f, slot] = max(before + step, 0)
    fields[_HANDLERS] += state.irq_count[f, slot] - before
    state.irq_since[f, slot] = position
    vector, which = event.vector % _VECTORS, event.type & 3
    count = max(state.vector_count[f, which, vector] + step, 0)
    state.vector_count[f, which, vector] = count
    state.vector_since[f, which, vector] = position


@step
def _tell(
    state: State, f: int, kind: int, event: Any, position: int, told: NDArray[np.int64]
) -> None:
    by_vector = _MSI <= kind <= _DEASSERT
    by_irq = kind in (_ENTER, _EXIT, _REQUEST_IRQ, _FREE_IRQ)
    if by_irq:
        slot = event.irq % _IRQS
        same = state.irq_number[f, slot] == event.irq
        if same:
            told[1] = state.irq_since[f, slot]
        if state.fields[f, _HANDLERS] >= 0:
            told[0] = 1 if same and state.irq_count[f, slot] > 0 else 0
    elif by_vector:
        which = _INTX if kind >= _ASSERT else kind - _MSI + 1
        vector = 0 if kind >= _ASSERT else event.bus_vector % _VECTORS
        told[1] = state.vector_since[f, which, vector]
        if state.fields[f, _HANDLERS] >= 0:
            told[0] = 1 if state.vector_count[f, which, vector] > 0 else 0
    if event.tag == 0:
        return
    slot = np.int64(event.tag % np.uint64(_TAGS))
    if kind == _ENTER:
        state.tag[slot], state.entered[slot] = event.tag, position
    elif kind == _EXIT and state.tag[slot] == event.tag:
        told[2] = state.entered[slot]


@loop
def in_handler(
    kind: NDArray[np.uint8],
    flags: NDArray[np.uint32],
    cpu: NDArray[np.uint16],
    function: NDArray[np.uint16],
    running: NDArray[np.int32],
    result: NDArray[np.int8],
) -> None:
    """Whether a hard handler of each event's function runs on its CPU.

    Args:
        kind, flags, cpu, function: of each event.
        running: shape (CPUS, functions + 1): handlers that run; changed in place.
        result: filled.
    """
    last = running.shape[1] - 1
    for row in range(len(kind)):
        counts = running[cpu[row] % CPUS]
        f = min(np.int64(function[row]), last)
        result[row] = counts[f] > 0
        if _ENTER <= kind[row] <= _EXIT and not flags[row] & _THREADED:
            counts[f] = counts[f] + 1 if kind[row] == _ENTER else max(counts[f] - 1, 0)
