# SPDX-License-Identifier: Apache-2.0
"""A register map as arrays, so that a sweep over millions of accesses needs no Python for each.

An element is a single register. All arrays of :class:`Tables` have one entry per element, in
order of BAR and offset; masks are of bits in place, uint64.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uvtrace.registers.map import Access, Field, OnRead, OnWrite, Register, RegisterMap

Masks = NDArray[np.uint64]

_BAR_SHIFT = np.uint64(56)


@dataclass(frozen=True, slots=True)
class Layer:
    """Elements that do not overlap, sorted by BAR and offset.

    Attributes:
        keys: bar << 56 | offset of the first byte, uint64.
        ends: bar << 56 | offset after the last byte, uint64.
        elements: their numbers, int32.
    """

    keys: Masks
    ends: Masks
    elements: NDArray[np.int32]

    def find(self, keys: Masks) -> NDArray[np.int32]:
        """The element that holds each address, -1 where none does."""
        if not self.keys.size:
            return np.full(keys.shape, -1, np.int32)
        at = np.searchsorted(self.keys, keys, side="right") - 1
        # at is -1 below the first register: element -1 is looked at and rejected, too.
        hit = (at >= 0) & (keys < self.ends[at])
        return np.where(hit, self.elements[at], np.int32(-1))


@dataclass(frozen=True, slots=True)
class Tables:
    """The elements of a map.

    Attributes:
        bar: uint8. offset: uint64, bytes. width: uint8, bits.
        declaration: int32, which entry of ``RegisterMap.registers``.
        number: int32, which element of that declaration.
        primary: int32, the element that this is an alias of, or itself.
        access_bytes: uint8, the allowed widths of an access, OR of 1, 2, 4, 8.
        fields: bits that belong to a field which is not reserved.
        readable, writable: bits that software can read, or write.
        ro, wo: bits that it can only read, or only write.
        plain: bits that store what is written to them.
        rclr, read_effect: bits cleared by a read; bits that a read changes in any way.
        woclr, woset, wot, wzc, wzs, wzt, wclr, wset, wuser: bits by effect of a write.
        singlepulse: bits that fall back to 0 by themselves.
        write_once: bits of which only the first write since reset counts.
        volatile: bits that hardware may change.
        reserved: reserved and undeclared bits.
        required, required_value: bits that must be written with a value, and the value.
        reset, reset_known: value after reset, and of which bits it is known.
        strapped: bits whose reset value is decided outside.
        resets, resets_value: a write that changes these bits to this value resets the function's
            registers; 0 where no write does.
        surprise_ones, mask_clear: bool. half_order, address_part: uint8, the enum's number.
        index_into, data_of: int8, a BAR, or -1.
        for_reads, for_writes: which elements reads and writes meet.
    """

    bar: NDArray[np.uint8]
    offset: Masks
    width: NDArray[np.uint8]
    declaration: NDArray[np.int32]
    number: NDArray[np.int32]
    primary: NDArray[np.int32]
    access_bytes: NDArray[np.uint8]
    fields: Masks
    readable: Masks
    writable: Masks
    ro: Masks
    wo: Masks
    plain: Masks
    rclr: Masks
    read_effect: Masks
    woclr: Masks
    woset: Masks
    wot: Masks
    wzc: Masks
    wzs: Masks
    wzt: Masks
    wclr: Masks
    wset: Masks
    wuser: Masks
    singlepulse: Masks
    write_once: Masks
    volatile: Masks
    reserved: Masks
    required: Masks
    required_value: Masks
    reset: Masks
    reset_known: Masks
    strapped: Masks
    resets: Masks
    resets_value: Masks
    surprise_ones: NDArray[np.bool_]
    mask_clear: NDArray[np.bool_]
    half_order: NDArray[np.uint8]
    address_part: NDArray[np.uint8]
    index_into: NDArray[np.int8]
    data_of: NDArray[np.int8]
    for_reads: Layer
    for_writes: Layer

    def __len__(self) -> int:
        return len(self.bar)

    def lookup(
        self, bar: ArrayLike, offset: ArrayLike, write: ArrayLike | None = None
    ) -> NDArray[np.int32]:
        """Which element holds the byte at ``offset`` of ``bar``.

        Args:
            bar: BAR numbers, any integer dtype, shape (n,).
            offset: bytes from the start of the BAR, shape (n,).
            write: whether each access is a write, shape (n,); matters only where two registers
                share an address, one for reads and one for writes. None: all are reads.

        Returns:
            Element numbers, int32, shape (n,); -1 where there is no register.
        """
        bars = np.asarray(bar, np.uint64)
        keys = bars << _BAR_SHIFT | np.asarray(offset, np.uint64)
        found = self.for_reads.find(keys)
        if write is None or self.for_writes is self.for_reads:
            return found
        return np.where(np.asarray(write, np.bool_), self.for_writes.find(keys), found)


def masks(register: Register) -> dict[str, int]:
    """The bit masks of one register, by the names they have in :class:`Tables`.

    A register without fields counts as one readable and writable field of unknown behaviour:
    volatile, and without a reset value.
    """
    fields = register.fields or (Field("", 0, register.width, volatile=True),)
    working = [field for field in fields if not field.reserved]
    reserved = register.mask & ~_bits(working)
    required, required_value = _required(register, fields, reserved)
    readable = _bits(f for f in working if f.access.readable)
    writable = _bits(f for f in working if f.access.writable)
    by_effect = {
        effect.value: _bits(f for f in working if f.on_write is effect and f.access.writable)
        for effect in OnWrite
    }
    return {
        "fields": _bits(working),
        "readable": readable,
        "writable": writable,
        "ro": readable & ~writable,
        "wo": writable & ~readable,
        "plain": _bits(
            f
            for f in working
            if f.on_write is None and not f.singlepulse and f.access is not Access.NA
        )
        & writable,
        "rclr": _bits(f for f in working if f.on_read is OnRead.RCLR),
        "read_effect": _bits(f for f in working if f.on_read is not None),
        **by_effect,
        "singlepulse": _bits(f for f in working if f.singlepulse),
        "write_once": _bits(f for f in working if f.access.once),
        "volatile": _bits(f for f in working if f.volatile),
        "reserved": reserved,
        "required": required,
        "required_value": required_value,
        "reset": sum((f.reset or 0) << f.low for f in fields),
        "reset_known": _bits(f for f in fields if f.reset is not None),
        "strapped": _bits(f for f in working if f.strapped),
        "resets": _bits(f for f in working if f.resets is not None),
        "resets_value": sum((f.resets or 0) << f.low for f in working),
    }


def _bits(fields: Iterable[Field]) -> int:
    mask = 0
    for field in fields:
        mask |= field.mask
    return mask


def _required(register: Register, fields: Iterable[Field], reserved: int) -> tuple[int, int]:
    """The bits that must be written with a value, and that value."""
    mask = reserved if register.required is not None else 0
    value = (register.required or 0) & mask
    for field in fields:
        if field.required is not None:
            mask |= field.mask
            value = value & ~field.mask | (field.required << field.low) & field.mask
    return mask, value


def tables_of(described: RegisterMap) -> Tables:
    """Unfold a map's declarations into elements."""
    registers = described.registers
    counts = [register.elements for register in registers]
    declaration = np.repeat(np.arange(len(registers), dtype=np.int32), counts)
    number = np.concatenate(
        [np.arange(count, dtype=np.int32) for count in counts] or [np.empty(0, np.int32)]
    )
    offset = np.array([at for r in registers for at in r.element_offsets()], np.uint64)
    bar = np.array([r.bar for r in registers], np.uint8)[declaration]
    order = np.lexsort((declaration, offset, bar))
    declaration, number, offset = declaration[order], number[order], offset[order]
    bar = bar[order]
    read_layer, write_layer = _layers(registers, declaration, bar, offset)
    return Tables(
        bar=bar,
        offset=offset,
        declaration=declaration,
        number=number,
        primary=_primaries(registers, declaration, number),
        for_reads=read_layer,
        for_writes=write_layer,
        **_register_columns(registers, declaration),
    )


