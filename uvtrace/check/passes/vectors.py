# SPDX-License-Identifier: Apache-2.0
"""The pass of the MSI-X table, of the INTx line, and of what interrupt handlers do."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk
from uvtrace.check.columns import vectors
from uvtrace.check.compiled import fetch_ahead, loop, rare_step, step
from uvtrace.check.expression import Column
from uvtrace.check.record_view import record_view
from uvtrace.check.rules import Sight
from uvtrace.trace.enums import Flag, Kind, Phase
from uvtrace.trace.layout import ACCESS, BUS
from uvtrace.trace.trace import Trace

Numbers = NDArray[np.int64]

_TABLE: Final = ("msix_table_bar", "msix_table_offset", "msix_table_size")
INPUTS: Final = frozenset(_TABLE)
"""What it reads of config state: where the table is."""

_SIGHTS: Final = (Sight.MMIO, Sight.IRQ, Sight.ISR, Sight.LIFE)
_PORTS: Final = -2
"""Instead of a function: only accesses to ports were lost, which handlers may have made."""
_ACCESSES: Final = (Kind.MMIO_READ, Kind.MMIO_WRITE, Kind.PIO_READ, Kind.PIO_WRITE)
_KINDS: Final = (
    *_ACCESSES,
    *(Kind.MSIX, Kind.INTX_ASSERT, Kind.INTX_DEASSERT),
    *(Kind.HANDLER_ENTER, Kind.HANDLER_EXIT, Kind.RESET),
)
_TOLD: Final = np.dtype([(column.name, column.dtype) for column in vectors.COLUMNS], align=True)
_RECORD: Final = record_view(
    ("kind", "phase", "flags", "tid", "cpu", "function", "value"),
    {
        "bar": (ACCESS, "bar"),
        "width": (ACCESS, "width"),
        "offset": (ACCESS, "offset"),
        "vector": (BUS, "vector"),
    },
)
_MMIO_WRITE, _MSIX, _RESET = int(Kind.MMIO_WRITE), int(Kind.MSIX), int(Kind.RESET)
_ASSERT, _DEASSERT = int(Kind.INTX_ASSERT), int(Kind.INTX_DEASSERT)
_ENTER, _EXIT = int(Kind.HANDLER_ENTER), int(Kind.HANDLER_EXIT)
_LAST_ACCESS: Final = int(Kind.PIO_WRITE)
_ENTRY_BYTES, _VECTORS = 16, 2048
_CPUS: Final = 4096
_THREADS: Final = 1 << 16
_HARD: Final = np.uint32(Flag.HARDIRQ)
_OWN: Final = np.uint32(Flag.OUTSIDE | Flag.STALE)
_COMPLETION: Final = int(Phase.COMPLETION)
_NO_ADDRESS: Final = np.uint64(vectors.vector_address.unknown or 0)


class _State(NamedTuple):
    """What is kept.

    ``entries``: by function, vector and dword of its entry; -1 not known. ``line``: by function,
    whether INTx is asserted, and the event. ``running``: by context, the function whose handler
    runs (-1 none), its accesses so far, and the thread.
    """

    entries: Numbers
    written: Numbers
    line: Numbers
    running: Numbers


class _Table(NamedTuple):
    """The MSI-X table in force at each row: its BAR, offset and size lie at the row's place."""

    places: NDArray[np.int32]
    bars: Numbers
    offsets: Numbers
    sizes: Numbers


class _Events(NamedTuple):
    """The records of a chunk, dtype _RECORD, and what to look at.

    ``rows``: the events, ascending. ``lost``, ``lost_of``: rows before which something was lost,
    and of which function (-1: of all). ``table``: of all records. ``first``: the position of the
    first record.
    """

    records: NDArray[np.void]
    rows: Numbers
    lost: Numbers
    lost_of: Numbers
    table: _Table
    first: int


class _Told(NamedTuple):
    """What is told: dtype _TOLD, and which of it of each record, -1 of what is not followed.

    Of most events only the INTx line is told, the same until it changes. ``lines``: by function,
    where it was told last in this chunk, -1 nowhere since it has changed.
    """

    told: NDArray[np.void]
    places: NDArray[np.int32]
    lines: NDArray[np.int64]


class VectorsPass:
    """Fills ``columns.vectors``."""

    columns: tuple[Column, ...] = vectors.COLUMNS

    def __init__(self, trace: Trace, wanted: AbstractSet[str]) -> None:
        functions = max(len(trace.functions), 1)
        self._wanted = wanted
        self._state = _State(
            entries=np.full((functions, _VECTORS, 4), -1, np.int64),
            written=np.full((functions, _VECTORS), -1, np.int64),
            line=np.full((functions, 2), -1, np.int64),
            running=np.full((_CPUS + _THREADS, 3), -1, np.int64),
        )
        # One chunk's columns are over when the next one comes: the memory is used again.
        self._places = np.empty(0, np.int32)
        self._told = np.empty(0, _TOLD)
        self._lines = np.empty(functions, np.int64)

    def run(self, chunk: Chunk) -> None:
        """Fill the columns of one chunk."""
        rows = chunk.rows(_KINDS)
        (places, bars), (_, offsets), (_, sizes) = (chunk.placed(name) for name in _TABLE)
        table = _Table(places, bars, offsets, sizes)
        lost, lost_of = chunk.losses.of((*_SIGHTS, Sight.PIO))
        lost_of = np.where(np.isin(lost, chunk.losses.of(_SIGHTS)[0]), lost_of, _PORTS)
        told, count = self._emptied(len(chunk), len(rows)), 0
        events = _Events(chunk.records.view(_RECORD), rows, lost, lost_of, table, chunk.first)
        if len(rows) or len(lost):
            count = _follow(self._state, events, told)
        values = told.told[:count]
        for column in self.columns:
            if column.name in self._wanted:
                of, fill = values[column.name], -1 if column.unknown is None else column.unknown
                chunk.put_placed(column.name, told.places, of, fill=fill, fetched=True)

    def _emptied(self, rows: int, events: int) -> _Told:
        """Room for what is told of a chunk, nothing so far."""
        if len(self._places) < rows:
            self._places = np.empty(rows, np.int32)
        if len(self._told) < events:
            self._told = np.empty(events, _TOLD)
        places = self._places[:rows]
        places.fill(-1)
        self._lines.fill(-1)
        return _Told(self._told, places, self._lines)


