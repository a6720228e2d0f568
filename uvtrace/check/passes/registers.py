# SPDX-License-Identifier: Apache-2.0
"""The pass of registers: which one an access meets, and what was done there before."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk, Rows
from uvtrace.check.columns import registers
from uvtrace.check.compiled import loop
from uvtrace.check.expression import Column
from uvtrace.check.passes import registers_kernel as kernel
from uvtrace.check.passes.registers_kernel import Numbers
from uvtrace.check.passes.snapshots import snapshots
from uvtrace.check.rules import Sight
from uvtrace.registers.map import RegisterMap
from uvtrace.trace.enums import Flag, Kind, Snapshot
from uvtrace.trace.layout import BAR
from uvtrace.trace.trace import Trace

INPUTS: Final = frozenset({"reset_begun"})
"""What it reads of ``columns.recovery``."""

_ACCESSES: Final = (Kind.MMIO_READ, Kind.PIO_READ, Kind.MMIO_WRITE, Kind.PIO_WRITE)
_KINDS: Final = (*_ACCESSES, Kind.RESET, Kind.POWER, Kind.PROBE, Kind.SNAPSHOT)
_SIGHTS: Final = (Sight.MMIO, Sight.PIO, Sight.LIFE)
_DWORD: Final = 4


class _Shown(NamedTuple):
    """Dwords that snapshots of registers tell: row, place, value."""

    rows: list[int]
    keys: list[int]
    values: list[int]


class RegistersPass:
    """Fills ``columns.registers``; runs after the pass of recovery.

    Args:
        trace: what is judged.
        wanted: the columns that somebody wants.
        described: the device's registers; None: there is no map.
    """

    columns: tuple[Column, ...] = registers.COLUMNS

    def __init__(
        self, trace: Trace, wanted: AbstractSet[str], described: RegisterMap | None
    ) -> None:
        self._functions = max(len(trace.functions), 1)
        self._wanted = wanted
        self._map = described
        self._bars: set[int] = set()
        if described is not None:
            self._bars = {space.bar for space in described.spaces}
        self._state = kernel.new_state(self._functions)
        self._selected = np.full(self._functions, -1, np.int64)
        self._windows: dict[int, list[tuple[int, int, int]]] = {}

    def run(self, chunk: Chunk) -> None:
        """Fill the columns of one chunk."""
        rows = chunk.rows(_KINDS)
        events = np.empty(len(rows), kernel.EVENT)
        kernel.gather(
            *(chunk.kind, chunk.column("phase"), chunk.column("flags"), chunk.function, rows),
            *(chunk.records.view(kernel.RECORD_VIEW), self._state.rank, events),
        )
        events["begun"] = chunk.take("reset_begun", rows)
        self._describe(chunk, rows, events)
        extra = self._extra(chunk)
        own: slice | NDArray[np.bool_] = slice(None)
        if len(extra):
            events = np.concatenate((extra, events))
            order = np.argsort(events["row"], kind="stable")
            events, own = events[order], order >= len(extra)
        told = np.empty(len(events), kernel.TOLD)
        if len(events):
            kernel.follow(self._state, events, chunk.first, told)
        told = told[own]
        for name in kernel.NAMES:
            if name in self._wanted:
                chunk.put_rows(name, rows, told[name], -1 if name in kernel.EVENTS else 0)

    # ------------------------------------------------------------- what it is about

    def _describe(self, chunk: Chunk, rows: Rows, events: NDArray[np.void]) -> None:
        """Tell which register each access meets, and whether it can reset the function."""
        if self._map is None:
            nothing = np.zeros(0, np.int64)
            chunk.put_rows("register", nothing, nothing, -2)
            chunk.put_rows("register_offset", nothing, nothing)
            return
        element = self._elements(self._map, chunk, rows)
        chunk.put_rows("register", rows, element, -2)
        if "register_offset" in self._wanted:
            inside = chunk.column("offset")[rows] - self._map.tables.offset[element]
            chunk.put_rows("register_offset", rows, np.where(element >= 0, inside, 0))
        if len(rows):
            self._resets(self._map, element, events)

    def _elements(self, described: RegisterMap, chunk: Chunk, rows: Rows) -> NDArray[np.int32]:
        """By row: the register, -1 none, -2 not told."""
        element = np.full(len(rows), -2, np.int32)
        bars = chunk.column("bar")[rows]
        is_write = (chunk.column("flags")[rows] & np.uint32(Flag.WRITE)) != 0
        found = described.lookup(bars, chunk.column("offset")[rows], is_write)
        told = np.isin(bars, list(self._bars)) & np.isin(chunk.kind[rows], _ACCESSES)
        if described.partial:
            told &= found >= 0
        element[told] = found[told]
        return element

    def _resets(
        self, described: RegisterMap, element: NDArray[np.int32], events: NDArray[np.void]
    ) -> None:
        """Tell the bits, and their value, with which a write resets the function; 0: it cannot."""
        tables = described.tables
        known = element >= 0
        index = np.where(known, tables.index_into[element], -1).astype(np.int64)
        data = np.where(known, tables.data_of[element], -1).astype(np.int64)
        target = element
        if (index >= 0).any() or (data >= 0).any():
            selected = np.full(len(element), -1, np.int64)
            _follow_index(self._selected, events, index, data, selected)
            through = described.lookup(np.maximum(data, 0), np.maximum(selected, 0), selected >= 0)
            target = np.where(selected >= 0, through, element)
        is_write = (events["code"] == kernel.WRITE) & (target >= 0)
        events["resets"] = np.where(is_write, tables.resets[target], 0)
        events["resets_value"] = np.where(is_write, tables.resets_value[target], 0)

    def _extra(self, chunk: Chunk) -> NDArray[np.void]:
        """Losses, and then what snapshots tell of registers."""
        lost, lost_of = chunk.losses.of(_SIGHTS)
        shown = self._shown(chunk)
        extra = np.zeros(len(lost) + len(shown.rows), kernel.EVENT)
        extra["row"][: len(lost)], extra["row"][len(lost) :] = lost, shown.rows
        extra["code"][: len(lost)], extra["code"][len(lost) :] = kernel.LOSS, kernel.SHOWN
        extra["function"][: len(lost)] = lost_of
        extra["function"][len(lost) :] = chunk.function[shown.rows]
        extra["key"][len(lost) :] = np.array(shown.keys, np.uint64)
        extra["value"][len(lost) :] = np.array(shown.values, np.uint64)
        extra["begun"] = -1
        return extra

    def _shown(self, chunk: Chunk) -> _Shown:
        """What snapshots tell of registers; those of BARs are kept."""
        shown = _Shown([], [], [])
        for row, topic in snapshots(chunk, Snapshot.BARS, Snapshot.REGISTERS):
            function = int(chunk.function[row])
            if topic == Snapshot.BARS:
                payload = chunk.payload(row)
                bars = np.frombuffer(payload, BAR, len(payload) // BAR.itemsize)
                self._windows[function] = [
                    (int(bar["bus_address"]), int(bar["length"]), int(bar["index"])) for bar in bars
                ]
            else:
                self._show(chunk, row, function, int(chunk.records[row]["address"]), shown)
        return shown

    def _show(self, chunk: Chunk, row: int, function: int, address: int, shown: _Shown) -> None:
        contents = chunk.payload(row)
        for base, length, bar in self._windows.get(function, ()):
            if base <= address < base + length:
                for at in range(0, len(contents) - _DWORD + 1, _DWORD):
                    shown.rows.append(row)
                    shown.keys.append(kernel.key_of(function, bar, address - base + at))
                    shown.values.append(int.from_bytes(contents[at : at + _DWORD], "little"))


@loop
def _follow_index(
    kept: Numbers, events: NDArray[np.void], index: Numbers, data: Numbers, selected: Numbers
) -> None:
    """Of each access to a data register, the offset that its index register selected."""
    for i in range(len(events)):
        f = events[i].function
        if f < 0 or f >= len(kept):
            continue
        if index[i] >= 0 and events[i].code == kernel.WRITE:
            kept[f] = np.int64(events[i].value)
        if data[i] >= 0:
            selected[i] = kept[f]
