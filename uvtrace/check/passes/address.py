# SPDX-License-Identifier: Apache-2.0
"""The pass of where accesses go: BAR windows, iomaps, regions."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk, Rows
from uvtrace.check.columns import address
from uvtrace.check.columns.address import IomapState
from uvtrace.check.compiled import copy_row, fetch_ahead, loop, rare_step, step
from uvtrace.check.expression import Column
from uvtrace.check.passes.snapshots import snapshots
from uvtrace.check.record_view import record_view
from uvtrace.check.rules import Sight
from uvtrace.trace.enums import Flag, Kind, Phase, Snapshot, Status
from uvtrace.trace.layout import ACCESS, BAR, LIFE
from uvtrace.trace.trace import Trace

_ACCESS: Final = (Kind.MMIO_READ, Kind.MMIO_WRITE, Kind.PIO_READ, Kind.PIO_WRITE)
_LIFE: Final = (*(Kind.IOMAP, Kind.IOUNMAP, Kind.REGION_REQUEST, Kind.REGION_RELEASE, Kind.PROBE),)
_NAMES: Final = (
    *("bar_is_memory", "bar_is_prefetchable", "iomap_state", "iomap_made", "iomap_gone"),
    *("region_held", "region_since", "bar_length"),
)
_LENGTH: Final = len(_NAMES) - 1
_IORESOURCE_MEM, _IORESOURCE_PREFETCH = 0x200, 0x2000
_RING: Final = 1 << 16
"""Iomaps that are remembered: those with the latest numbers."""
_KNOWN_BITS: Final = 6
_KNOWN: Final = 1 << _KNOWN_BITS
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
_BARS: Final = 7
_REGIONS_MAX: Final = 100
_OF_STALE: Final = Flag.STALE | Flag.IMPORTED
_NO_ROWS: Final[Rows] = np.zeros(0, np.int64)
_NOTHING: Final = np.zeros(0, np.int8)

_RECORD: Final = record_view(
    ("kind", "phase", "status", "function"),
    {
        "bar": (ACCESS, "bar"),
        "iomap": (ACCESS, "mapping"),
        "life_bar": (LIFE, "bar"),
        "life_iomap": (LIFE, "mapping"),
    },
)
_LAST_ACCESS: Final = int(Kind.PIO_WRITE)
_IOMAP, _IOUNMAP = int(Kind.IOMAP), int(Kind.IOUNMAP)
_REQUEST_REGION, _RELEASE_REGION = int(Kind.REGION_REQUEST), int(Kind.REGION_RELEASE)
_PROBE, _SNAPSHOT = int(Kind.PROBE), int(Kind.SNAPSHOT)
_LIVE, _GONE, _NEVER = int(IomapState.LIVE), int(IomapState.GONE), int(IomapState.NEVER)
_REQUEST, _COMPLETION, _OK = int(Phase.REQUEST), int(Phase.COMPLETION), int(Status.OK)


class _State(NamedTuple):
    """What is kept. ``known``, ``places``: where it was lately told of a BAR and an iomap."""

    length: NDArray[np.uint64]
    flags: NDArray[np.int64]
    region: NDArray[np.int8]
    region_since: NDArray[np.int64]
    complete: NDArray[np.bool_]
    number: NDArray[np.int64]
    iomap: NDArray[np.int8]
    made: NDArray[np.int64]
    gone: NDArray[np.int64]
    known: NDArray[np.uint64]
    places: NDArray[np.int32]


class _Events(NamedTuple):
    """The records of a chunk, dtype _RECORD, and what to look at.

    ``rows``: the events, ascending. ``shown``: the snapshots of BARs among them, ``lengths`` and
    ``flags`` what they tell. ``lost``, ``lost_of``: rows before which something was lost, and of
    which function (-1: of all). ``first``: the position of the first record.
    """

    records: NDArray[np.void]
    rows: NDArray[np.int64]
    shown: NDArray[np.int64]
    lengths: NDArray[np.uint64]
    flags: NDArray[np.int64]
    lost: NDArray[np.int64]
    lost_of: NDArray[np.int64]
    first: int


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
            known=np.zeros(_KNOWN, np.uint64),
            places=np.zeros(_KNOWN, np.int32),
        )
        # One chunk's columns are over when the next one comes: the memory is used again.
        self._places = np.empty(0, np.int32)
        self._told = np.empty((0, len(_NAMES)), np.int64)

    def run(self, chunk: Chunk) -> None:
        """Fill the columns of one chunk."""
        rows = chunk.rows((*_ACCESS, *_LIFE, Kind.SNAPSHOT))
        if len(self._places) < len(chunk):
            self._places = np.empty(len(chunk), np.int32)
            self._told = np.empty((len(chunk), len(_NAMES)), np.int64)
        places = self._places[: len(chunk)]
        places.fill(-1)
        count = _follow(self._state, self._events(chunk, rows), places, self._told)
        for at, name in enumerate(_NAMES):
            if name in self._wanted:
                fill = 0 if name == "bar_length" else -1
                chunk.put_placed(name, places, self._told[:count, at], fill=fill)
        if chunk.flags_seen & _OF_STALE:
            chunk.put_lazily("is_stale", lambda: _is_stale(chunk.column("flags")))
        else:
            chunk.put_rows("is_stale", _NO_ROWS, _NOTHING)

    def _events(self, chunk: Chunk, rows: Rows) -> _Events:
        lost, lost_of = chunk.losses.of([Sight.LIFE])
        shown = [row for row, _ in snapshots(chunk, Snapshot.BARS)]
        lengths = np.zeros((len(shown), 256), np.uint64)
        flags = np.full((len(shown), 256), -1, np.int64)
        for number, row in enumerate(shown):
            payload = chunk.payload(row)
            bars = np.frombuffer(payload, BAR, len(payload) // BAR.itemsize)
            index = np.minimum(bars["index"], 254)
            lengths[number, index], flags[number, index] = bars["length"], bars["flags"]
        return _Events(
            records=chunk.records.view(_RECORD),
            rows=rows,
            shown=np.array(shown, np.int64),
            lengths=lengths,
            flags=flags,
            lost=lost,
            lost_of=lost_of,
            first=chunk.first,
        )


def _is_stale(flags: NDArray[np.uint32]) -> NDArray[np.int8]:
    """Unknown in the log of another tool, which sees nothing after iounmap."""
    stale = ((flags & np.uint32(Flag.STALE)) != 0).view(np.int8)
    imported = ((flags & np.uint32(Flag.IMPORTED)) != 0).view(np.int8)
    # All bits are -1.
    told: NDArray[np.int8] = stale | -imported
    return told


@loop
def _follow(
    state: _State, events: _Events, places: NDArray[np.int32], told: NDArray[np.int64]
) -> int:
    """Follow the events of a chunk.

    What is told of most of them is what was told of another one: that of the same BAR and iomap,
    if nothing has changed. So it is written once, and ``places`` says where, by row.

    Returns:
        How many are told of.
    """
    functions, following, shown, count = len(state.length), 0, 0, 0
    state.known[:] = 0
    for i in range(len(events.rows)):
        fetch_ahead(events.records, events.rows, i)
        row = events.rows[i]
        while following < len(events.lost) and events.lost[following] <= row:
            _lose(state, events.lost_of[following])
            following += 1
        record, position = events.records[row], events.first + row
        f: Any = np.int64(record.function)
        kind = record.kind
        snapshot = shown
        is_shown = shown < len(events.shown) and events.shown[shown] == row
        shown += is_shown
        if f >= functions:
            continue
        if kind <= _LAST_ACCESS:
            key = np.uint64(f + 1) << np.uint64(40) | np.uint64(record.bar) << np.uint64(32)
            key |= np.uint64(record.iomap)
            slot = np.int64((key * _MIX) >> np.uint64(64 - _KNOWN_BITS))
            if state.known[slot] != key:
                _tell(state, f, record.bar, record.iomap, told[count])
                state.known[slot], state.places[slot] = key, count
                count += 1
            places[row] = state.places[slot]
        elif kind == _SNAPSHOT:
            if is_shown:
                copy_row(state.length, f, events.lengths, snapshot)
                copy_row(state.flags, f, events.flags, snapshot)
                state.known[:] = 0
        else:
            if kind in (_IOMAP, _IOUNMAP):
                _tell(state, f, record.life_bar, record.life_iomap, told[count])
                places[row] = count
                count += 1
            _live(state, record, f, position)
            state.known[:] = 0
    for each in range(following, len(events.lost)):
        _lose(state, events.lost_of[each])
    return count


@step
def _tell(state: _State, f: int, bar: int, iomap: Any, told: NDArray[np.int64]) -> None:
    for column in range(_LENGTH):
        told[column] = -1
    number = np.int64(iomap)
    told[_LENGTH] = np.int64(state.length[f, bar])
    flags = state.flags[f, bar]
    if flags >= 0:
        told[0] = (flags & _IORESOURCE_MEM) != 0
        told[1] = (flags & _IORESOURCE_PREFETCH) != 0
    slot = number % _RING
    if number == 0:
        told[2] = _NEVER
    elif state.number[slot] == number:
        told[2] = state.iomap[slot]
        told[3] = state.made[slot]
        told[4] = state.gone[slot]
    told[5] = min(state.region[f, bar], 1)
    told[6] = state.region_since[f, bar]


@rare_step
def _live(state: _State, record: Any, f: int, position: int) -> None:
    kind, bar, number = record.kind, record.life_bar, np.int64(record.life_iomap)
    phase, ok = record.phase, record.status == _OK
    slot = number % _RING
    if kind == _PROBE and phase != _COMPLETION:
        state.region[f, :_BARS] = 0
        state.region_since[f] = -1
        state.complete[f] = True
    elif kind == _IOMAP and phase != _REQUEST and ok:
        state.number[slot], state.iomap[slot] = number, _LIVE
        state.made[slot], state.gone[slot] = position, -1
    elif kind == _IOUNMAP and phase != _COMPLETION:
        if state.number[slot] != number:
            state.number[slot], state.made[slot] = number, -1
        state.iomap[slot], state.gone[slot] = _GONE, position
    elif kind == _REQUEST_REGION and phase != _REQUEST and ok:
        # Parts of a BAR are requested beside the whole: the last release counts.
        state.region[f, bar] = min(max(state.region[f, bar], 0) + 1, _REGIONS_MAX)
        state.region_since[f, bar] = position
    elif kind == _RELEASE_REGION and phase != _COMPLETION:
        # Where requests may have been missed, what is seen to be released may be held still.
        none = 0 if state.complete[f] else -1
        state.region[f, bar] = state.region[f, bar] - 1 if state.region[f, bar] > 1 else none
        state.region_since[f, bar] = position


@rare_step
def _lose(state: _State, f: int) -> None:
    if f < 0:
        state.region[:] = -1
        state.complete[:] = False
    elif f < len(state.region):
        state.region[f] = -1
        state.complete[f] = False
    # A number that was lost with its iounmap would be taken for live.
    state.number[:] = 0
    state.known[:] = 0
