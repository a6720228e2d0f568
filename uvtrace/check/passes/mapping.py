# SPDX-License-Identifier: Apache-2.0
"""The pass of DMA mappings: which one every DMA-API call and device access concerns."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Final

import numpy as np

from uvtrace.check.chunk import Chunk, Rows
from uvtrace.check.columns import mapping
from uvtrace.check.expression import Column
from uvtrace.check.lines import lined
from uvtrace.check.passes import mapping_kernel as kernel
from uvtrace.check.passes import mapping_table as tables
from uvtrace.check.passes.snapshots import no_driver_rows
from uvtrace.check.rules import Sight
from uvtrace.trace.enums import Kind
from uvtrace.trace.trace import Trace

_KINDS: Final = (
    *(Kind.MAP, Kind.UNMAP, Kind.SYNC_FOR_CPU, Kind.SYNC_FOR_DEVICE, Kind.ALLOC, Kind.FREE),
    *(Kind.POOL_DESTROY, Kind.POOL_ALLOC, Kind.POOL_FREE, Kind.DMA_READ, Kind.DMA_WRITE),
    *(Kind.DMA_MASK, Kind.SEGMENT_LIMIT, Kind.PROBE, Kind.UNBIND, Kind.SNAPSHOT),
)
CAPACITY: Final = 1 << 14
"""Mappings that there is room for to begin with. A larger table is a slower one: less of it stays
in the processor's caches."""
MAPPINGS: Final = "mappings"
"""For other passes: all that is told of each event, dtype ``mapping_kernel.TOLD``."""
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
        # One chunk's columns are over when the next one comes: the memory is used again.
        self._told = np.empty(0, kernel.TOLD)
        self._limits = kernel.no_limits(functions)

    def run(self, chunk: Chunk) -> None:
        """Fill the columns of one chunk."""
        rows = chunk.rows(_KINDS)
        if len(self._told) < len(rows):
            # What is never written takes no memory.
            self._told = lined(len(chunk), kernel.TOLD)
        told = self._told[: len(rows)]
        limits = self._limits = kernel.emptied(self._limits, len(chunk), len(rows))
        calls, overlaps = self._calls(chunk, rows), "overlap" in self._wanted
        reached = np.zeros(4, np.int64)
        while not kernel.follow(self._table, self._state, calls, told, limits, overlaps, reached):
            self._table = tables.grown(self._table)
        in_force, places = limits.told[: reached[kernel.LIMITED]], limits.places[: len(chunk)]
        for column in self.columns:
            if column.name in self._wanted:
                fill = -1 if column.name in kernel.POSITIONS else 0
                if column.name in kernel.LIMITED_BY:
                    chunk.put_placed(column.name, places, in_force[column.name], fill=fill)
                else:
                    chunk.put_rows(column.name, rows, told[column.name], fill)
        if MAPPINGS in self._wanted:
            chunk.put_rows(MAPPINGS, rows, told)

    def _calls(self, chunk: Chunk, rows: Rows) -> kernel.Calls:
        lost, lost_of = chunk.losses.of([Sight.MAP])
        lasting = [loss.lasting for loss in chunk.losses.told if Sight.MAP in loss.sights]
        return kernel.Calls(
            records=chunk.records.view(kernel.CALL),
            kind=chunk.kind,
            function=chunk.function,
            rows=rows,
            lost=lost,
            lost_of=lost_of,
            lasting=np.array(lasting, bool),
            undriven=no_driver_rows(chunk),
            first=chunk.first,
        )
