# SPDX-License-Identifier: Apache-2.0
"""The loop over config events: every function's config space, and versions of its state."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk, Rows
from uvtrace.check.compiled import copy_row, loop, rare_step
from uvtrace.check.passes.config_layout import SPACE, Layout, Place
from uvtrace.check.rules import Sight
from uvtrace.trace.enums import Kind, Phase, Snapshot, Status
from uvtrace.trace.layout import view_of

Numbers = NDArray[np.int64]

READ, WRITE, POWER, RESET, SNAPSHOT, LOSS, LIMITS, NOTHING = range(8)
_CODES: Final = {
    Kind.CONFIG_READ: READ,
    Kind.CONFIG_WRITE: WRITE,
    Kind.POWER: POWER,
    Kind.RESET: RESET,
}

FIELDS: Final = (
    *("memory_enable", "io_enable", "bus_master", "intx_disable"),
    *("msi_enable", "msix_enable", "power_state", "device_control"),
    *(
        "memory_enable_since",
        "io_enable_since",
        "bus_master_since",
        "intx_disable_since",
    ),
    *("msi_since", "msix_since", "power_since", "device_control_since"),
    *(
        "msi_vectors",
        "msi_address",
        "msi_data",
        "msix_function_mask",
        "msix_table_size",
    ),
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
_P_POWER, _P_MSI, _P_MSIX, _P_EXPRESS = (
    Place.POWER,
    Place.MSI,
    Place.MSIX,
    Place.EXPRESS,
)
_P_SIZE, _P_BARS_64 = Place.SIZE, Place.BARS_64
_REQUEST, _COMPLETION, _OK = int(Phase.REQUEST), int(Phase.COMPLETION), int(Status.OK)
_BAR_BASE, _BARS, _DWORDS = 0x10, 6, SPACE // 4


FUNCTION: Final = np.dtype(
    [
        ("content", np.uint8, (SPACE,)),
        ("known", np.uint8, (SPACE,)),
        ("read_only", np.uint8, (SPACE,)),
        ("reserved", np.uint8, (SPACE,)),
        ("clear", np.uint8, (SPACE,)),
        ("capability", np.int32, (SPACE,)),
        ("start", np.int32, (SPACE,)),
        ("places", np.int64, (len(Place),)),
        ("read_at", np.int64, (_DWORDS,)),
        ("read_value", np.int64, (_DWORDS,)),
        ("power", np.int64),
        ("written", np.int64),
        ("payload_limit", np.int64),
        ("request_limit", np.int64),
    ],
    align=True,
)
"""A function's config space, as :class:`Layout` has it. By dword: the last read and its value.
``power``: its power state; ``written``: the BARs that were written, as bits; the limits: what a
virtual bus allows, in bytes, -1 where it is not told."""


class State(NamedTuple):
    """``functions``: dtype FUNCTION; ``fields``: what is derived of each, the last of none."""

    functions: NDArray[np.void]
    fields: Numbers


EVENT: Final = np.dtype(
    [
        ("row", np.int64),
        ("function", np.int64),
        ("offset", np.int64),
        ("width", np.int64),
        ("value", np.uint64),
        ("layout", np.int64),
        ("code", np.uint8),
        ("usable", np.bool_),
        ("old_power", np.uint8),
        ("new_power", np.uint8),
    ],
    align=True,
)
"""A config event. ``layout``: what a snapshot tells, by number, -1 nothing. Of LIMITS, ``value`` is
the largest payload and ``offset`` the largest read request: 4096 at most, as config space."""


_NO_EVENTS: Final = np.zeros(0, EVENT)


def events_of(
    chunk: Chunk, rows: Rows, layouts: dict[int, Layout], functions: int
) -> NDArray[np.void]:
    """The config events of a chunk, in order; a loss goes before the record it is told at.

    Args:
        chunk: the chunk.
        rows: its events.
        layouts: those of the snapshots, by row.
        functions: how many there are.
    """
    lost, lost_of = chunk.losses.of([Sight.CFG])
    if not len(lost) and not len(rows):
        return _NO_EVENTS
    records = chunk.records[rows]
    events = np.zeros(len(lost) + len(rows), EVENT)
    losses, own = events[: len(lost)], events[len(lost) :]
    losses["row"], losses["function"], losses["code"] = lost, lost_of, LOSS
    function = np.minimum(records["function"].astype(np.int64), functions)
    own["row"], own["function"], own["value"] = rows, function, records["value"]
    own["offset"] = np.minimum(records["address"], SPACE)
    own["width"] = np.minimum(records["length"], 8)
    own["usable"] = (records["phase"] != _REQUEST) & (records["status"] == _OK)
    life = view_of(records, "life")
    own["old_power"], own["new_power"] = life["old_state"], life["new_state"]
    own["code"], own["layout"] = _CODE_TABLE[records["kind"]], -1
    shown = np.flatnonzero(np.isin(rows, list(layouts)))
    own["code"][shown], own["layout"][shown] = SNAPSHOT, np.arange(len(shown))
    topic = view_of(records, "meta")["topic"]
    limits = (records["kind"] == Kind.SNAPSHOT) & (topic == Snapshot.LIMITS)
    own["code"][limits] = LIMITS
    return events[np.argsort(events["row"], kind="stable")] if len(lost) else events


_CODE_TABLE: Final = np.full(256, NOTHING, np.uint8)
_CODE_TABLE[list(_CODES)] = list(_CODES.values())


_NO_SPACES: Final = np.zeros(0, FUNCTION)


def spaces_of(layouts: Collection[Layout]) -> NDArray[np.void]:
    """Config spaces that have these layouts, dtype FUNCTION."""
    if not layouts:
        return _NO_SPACES
    spaces = np.zeros(len(layouts), FUNCTION)
    for at, layout in enumerate(layouts):
        for name, values in layout._asdict().items():
            spaces[name][at] = values
    for name in ("power", "read_at", "read_value", "payload_limit", "request_limit"):
        spaces[name] = -1
    return spaces


def new_state(layouts: Collection[Layout]) -> State:
    """The state of functions that have these layouts."""
    derived = np.full((len(layouts) + 1, len(FIELDS)), -1, np.int64)
    derived[:, _CONFIG_SIZE] = SPACE
    return State(spaces_of(layouts), derived)


def follow(
    state: State,
    events: NDArray[np.void],
    layouts: NDArray[np.void],
    per_access: Numbers,
    first: int,
) -> tuple[Numbers, Numbers, Numbers]:
    """Follow the events of a chunk.

    Args:
        state: changed in place.
        events: in order, dtype EVENT.
        layouts: what snapshots among them tell, dtype FUNCTION.
        per_access: int64, shape (8, events): filled with what concerns the access itself.
        first: position of the chunk's first row in the trace.

    Returns:
        As :class:`uvtrace.check.passes.versions.Versions` takes them: the versions, the rows
        from which they are in force, and their functions.
    """
    functions = len(state.functions)
    changes = len(events) + int((events["function"] < 0).sum()) * functions
    table = np.empty((functions + 1 + changes, len(FIELDS)), np.int64)
    table[: functions + 1] = state.fields
    rows, changed = np.empty(changes, np.int64), np.empty(changes, np.int64)
    made = 0
    if len(events):
        made = _follow(state, events, layouts, per_access, first, table, rows, changed)
    return table[: functions + 1 + made], rows[:made], changed[:made]


@loop
def _follow(
    state: State,
    events: NDArray[np.void],
    layouts: NDArray[np.void],
    per_access: Numbers,
    first: int,
    table: Numbers,
    rows: Numbers,
    changed: Numbers,
) -> int:
    functions = len(state.functions)
    made = 0
    for i in range(len(events)):
        event = events[i]
        low, high = event.function, event.function + 1
        if low < 0:
            low, high = 0, functions
        if low >= functions:
            continue
        position = first + event.row
        for f in range(low, high):
            of, derived = state.functions[f], state.fields[f]
            if event.code <= WRITE:
                _tell_access(of, event, i, per_access)
            _apply(of, derived, event, layouts, position)
            if event.code != NOTHING:
                _derive(of, derived, position)
                copy_row(table, functions + 1 + made, state.fields, f)
                rows[made] = event.row + (event.code != LOSS)
                changed[made] = f
                made += 1
    return made


@rare_step
def _tell_access(of: Any, event: Any, i: int, per_access: Numbers) -> None:
    offset, width = event.offset, min(event.width, SPACE - event.offset)
    if width <= 0:
        return
    per_access[0, i] = of.capability[offset]
    if of.capability[offset] >= 0:
        per_access[1, i] = offset - of.start[offset]
    sure = True
    old, read_only = np.int64(0), np.int64(0)
    reserved, clear = np.int64(0), np.int64(0)
    for byte in range(min(width, 4)):
        at = offset + byte
        old |= np.int64(of.content[at]) << (8 * byte)
        sure = sure and of.known[at] != 0
        read_only |= np.int64(of.read_only[at]) << (8 * byte)
        reserved |= np.int64(of.reserved[at]) << (8 * byte)
        clear |= np.int64(of.clear[at]) << (8 * byte)
    per_access[2, i] = old if sure else -1
    per_access[3, i] = read_only
    per_access[4, i] = reserved
    per_access[5, i] = clear
    per_access[6, i] = of.read_at[offset // 4]
    per_access[7, i] = of.read_value[offset // 4]


@rare_step
def _apply(of: Any, derived: Numbers, event: Any, layouts: NDArray[np.void], position: int) -> None:
    code = event.code
    if code == READ:
        if event.usable:
            _read(of, event, position)
        else:
            _forget_bytes(of, event.offset, event.width)
    elif code == WRITE:
        if event.usable:
            _write(of, derived, event, position)
    elif code == SNAPSHOT:
        _copy(of, layouts[event.layout])
    elif code == POWER:
        _power(of, derived, event.old_power, event.new_power)
    elif code == RESET:
        _forget(of)
    elif code == LIMITS:
        of.payload_limit = np.int64(min(event.value, np.uint64(SPACE)))
        of.request_limit = event.offset
    elif code == LOSS:
        _forget(of)
        of.power = -1
        # Another model may have come, whose bus allows something else.
        of.payload_limit = of.request_limit = -1


@rare_step
def _read(of: Any, event: Any, position: int) -> None:
    offset, value = event.offset, event.value
    for byte in range(min(event.width, SPACE - offset)):
        told = np.uint8(value >> np.uint64(8 * byte) & np.uint64(0xFF))
        if offset + byte == 4 and told == 0xFF:
            # A function that has gone away answers with ones.
            _forget(of)
            return
        of.content[offset + byte] = told
        of.known[offset + byte] = 1
    if offset < SPACE:
        of.read_at[offset // 4] = position
        of.read_value[offset // 4] = np.int64(value & np.uint64(0xFFFFFFFF))
    _power_of_space(of, offset, event.width)


@rare_step
def _write(of: Any, derived: Numbers, event: Any, position: int) -> None:
    offset, value = event.offset, event.value
    for byte in range(min(event.width, SPACE - offset)):
        at = offset + byte
        told = np.uint8(value >> np.uint64(8 * byte) & np.uint64(0xFF))
        fixed, clear = of.read_only[at], of.clear[at]
        old = of.content[at]
        kept = (old & fixed) | (old & clear & ~told)
        of.content[at] = kept | (told & ~fixed & ~clear)
        if clear == 0 and fixed != 0xFF:
            of.known[at] = 1
    if _BAR_BASE <= offset < _BAR_BASE + 4 * _BARS:
        _write_bar(of, derived, (offset - _BAR_BASE) // 4, position)
    _power_of_space(of, offset, event.width)


@rare_step
def _write_bar(of: Any, derived: Numbers, bar: int, position: int) -> None:
    if _is_all_ones(of, bar):
        derived[_ALL_ONES_SINCE] = position
    of.written |= 1 << bar


@rare_step
def _is_all_ones(of: Any, bar: int) -> bool:
    """Whether a BAR holds all the ones that can be written to it."""
    at = _BAR_BASE + 4 * bar
    return bool(_bits(of, at, 4) | np.int64(of.read_only[at]) == 0xFFFFFFFF)


@rare_step
def _power_of_space(of: Any, offset: int, width: int) -> None:
    at = of.places[_P_POWER]
    if at >= 0 and offset <= at + 4 < offset + width and of.known[at + 4]:
        of.power = of.content[at + 4] & 3


@rare_step
def _power(of: Any, derived: Numbers, old: int, new: int) -> None:
    before = old if old <= 4 else of.power
    kept = derived[_NO_SOFT_RESET] == 1 and before != 4
    if new < 3 and new != before and not (before >= 0 and before < 3) and not kept:
        # D3hot to D0 without No_Soft_Reset resets the function, as D3cold does.
        _forget(of)
    of.power = new if new <= 4 else -1


@rare_step
def _forget(of: Any) -> None:
    """Everything that a reset may change is to be seen again."""
    for at in range(SPACE):
        if of.read_only[at] != 0xFF:
            of.known[at] = 0
    of.written = 0
    of.read_at[:] = -1
    of.read_value[:] = -1


@rare_step
def _forget_bytes(of: Any, offset: int, width: int) -> None:
    for at in range(offset, min(offset + width, SPACE)):
        of.known[at] = 0


@rare_step
def _copy(of: Any, layout: Any) -> None:
    for at in range(SPACE):
        of.content[at], of.known[at] = layout.content[at], layout.known[at]
        of.read_only[at], of.reserved[at] = layout.read_only[at], layout.reserved[at]
        of.clear[at] = layout.clear[at]
        of.capability[at], of.start[at] = layout.capability[at], layout.start[at]
    for place in range(len(of.places)):
        of.places[place] = layout.places[place]
    of.written = 0
    at = of.places[_P_POWER]
    of.power = 0 if at < 0 else of.content[at + 4] & 3


@rare_step
def _bits(of: Any, offset: int, size: int) -> int:
    """A register's value, -1 where a byte of it is not known."""
    value = np.int64(0)
    for byte in range(size):
        at = offset + byte
        if at >= SPACE or not of.known[at]:
            return -1
        value |= np.int64(of.content[at]) << (8 * byte)
    return int(value)


