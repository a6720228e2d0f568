# SPDX-License-Identifier: Apache-2.0
"""The pass of what the device did to a mapping, and of mappings that failed.

It needs the columns of the mapping pass. Only traces that show the device's own accesses cost it
anything: they come from a model or an emulated device, and are small beside what a tap records.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk, Rows
from uvtrace.check.columns import device
from uvtrace.check.columns.mapping import Family, MappingState, Owner
from uvtrace.check.expression import Column
from uvtrace.check.rules import Sight
from uvtrace.trace.enums import Direction, Flag, Flavour, Kind, Phase, Status
from uvtrace.trace.layout import view_of
from uvtrace.trace.trace import Trace

_DEVICE_ACCESS: Final = (Kind.DMA_READ, Kind.DMA_WRITE)
_REMOVES: Final = (Kind.UNMAP, Kind.FREE, Kind.POOL_FREE)
_FOLLOWED: Final = (*_DEVICE_ACCESS, *_REMOVES, Kind.SYNC_FOR_CPU, Kind.HANDLER_EXIT, Kind.UNBIND)
INPUTS: Final = frozenset(
    {
        *("mapping_state", "mapping_id", "mapping_made", "mapping_room", "mapping_direction"),
        *("mapping_flavour", "mapping_family", "mapping_owner", "mapping_synced"),
    }
)
"""The columns of ``columns.mapping`` that this pass reads."""
_HISTORY: Final = frozenset({"pending_read", "overwritten", "device_reads", "device_writes"})
_WRITTEN_MAX: Final = 1024
"""Places in one mapping that writes are remembered of."""
_SEGMENTS_MAX: Final = 1 << 12
"""Segments of a list that an access is followed over."""
_RUNS_MAX: Final = 1 << 12
"""Segments of which it is remembered how far those behind them reach."""
_PENDING_MAX: Final = 1 << 12
"""A function's reads that are taken to be outstanding; older ones are given up."""


@dataclass
class _Used:
    """What the device has done to a live mapping."""

    reads: int = 0
    writes: int = 0
    written: dict[int, int] = field(default_factory=dict)
    """Where a write began, since the CPU was last given the mapping, and its position."""


@dataclass
class _Function:
    """What is known of one function."""

    used: dict[int, _Used] = field(default_factory=dict)
    pending: dict[int, list[int]] = field(default_factory=dict)
    """Of each outstanding read's tag: mapping, position, bytes still to come."""
    handled: int = -1
    """When a handler last returned."""


