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
from uvtrace.check.passes.registers_kernel import Numbers, Words
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
_NO_WORDS: Final[Words] = np.zeros(0, np.uint64)


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
        self._event = np.zeros(1, kernel.EVENT)
        # One chunk's columns are over when the next one comes: the memory is used again.
        self._told = np.empty(0, kernel.TOLD)
        self._selected = np.full(self._functions, -1, np.int64)
        self._windows: dict[int, list[tuple[int, int, int]]] = {}

    def run(self, chunk: Chunk) -> None:
        """Fill the columns of one chunk."""
        rows = chunk.rows(_KINDS)
        if len(self._told) <= len(rows):
            self._told = np.empty(len(rows) + 1, kernel.TOLD)
        resets, resets_value = self._describe(chunk, rows)
        begun_places, begun = chunk.placed("reset_begun")
        events = kernel.Events(
            records=chunk.records.view(kernel.RECORD_VIEW),
            kind=chunk.kind,
            phase=chunk.column("phase"),
            flags=chunk.column("flags"),
            function=chunk.function,
            rows=rows,
            resets=resets,
            resets_value=resets_value,
            begun=begun,
            begun_places=begun_places,
            extra=self._extra(chunk),
            first=chunk.first,
        )
        told = self._told[: len(rows) + 1]
        kernel.follow(self._state, events, self._event, told)
        told = told[:-1]
        for name in kernel.NAMES:
            if name in self._wanted:
                chunk.put_rows(name, rows, told[name], -1 if name in kernel.EVENTS else 0)

    # ------------------------------------------------------------- what it is about

    def _describe(self, chunk: Chunk, rows: Rows) -> tuple[Words, Words]:
        """Tell which register each access meets.

        Returns:
            The bits, and their value, with which each access resets the function.
        """
        if self._map is None:
            nothing = np.zeros(0, np.int64)
            chunk.put_rows("register", nothing, nothing, -2)
            chunk.put_rows("register_offset", nothing, nothing)
            return _NO_WORDS, _NO_WORDS
        element = self._elements(self._map, chunk, rows)
        chunk.put_rows("register", rows, element, -2)
        if "register_offset" in self._wanted:
            inside = chunk.column("offset")[rows] - self._map.tables.offset[element]
            chunk.put_rows("register_offset", rows, np.where(element >= 0, inside, 0))
        return self._resets(self._map, element, chunk, rows) if len(rows) else (_NO_WORDS,) * 2

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
        self, described: RegisterMap, element: NDArray[np.int32], chunk: Chunk, rows: Rows
    ) -> tuple[Words, Words]:
        """The bits, and their value, with which a write resets the function; 0: it cannot."""
        tables = described.tables
        known = element >= 0
        index = np.where(known, tables.index_into[element], -1).astype(np.int64)
        data = np.where(known, tables.data_of[element], -1).astype(np.int64)
        target, code = element, np.empty(len(rows), np.uint8)
        kernel.codes(chunk.records.view(kernel.RECORD_VIEW), rows, code)
        is_write = code == kernel.WRITE
        if (index >= 0).any() or (data >= 0).any():
            selected = np.full(len(element), -1, np.int64)
            function, value = chunk.function[rows], chunk.column("value")[rows]
            _follow_index(self._selected, function, value, is_write, index, data, selected)
            through = described.lookup(np.maximum(data, 0), np.maximum(selected, 0), selected >= 0)
            target = np.where(selected >= 0, through, element)
        is_write &= target >= 0
        resets = np.where(is_write, tables.resets[target], 0).astype(np.uint64)
        return resets, np.where(is_write, tables.resets_value[target], 0).astype(np.uint64)

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
        return extra[np.argsort(extra["row"], kind="stable")]

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
    kept: Numbers,
    function: NDArray[np.uint16],
    value: Words,
    is_write: NDArray[np.bool_],
    index: Numbers,
    data: Numbers,
    selected: Numbers,
) -> None:
    """Of each access to a data register, the offset that its index register selected."""
    for i in range(len(function)):
        f = function[i]
        if f >= len(kept):
            continue
        if index[i] >= 0 and is_write[i]:
            kept[f] = np.int64(value[i])
        if data[i] >= 0:
            selected[i] = kept[f]
