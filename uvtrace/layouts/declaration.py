# SPDX-License-Identifier: Apache-2.0
"""Descriptors, commands and completions as a contract declares them, bit by bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from uvtrace.errors import UvtraceError

Registers = Mapping[tuple[int, int], int]
"""What the driver wrote last, by BAR and offset: 32 bits each, as the lower and the upper half."""


def bits_of(entry: bytes, first: int, count: int) -> int:
    """``count`` bits of a little-endian entry, from bit ``first`` on."""
    return int.from_bytes(entry, "little") >> first & ((1 << count) - 1)


@dataclass(frozen=True, kw_only=True)
class Field:
    """Some bits of an entry.

    Attributes:
        name: as the device's manual has it.
        first: its lowest bit; bit 8 is bit 0 of the second byte.
        count: how many bits.
        flags: names of its bits, lowest first, empty for a reserved one: those that are set are
            told.
        names: what values stand for.
        decimal: is told in decimal, not in hexadecimal.
        optional: is not told where it is 0.
    """

    name: str
    first: int
    count: int
    flags: tuple[str, ...] = ()
    names: Mapping[int, str] = field(default_factory=dict)
    decimal: bool = False
    optional: bool = False

    def of(self, entry: bytes) -> int:
        """Its value."""
        return bits_of(entry, self.first, self.count)

    def bits(self, *flags: str) -> int:
        """The value with these flags set, and no others.

        Raises:
            UvtraceError: there is no such flag.
        """
        unknown = [flag for flag in flags if not flag or flag not in self.flags]
        if unknown:
            raise UvtraceError("no such flag", where=f"{self.name}.{unknown[0]}")
        return sum(1 << self.flags.index(flag) for flag in flags)

    @property
    def span(self) -> slice:
        """The bytes of an entry that it lies in."""
        return slice(self.first // 8, -(-(self.first + self.count) // 8))

    def text(self, entry: bytes) -> str:
        """Its name and value; empty where there is nothing to tell."""
        value = self.of(entry)
        if not value and (self.optional or self.flags):
            return ""
        if self.flags:
            return "|".join(self._set(value))
        if value in self.names:
            return self.names[value]
        return f"{self.name} {value}" if self.decimal else f"{self.name} {value:#x}"

    def _set(self, value: int) -> list[str]:
        bits = (bit for bit in range(self.count) if value >> bit & 1)
        known = dict(enumerate(self.flags))
        return [known.get(bit) or f"{self.name}[{bit}]" for bit in bits]


@dataclass(frozen=True)
class Match:
    """Entries whose bits from ``first`` on hold ``value``."""

    first: int
    count: int
    value: int

    def of(self, entry: bytes) -> bool:
        """Whether an entry is one of them."""
        return bits_of(entry, self.first, self.count) == self.value


@dataclass(frozen=True, kw_only=True)
class Form:
    """One kind of entry.

    Attributes:
        name: of the kind.
        fields: what is told of it, in this order.
        when: what all entries of this kind have in common.
    """

    name: str
    fields: tuple[Field, ...]
    when: tuple[Match, ...] = ()

    def fits(self, entry: bytes) -> bool:
        """Whether an entry is of this kind."""
        return all(match.of(entry) for match in self.when)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Entries of one size, one behind the other.

    Attributes:
        entry_bytes: size of an entry.
        forms: its kinds; an entry is of the first that fits.
    """

    entry_bytes: int
    forms: tuple[Form, ...]

    def __post_init__(self) -> None:
        for form in self.forms:
            for each in form.fields:
                if each.first < 0 or each.first + each.count > 8 * self.entry_bytes:
                    raise UvtraceError(
                        "a field outside its entry", where=f"{form.name}.{each.name}"
                    )

    def form(self, entry: bytes) -> Form | None:
        """The kind of an entry of ``entry_bytes``; None where none fits."""
        return next((form for form in self.forms if form.fits(entry)), None)

    def text(self, entry: bytes) -> str:
        """An entry of ``entry_bytes`` in words."""
        form = self.form(entry)
        if form is None:
            return entry.hex(" ")
        told = (each.text(entry) for each in form.fields)
        return f"{form.name} " + ", ".join(text for text in told if text)


@dataclass(frozen=True)
class Area:
    """Memory that holds entries.

    Attributes:
        name: such as ``transmit ring``.
        address: DMA address of its first entry.
        length: in bytes.
        layout: of its entries.
    """

    name: str
    address: int
    length: int
    layout: Layout


def _none(_: Area, __: bytes) -> Area | None:
    return None


@dataclass(frozen=True, kw_only=True)
class Layouts:
    """All memory that a device shares with its driver.

    Attributes:
        registers: BAR and offset of the registers that tell where areas are, 32 bits each.
        areas: the areas, given what the driver wrote to these registers last.
        opened_by: the area that an entry of another one brings into being, if any (an NVMe command
            that creates a queue).
    """

    registers: frozenset[tuple[int, int]]
    areas: Callable[[Registers], Sequence[Area]]
    opened_by: Callable[[Area, bytes], Area | None] = _none
