# SPDX-License-Identifier: Apache-2.0
"""The pass of what the register map says of the bits that an access carries; it keeps no state."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk, Rows
from uvtrace.check.columns import fields
from uvtrace.check.expression import Column
from uvtrace.registers.map import RegisterMap
from uvtrace.trace.enums import Flag, Kind

if TYPE_CHECKING:
    from uvtrace.registers.tables import Tables

Words = NDArray[np.uint64]

_ACCESSES: Final = (Kind.MMIO_READ, Kind.MMIO_WRITE, Kind.PIO_READ, Kind.PIO_WRITE)
_MASKS: Final[dict[str, Callable[[Tables], Words]]] = {
    "readable_bits": lambda tables: tables.readable,
    "writable_bits": lambda tables: tables.writable,
    "plain_bits": lambda tables: tables.plain,
    "volatile_bits": lambda tables: tables.volatile,
    "read_clears_bits": lambda tables: tables.rclr,
    "write_clears_bits": lambda tables: tables.woclr,
    "write_once_bits": lambda tables: tables.write_once,
    "required_bits": lambda tables: tables.required,
    "required_value": lambda tables: tables.required_value,
    "reset_bits": lambda tables: tables.reset_known & ~tables.strapped & ~tables.volatile,
    "reset_value": lambda tables: tables.reset,
}

_UNTOLD: Final = {"can_be_all_ones": 1}
"""What columns hold where nothing is known of the registers, if not 0."""


class FieldsPass:
    """Fills ``columns.fields``.

    Args:
        registers: the map of the device, which tells only of functions that have its registers;
            None: there is none.
    """

    columns: tuple[Column, ...] = fields.COLUMNS

    def __init__(self, registers: RegisterMap | None) -> None:
        self._map = registers
        self._masks = (
            {}
            if registers is None
            else {name: mask(registers.tables) for name, mask in _MASKS.items()}
        )

    def run(self, chunk: Chunk) -> None:
        """Tell how to fill the columns of one chunk, when they are asked for."""
        if self._map is None:
            nothing = np.zeros(0, np.int64)
            for column in self.columns:
                chunk.put_rows(column.name, nothing, nothing, _UNTOLD.get(column.name, 0))
            return
        for name in _MASKS:
            chunk.put_filler(name, partial(self._bits, chunk, self._map, name))
        chunk.put_filler("can_be_all_ones", partial(_can_be_all_ones, chunk, self._map))
        chunk.put_filler("is_mask_register", partial(_is_mask_register, chunk, self._map))
        chunk.put_filler("is_whole_register", partial(_is_whole_register, chunk, self._map))

    def _bits(self, chunk: Chunk, registers: RegisterMap, name: str, rows: Rows) -> Words:
        element = _elements(chunk, registers, rows)
        inside = chunk.take("offset", rows) - registers.tables.offset[element]
        shift = np.minimum(inside, 7).astype(np.uint64) * np.uint64(8)
        carried = _ones(chunk.take("width", rows))
        bits: Words = self._masks[name][element] >> shift & carried
        bits[element < 0] = 0
        return bits


def _elements(chunk: Chunk, registers: RegisterMap, rows: Rows) -> NDArray[np.int32]:
    writes = (chunk.take("flags", rows) & np.uint32(Flag.WRITE)) != 0
    found = registers.lookup(chunk.take("bar", rows), chunk.take("offset", rows), writes)
    found[~np.isin(chunk.kind[rows], _ACCESSES)] = -1
    return found


def _can_be_all_ones(chunk: Chunk, registers: RegisterMap, rows: Rows) -> NDArray[np.int8]:
    element = _elements(chunk, registers, rows)
    never: NDArray[np.bool_] = registers.tables.surprise_ones[element] & (element >= 0)
    return (~never).astype(np.int8)


def _is_mask_register(chunk: Chunk, registers: RegisterMap, rows: Rows) -> NDArray[np.int8]:
    element = _elements(chunk, registers, rows)
    masks: NDArray[np.bool_] = registers.tables.mask_clear[element] & (element >= 0)
    return masks.astype(np.int8)


def _is_whole_register(chunk: Chunk, registers: RegisterMap, rows: Rows) -> NDArray[np.int8]:
    element, tables = _elements(chunk, registers, rows), registers.tables
    starts = chunk.take("offset", rows) == tables.offset[element]
    fits = chunk.take("width", rows).astype(np.int64) * 8 == tables.width[element]
    whole: NDArray[np.bool_] = starts & fits & (element >= 0)
    return whole.astype(np.int8)


def _ones(width: NDArray[np.uint8]) -> Words:
    """As many ones as an access of so many bytes has bits."""
    bits = np.minimum(width.astype(np.uint64), 8) * np.uint64(8)
    whole: Words = np.where(
        bits == 64, np.uint64(2**64 - 1), (np.uint64(1) << bits % np.uint64(64)) - np.uint64(1)
    )
    return whole
