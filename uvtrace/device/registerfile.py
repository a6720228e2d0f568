# SPDX-License-Identifier: Apache-2.0
"""A device's registers at work: what the driver's accesses read and change, by description.

Every element of a :class:`~uvtrace.registers.map.RegisterMap` becomes a :class:`Cell` that holds a
value. :meth:`Cell.fetch` and :meth:`Cell.store` are the driver's accesses, with the side effects
that SystemRDL gives the fields; ``value`` is the hardware's view, which the model reads and sets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uvtrace.errors import UvtraceError
from uvtrace.registers.map import OnRead, Register, RegisterMap
from uvtrace.registers.tables import masks

Handler = Callable[..., Any]

_PLANS_MAX = 4096
_INDEX = re.compile(r"\[(\d+)\]")


class Cell:
    """One register.

    Attributes:
        name: as in the description, with its indices if it is one of an array: ``MTA[5]``.
        length: in bytes.
        value: what the hardware holds.
        indices: of the element in its array; empty when it is a single register.
        on_read, on_write: the model's handlers.
    """

    __slots__ = (
        "_effects",
        "_rclr",
        "_readable",
        "_rset",
        "_simple_read",
        "_simple_write",
        "_write_once",
        "_written_once",
        "bar",
        "data_of",
        "declaration",
        "index_into",
        "indices",
        "length",
        "mask",
        "name",
        "offset",
        "on_read",
        "on_write",
        "plain",
        "reset_value",
        "resets",
        "resets_value",
        "singlepulse",
        "value",
    )

    def __init__(
        self, register: Register, bits: dict[str, int], name: str, bar: int, offset: int
    ) -> None:
        self.declaration = register
        self.name = name
        self.bar = bar
        self.offset = offset
        self.length = register.width // 8
        self.mask = register.mask
        self.indices = tuple(int(index) for index in _INDEX.findall(name))
        self.reset_value = self.value = bits["reset"]
        self._readable = bits["readable"]
        self._rclr = bits["rclr"]
        self._rset = bits["rset"]
        self.plain = bits["plain"] | bits["singlepulse"]
        self.singlepulse = bits["singlepulse"]
        self._write_once = bits["write_once"]
        self._written_once = 0
        names = ("woclr", "woset", "wot", "wzc", "wzs", "wzt", "wclr", "wset")
        self._effects = tuple((effect, bits[effect]) for effect in names if bits[effect])
        self._simple_read = not (self._rclr or self._rset)
        self._simple_write = not (self._effects or self._write_once)
        self.resets = bits["resets"]
        self.resets_value = bits["resets_value"]
        self.index_into = register.index_into
        self.data_of = register.data_of
        self.on_read: Handler | None = None
        self.on_write: Handler | None = None

    def __repr__(self) -> str:
        return f"<{self.name} at {self.offset:#x} of BAR{self.bar}: {self.value:#x}>"

    def reset(self) -> None:
        """The value at power-on."""
        self.value = self.reset_value
        self._written_once = 0

    def fetch(self, lanes: int) -> int:
        """What the driver reads, then what reading does. ``lanes`` are the bits that it reads."""
        value = self.value & self._readable
        if not self._simple_read:
            self.value = self.value & ~(self._rclr & lanes) | self._rset & lanes
        return value & lanes

    def store(self, data: int, lanes: int) -> int:
        """What the driver writes, with what writing does.

        Args:
            data: the bits written, in place.
            lanes: which bits those are: of a byte access, the byte.

        Returns:
            What a write of the whole register would have had to hold to do the same: bits beside
            ``lanes`` are as they are where they just hold what is written, and 0 elsewhere.
        """
        written = data & lanes | self.value & self.plain & ~lanes
        if self._simple_write:
            changed = self.plain & lanes
            self.value = self.value & ~changed | data & changed
        else:
            self._store_with_effects(data, lanes)
        return written

    def _store_with_effects(self, data: int, lanes: int) -> None:
        lanes &= ~self._written_once
        self._written_once |= lanes & self._write_once
        changed = self.plain & lanes
        value = self.value & ~changed | data & changed
        for effect, bits in self._effects:
            value = _EFFECTS[effect](value, data, bits & lanes)
        self.value = value

    def settle(self) -> None:
        """After a write was acted upon: pulses are over."""
        self.value &= ~self.singlepulse

    def triggers_reset(self, data: int, lanes: int) -> bool:
        """Whether writing this resets the function's registers, as ``uv_resets`` says."""
        bits = self.resets & lanes
        return bool(bits) and (data ^ self.resets_value) & bits == 0