@rare_step
def _bit(value: int, bit: int) -> int:
    return -1 if value < 0 else value >> bit & 1


@rare_step
def _derive(of: Any, derived: Numbers, position: int) -> None:
    places = of.places
    before = (
        *(derived[0], derived[1], derived[2], derived[3]),
        *(derived[4], derived[5], derived[6], derived[7]),
    )
    command = _bits(of, 4, 1)
    derived[0], derived[1], derived[2] = (
        _bit(command, 1),
        _bit(command, 0),
        _bit(command, 2),
    )
    derived[3] = _bit(_bits(of, 5, 1), 2)
    derived[6] = of.power
    told = places[_P_BARS_64] >= 0
    _derive_msi(of, derived, places[_P_MSI], told)
    _derive_msix(of, derived, places[_P_MSIX], told)
    _derive_express(of, derived, places[_P_EXPRESS], told)
    power = places[_P_POWER]
    derived[_NO_SOFT_RESET] = _bit(_bits(of, power + 4, 1), 3) if power >= 0 else -1
    derived[_CONFIG_SIZE] = places[_P_SIZE]
    _derive_bars(of, derived)
    for field in range(_SINCE):
        if derived[field] != before[field]:
            derived[_SINCE + field] = position


@rare_step
def _derive_msi(of: Any, derived: Numbers, at: int, told: bool) -> None:
    control = _bits(of, at + 2, 2) if at >= 0 else (0 if told else -1)
    derived[4] = _bit(control, 0)
    derived[_VECTORS] = -1 if control < 0 else 1 << (control >> 4 & 7)
    wide = _bit(control, 7) == 1
    low = _bits(of, at + 4, 4) if at >= 0 else -1
    high = _bits(of, at + 8, 4) if at >= 0 and wide else 0
    # The two lowest bits are reserved, and 0: no address is -1.
    derived[_ADDRESS] = -1 if low < 0 or high < 0 else low & ~3 | high << 32
    derived[_DATA] = _bits(of, at + (12 if wide else 8), 2) if at >= 0 else -1


