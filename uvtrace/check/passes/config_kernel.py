# SPDX-License-Identifier: Apache-2.0
"""The loop over config events: every function's config space, and versions of its state."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk, Rows
from uvtrace.check.compiled import copy_row, loop, step
from uvtrace.check.passes.config_layout import SPACE, Layout, Place
from uvtrace.check.rules import Sight
from uvtrace.trace.enums import Kind, Phase, Status
from uvtrace.trace.layout import view_of

Numbers = NDArray[np.int64]

READ, WRITE, POWER, RESET, SNAPSHOT, LOSS, NOTHING = range(7)
_CODES: Final = {
    Kind.CONFIG_READ: READ,
    Kind.CONFIG_WRITE: WRITE,
    Kind.POWER: POWER,
    Kind.RESET: RESET,
}

FIELDS: Final = (
    *("memory_enable", "io_enable", "bus_master", "intx_disable"),
    *("msi_enable", "msix_enable", "power_state", "device_control"),
    *("memory_enable_since", "io_enable_since", "bus_master_since", "intx_disable_since"),
    *("msi_since", "msix_since", "power_since", "device_control_since"),
    *("msi_vectors", "msi_address", "msi_data", "msix_function_mask", "msix_table_size"),
    *("msix_table_bar", "msix_table_offset", "msix_pba_bar", "msix_pba_offset"),
    *("max_payload", "max_payload_supported", "max_read_request", "relaxed_enable"),
    *("ido_request_enable", "ido_completion_enable", "no_soft_reset", "config_size"),
    *("bars_all_ones", "bars_all_ones_since", "bars_half"),
)
"""The state's fields in order. Each of the first eight has its ``since`` eight places on."""

_SINCE: Final = 8
_VECTORS, _ADDRESS, _DATA, _MASK, _TABLE_SIZE = 16, 17, 18, 19, 20
_TABLE_BAR, _TABLE_OFFSET, _PBA_BAR, _PBA_OFFSET = 21, 22, 23, 24
_PAYLOAD, _SUPPORTED, _READ_REQUEST, _RELAXED = 25, 26, 27, 28
_IDO_REQUEST, _IDO_COMPLETION, _NO_SOFT_RESET, _CONFIG_SIZE = 29, 30, 31, 32
_ALL_ONES, _ALL_ONES_SINCE, _HALF = 33, 34, 35
_P_POWER, _P_MSI, _P_MSIX, _P_EXPRESS = Place.POWER, Place.MSI, Place.MSIX, Place.EXPRESS
_P_SIZE, _P_BARS_64 = Place.SIZE, Place.BARS_64
_REQUEST, _COMPLETION, _OK = int(Phase.REQUEST), int(Phase.COMPLETION), int(Status.OK)
_BAR_BASE, _BARS, _DWORDS = 0x10, 6, SPACE // 4


class State(NamedTuple):
    """What is kept of every function: config space, and the state derived of it.

    ``before`` is room for what the state was before an event.
    """

    content: NDArray[np.uint8]
    known: NDArray[np.uint8]
    read_only: NDArray[np.uint8]
    reserved: NDArray[np.uint8]
    clear: NDArray[np.uint8]
    capability: NDArray[np.int32]
    start: NDArray[np.int32]
    places: Numbers
    power: Numbers
    written: Numbers
    read_at: Numbers
    read_value: Numbers
    fields: Numbers
    before: Numbers