_EFFECTS: dict[str, Callable[[int, int, int], int]] = {
    "woclr": lambda value, data, bits: value & ~(data & bits),
    "woset": lambda value, data, bits: value | data & bits,
    "wot": lambda value, data, bits: value ^ data & bits,
    "wzc": lambda value, data, bits: value & ~(~data & bits),
    "wzs": lambda value, data, bits: value | ~data & bits,
    "wzt": lambda value, data, bits: value ^ ~data & bits,
    "wclr": lambda value, data, bits: value & ~bits,
    "wset": lambda value, data, bits: value | bits,
}


def _bits_of(register: Register, effect: OnRead) -> int:
    mask = 0
    for field in register.fields:
        if field.on_read is effect:
            mask |= field.mask
    return mask


@dataclass(frozen=True, slots=True)
class Part:
    """What an access has to do with one register: its bits there, and where they are in it.

    Attributes:
        cell: the register; None: there is none, at ``offset``, one byte.
        shift: bits by which the register's bit 0 lies above the access's; negative below.
        lanes: the register's bits that the access covers.
    """

    cell: Cell | None
    offset: int
    shift: int
    lanes: int

    def to_access(self, value: int) -> int:
        """Bits of the register, placed in the access."""
        return value << self.shift if self.shift >= 0 else value >> -self.shift

    def to_register(self, value: int) -> int:
        """Bits of the access, placed in the register."""
        return (value >> self.shift if self.shift >= 0 else value << -self.shift) & self.lanes


