# SPDX-License-Identifier: Apache-2.0
"""The pass of registers: which one an access meets, and what was done there before."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk, Rows
from uvtrace.check.columns import registers
from uvtrace.check.compiled import loop
from uvtrace.check.expression import Column
from uvtrace.check.passes import registers_kernel as kernel
from uvtrace.check.passes.registers_kernel import Numbers, Words
from uvtrace.check.rules import Sight
from uvtrace.registers.map import RegisterMap
from uvtrace.trace.enums import Flag, Kind, Phase, Snapshot, Status
from uvtrace.trace.layout import BAR, BAR_NONE, view_of
from uvtrace.trace.trace import Trace

INPUTS: Final = frozenset({"reset_begun"})
"""What it reads of ``columns.recovery``."""

_READS: Final = (Kind.MMIO_READ, Kind.PIO_READ)
_ACCESSES: Final = (*_READS, Kind.MMIO_WRITE, Kind.PIO_WRITE)
_KINDS: Final = (*_ACCESSES, Kind.RESET, Kind.POWER, Kind.PROBE, Kind.SNAPSHOT)
_SIGHTS: Final = (Sight.MMIO, Sight.PIO, Sight.LIFE)
_BLIND: Final = np.uint32(Flag.OUTSIDE | Flag.STALE | Flag.UNDECODED | Flag.FAR)
_DWORD: Final = 4
_D3HOT: Final = 3


class _Shown(NamedTuple):
    """Dwords that snapshots of registers tell: row, BAR, offset, value."""

    rows: list[int]
    bars: list[int]
    offsets: list[int]
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
        counted = (chunk.column("phase") != Phase.REQUEST) | ~np.isin(chunk.kind, _READS)
        rank = np.zeros(len(chunk), np.int64)
        kernel.ranks(chunk.function, counted, self._state.rank, rank)
        rows = chunk.rows(_KINDS)
        element = self._elements(chunk, rows)
        events, own = self._events(chunk, rows, element, rank)
        told = np.full((len(kernel.NAMES), len(events.rows)), -1, np.int64)
        values = np.zeros((len(kernel.VALUES), len(events.rows)), np.uint64)
        kernel.follow(self._state, events, chunk.first, told, values)
        self._tell(chunk, rows, element, events, own, told, values)

    # ------------------------------------------------------------- what it is about

    def _elements(self, chunk: Chunk, rows: Rows) -> NDArray[np.int32]:
        """By row: the register, -1 none, -2 not told."""
        element = np.full(len(rows), -2, np.int32)
        if self._map is None:
            return element
        bars = chunk.column("bar")[rows]
        is_write = (chunk.column("flags")[rows] & np.uint32(Flag.WRITE)) != 0
        found = self._map.lookup(bars, chunk.column("offset")[rows], is_write)
        told = np.isin(bars, list(self._bars)) & np.isin(chunk.kind[rows], _ACCESSES)
        if self._map.partial:
            told &= found >= 0
        element[told] = found[told]
        return element

    def _events(
        self, chunk: Chunk, rows: Rows, element: NDArray[np.int32], rank: Numbers
    ) -> tuple[kernel.Events, NDArray[np.bool_]]:
        """Events in order; and which of them are the records at ``rows``."""
        bars = chunk.column("bar")[rows].astype(np.int64)
        offsets = chunk.column("offset")[rows].astype(np.int64)
        function = chunk.function[rows].astype(np.int64)
        value = chunk.column("value")[rows]
        code = self._codes(chunk, rows)
        resets, resets_value = self._resets(function, element, bars, offsets, value, code)
        shown = self._shown(chunk, rows)
        lost, lost_of = chunk.losses.of(_SIGHTS)
        count = len(lost) + len(shown.rows)
        extra_of = [*lost_of.tolist(), *(int(chunk.function[row]) for row in shown.rows)]
        extra_key = _keys(
            np.array(extra_of, np.int64),
            np.array([0] * len(lost) + shown.bars, np.int64),
            np.array([0] * len(lost) + shown.offsets, np.int64),
        )
        at = np.concatenate((lost, np.array(shown.rows, np.int64), rows))
        order = np.argsort(at, kind="stable")

        def joined(extra: object, own: NDArray[Any]) -> Any:
            return np.concatenate((np.asarray(extra, own.dtype).reshape(-1), own))[order]

        none = [0] * count
        codes = [kernel.LOSS] * len(lost) + [kernel.SHOWN] * len(shown.rows)
        return kernel.Events(
            rows=at[order],
            code=joined(codes, code),
            function=joined(extra_of, function),
            key=joined(extra_key, _keys(function, bars, offsets)),
            value=joined([0] * len(lost) + shown.values, value),
            resets=joined(none, resets),
            resets_value=joined(none, resets_value),
            begun=joined([-1] * count, chunk.take("reset_begun", rows).astype(np.int64)),
            rank=joined(none, rank[rows]),
            hard=joined(none, (chunk.column("flags")[rows] & np.uint32(Flag.HARDIRQ)) != 0),
        ), order >= count

    def _codes(self, chunk: Chunk, rows: Rows) -> Numbers:
        kind, phase = chunk.kind[rows], chunk.column("phase")[rows]
        ok = chunk.column("status")[rows] == Status.OK
        seen = (chunk.column("flags")[rows] & _BLIND) == 0
        in_bar = chunk.column("bar")[rows] != BAR_NONE
        is_read = np.isin(kind, _READS) & in_bar
        is_write = np.isin(kind, (Kind.MMIO_WRITE, Kind.PIO_WRITE)) & in_bar
        returned, begun = phase != Phase.REQUEST, phase != Phase.COMPLETION
        life = view_of(chunk.records[rows], "life")
        wakes = (kind == Kind.POWER) & (life["old_state"] >= _D3HOT)
        resets = kind == Kind.RESET
        return np.select(
            [
                is_read & seen & returned & ok,
                is_read,
                is_write & seen & begun,
                resets & returned & ok,
                resets | wakes | ((kind == Kind.PROBE) & begun),
            ],
            [kernel.READ, kernel.PROMPT, kernel.WRITE, kernel.RESET, kernel.BEGINS],
            kernel.NOTHING,
        )

    def _resets(
        self,
        function: Numbers,
        element: NDArray[np.int32],
        bars: Numbers,
        offsets: Numbers,
        value: Words,
        code: Numbers,
    ) -> tuple[Words, Words]:
        """The bits, and their value, with which a write resets the function; 0 where it cannot."""
        none = np.zeros(len(element), np.uint64)
        if self._map is None or not len(element):
            return none, none
        tables = self._map.tables
        known = element >= 0
        index = np.where(known, tables.index_into[element], -1).astype(np.int64)
        data = np.where(known, tables.data_of[element], -1).astype(np.int64)
        target = element
        if (index >= 0).any() or (data >= 0).any():
            selected = np.full(len(element), -1, np.int64)
            _follow_index(self._selected, function, index, data, value, code, selected)
            through = self._map.lookup(np.maximum(data, 0), np.maximum(selected, 0), selected >= 0)
            target = np.where(selected >= 0, through, element)
        is_write = (code == kernel.WRITE) & (target >= 0)
        resets = np.where(is_write, tables.resets[target], none)
        return resets, np.where(is_write, tables.resets_value[target], none)

    def _shown(self, chunk: Chunk, rows: Rows) -> _Shown:
        """What the snapshots among ``rows`` tell of registers; those of BARs are kept."""
        shown = _Shown([], [], [], [])
        for row in rows[chunk.kind[rows] == Kind.SNAPSHOT].tolist():
            record = chunk.records[row : row + 1]
            topic, function = int(view_of(record, "meta")["topic"][0]), int(chunk.function[row])
            if topic == Snapshot.BARS:
                payload = chunk.payload(row)
                bars = np.frombuffer(payload, BAR, len(payload) // BAR.itemsize)
                self._windows[function] = [
                    (int(bar["bus_address"]), int(bar["length"]), int(bar["index"])) for bar in bars
                ]
            elif topic == Snapshot.REGISTERS:
                self._show(chunk, row, function, int(record["address"][0]), shown)
        return shown

    def _show(self, chunk: Chunk, row: int, function: int, address: int, shown: _Shown) -> None:
        contents = chunk.payload(row)
        for base, length, bar in self._windows.get(function, ()):
            if base <= address < base + length:
                for at in range(0, len(contents) - _DWORD + 1, _DWORD):
                    shown.rows.append(row)
                    shown.bars.append(bar)
                    shown.offsets.append(address - base + at)
                    shown.values.append(int.from_bytes(contents[at : at + _DWORD], "little"))

    # ---------------------------------------------------------------- what is told

    def _tell(
        self,
        chunk: Chunk,
        rows: Rows,
        element: NDArray[np.int32],
        events: kernel.Events,
        own: NDArray[np.bool_],
        told: Numbers,
        values: Words,
    ) -> None:
        chunk.put_rows("register", rows, element, -2)
        if "register_offset" in self._wanted:
            inside = np.zeros(len(rows), np.uint64)
            if self._map is not None:
                starts = self._map.tables.offset[element]
                inside = np.where(element >= 0, chunk.column("offset")[rows] - starts, inside)
            chunk.put_rows("register_offset", rows, inside)
        for name, column in zip(kernel.NAMES, told, strict=True):
            if name in self._wanted:
                fill = -1 if name in kernel.EVENTS else 0
                column = np.where(column < 0, fill, column)
                chunk.put_rows(name, events.rows[own], column[own], fill)
        for name, column in zip(kernel.VALUES, values, strict=True):
            if name in self._wanted:
                chunk.put_rows(name, events.rows[own], column[own])


def _keys(function: Numbers, bar: Numbers, offset: Numbers) -> Words:
    """A number for each place, other than 0: function + 1, BAR, and 48 bits of offset."""
    place = offset.astype(np.uint64) & np.uint64((1 << 48) - 1)
    bars = (bar.astype(np.uint64) & np.uint64(7)) << np.uint64(48)
    keys: Words = (function + 1).astype(np.uint64) << np.uint64(51) | bars | place
    return keys


@loop
def _follow_index(
    kept: Numbers,
    function: Numbers,
    index: Numbers,
    data: Numbers,
    value: Words,
    code: Numbers,
    selected: Numbers,
) -> None:
    """Of each access to a data register, the offset that its index register selected."""
    for i in range(len(function)):
        f = function[i]
        if f < 0 or f >= len(kept):
            continue
        if index[i] >= 0 and code[i] == kernel.WRITE:
            kept[f] = np.int64(value[i])
        if data[i] >= 0:
            selected[i] = kept[f]