class Events(NamedTuple):
    """The config events of a chunk, in order; a loss goes before the record it is told at."""

    rows: Numbers
    codes: Numbers
    function: Numbers
    offset: Numbers
    width: Numbers
    value: NDArray[np.uint64]
    usable: NDArray[np.bool_]
    old_power: Numbers
    new_power: Numbers
    layout: Numbers
    layouts: State

    @classmethod
    def of(cls, chunk: Chunk, rows: Rows, layouts: dict[int, Layout], functions: int) -> Events:
        """Gather them; ``layouts`` are those of the snapshots, by row."""
        lost, lost_of = chunk.losses.of([Sight.CFG])
        all_rows = np.concatenate((lost, rows))
        is_loss = np.arange(len(all_rows)) < len(lost)
        order = np.lexsort((~is_loss, all_rows))
        at, is_loss = all_rows[order], is_loss[order]
        kinds, phase = chunk.kind[at], chunk.column("phase")[at]
        code = _CODE_TABLE[kinds]
        numbers = {row: number for number, row in enumerate(layouts)}
        layout = np.array([numbers.get(row, -1) for row in at.tolist()], np.int64)
        code[layout >= 0] = SNAPSHOT
        code[is_loss] = LOSS
        function = chunk.function[at].astype(np.int64)
        function[is_loss] = lost_of
        function[(function >= functions) & ~is_loss] = functions
        answered = (phase != _REQUEST) & (chunk.column("status")[at] == _OK)
        life = view_of(chunk.records[at], "life")
        return cls(
            rows=at,
            codes=code,
            function=function,
            offset=np.minimum(chunk.column("address")[at], SPACE).astype(np.int64),
            width=np.minimum(chunk.column("length")[at], 8).astype(np.int64),
            value=chunk.column("value")[at],
            usable=answered,
            old_power=life["old_state"].astype(np.int64),
            new_power=life["new_state"].astype(np.int64),
            layout=layout,
            layouts=new_state(list(layouts.values())),
        )


_CODE_TABLE: Final = np.full(256, NOTHING, np.int64)
_CODE_TABLE[list(_CODES)] = list(_CODES.values())


def new_state(layouts: list[Layout]) -> State:
    """The state of functions that have these layouts."""

    def stacked(name: str, dtype: Any, length: int = SPACE) -> Any:
        arrays = [getattr(layout, name) for layout in layouts]
        return np.array(arrays, dtype).reshape(len(layouts), length)

    count = len(layouts)
    fields = np.full((count + 1, len(FIELDS)), -1, np.int64)
    fields[:, _CONFIG_SIZE] = SPACE
    return State(
        content=stacked("content", np.uint8),
        known=stacked("known", np.uint8),
        read_only=stacked("read_only", np.uint8),
        reserved=stacked("reserved", np.uint8),
        clear=stacked("clear", np.uint8),
        capability=stacked("capability", np.int32),
        start=stacked("start", np.int32),
        places=stacked("places", np.int64, len(Place)),
        power=np.full(count, -1, np.int64),
        written=np.zeros(count, np.int64),
        read_at=np.full((count, _DWORDS), -1, np.int64),
        read_value=np.full((count, _DWORDS), -1, np.int64),
        fields=fields,
        before=np.zeros(_SINCE, np.int64),
    )


def follow(
    state: State, events: Events, per_access: Numbers, first: int
) -> tuple[Numbers, Numbers, Numbers]:
    """Follow the events of a chunk.

    Args:
        state: changed in place.
        events: in order.
        per_access: int64, shape (8, events): filled with what concerns the access itself.
        first: position of the chunk's first row in the trace.

    Returns:
        As :class:`uvtrace.check.passes.versions.Versions` takes them: the versions, the rows
        from which they are in force, and their functions.
    """
    functions = len(state.power)
    changes = len(events.rows) + int((events.function < 0).sum()) * functions
    table = np.empty((functions + 1 + changes, len(FIELDS)), np.int64)
    table[: functions + 1] = state.fields
    rows, changed = np.empty(changes, np.int64), np.empty(changes, np.int64)
    made = _follow(state, events, per_access, first, table, rows, changed)
    return table[: functions + 1 + made], rows[:made], changed[:made]


