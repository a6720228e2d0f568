# SPDX-License-Identifier: Apache-2.0
"""The pass of what the register map says of widths and halves."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk, Rows
from uvtrace.check.columns import shape
from uvtrace.check.expression import Column
from uvtrace.check.rules import Sight
from uvtrace.registers.map import HalfOrder, RegisterMap
from uvtrace.trace.enums import Flag, Kind, Phase

_ACCESSES: Final = (Kind.MMIO_READ, Kind.MMIO_WRITE, Kind.PIO_READ, Kind.PIO_WRITE)
_HALF_BYTES: Final = 4


class ShapePass:
    """Fills ``columns.shape``.

    Args:
        registers: the map of the device; None: there is none.
    """

    columns: tuple[Column, ...] = shape.COLUMNS

    def __init__(self, registers: RegisterMap | None) -> None:
        self._map = registers
        self._halves: dict[tuple[int, int, bool], tuple[int, int]] = {}
        """By function, element and direction: the half last accessed, and when."""

    def run(self, chunk: Chunk) -> None:
        """Fill the columns of one chunk."""
        rows = chunk.rows(_ACCESSES)
        if self._map is None or not len(self._map.tables):
            rows = rows[:0]
        told = self._shapes(chunk, rows)
        for name, values in told.items():
            chunk.put_rows(name, rows, values, -1 if name == "half_before" else 0)

    def _shapes(self, chunk: Chunk, rows: Rows) -> dict[str, NDArray[Any]]:
        if self._map is None or not len(rows):
            nothing = np.zeros(0, np.int64)
            return {column.name: nothing for column in self.columns}
        tables = self._map.tables
        is_write = (chunk.column("flags")[rows] & np.uint32(Flag.WRITE)) != 0
        offset, width = chunk.column("offset")[rows], chunk.column("width")[rows]
        element = self._map.lookup(chunk.column("bar")[rows], offset, is_write)
        known = element >= 0
        inside = (offset - tables.offset[element]).astype(np.int64)
        size = tables.width[element].astype(np.int64) // 8
        half = np.where(inside == 0, 1, np.where(inside == _HALF_BYTES, 2, 0))
        is_half = known & (size == 2 * _HALF_BYTES) & (width == _HALF_BYTES)
        told = {
            "allowed_widths": np.where(known, tables.access_bytes[element], 0),
            "leaves_register": known & (inside + width > size),
            "half": np.where(is_half, half, 0).astype(np.int8),
            "half_order": np.where(known, tables.half_order[element], 0),
        }
        ordered = known & (tables.half_order[element] != HalfOrder.ANY)
        told["half_before"] = self._before(chunk, rows, ordered, element, told["half"], is_write)
        return told

    def _before(
        self,
        chunk: Chunk,
        rows: Rows,
        ordered: NDArray[np.bool_],
        element: NDArray[np.int32],
        half: NDArray[np.int8],
        is_write: NDArray[np.bool_],
    ) -> NDArray[np.int64]:
        """The other half's access before each; only registers with an order are followed."""
        before = np.full(len(rows), -1, np.int64)
        if len(chunk.losses.of([Sight.MMIO])[0]):
            self._halves.clear()
        phase = chunk.column("phase")
        for at in np.flatnonzero(ordered).tolist():
            row = int(rows[at])
            if phase[row] == Phase.COMPLETION:
                continue
            which = int(chunk.function[row]), int(element[at]), bool(is_write[at])
            last, position = self._halves.pop(which, (0, -1))
            if half[at] and last == 3 - int(half[at]):
                before[at] = position
            elif half[at]:
                self._halves[which] = int(half[at]), chunk.first + row
        return before
