# SPDX-License-Identifier: Apache-2.0
"""The pass of DMA mappings: which one every DMA-API call and device access concerns."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk, Rows
from uvtrace.check.columns import mapping
from uvtrace.check.expression import Column
from uvtrace.check.passes import mapping_kernel as kernel
from uvtrace.check.passes import mapping_table as tables
from uvtrace.check.rules import Sight
from uvtrace.trace.enums import Kind, Snapshot
from uvtrace.trace.layout import view_of
from uvtrace.trace.trace import Trace

_KINDS: Final = (
    *(Kind.MAP, Kind.UNMAP, Kind.SYNC_FOR_CPU, Kind.SYNC_FOR_DEVICE, Kind.ALLOC, Kind.FREE),
    *(Kind.POOL_DESTROY, Kind.POOL_ALLOC, Kind.POOL_FREE, Kind.DMA_READ, Kind.DMA_WRITE),
    *(Kind.DMA_MASK, Kind.SEGMENT_LIMIT, Kind.PROBE, Kind.UNBIND, Kind.SNAPSHOT),
)
_MAKES: Final = (Kind.MAP, Kind.ALLOC, Kind.POOL_ALLOC)
CAPACITY: Final = 1 << 15
"""Mappings that there is room for to begin with."""
CAPACITY_MAX: Final = 1 << 22
"""Mappings beyond which a function is no longer followed: about half a gigabyte."""
SLOT: Final = "mapping_slot"
"""A column for other passes: the mapping's place in the table, unlike its number soon another's;
-1 none."""
HISTORY: Final = 1 << 13
"""Mappings that are remembered after they have gone."""


class MappingPass:
    """Fills ``columns.mapping``."""

    columns: tuple[Column, ...] = mapping.COLUMNS

    def __init__(self, trace: Trace, wanted: AbstractSet[str]) -> None:
        functions = max(len(trace.functions), 1)
        self._wanted = wanted
        self._table = tables.new_table(functions, CAPACITY, HISTORY)
        self._state = kernel.new_state(functions)

    def run(self, chunk: Chunk) -> None:
        """Fill the columns of one chunk."""
        rows = chunk.rows(_KINDS)
        self._make_room(len(chunk.rows(_MAKES)))
        calls = self._calls(chunk, rows)
        told = np.zeros(len(calls.row), kernel.TOLD)
        kernel.follow(self._table, self._state, calls, told, "overlap" in self._wanted)
        own: slice | NDArray[np.bool_] = slice(None)
        if (calls.kind == kernel.LOSS).any():
            own = calls.kind != kernel.LOSS
        at = calls.row[own]
        for column in self.columns:
            if column.name in self._wanted:
                fill = -1 if column.name in kernel.POSITIONS else 0
                chunk.put_rows(column.name, at, told[column.name][own], fill)

        if SLOT in self._wanted:
            slots = np.full(len(chunk), -1, np.int32)
            slots[at] = told[SLOT][own]
            chunk.put(SLOT, slots)

    def _make_room(self, needed: int) -> None:
        while (
            self._table.counts[tables.UNUSED] < needed and len(self._table.entries) < CAPACITY_MAX
        ):
            self._table = tables.grown(self._table)

    def _calls(self, chunk: Chunk, rows: Rows) -> kernel.Calls:
        lost, lost_of = chunk.losses.of([Sight.MAP])
        lasting = [loss.lasting for loss in chunk.losses.told if Sight.MAP in loss.sights]
        kind = chunk.kind[rows]
        for event in np.flatnonzero(kind == Kind.SNAPSHOT).tolist():
            if self._tells_of_no_driver(chunk, int(rows[event])):
                kind[event] = kernel.NO_DRIVER
        function = chunk.function[rows].astype(np.int64)
        is_lasting = np.zeros(len(rows), bool)
        if len(lost):
            order = np.argsort(np.concatenate((lost, rows)), kind="stable")
            rows = np.concatenate((lost, rows))[order]
            kind = np.concatenate((np.full(len(lost), kernel.LOSS, np.uint8), kind))[order]
            function = np.concatenate((lost_of, function))[order]
            is_lasting = np.concatenate((np.array(lasting, bool), is_lasting))[order]
        return kernel.Calls(
            rows, kind, function, is_lasting, chunk.records.view(kernel.CALL), chunk.first
        )

    def _tells_of_no_driver(self, chunk: Chunk, row: int) -> bool:
        topic = view_of(chunk.records[row : row + 1], "meta")["topic"][0]
        return bool(topic == Snapshot.DRIVER and not chunk.payload(row).strip(b"\0"))
