# SPDX-License-Identifier: Apache-2.0
"""One register map, whatever language the device was described in.

A :class:`RegisterMap` holds *declarations*: a :class:`Register` may stand for an array of equal
ones. What the checker works with are *elements*, the single registers that the declarations
unfold to, numbered from 0 in order of BAR and offset; see :mod:`uvtrace.registers.tables`.

The vocabulary (``sw`` access, ``onread``, ``onwrite``) is SystemRDL 2.0's, chapter 9.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import cached_property
from itertools import pairwise, product
from math import prod
from typing import TYPE_CHECKING

from uvtrace.errors import UvtraceError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from uvtrace.registers.tables import Tables

MAX_WIDTH = 64
"""Bits of the widest register: an access on the bus carries no more in one record."""
MAX_ELEMENTS = 1 << 20
"""Elements of one map; more is a slip in an array's size, and would only eat memory."""
MAX_OFFSET = 1 << 48
"""No BAR is that large."""


class Access(StrEnum):
    """What software may do with a field (SystemRDL 2.0, ``sw``)."""

    RW = "rw"
    R = "r"
    W = "w"
    RW1 = "rw1"
    W1 = "w1"
    NA = "na"

    @property
    def readable(self) -> bool:
        return self in (Access.RW, Access.R, Access.RW1)

    @property
    def writable(self) -> bool:
        return self in (Access.RW, Access.W, Access.RW1, Access.W1)

    @property
    def once(self) -> bool:
        """Only the first write since reset counts."""
        return self in (Access.RW1, Access.W1)


class OnRead(StrEnum):
    """What a read does to a field (SystemRDL 2.0, ``onread``)."""

    RCLR = "rclr"
    RSET = "rset"
    RUSER = "ruser"


class OnWrite(StrEnum):
    """What a write does to a field, other than storing the value (SystemRDL 2.0, ``onwrite``)."""

    WOCLR = "woclr"
    WOSET = "woset"
    WOT = "wot"
    WZC = "wzc"
    WZS = "wzs"
    WZT = "wzt"
    WCLR = "wclr"
    WSET = "wset"
    WUSER = "wuser"


class HalfOrder(IntEnum):
    """The order in which a 64-bit register may be accessed as two halves (ADR006)."""

    ANY = 0
    LOW_FIRST = 1
    HIGH_FIRST = 2


class AddressPart(IntEnum):
    """Which part of a DMA address a register holds; replay relocates it."""

    NONE = 0
    LOW = 1
    HIGH = 2
    WHOLE = 3


@dataclass(frozen=True, slots=True)
class Field:
    """Some neighbouring bits of a register that share one behaviour.

    Attributes:
        low: number of the lowest bit.
        width: in bits.
        reset: the value after reset, of this field alone; None when it is not known.
        volatile: hardware may change the value between two accesses.
        reserved: has no function; reads say nothing.
        required: the value it must be written with (REG009); None: no demand.
        strapped: its reset value is decided by pins or an EEPROM (exempt from REG007).
        resets: a write that changes the field to this value resets the registers of the function;
            None: no write does.
    """

    name: str
    low: int
    width: int
    access: Access = Access.RW
    on_read: OnRead | None = None
    on_write: OnWrite | None = None
    singlepulse: bool = False
    reset: int | None = None
    volatile: bool = False
    reserved: bool = False
    required: int | None = None
    strapped: bool = False
    resets: int | None = None
    description: str = ""

    @property
    def mask(self) -> int:
        """The field's bits, in place."""
        return ((1 << self.width) - 1) << self.low


@dataclass(frozen=True, slots=True)
class Dimension:
    """One dimension of an array: how many, and how many bytes apart."""

    count: int
    stride_bytes: int


@dataclass(frozen=True, slots=True)
class Register:
    """A register, or an array of equal ones.

    Attributes:
        name: unique in the map; ``[]`` stands for the index of each dimension, as in
            ``RA[].RAL``.
        bar: number of the BAR, 0 to 5.
        offset: of the first element in its BAR, in bytes.
        width: in bits: 8, 16, 32 or 64.
        access_bytes: the widths that an access may have, in bytes, ascending.
        dimensions: outermost first; empty when it is a single register.
        alias_of: name of the register that this is another address of.
        required: the value that every reserved or undeclared bit must be written with, as bits in
            place (REG009); None: no demand.
        surprise_ones: it can never read as all ones, unless the device is gone (PWR007).
        mask_clear: writing all ones is the customary way to clear or mask everything, and no
            violation of REG009.
        index_into: it selects the register of that BAR which the data register accesses.
        data_of: it is the data register for that BAR.
    """

    name: str
    bar: int
    offset: int
    width: int
    access_bytes: tuple[int, ...]
    fields: tuple[Field, ...] = ()
    dimensions: tuple[Dimension, ...] = ()
    alias_of: str | None = None
    required: int | None = None
    half_order: HalfOrder = HalfOrder.ANY
    address_part: AddressPart = AddressPart.NONE
    surprise_ones: bool = False
    mask_clear: bool = False
    index_into: int | None = None
    data_of: int | None = None
    description: str = ""

    @property
    def mask(self) -> int:
        """All bits of the register."""
        return (1 << self.width) - 1

    @property
    def elements(self) -> int:
        """How many registers it stands for."""
        return prod(dimension.count for dimension in self.dimensions)

    @property
    def readable(self) -> bool:
        return any(field.access.readable for field in self.fields) or not self.fields

    @property
    def writable(self) -> bool:
        return any(field.access.writable for field in self.fields) or not self.fields

    def field(self, name: str) -> Field:
        """The field called ``name``.

        Raises:
            KeyError: there is none.
        """
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(name)

    def element_offsets(self) -> list[int]:
        """Offset of each element in the BAR, the last dimension running fastest."""
        steps = [range(0, d.count * d.stride_bytes, d.stride_bytes) for d in self.dimensions]
        return [self.offset + sum(step) for step in product(*steps)]

    def element_name(self, number: int) -> str:
        """The name of one element, counted in the order of :meth:`element_offsets`."""
        name = self.name
        for dimension in reversed(self.dimensions):
            number, index = divmod(number, dimension.count)
            head, _, tail = name.rpartition("[]")
            name = f"{head}[{index}]{tail}"
        return name