@loop
def _follow(
    state: State,
    events: Events,
    per_access: Numbers,
    first: int,
    table: Numbers,
    rows: Numbers,
    changed: Numbers,
) -> int:
    functions = len(state.power)
    made = 0
    for i in range(len(events.rows)):
        low, high = events.function[i], events.function[i] + 1
        if low < 0:
            low, high = 0, functions
        if low >= functions:
            continue
        position = first + events.rows[i]
        for f in range(low, high):
            if events.codes[i] <= WRITE:
                _tell_access(state, events, i, f, per_access)
            _apply(state, events, i, f, position)
            if events.codes[i] != NOTHING:
                _derive(state, f, position)
                copy_row(table, functions + 1 + made, state.fields, f)
                rows[made] = events.rows[i] + (events.codes[i] != LOSS)
                changed[made] = f
                made += 1
    return made


@step
def _tell_access(state: State, events: Events, i: int, f: int, per_access: Numbers) -> None:
    offset, width = events.offset[i], min(events.width[i], SPACE - events.offset[i])
    if width <= 0:
        return
    per_access[0, i] = state.capability[f, offset]
    if state.capability[f, offset] >= 0:
        per_access[1, i] = offset - state.start[f, offset]
    sure = True
    old, read_only = np.int64(0), np.int64(0)
    reserved, clear = np.int64(0), np.int64(0)
    for byte in range(min(width, 4)):
        at = offset + byte
        old |= np.int64(state.content[f, at]) << (8 * byte)
        sure = sure and state.known[f, at] != 0
        read_only |= np.int64(state.read_only[f, at]) << (8 * byte)
        reserved |= np.int64(state.reserved[f, at]) << (8 * byte)
        clear |= np.int64(state.clear[f, at]) << (8 * byte)
    per_access[2, i] = old if sure else -1
    per_access[3, i] = read_only
    per_access[4, i] = reserved
    per_access[5, i] = clear
    per_access[6, i] = state.read_at[f, offset // 4]
    per_access[7, i] = state.read_value[f, offset // 4]


@step
def _apply(state: State, events: Events, i: int, f: int, position: int) -> None:
    code = events.codes[i]
    if code == READ:
        if events.usable[i]:
            _read(state, events, i, f, position)
        else:
            _forget_bytes(state, f, events.offset[i], events.width[i])
    elif code == WRITE:
        if events.usable[i]:
            _write(state, events, i, f, position)
    elif code == SNAPSHOT:
        _copy(state, events.layouts, events.layout[i], f)
    elif code == POWER:
        _power(state, f, events.old_power[i], events.new_power[i])
    elif code == RESET:
        _forget(state, f)
    elif code == LOSS:
        _forget(state, f)
        state.power[f] = -1


@step
def _read(state: State, events: Events, i: int, f: int, position: int) -> None:
    offset, value = events.offset[i], events.value[i]
    for byte in range(min(events.width[i], SPACE - offset)):
        told = np.uint8(value >> np.uint64(8 * byte) & np.uint64(0xFF))
        if offset + byte == 4 and told == 0xFF:
            # A function that has gone away answers with ones.
            _forget(state, f)
            return
        state.content[f, offset + byte] = told
        state.known[f, offset + byte] = 1
    if offset < SPACE:
        state.read_at[f, offset // 4] = position
        state.read_value[f, offset // 4] = np.int64(value & np.uint64(0xFFFFFFFF))
    _power_of_space(state, f, offset, events.width[i])


@step
def _write(state: State, events: Events, i: int, f: int, position: int) -> None:
    offset, value = events.offset[i], events.value[i]
    for byte in range(min(events.width[i], SPACE - offset)):
        at = offset + byte
        told = np.uint8(value >> np.uint64(8 * byte) & np.uint64(0xFF))
        fixed, clear = state.read_only[f, at], state.clear[f, at]
        old = state.content[f, at]
        kept = (old & fixed) | (old & clear & ~told)
        state.content[f, at] = kept | (told & ~fixed & ~clear)
        if clear == 0 and fixed != 0xFF:
            state.known[f, at] = 1
    if _BAR_BASE <= offset < _BAR_BASE + 4 * _BARS:
        _write_bar(state, f, (offset - _BAR_BASE) // 4, position)
    _power_of_space(state, f, offset, events.width[i])


@step
def _write_bar(state: State, f: int, bar: int, position: int) -> None:
    if _is_all_ones(state, f, bar):
        state.fields[f, _ALL_ONES_SINCE] = position
    state.written[f] |= 1 << bar


@step
def _is_all_ones(state: State, f: int, bar: int) -> bool:
    """Whether a BAR holds all the ones that can be written to it."""
    at = _BAR_BASE + 4 * bar
    return bool(_bits(state, f, at, 4) | np.int64(state.read_only[f, at]) == 0xFFFFFFFF)


@step
def _power_of_space(state: State, f: int, offset: int, width: int) -> None:
    at = state.places[f, _P_POWER]
    if at >= 0 and offset <= at + 4 < offset + width and state.known[f, at + 4]:
        state.power[f] = state.content[f, at + 4] & 3


@step
def _power(state: State, f: int, old: int, new: int) -> None:
    before = old if old <= 4 else state.power[f]
    kept = state.fields[f, _NO_SOFT_RESET] == 1 and before != 4
    if new < 3 and new != before and not (before >= 0 and before < 3) and not kept:
        # D3hot to D0 without No_Soft_Reset resets the function, as D3cold does.
        _forget(state, f)
    state.power[f] = new if new <= 4 else -1


@step
def _forget(state: State, f: int) -> None:
    """Everything that a reset may change is to be seen again."""
    for at in range(SPACE):
        if state.read_only[f, at] != 0xFF:
            state.known[f, at] = 0
    state.written[f] = 0
    state.read_at[f, :] = -1
    state.read_value[f, :] = -1


@step
def _forget_bytes(state: State, f: int, offset: int, width: int) -> None:
    for at in range(offset, min(offset + width, SPACE)):
        state.known[f, at] = 0


@step
def _copy(state: State, layouts: State, number: int, f: int) -> None:
    copy_row(state.content, f, layouts.content, number)
    copy_row(state.known, f, layouts.known, number)
    copy_row(state.read_only, f, layouts.read_only, number)
    copy_row(state.reserved, f, layouts.reserved, number)
    copy_row(state.clear, f, layouts.clear, number)
    copy_row(state.capability, f, layouts.capability, number)
    copy_row(state.start, f, layouts.start, number)
    copy_row(state.places, f, layouts.places, number)
    state.written[f] = 0
    at = state.places[f, _P_POWER]
    state.power[f] = 0 if at < 0 else state.content[f, at + 4] & 3


@step
def _bits(state: State, f: int, offset: int, size: int) -> int:
    """A register's value, -1 where a byte of it is not known."""
    value = np.int64(0)
    for byte in range(size):
        at = offset + byte
        if at >= SPACE or not state.known[f, at]:
            return -1
        value |= np.int64(state.content[f, at]) << (8 * byte)
    return int(value)


@step
def _bit(value: int, bit: int) -> int:
    return -1 if value < 0 else value >> bit & 1


@step
def _derive(state: State, f: int, position: int) -> None:
    fields, places = state.fields[f], state.places[f]
    for field in range(_SINCE):
        state.before[field] = fields[field]
    command = _bits(state, f, 4, 1)
    fields[0], fields[1], fields[2] = _bit(command, 1), _bit(command, 0), _bit(command, 2)
    fields[3] = _bit(_bits(state, f, 5, 1), 2)
    fields[6] = state.power[f]
    told = places[_P_BARS_64] >= 0
    _derive_msi(state, f, places[_P_MSI], told)
    _derive_msix(state, f, places[_P_MSIX], told)
    _derive_express(state, f, places[_P_EXPRESS], told)
    power = places[_P_POWER]
    fields[_NO_SOFT_RESET] = _bit(_bits(state, f, power + 4, 1), 3) if power >= 0 else -1
    fields[_CONFIG_SIZE] = places[_P_SIZE]
    _derive_bars(state, f)
    for field in range(_SINCE):
        if fields[field] != state.before[field]:
            fields[_SINCE + field] = position


@step
def _derive_msi(state: State, f: int, at: int, told: bool) -> None:
    fields = state.fields[f]
    control = _bits(state, f, at + 2, 2) if at >= 0 else (0 if told else -1)
    fields[4] = _bit(control, 0)
    fields[_VECTORS] = -1 if control < 0 else 1 << (control >> 4 & 7)
    wide = _bit(control, 7) == 1
    low = _bits(state, f, at + 4, 4) if at >= 0 else -1
    high = _bits(state, f, at + 8, 4) if at >= 0 and wide else 0
    fields[_ADDRESS] = -1 if low < 0 or high < 0 else low | high << 32
    fields[_DATA] = _bits(state, f, at + (12 if wide else 8), 2) if at >= 0 else -1


@step
def _derive_msix(state: State, f: int, at: int, told: bool) -> None:
    fields = state.fields[f]
    control = _bits(state, f, at + 2, 2) if at >= 0 else (0 if told else -1)
    fields[5] = _bit(control, 15)
    fields[_MASK] = _bit(control, 14)
    fields[_TABLE_SIZE] = -1 if at < 0 or control < 0 else (control & 0x7FF) + 1
    table = _bits(state, f, at + 4, 4) if at >= 0 else -1
    pending = _bits(state, f, at + 8, 4) if at >= 0 else -1
    fields[_TABLE_BAR] = -1 if table < 0 else table & 7
    fields[_TABLE_OFFSET] = -1 if table < 0 else table & ~7
    fields[_PBA_BAR] = -1 if pending < 0 else pending & 7
    fields[_PBA_OFFSET] = -1 if pending < 0 else pending & ~7


@step
def _derive_express(state: State, f: int, at: int, told: bool) -> None:
    fields = state.fields[f]
    absent = 0 if told else -1
    control = _bits(state, f, at + 8, 2) if at >= 0 else -1
    control_2 = _bits(state, f, at + 0x28, 2) if at >= 0 else -1
    supported = _bits(state, f, at + 4, 1) if at >= 0 else -1
    fields[7] = -1 if control < 0 else control | max(control_2, 0) << 16
    fields[_PAYLOAD] = -1 if control < 0 else 128 << (control >> 5 & 7)
    fields[_READ_REQUEST] = -1 if control < 0 else 128 << (control >> 12 & 7)
    fields[_SUPPORTED] = -1 if supported < 0 else 128 << (supported & 7)
    fields[_RELAXED] = _bit(control, 4) if at >= 0 else absent
    fields[_IDO_REQUEST] = _bit(control_2, 8) if at >= 0 else absent
    fields[_IDO_COMPLETION] = _bit(control_2, 9) if at >= 0 else absent


@step
def _derive_bars(state: State, f: int) -> None:
    fields, wide = state.fields[f], max(state.places[f, _P_BARS_64], 0)
    ones, half, unknown = 0, 0, False
    for bar in range(_BARS):
        value = _bits(state, f, _BAR_BASE + 4 * bar, 4)
        unknown = unknown or value < 0
        is_high = bar > 0 and wide >> (bar - 1) & 1
        # The upper half of a 64-bit BAR may hold all ones: of an address, not of sizing.
        if not is_high and _is_all_ones(state, f, bar):
            ones |= 1 << bar
        if wide >> bar & 1:
            both = state.written[f] >> bar & 3
            half |= (both == 1 or both == 2) << bar
    fields[_ALL_ONES] = -1 if unknown else ones
    fields[_HALF] = half