@rare_step
def _derive_msix(of: Any, derived: Numbers, at: int, told: bool) -> None:
    control = _bits(of, at + 2, 2) if at >= 0 else (0 if told else -1)
    derived[5] = _bit(control, 15)
    derived[_MASK] = _bit(control, 14)
    derived[_TABLE_SIZE] = -1 if at < 0 or control < 0 else (control & 0x7FF) + 1
    table = _bits(of, at + 4, 4) if at >= 0 else -1
    pending = _bits(of, at + 8, 4) if at >= 0 else -1
    derived[_TABLE_BAR] = -1 if table < 0 else table & 7
    derived[_TABLE_OFFSET] = -1 if table < 0 else table & ~7
    derived[_PBA_BAR] = -1 if pending < 0 else pending & 7
    derived[_PBA_OFFSET] = -1 if pending < 0 else pending & ~7


@rare_step
def _derive_express(of: Any, derived: Numbers, at: int, told: bool) -> None:
    absent = 0 if told else -1
    control = _bits(of, at + 8, 2) if at >= 0 else -1
    control_2 = _bits(of, at + 0x28, 2) if at >= 0 else -1
    supported = _bits(of, at + 4, 1) if at >= 0 else -1
    derived[7] = -1 if control < 0 else control | max(control_2, 0) << 16
    if at < 0 and told:
        derived[_PAYLOAD], derived[_READ_REQUEST] = of.payload_limit, of.request_limit
    else:
        derived[_PAYLOAD] = -1 if control < 0 else 128 << (control >> 5 & 7)
        derived[_READ_REQUEST] = -1 if control < 0 else 128 << (control >> 12 & 7)
    derived[_SUPPORTED] = -1 if supported < 0 else 128 << (supported & 7)
    derived[_RELAXED] = _bit(control, 4) if at >= 0 else absent
    derived[_IDO_REQUEST] = _bit(control_2, 8) if at >= 0 else absent
    derived[_IDO_COMPLETION] = _bit(control_2, 9) if at >= 0 else absent


@rare_step
def _derive_bars(of: Any, derived: Numbers) -> None:
    wide = max(of.places[_P_BARS_64], 0)
    ones, half, unknown = 0, 0, False
    for bar in range(_BARS):
        value = _bits(of, _BAR_BASE + 4 * bar, 4)
        unknown = unknown or value < 0
        is_high = bar > 0 and wide >> (bar - 1) & 1
        # The upper half of a 64-bit BAR may hold all ones: of an address, not of sizing.
        if not is_high and _is_all_ones(of, bar):
            ones |= 1 << bar
        if wide >> bar & 1:
            both = of.written >> bar & 3
            half |= (both == 1 or both == 2) << bar
    derived[_ALL_ONES] = -1 if unknown else ones
    derived[_HALF] = half
