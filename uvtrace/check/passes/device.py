# SPDX-License-Identifier: Apache-2.0
"""The pass of what the device did to a mapping, and of mappings that failed.

It needs the columns of the mapping pass. Only traces that show the device's own accesses cost it
anything: they come from a model or an emulated device.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk, Rows
from uvtrace.check.columns import device
from uvtrace.check.expression import Column
from uvtrace.check.passes import device_kernel as kernel
from uvtrace.check.passes.mapping import MAPPINGS
from uvtrace.check.rules import Sight
from uvtrace.trace.enums import Flavour, Kind, Phase, Status
from uvtrace.trace.layout import view_of
from uvtrace.trace.trace import Trace

_DEVICE_ACCESS: Final = (Kind.DMA_READ, Kind.DMA_WRITE)
_REMOVES: Final = (Kind.UNMAP, Kind.FREE, Kind.POOL_FREE)
_FOLLOWED: Final = (
    *(*_DEVICE_ACCESS, *_REMOVES, Kind.SYNC_FOR_CPU),
    *(Kind.HANDLER_EXIT, Kind.RESET, Kind.UNBIND),
)
INPUTS: Final = frozenset({"mapping_state", MAPPINGS})
"""What this pass reads of the mapping pass."""
_HISTORY: Final = ("device_reads", "device_writes", "pending_read", "overwritten")
"""The columns that the loop fills."""
_ROOM: Final = 1 << 10
"""Mappings that there is room for to begin with."""
_LIST_SPREAD: Final = 1 << 12
"""Records behind a segment among which the segments that follow it in its list are looked for."""
_RUNS_MAX: Final = 1 << 12
"""Segments of which it is remembered how far those behind them reach."""


class DevicePass:
    """Fills ``columns.device``."""

    columns: tuple[Column, ...] = device.COLUMNS

    def __init__(self, trace: Trace, wanted: AbstractSet[str]) -> None:
        self._trace = trace
        self._wanted = wanted
        self._state = kernel.new_state(max(len(trace.functions), 1))
        self._failed: dict[tuple[int, int], int] = {}
        """The last failed mapping by function and thread, until a register is written."""
        self._run_ends: dict[int, int] = {}
        self._device_seen = False

    def run(self, chunk: Chunk) -> None:
        """Fill the columns of one chunk."""
        accesses = chunk.rows(_DEVICE_ACCESS)
        self._device_seen = self._device_seen or len(accesses) > 0
        long = self._long(chunk, accesses)
        if "runs_on" in self._wanted:
            chunk.put_rows("runs_on", *self._running_on(chunk, *long))
        if "meets_synced" in self._wanted:
            rows, mappings = chunk.told(MAPPINGS)
            chunk.put_rows("meets_synced", rows, mappings["meets_synced"])
        if "failed_map" in self._wanted:
            chunk.put_rows("failed_map", *self._failed_maps(chunk), -1)
        if not self._wanted.isdisjoint(_HISTORY):
            self._follow(chunk)

    # --------------------------------------------------------- what is rare and looked up

    def _long(self, chunk: Chunk, accesses: Rows) -> tuple[Rows, NDArray[np.void]]:
        """The accesses beyond a live mapping, and what is told of it."""
        rows, mappings = chunk.told(MAPPINGS)
        rare, counts = np.empty(len(accesses), np.int64), np.zeros(2, np.int64)
        if len(accesses):
            records = chunk.records.view(kernel.RECORD)
            kernel.find_rare(rows, mappings, accesses, records, rare, counts)
        if counts[kernel.PLACES] > len(self._state.used):
            room = max(2 * int(counts[kernel.PLACES]), _ROOM)
            self._state = kernel.with_room(self._state, room)
        long = rare[: counts[kernel.LONG]]
        return rows[long], mappings[long]

    def _running_on(
        self, chunk: Chunk, rows: Rows, mappings: NDArray[np.void]
    ) -> tuple[Rows, NDArray[np.int8]]:
        pairs = zip(rows.tolist(), mappings, strict=True)
        return rows, np.array([self._runs_on(chunk, row, one) for row, one in pairs], np.int8)

    def _runs_on(self, chunk: Chunk, row: int, mapping: np.void) -> bool:
        """Whether an access beyond a segment stays in those that follow it in its list."""
        if int(mapping["mapping_flavour"]) != Flavour.SG:
            return False
        made = int(mapping["mapping_made"])
        if made not in self._run_ends:
            if len(self._run_ends) >= _RUNS_MAX:
                self._run_ends.clear()
            self._run_ends[made] = _run_end(self._trace, made)
        record = chunk.records[row]
        return int(record["address"]) + int(record["length"]) <= self._run_ends[made]

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
        lost, lost_of = chunk.losses.of([Sight.MAP, Sight.MMIO])
        losses = list(zip(lost.tolist(), lost_of.tolist(), strict=True))
        rows, told = [], []
        seen = np.sort(np.concatenate((failed, writes[of_thread])))
        is_map = chunk.kind[seen] == Kind.MAP
        who = zip(function[seen].tolist(), tid[seen].tolist(), strict=True)
        for row, one, fails in zip(seen.tolist(), who, is_map.tolist(), strict=True):
            while losses and losses[0][0] <= row:
                self._lose(losses.pop(0)[1])
            if fails:
                self._failed[one] = chunk.first + row
            elif one in self._failed:
                rows.append(row)
                told.append(self._failed.pop(one))
        for _, of in losses:
            self._lose(of)
        return np.array(rows, np.int64), np.array(told, np.int64)

    def _lose(self, of: int) -> None:
        """The write that followed a failed mapping, of one function or with -1 of any, may not
        have been seen."""
        kept = {one: at for one, at in self._failed.items() if of not in (-1, one[0])}
        self._failed = kept

    # ---------------------------------------------------------------- what is followed

    def _follow(self, chunk: Chunk) -> None:
        rows = chunk.rows(_FOLLOWED)
        if not self._device_seen:
            rows = rows[:0]
        told = np.empty(len(rows), kernel.TOLD)
        lost, lost_of = chunk.losses.of([Sight.MAP, Sight.DMA, Sight.ISR])
        mapped, mappings = chunk.told(MAPPINGS)
        events = kernel.Events(
            rows=rows,
            lost=lost,
            lost_of=lost_of,
            records=chunk.records.view(kernel.RECORD),
            mapped=mapped,
            mappings=mappings,
            first=chunk.first,
        )
        if self._device_seen:
            kernel.follow(self._state, events, told)
        for name in _HISTORY:
            fill = -1 if name in kernel.POSITIONS else 0
            chunk.put_rows(name, rows, told[name], fill)


def _run_end(trace: Trace, made: int) -> int:
    """The end of the memory that a segment and those that follow it in its list map without gap."""
    first = trace[made : made + 1].records
    dma = view_of(first, "dma")
    left = int(dma["entries"][0]) - int(dma["entry"][0]) - 1
    end = int(first["address"][0]) + int(first["length"][0])
    after = trace[made + 1 : made + 1 + (_LIST_SPREAD if left > 0 else 0)].records
    # What other CPUs did meanwhile stands between the segments of a list.
    same = (after["kind"] == Kind.MAP) & (after["tag"] == first["tag"])
    same &= view_of(after, "dma")["flavour"] == Flavour.SG
    for segment in after[same & (after["function"] == first["function"])][: max(left, 0)]:
        if int(segment["address"]) != end:
            break
        end += int(segment["length"])
    return end