class DevicePass:
    """Fills ``columns.device``."""

    columns: tuple[Column, ...] = device.COLUMNS

    def __init__(self, trace: Trace, wanted: AbstractSet[str]) -> None:
        self._trace = trace
        self._wanted = wanted
        self._functions: dict[int, _Function] = {}
        self._failed: dict[tuple[int, int], int] = {}
        """The last failed mapping by function and thread, until a register is written."""
        self._run_ends: dict[int, int] = {}
        self._device_seen = False

    def run(self, chunk: Chunk) -> None:
        """Fill the columns of one chunk."""
        accesses = chunk.rows(_DEVICE_ACCESS)
        self._device_seen = self._device_seen or len(accesses) > 0
        if "runs_on" in self._wanted:
            chunk.put_rows("runs_on", *self._marked(chunk, _long(chunk, accesses), self._runs_on))
        if "meets_synced" in self._wanted:
            held = _held_by_cpu(chunk, accesses)
            chunk.put_rows("meets_synced", *self._marked(chunk, held, self._meets_synced))
        if "failed_map" in self._wanted:
            chunk.put_rows("failed_map", *self._failed_maps(chunk), -1)
        if not self._wanted.isdisjoint(_HISTORY):
            self._follow(chunk)

    # --------------------------------------------------------- what is rare and looked up

    def _marked(self, chunk: Chunk, rows: Rows, holds: Any) -> tuple[Rows, NDArray[np.int8]]:
        return rows, np.array([holds(chunk, row) for row in rows.tolist()], np.int8)

    def _runs_on(self, chunk: Chunk, row: int) -> bool:
        """Whether an access beyond a segment stays in those that follow it in its list."""
        if int(chunk.column("mapping_flavour")[row]) != Flavour.SG:
            return False
        made = int(chunk.column("mapping_made")[row])
        if made not in self._run_ends:
            if len(self._run_ends) >= _RUNS_MAX:
                self._run_ends.clear()
            self._run_ends[made] = _run_end(self._trace, made)
        end = int(chunk.column("address")[row]) + int(chunk.column("length")[row])
        return end <= self._run_ends[made]

    def _meets_synced(self, chunk: Chunk, row: int) -> bool:
        """Whether an access meets the bytes of the mapping's last sync."""
        synced = int(chunk.column("mapping_synced")[row])
        call = self._trace[synced : synced + 1].records[0]
        begin, size = int(call["address"]), int(call["length"])
        address, length = int(chunk.column("address")[row]), int(chunk.column("length")[row])
        return address < begin + size and begin < address + length

    def _failed_maps(self, chunk: Chunk) -> tuple[Rows, NDArray[np.int64]]:
        """The first register writes of threads whose mapping failed."""
        maps = chunk.rows((Kind.MAP,))
        status, phase = chunk.column("status")[maps], chunk.column("phase")[maps]
        failed = maps[(status != Status.OK) & (phase != Phase.REQUEST)]
        if len(failed) == 0 and not self._failed:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        writes = chunk.rows((Kind.MMIO_WRITE,))
        tid, function = chunk.column("tid"), chunk.function
        of_thread = np.isin(tid[writes], [*tid[failed], *(tid for _, tid in self._failed)])
        rows, told = [], []
        for row in np.sort(np.concatenate((failed, writes[of_thread]))).tolist():
            who = int(function[row]), int(tid[row])
            if chunk.kind[row] == Kind.MAP:
                self._failed[who] = chunk.first + row
            elif who in self._failed:
                rows.append(row)
                told.append(self._failed.pop(who))
        return np.array(rows, np.int64), np.array(told, np.int64)

    # ---------------------------------------------------------------- what is followed

    def _follow(self, chunk: Chunk) -> None:
        told: dict[str, list[tuple[int, int]]] = {name: [] for name in _HISTORY}
        if self._device_seen:
            lost = set(chunk.losses.of([Sight.MAP, Sight.DMA, Sight.ISR])[0].tolist())
            for row in chunk.rows(_FOLLOWED).tolist():
                if lost and min(lost) <= row:
                    self._functions.clear()
                    lost = {each for each in lost if each > row}
                self._see(chunk, row, told)
            if lost:
                self._functions.clear()
        for name in self._wanted & _HISTORY:
            rows = np.array([row for row, _ in told[name]], np.int64)
            values = np.array([value for _, value in told[name]], np.int64)
            fill = -1 if name in ("pending_read", "overwritten") else 0
            chunk.put_rows(name, rows, values, fill)

    def _see(self, chunk: Chunk, row: int, told: dict[str, list[tuple[int, int]]]) -> None:
        kind, phase = int(chunk.kind[row]), int(chunk.column("phase")[row])
        of = self._functions.setdefault(int(chunk.function[row]), _Function())
        if kind == Kind.HANDLER_EXIT:
            of.handled = chunk.first + row
        elif kind == Kind.UNBIND:
            if phase != Phase.REQUEST:
                self._functions[int(chunk.function[row])] = _Function()
        elif kind in _DEVICE_ACCESS:
            if not int(chunk.column("flags")[row]) & Flag.FAR:
                self._see_access(chunk, row, kind, phase, of, told)
        elif kind == Kind.SYNC_FOR_CPU:
            used = of.used.get(_live_mapping(chunk, row))
            if used is not None:
                used.written.clear()
        elif phase != Phase.COMPLETION:
            _see_removal(chunk, row, of, told)

    def _see_access(
        self,
        chunk: Chunk,
        row: int,
        kind: int,
        phase: int,
        of: _Function,
        told: dict[str, list[tuple[int, int]]],
    ) -> None:
        tag, length = int(chunk.column("tag")[row]), int(chunk.column("length")[row])
        if phase == Phase.COMPLETION:
            _answer(of, tag, length, int(chunk.column("status")[row]))
            return
        mapping = _live_mapping(chunk, row)
        if not mapping or not length:
            return
        used = of.used.setdefault(mapping, _Used())
        if kind == Kind.DMA_READ:
            used.reads += 1
            if phase == Phase.REQUEST:
                if len(of.pending) >= _PENDING_MAX:
                    del of.pending[next(iter(of.pending))]
                of.pending[tag] = [mapping, chunk.first + row, length]
            return
        used.writes += 1
        if int(chunk.column("mapping_direction")[row]) == Direction.TO_DEVICE:
            return
        address = int(chunk.column("address")[row])
        before = used.written.get(address, -1)
        if 0 <= before < of.handled:
            told["overwritten"].append((row, before))
        if len(used.written) < _WRITTEN_MAX or before >= 0:
            used.written[address] = chunk.first + row


def _run_end(trace: Trace, made: int) -> int:
    """The end of the memory that a segment and those that follow it in its list map without gap."""
    first = trace[made : made + 1].records
    dma = view_of(first, "dma")
    left = min(int(dma["entries"][0]) - int(dma["entry"][0]), _SEGMENTS_MAX)
    end = int(first["address"][0]) + int(first["length"][0])
    for segment in trace[made + 1 : made + max(left, 1)].records:
        if segment["tag"] != first["tag"][0] or int(segment["address"]) != end:
            break
        end += int(segment["length"])
    return end


def _answer(of: _Function, tag: int, length: int, status: int) -> None:
    pending = of.pending.get(tag)
    if pending is not None:
        pending[2] -= length
        if pending[2] <= 0 or status != Status.OK:
            del of.pending[tag]


def _see_removal(
    chunk: Chunk, row: int, of: _Function, told: dict[str, list[tuple[int, int]]]
) -> None:
    mapping = _live_mapping(chunk, row)
    used = of.used.pop(mapping, None)
    if used is None:
        return
    told["device_reads"].append((row, used.reads))
    told["device_writes"].append((row, used.writes))
    for _, (of_mapping, position, _) in of.pending.items():
        if of_mapping == mapping:
            told["pending_read"].append((row, position))
            break


def _live_mapping(chunk: Chunk, row: int) -> int:
    """The serial number of the live mapping that a row concerns, 0 for none."""
    if int(chunk.column("mapping_state")[row]) != MappingState.LIVE:
        return 0
    return int(chunk.column("mapping_id")[row])


def _long(chunk: Chunk, rows: Rows) -> Rows:
    """The accesses that run past the end of a live mapping."""
    live = chunk.column("mapping_state")[rows] == MappingState.LIVE
    long: Rows = rows[live & (chunk.column("length")[rows] > chunk.column("mapping_room")[rows])]
    return long


def _held_by_cpu(chunk: Chunk, rows: Rows) -> Rows:
    """The accesses to live streaming mappings that were last synced for the CPU."""
    live = chunk.column("mapping_state")[rows] == MappingState.LIVE
    streaming = chunk.column("mapping_family")[rows] == Family.STREAMING
    by_cpu = chunk.column("mapping_owner")[rows] == Owner.CPU
    held: Rows = rows[live & streaming & by_cpu & (chunk.column("mapping_synced")[rows] >= 0)]
    return held