@dataclass(frozen=True, slots=True)
class AddressSpace:
    """A BAR that holds registers; ``port`` when it is one of port I/O."""

    bar: int
    port: bool = False
    name: str = ""


@dataclass(frozen=True)
class RegisterMap:
    """Every register of a device that its description knows.

    Attributes:
        device: the device's name.
        spaces: the BARs, ascending.
        registers: the declarations.
        partial: the description leaves registers out, so that an address which holds none in it
            proves nothing (REG008 becomes unknown).

    Raises:
        UvtraceError: registers or fields overlap, or cannot be what they claim to be.
    """

    device: str
    spaces: tuple[AddressSpace, ...]
    registers: tuple[Register, ...]
    partial: bool = False

    def __post_init__(self) -> None:
        _refuse_nonsense(self)
        _refuse_overlaps(self)

    def register(self, name: str) -> Register:
        """The declaration called ``name``.

        Raises:
            KeyError: there is none.
        """
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Register]:
        return {register.name: register for register in self.registers}

    @cached_property
    def tables(self) -> Tables:
        """What the elements are, as arrays; index them by what :meth:`lookup` gives."""
        from uvtrace.registers.tables import tables_of

        return tables_of(self)

    def lookup(
        self, bar: ArrayLike, offset: ArrayLike, write: ArrayLike | None = None
    ) -> NDArray[np.int32]:
        """Which element holds the byte at an offset; see :meth:`Tables.lookup`."""
        return self.tables.lookup(bar, offset, write)

    def declaration(self, element: int) -> Register:
        """The declaration that an element belongs to."""
        return self.registers[int(self.tables.declaration[element])]

    def element_name(self, element: int) -> str:
        """The name of an element, with its index if it is one of an array: ``MTA[5]``."""
        return self.declaration(element).element_name(int(self.tables.number[element]))


def _refuse_nonsense(described: RegisterMap) -> None:
    bars = {space.bar for space in described.spaces}
    seen: set[str] = set()
    total = 0
    for register in described.registers:
        problem = _problem(register, bars)
        if register.name in seen:
            problem = "declared twice"
        if problem is not None:
            raise UvtraceError(problem, where=f"register {register.name}")
        seen.add(register.name)
        total += register.elements
        if total > MAX_ELEMENTS:
            raise UvtraceError(
                f"the map has more than {MAX_ELEMENTS} registers with this array",
                where=f"register {register.name}",
            )
    for register in described.registers:
        if register.alias_of is not None and register.alias_of not in seen:
            raise UvtraceError(
                f"alias of {register.alias_of}, which is not there",
                where=f"register {register.name}",
            )


def _problem(register: Register, bars: set[int]) -> str | None:
    if register.width not in (8, 16, 32, MAX_WIDTH):
        return f"is {register.width} bits wide; 8, 16, 32 and 64 are possible: split it"
    if any(dimension.count < 1 for dimension in register.dimensions):
        return "is an array of no elements"
    if not 0 <= register.offset <= _last_offset(register) < MAX_OFFSET:
        return f"lies beyond any BAR, at {_last_offset(register):#x}"
    if register.bar not in bars:
        return f"lies in BAR{register.bar}, which is not declared"
    if not register.access_bytes or not set(register.access_bytes) <= {1, 2, 4, 8}:
        return f"cannot be accessed by {register.access_bytes} bytes"
    if register.name.count("[]") != len(register.dimensions):
        return f"has {len(register.dimensions)} dimensions, but its name tells others"
    return _field_problem(register)


def _last_offset(register: Register) -> int:
    return register.offset + sum((d.count - 1) * d.stride_bytes for d in register.dimensions)


def _field_problem(register: Register) -> str | None:
    taken = 0
    for field in register.fields:
        if field.width < 1 or field.mask & ~register.mask:
            return f"field {field.name} lies outside the register's {register.width} bits"
        if field.mask & taken:
            return f"field {field.name} overlaps another field"
        if field.reset is not None and field.reset >> field.width:
            return f"the reset value of field {field.name} does not fit into {field.width} bits"
        taken |= field.mask
    return None


def _refuse_overlaps(described: RegisterMap) -> None:
    """Two registers may share an address only when one is for reads and the other for writes."""
    for bar in {register.bar for register in described.registers}:
        mine = [register for register in described.registers if register.bar == bar]
        for kind in ("readable", "writable"):
            spans = sorted(
                (offset, offset + register.width // 8, register.name)
                for register in mine
                if getattr(register, kind) or not (register.readable or register.writable)
                for offset in register.element_offsets()
            )
            for (_, end, name), (offset, _, other) in pairwise(spans):
                if offset < end:
                    raise UvtraceError(
                        f"overlaps register {name} at {offset:#x} of BAR{bar}",
                        where=f"register {other}",
                    )