class RegisterFile:
    """A device's registers, by name and by address.

    ``file["CTRL"]``, ``file["MTA[5]"]``, ``file["MTA", 5]`` and, for a field, ``file["CTRL.RST"]``
    are the hardware's view: numbers, to be read and set without side effects.

    A register is made when it is asked for: descriptions have tens of thousands, in arrays that
    most drivers never touch.

    Raises:
        UvtraceError: a name that the description does not have.
    """

    def __init__(self, described: RegisterMap) -> None:
        self.map = described
        self._cells: dict[int, Cell] = {}  # by the element that it is of
        self._reads: dict[tuple[int, int], Cell] = {}
        self._writes: dict[tuple[int, int], Cell] = {}
        self._by_name: dict[str, Cell] = {}
        self._fields: dict[str, tuple[Cell, int, int]] = {}
        self._plans: dict[tuple[int, int, int, bool], list[Part]] = {}
        self._bits: dict[int, dict[str, int]] = {}

    def _cell(self, element: int) -> Cell:
        """The register of an element; an alias is another place of its primary."""
        tables = self.map.tables
        primary = int(tables.primary[element])
        cell = self._cells.get(primary)
        if cell is None:
            at = int(tables.declaration[primary])
            register = self.map.registers[at]
            if at not in self._bits:
                self._bits[at] = masks(register) | {"rset": _bits_of(register, OnRead.RSET)}
            bar, offset = int(tables.bar[primary]), int(tables.offset[primary])
            cell = Cell(register, self._bits[at], self.map.element_name(primary), bar, offset)
            self._cells[primary] = cell
        return cell

    @cached_property
    def _elements(self) -> dict[str, NDArray[np.intp]]:
        """Elements by declaration, in the order of their indices."""
        tables, registers = self.map.tables, self.map.registers
        order = np.lexsort((tables.number, tables.declaration))
        ends = np.cumsum([register.elements for register in registers])
        return dict(zip((r.name for r in registers), np.split(order, ends[:-1]), strict=True))

    def _element(self, name: str) -> int | None:
        """Which element has a name."""
        elements = self._elements.get(_INDEX.sub("[]", name))
        if elements is None:
            return None
        number = 0
        dimensions = self.map.declaration(int(elements[0])).dimensions
        indices = [int(index) for index in _INDEX.findall(name)]
        if len(indices) != len(dimensions):
            return None
        for index, dimension in zip(indices, dimensions, strict=True):
            number = number * dimension.count + index
        if number >= len(elements):
            return None
        element = int(elements[number])
        # An index that is too large, or written in another way, is of no element.
        return element if self.map.element_name(element) == name else None

    def _find(self, name: str) -> Cell | None:
        cell = self._by_name.get(name)
        if cell is None:
            element = self._element(name)
            if element is not None:
                cell = self._by_name[name] = self._cell(element)
        return cell

    # -------------------------------------------------- the hardware's view

    def cell(self, name: str, *indices: int) -> Cell:
        """The register of that name; for a model that is in a hurry."""
        for index in indices:
            name = name.replace("[]", f"[{index}]", 1) if "[]" in name else f"{name}[{index}]"
        cell = self._find(name)
        if cell is None:
            raise UvtraceError(f"there is no register {name}", where=self.map.device)
        return cell

    def matching(self, name: str) -> list[Cell]:
        """The registers that a name stands for: with ``[]`` in it, every element of the array."""
        if "[]" not in name:
            return [self.cell(name)]
        elements = self._elements.get(name)
        if elements is None:
            raise UvtraceError(f"there is no register {name}", where=self.map.device)
        return list(dict.fromkeys(self._cell(int(element)) for element in elements))

    def index_cells(self) -> dict[int, Cell]:
        """The registers that select an address in another BAR, by that BAR."""
        into = self.map.tables.index_into
        return {int(into[at]): self._cell(int(at)) for at in np.flatnonzero(into >= 0)}

    def __contains__(self, name: str) -> bool:
        return self._find(name) is not None

    def __iter__(self) -> Iterator[str]:
        return (self.map.element_name(element) for element in range(len(self.map.tables)))

    def __getitem__(self, name: str | tuple[Any, ...]) -> int:
        if isinstance(name, tuple):
            return self.cell(*name).value
        cell = self._find(name)
        if cell is not None:
            return cell.value
        cell, low, mask = self._field(name)
        return (cell.value & mask) >> low

    def __setitem__(self, name: str | tuple[Any, ...], value: int) -> None:
        if isinstance(name, tuple):
            cell = self.cell(*name)
        elif (found := self._find(name)) is not None:
            cell = found
        else:
            cell, low, mask = self._field(name)
            value = cell.value & ~mask | (int(value) << low) & mask
        cell.value = int(value) & cell.mask

    def _field(self, name: str) -> tuple[Cell, int, int]:
        known = self._fields.get(name)
        if known is not None:
            return known
        register, _, short = name.rpartition(".")
        cell = self.cell(register or name)
        try:
            field = cell.declaration.field(short)
        except KeyError:
            raise UvtraceError(f"{register} has no field {short}", where=self.map.device) from None
        known = self._fields[name] = (cell, field.low, field.mask)
        return known

    def reset(self) -> None:
        """Every register as at power-on; those not made yet will be."""
        for cell in self._cells.values():
            cell.reset()

    # ------------------------------------------------- the driver's accesses

    def exact(self, bar: int, offset: int, length: int, write: bool) -> Cell | None:
        """The register that an access covers exactly, or None."""
        known = self._writes if write else self._reads
        cell = known.get((bar, offset))
        if cell is None:
            element = self._element_at(bar, offset, write)
            if element < 0 or int(self.map.tables.offset[element]) != offset:
                return None
            cell = known[bar, offset] = self._cell(element)
        return cell if cell.length == length else None

    def _element_at(self, bar: int, offset: int, write: bool) -> int:
        return int(self.map.lookup([bar], [offset], np.array([write]))[0])

    def plan(self, bar: int, offset: int, length: int, write: bool) -> list[Part]:
        """The registers, or parts of them, that an access of any width touches."""
        key = (bar, offset, length, write)
        known = self._plans.get(key)
        if known is None:
            if len(self._plans) >= _PLANS_MAX:
                self._plans.clear()  # somebody walks through all of it
            known = self._plans[key] = list(self._parts(bar, offset, length, write))
        return known

    def _parts(self, bar: int, offset: int, length: int, write: bool) -> Iterator[Part]:
        at, end = offset, offset + length
        while at < end:
            element = self._element_at(bar, at, write)
            if element < 0:
                yield Part(None, at, 8 * (at - offset), 0xFF)
                at += 1
                continue
            start = int(self.map.tables.offset[element])
            cell = self._cell(element)
            until = min(end, start + cell.length)
            lanes = (1 << 8 * (until - at)) - 1 << 8 * (at - start)
            yield Part(cell, at, 8 * (start - offset), lanes)
            at = until