def _register_columns(
    registers: tuple[Register, ...], declaration: NDArray[np.int32]
) -> dict[str, Any]:
    rows = [masks(register) for register in registers]
    columns: dict[str, Any] = {
        name: np.array([row[name] for row in rows], np.uint64)[declaration]
        for name in masks(Register("", 0, 0, 8, (1,)))
    }
    plain: dict[str, tuple[list[Any], Any]] = {
        "width": ([r.width for r in registers], np.uint8),
        "access_bytes": ([sum(r.access_bytes) for r in registers], np.uint8),
        "surprise_ones": ([r.surprise_ones for r in registers], np.bool_),
        "mask_clear": ([r.mask_clear for r in registers], np.bool_),
        "half_order": ([r.half_order for r in registers], np.uint8),
        "address_part": ([r.address_part for r in registers], np.uint8),
        "index_into": ([-1 if r.index_into is None else r.index_into for r in registers], np.int8),
        "data_of": ([-1 if r.data_of is None else r.data_of for r in registers], np.int8),
    }
    for name, (values, dtype) in plain.items():
        columns[name] = np.array(values, dtype)[declaration]
    return columns


def _primaries(
    registers: tuple[Register, ...], declaration: NDArray[np.int32], number: NDArray[np.int32]
) -> NDArray[np.int32]:
    primary = np.arange(len(declaration), dtype=np.int32)
    by_name = {register.name: at for at, register in enumerate(registers)}
    place = {
        (int(d), int(n)): at for at, (d, n) in enumerate(zip(declaration, number, strict=True))
    }
    for at, register in enumerate(registers):
        if register.alias_of is None:
            continue
        target = by_name[register.alias_of]
        # An alias shorter than its primary covers its first elements.
        for one in range(min(register.elements, registers[target].elements)):
            primary[place[at, one]] = place[target, one]
    return primary


def _layers(
    registers: tuple[Register, ...],
    declaration: NDArray[np.int32],
    bar: NDArray[np.uint8],
    offset: Masks,
) -> tuple[Layer, Layer]:
    """What reads and writes meet: the same, unless registers share addresses."""
    bytes_wide = np.array([r.width // 8 for r in registers], np.uint64)[declaration]
    keys = bar.astype(np.uint64) << _BAR_SHIFT | offset
    ends = keys + bytes_wide
    elements = np.arange(len(keys), dtype=np.int32)
    shared = np.zeros(len(keys), np.bool_)
    if len(keys) > 1:
        # A wide register may share its address with several narrow ones.
        shared[1:] |= keys[1:] < np.maximum.accumulate(ends)[:-1]
        shared[:-1] |= keys[1:] < ends[:-1]
    if not shared.any():
        layer = Layer(keys, ends, elements)
        return layer, layer
    readable = np.array([r.readable for r in registers], np.bool_)[declaration]
    reads, writes = ~shared | readable, ~shared | ~readable
    return (
        Layer(keys[reads], ends[reads], elements[reads]),
        Layer(keys[writes], ends[writes], elements[writes]),
    )
