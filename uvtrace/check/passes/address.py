# SPDX-License-Identifier: Apache-2.0
"""The pass of where accesses go: BAR windows, iomaps, regions."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk, Rows
from uvtrace.check.columns import address
from uvtrace.check.columns.address import IomapState
from uvtrace.check.compiled import copy_row, loop, step
from uvtrace.check.expression import Column
from uvtrace.check.rules import Sight
from uvtrace.trace.enums import Flag, Kind, Phase, Snapshot, Status
from uvtrace.trace.layout import BAR, view_of
from uvtrace.trace.trace import Trace

_ACCESS: Final = (Kind.MMIO_READ, Kind.MMIO_WRITE, Kind.PIO_READ, Kind.PIO_WRITE)
_LIFE: Final = (*(Kind.IOMAP, Kind.IOUNMAP, Kind.REGION_REQUEST, Kind.REGION_RELEASE, Kind.PROBE),)
_NAMES: Final = (
    *("bar_is_memory", "bar_is_prefetchable", "iomap_state", "iomap_made", "iomap_gone"),
    *("region_held", "region_since"),
)
_IORESOURCE_MEM, _IORESOURCE_PREFETCH = 0x200, 0x2000
_RING: Final = 1 << 16
"""Iomaps that are remembered: those with the latest numbers."""
_BARS: Final = 7
_REGIONS_MAX: Final = 100

_IOMAP, _IOUNMAP = int(Kind.IOMAP), int(Kind.IOUNMAP)
_REQUEST_REGION, _RELEASE_REGION = int(Kind.REGION_REQUEST), int(Kind.REGION_RELEASE)
_PROBE, _SNAPSHOT = int(Kind.PROBE), int(Kind.SNAPSHOT)
_LIVE, _GONE, _NEVER = int(IomapState.LIVE), int(IomapState.GONE), int(IomapState.NEVER)
_LOSS = 254
_REQUEST, _COMPLETION, _OK = int(Phase.REQUEST), int(Phase.COMPLETION), int(Status.OK)


class _State(NamedTuple):
    length: NDArray[np.uint64]
    flags: NDArray[np.int64]
    region: NDArray[np.int8]
    region_since: NDArray[np.int64]
    complete: NDArray[np.bool_]
    number: NDArray[np.int64]
    iomap: NDArray[np.int8]
    made: NDArray[np.int64]
    gone: NDArray[np.int64]


class _Events(NamedTuple):
    rows: NDArray[np.int64]
    kind: NDArray[np.int64]
    function: NDArray[np.int64]
    bar: NDArray[np.int64]
    iomap: NDArray[np.int64]
    ok: NDArray[np.bool_]
    phase: NDArray[np.uint8]
    snapshot: NDArray[np.int64]
    lengths: NDArray[np.uint64]
    flags: NDArray[np.int64]


class AddressPass:
    """Fills ``columns.address``."""

    columns: tuple[Column, ...] = address.COLUMNS

    def __init__(self, trace: Trace, wanted: AbstractSet[str]) -> None:
        functions = max(len(trace.functions), 1)
        self._wanted = wanted
        self._state = _State(
            length=np.zeros((functions, 256), np.uint64),
            flags=np.full((functions, 256), -1, np.int64),
            region=np.full((functions, 256), -1, np.int8),
            region_since=np.full((functions, 256), -1, np.int64),
            complete=np.zeros(functions, np.bool_),
            number=np.zeros(_RING, np.int64),
            iomap=np.zeros(_RING, np.int8),
            made=np.full(_RING, -1, np.int64),
            gone=np.full(_RING, -1, np.int64),
        )

    def run(self, chunk: Chunk) -> None:
        """Fill the columns of one chunk."""
        rows = chunk.rows((*_ACCESS, *_LIFE, Kind.SNAPSHOT))
        events = self._events(chunk, rows)
        told = np.full((len(_NAMES), len(events.rows)), -1, np.int64)
        length = np.zeros(len(events.rows), np.uint64)
        _follow(self._state, events, chunk.first, told, length)
        own: slice | NDArray[np.bool_] = slice(None)
        if len(events.rows) > len(rows):
            own = events.kind != _LOSS
        if "bar_length" in self._wanted:
            chunk.put_rows("bar_length", events.rows[own], length[own])
        for name, values in zip(_NAMES, told, strict=True):
            if name in self._wanted:
                chunk.put_rows(name, events.rows[own], values[own], -1)
        chunk.put_filler("is_stale", lambda wanted: _is_stale(chunk.column("flags")[wanted]))

    def _events(self, chunk: Chunk, rows: Rows) -> _Events:
        lost, lost_of = chunk.losses.of([Sight.LIFE])
        at = rows
        is_loss: slice | NDArray[np.bool_] = slice(0)
        if len(lost):
            merged = np.concatenate((lost, rows))
            order = np.argsort(merged, kind="stable")
            at, is_loss = merged[order], (np.arange(len(merged)) < len(lost))[order]
        kind = chunk.kind[at].astype(np.int64)
        kind[is_loss] = _LOSS
        function = chunk.function[at].astype(np.int64)
        function[is_loss] = lost_of
        snapshot, lengths, flags = self._snapshots(chunk, at, kind)
        return _Events(
            rows=at,
            kind=kind,
            function=function,
            bar=chunk.column("bar")[at].astype(np.int64),
            iomap=chunk.column("iomap")[at].astype(np.int64),
            ok=chunk.column("status")[at] == _OK,
            phase=chunk.column("phase")[at],
            snapshot=snapshot,
            lengths=lengths,
            flags=flags,
        )

    def _snapshots(
        self, chunk: Chunk, at: Rows, kind: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.int64]]:
        number = np.full(len(at), -1, np.int64)
        lengths: list[NDArray[np.uint64]] = []
        flags: list[NDArray[np.int64]] = []
        for event in np.flatnonzero(kind == _SNAPSHOT).tolist():
            row = int(at[event])
            if view_of(chunk.records[row : row + 1], "meta")["topic"][0] != Snapshot.BARS:
                continue
            payload = chunk.payload(row)
            bars = np.frombuffer(payload, BAR, len(payload) // BAR.itemsize)
            length, flag = np.zeros(256, np.uint64), np.full(256, -1, np.int64)
            length[np.minimum(bars["index"], 254)] = bars["length"]
            flag[np.minimum(bars["index"], 254)] = bars["flags"]
            number[event] = len(lengths)
            lengths.append(length)
            flags.append(flag)
        return (
            number,
            np.array(lengths, np.uint64).reshape(-1, 256),
            np.array(flags, np.int64).reshape(-1, 256),
        )


def _is_stale(flags: NDArray[np.uint32]) -> NDArray[np.int8]:
    """Unknown in the log of another tool, which sees nothing after iounmap."""
    stale = (flags & np.uint32(Flag.STALE)) != 0
    imported = (flags & np.uint32(Flag.IMPORTED)) != 0
    return np.where(imported, -1, stale).astype(np.int8)


@loop
def _follow(
    state: _State,
    events: _Events,
    first: int,
    told: NDArray[np.int64],
    length: NDArray[np.uint64],
) -> None:
    functions = len(state.length)
    for i in range(len(events.rows)):
        f, kind = events.function[i], events.kind[i]
        if kind == _LOSS:
            _lose(state, f)
        if f < 0 or f >= functions:
            continue
        position = first + events.rows[i]
        if kind <= 6 or kind in (_IOMAP, _IOUNMAP):
            _tell(state, events, i, f, told, length)
        if kind == _SNAPSHOT and events.snapshot[i] >= 0:
            copy_row(state.length, f, events.lengths, events.snapshot[i])
            copy_row(state.flags, f, events.flags, events.snapshot[i])
        elif kind > 6:
            _live(state, events, i, f, position)


@step
def _tell(
    state: _State,
    events: _Events,
    i: int,
    f: int,
    told: NDArray[np.int64],
    length: NDArray[np.uint64],
) -> None:
    bar, number = events.bar[i], events.iomap[i]
    length[i] = state.length[f, bar]
    flags = state.flags[f, bar]
    if flags >= 0:
        told[0, i] = (flags & _IORESOURCE_MEM) != 0
        told[1, i] = (flags & _IORESOURCE_PREFETCH) != 0
    slot = number % _RING
    if number == 0:
        told[2, i] = _NEVER
    elif state.number[slot] == number:
        told[2, i] = state.iomap[slot]
        told[3, i] = state.made[slot]
        told[4, i] = state.gone[slot]
    told[5, i] = min(state.region[f, bar], 1)
    told[6, i] = state.region_since[f, bar]


@step
def _live(state: _State, events: _Events, i: int, f: int, position: int) -> None:
    kind, bar, number = events.kind[i], events.bar[i], events.iomap[i]
    slot = number % _RING
    if kind == _PROBE and events.phase[i] != _COMPLETION:
        state.region[f, :_BARS] = 0
        state.region_since[f] = -1
        state.complete[f] = True
    elif kind == _IOMAP and events.phase[i] != _REQUEST and events.ok[i]:
        state.number[slot], state.iomap[slot] = number, _LIVE
        state.made[slot], state.gone[slot] = position, -1
    elif kind == _IOUNMAP and events.phase[i] != _COMPLETION:
        if state.number[slot] != number:
            state.number[slot], state.made[slot] = number, -1
        state.iomap[slot], state.gone[slot] = _GONE, position
    elif kind == _REQUEST_REGION and events.phase[i] != _REQUEST and events.ok[i]:
        # Parts of a BAR are requested beside the whole: the last release counts.
        state.region[f, bar] = min(max(state.region[f, bar], 0) + 1, _REGIONS_MAX)
        state.region_since[f, bar] = position
    elif kind == _RELEASE_REGION and events.phase[i] != _COMPLETION:
        # Where requests may have been missed, what is seen to be released may be held still.
        none = 0 if state.complete[f] else -1
        state.region[f, bar] = state.region[f, bar] - 1 if state.region[f, bar] > 1 else none
        state.region_since[f, bar] = position


@step
def _lose(state: _State, f: int) -> None:
    if f < 0:
        state.region[:] = -1
        state.complete[:] = False
    elif f < len(state.region):
        state.region[f] = -1
        state.complete[f] = False
    # A number that was lost with its iounmap would be taken for live.
    state.number[:] = 0
