# SPDX-License-Identifier: Apache-2.0
"""The pass of the MSI-X table, of the INTx line, and of what interrupt handlers do."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk, Rows
from uvtrace.check.columns import vectors
from uvtrace.check.compiled import loop, step
from uvtrace.check.expression import Column
from uvtrace.check.rules import Sight
from uvtrace.trace.enums import Flag, Kind, Phase
from uvtrace.trace.trace import Trace

Numbers = NDArray[np.int64]

INPUTS: Final = frozenset({"msix_table_bar", "msix_table_offset", "msix_table_size"})
"""What it reads of config state: where the table is."""

_SIGHTS: Final = (Sight.MMIO, Sight.IRQ, Sight.ISR, Sight.LIFE)
_ACCESSES: Final = (Kind.MMIO_READ, Kind.MMIO_WRITE, Kind.PIO_READ, Kind.PIO_WRITE)
_KINDS: Final = (
    *_ACCESSES,
    *(Kind.MSIX, Kind.INTX_ASSERT, Kind.INTX_DEASSERT),
    *(Kind.HANDLER_ENTER, Kind.HANDLER_EXIT, Kind.RESET),
)
_NAMES: Final = tuple(column.name for column in vectors.COLUMNS)
_MASKED, _ADDRESS, _DATA, _WRITTEN, _ASSERTED, _SINCE, _TOUCHED = range(len(_NAMES))
_MMIO_WRITE, _MSIX, _RESET = int(Kind.MMIO_WRITE), int(Kind.MSIX), int(Kind.RESET)
_ASSERT, _DEASSERT = int(Kind.INTX_ASSERT), int(Kind.INTX_DEASSERT)
_ENTER, _EXIT = int(Kind.HANDLER_ENTER), int(Kind.HANDLER_EXIT)
_LAST_ACCESS: Final = int(Kind.PIO_WRITE)
_LOSS: Final = 254
_ENTRY_BYTES, _VECTORS = 16, 2048
_CPUS: Final = 4096
_THREADS: Final = 1 << 16
_HARD: Final = int(Flag.HARDIRQ)
_OWN: Final = int(Flag.OUTSIDE | Flag.STALE)
_COMPLETION: Final = int(Phase.COMPLETION)


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


class _Events(NamedTuple):
    rows: Numbers
    kind: Numbers
    function: Numbers
    phase: Numbers
    flags: Numbers
    context: Numbers
    tid: Numbers
    bar: Numbers
    offset: Numbers
    width: Numbers
    value: NDArray[np.uint64]
    vector: Numbers
    table_bar: Numbers
    table_offset: Numbers
    table_size: Numbers


class VectorsPass:
    """Fills ``columns.vectors``."""

    columns: tuple[Column, ...] = vectors.COLUMNS

    def __init__(self, trace: Trace, wanted: AbstractSet[str]) -> None:
        functions = max(len(trace.functions), 1)
        self._state = _State(
            entries=np.full((functions, _VECTORS, 4), -1, np.int64),
            written=np.full((functions, _VECTORS), -1, np.int64),
            line=np.full((functions, 2), -1, np.int64),
            running=np.full((_CPUS + _THREADS, 3), -1, np.int64),
        )

    def run(self, chunk: Chunk) -> None:
        """Fill the columns of one chunk."""
        events = _events(chunk, chunk.rows(_KINDS))
        told = np.full((len(_NAMES), len(events.rows)), -1, np.int64)
        _follow(self._state, events, chunk.first, told)
        own = events.kind != _LOSS
        for name, values in zip(_NAMES, told, strict=True):
            chunk.put_rows(name, events.rows[own], values[own], -1)


def _events(chunk: Chunk, rows: Rows) -> _Events:
    lost, lost_of = chunk.losses.of(_SIGHTS)
    merged = np.concatenate((lost, rows))
    order = np.argsort(merged, kind="stable")
    at, is_loss = merged[order], (np.arange(len(merged)) < len(lost))[order]

    def column(name: str) -> Numbers:
        return chunk.column(name)[at].astype(np.int64)

    kind, function = chunk.kind[at].astype(np.int64), column("function")
    kind[is_loss], function[is_loss] = _LOSS, lost_of
    flags, tid = column("flags"), column("tid")
    # A handler's thread may move from CPU to CPU; what else runs in a thread is none of it.
    in_thread = (flags & _HARD) == 0
    context = np.where(in_thread, _CPUS + tid % _THREADS, column("cpu") % _CPUS)
    # As in force at each event: taken of these rows only, as they are told from versions.
    return _Events(
        rows=at,
        kind=kind,
        function=function,
        phase=column("phase"),
        flags=flags,
        context=context,
        tid=np.where(in_thread, tid, -1),
        bar=column("bar"),
        offset=np.minimum(chunk.column("offset")[at], np.uint64(2**62)).astype(np.int64),
        width=column("width"),
        value=chunk.column("value")[at],
        vector=column("vector"),
        table_bar=chunk.take("msix_table_bar", at).astype(np.int64),
        table_offset=chunk.take("msix_table_offset", at).astype(np.int64),
        table_size=chunk.take("msix_table_size", at).astype(np.int64),
    )


@loop
def _follow(state: _State, events: _Events, first: int, told: Numbers) -> None:
    functions = len(state.line)
    for i in range(len(events.rows)):
        f, kind = events.function[i], events.kind[i]
        position = first + events.rows[i]
        if kind == _LOSS:
            _lose(state, f)
        if f < 0 or f >= functions or kind == _LOSS:
            continue
        told[_ASSERTED, i] = state.line[f, 0]
        told[_SINCE, i] = state.line[f, 1]
        if kind <= _LAST_ACCESS:
            _access(state, events, i, position)
        elif kind == _MSIX:
            _tell_vector(state, events, i, told)
        elif kind in (_ASSERT, _DEASSERT):
            state.line[f, 0] = kind == _ASSERT
            state.line[f, 1] = position
        elif kind == _RESET:
            state.entries[f] = -1
            state.line[f] = -1
        else:
            _handler(state, events, i, told)


@step
def _lose(state: _State, f: int) -> None:
    low, high = (0, len(state.line)) if f < 0 else (f, min(f + 1, len(state.line)))
    state.entries[low:high] = -1
    state.line[low:high] = -1
    state.running[:] = -1


@step
def _access(state: _State, events: _Events, i: int, position: int) -> None:
    f, context = events.function[i], events.context[i]
    if events.phase[i] == _COMPLETION or events.flags[i] & _OWN:
        return
    running = state.running[context]
    if running[0] == f and running[2] == events.tid[i]:
        running[1] += 1
    if events.kind[i] != _MMIO_WRITE or events.bar[i] != events.table_bar[i]:
        return
    inside = events.offset[i] - events.table_offset[i]
    if events.table_offset[i] < 0 or inside < 0:
        return
    # After a reset or loss its size is not known: no entry behind its end is ever asked for.
    size = events.table_size[i] if events.table_size[i] >= 0 else _VECTORS
    if inside >= _ENTRY_BYTES * min(size, _VECTORS):
        return
    entry = state.entries[f, inside // _ENTRY_BYTES]
    state.written[f, inside // _ENTRY_BYTES] = position
    part = inside % _ENTRY_BYTES // 4
    if events.width[i] < 4 or inside % 4:
        # What comes of it is not defined (IRQ011).
        entry[part] = -1
        return
    entry[part] = np.int64(events.value[i] & np.uint64(0xFFFFFFFF))
    if events.width[i] == 8 and part < 3:
        entry[part + 1] = np.int64(events.value[i] >> np.uint64(32))


@step
def _tell_vector(state: _State, events: _Events, i: int, told: Numbers) -> None:
    vector = events.vector[i]
    if vector >= _VECTORS:
        return
    entry = state.entries[events.function[i], vector]
    if entry[3] >= 0:
        told[_MASKED, i] = entry[3] & 1
    if entry[0] >= 0 and entry[1] >= 0 and entry[1] < 1 << 31:
        told[_ADDRESS, i] = entry[0] | entry[1] << 32
    told[_DATA, i] = entry[2]
    told[_WRITTEN, i] = state.written[events.function[i], vector]


@step
def _handler(state: _State, events: _Events, i: int, told: Numbers) -> None:
    f, running = events.function[i], state.running[events.context[i]]
    if events.kind[i] == _ENTER:
        running[0], running[1], running[2] = f, 0, events.tid[i]
    elif running[0] == f and running[2] == events.tid[i]:
        told[_TOUCHED, i] = running[1]
        running[:] = -1