@loop
def _follow(state: _State, events: _Events, told: _Told) -> int:
    """Follow the events of a chunk; returns how much is told."""
    functions, following, count = len(state.line), 0, 0
    for i in range(len(events.rows)):
        fetch_ahead(events.records, events.rows, i)
        row = events.rows[i]
        while following < len(events.lost) and events.lost[following] <= row:
            _lose(state, events.lost_of[following])
            told.lines[:] = -1
            following += 1
        record, position = events.records[row], events.first + row
        f: Any = np.int64(record.function)
        kind = record.kind
        if f >= functions:
            continue
        at = told.lines[f]
        if at < 0 or kind in (_MSIX, _EXIT):
            at = count
            count += 1
            _tell_line(state, f, told.told[at])
            told.lines[f] = at if kind not in (_MSIX, _EXIT) else told.lines[f]
        told.places[row] = at
        if kind <= _LAST_ACCESS:
            _access(state, events.table, record, f, events.table.places[row], position)
        elif kind == _MSIX:
            _tell_vector(state, record, f, told.told[at])
        elif kind in (_ASSERT, _DEASSERT):
            state.line[f, 0] = kind == _ASSERT
            state.line[f, 1] = position
            told.lines[f] = -1
        elif kind == _RESET:
            state.entries[f, :, :] = -1
            state.line[f, :] = -1
            told.lines[f] = -1
        else:
            _handler(state, record, f, told.told[at])
    for each in range(following, len(events.lost)):
        _lose(state, events.lost_of[each])
    return count


@step
def _tell_line(state: _State, f: int, one: Any) -> None:
    """The INTx line, and of the rest nothing so far."""
    one.vector_masked, one.vector_address, one.vector_data = -1, _NO_ADDRESS, -1
    one.vector_written, one.handler_accesses = -1, -1
    one.intx_asserted, one.intx_since = state.line[f, 0], state.line[f, 1]


@rare_step
def _lose(state: _State, f: int) -> None:
    state.running[:] = -1
    if f == _PORTS:
        return
    low, high = (0, len(state.line)) if f < 0 else (f, min(f + 1, len(state.line)))
    state.entries[low:high] = -1
    state.line[low:high] = -1


@step
def _context(record: Any) -> int:
    """Where a handler runs: its thread, which may move from CPU to CPU, or the CPU."""
    if record.flags & _HARD:
        return int(record.cpu % _CPUS)
    return int(_CPUS + record.tid % _THREADS)


@step
def _thread(record: Any) -> int:
    """The thread, -1 in hard interrupt context: what else runs in a thread is none of it."""
    return -1 if record.flags & _HARD else int(record.tid)


@step
def _access(state: _State, table: _Table, record: Any, f: int, at: int, position: int) -> None:
    if record.phase == _COMPLETION or record.flags & _OWN:
        return
    context = _context(record)
    if state.running[context, 0] == f and state.running[context, 2] == _thread(record):
        state.running[context, 1] += 1
    if record.kind != _MMIO_WRITE or record.bar != table.bars[at]:
        return
    begin, size = table.offsets[at], table.sizes[at]
    inside = np.int64(min(record.offset, np.uint64(2**62))) - begin
    if begin < 0 or inside < 0:
        return
    # After a reset or loss its size is not known: no entry behind its end is ever asked for.
    if inside >= _ENTRY_BYTES * (min(size, _VECTORS) if size >= 0 else _VECTORS):
        return
    entry = state.entries[f, inside // _ENTRY_BYTES]
    state.written[f, inside // _ENTRY_BYTES] = position
    part = inside % _ENTRY_BYTES // 4
    if record.width < 4 or inside % 4:
        # What comes of it is not defined (IRQ011).
        entry[part] = -1
        return
    entry[part] = np.int64(record.value & np.uint64(0xFFFFFFFF))
    if record.width == 8 and part < 3:
        entry[part + 1] = np.int64(record.value >> np.uint64(32))


@step
def _tell_vector(state: _State, record: Any, f: int, one: Any) -> None:
    vector = record.vector
    if vector >= _VECTORS:
        return
    entry = state.entries[f, vector]
    if entry[3] >= 0:
        one.vector_masked = entry[3] & 1
    # With one of the two lowest bits set, what the device sends is not defined.
    if entry[0] >= 0 and entry[1] >= 0 and entry[0] & 3 == 0:
        one.vector_address = np.uint64(entry[0]) | np.uint64(entry[1]) << np.uint64(32)
    one.vector_data, one.vector_written = entry[2], state.written[f, vector]


@step
def _handler(state: _State, record: Any, f: int, one: Any) -> None:
    running = state.running[_context(record)]
    if record.kind == _ENTER:
        running[0], running[1], running[2] = f, 0, _thread(record)
    elif running[0] == f and running[2] == _thread(record):
        one.handler_accesses = running[1]
        running[:] = -1
