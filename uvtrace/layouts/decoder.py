# SPDX-License-Identifier: Apache-2.0
"""Follows a trace: which memory holds what, and contents of memory in the device's own words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from uvtrace.layouts.declaration import Area, Layouts
from uvtrace.trace.enums import Kind
from uvtrace.trace.layout import view_of
from uvtrace.trace.trace import Trace

_PAGE: Final = 4096
_WORD: Final = 4
_TOLD_MAX: Final = 3
"""Entries of one record that are told one by one."""
_CONTENTS: Final = (Kind.MEMORY, Kind.DMA_READ, Kind.DMA_WRITE)


class Image:
    """What memory held when it was last recorded; bytes that never were are 0."""

    def __init__(self) -> None:
        self._pages: dict[int, bytearray] = {}

    def write(self, address: int, contents: bytes) -> None:
        """Note contents down."""
        for page, offset, begin, count in _pieces(address, len(contents)):
            held = self._pages.setdefault(page, bytearray(_PAGE))
            held[offset : offset + count] = contents[begin : begin + count]

    def read(self, address: int, length: int) -> bytes:
        """What is held."""
        nothing = bytes(_PAGE)
        return b"".join(
            self._pages.get(page, nothing)[offset : offset + count]
            for page, offset, _, count in _pieces(address, length)
        )


def _pieces(address: int, length: int) -> Iterator[tuple[int, int, int, int]]:
    """Page, offset in it, offset in the whole, and length of each page's part of a range."""
    done = 0
    while done < length:
        page, offset = divmod(address + done, _PAGE)
        count = min(_PAGE - offset, length - done)
        yield page, offset, done, count
        done += count


@dataclass
class _Function:
    """A function's registers, its shared memory, and the areas in it by name."""

    layouts: Layouts
    registers: dict[tuple[int, int], int] = field(default_factory=dict)
    image: Image = field(default_factory=Image)
    areas: dict[str, Area] = field(default_factory=dict)

    def write(self, bar: int, offset: int, width: int, value: int) -> None:
        """The driver wrote a register."""
        hit = False
        for part in range(0, width, _WORD):
            register = (bar, offset + part)
            if register in self.layouts.registers:
                self.registers[register] = value >> 8 * part & 0xFFFF_FFFF
                hit = True
        if hit:
            self.areas |= {area.name: area for area in self.layouts.areas(self.registers)}

    def told(self, address: int, contents: bytes) -> str:
        """Contents in words; empty where no area holds them."""
        self.image.write(address, contents)
        for area in tuple(self.areas.values()):
            if area.address < address + len(contents) and address < area.address + area.length:
                return self._in_area(area, address, len(contents))
        return ""

    def _in_area(self, area: Area, address: int, length: int) -> str:
        size = area.layout.entry_bytes
        first = max(0, address - area.address) // size
        end = -(-min(area.length, address + length - area.address) // size)
        entries = [
            (number, self.image.read(area.address + number * size, size))
            for number in range(first, end)
        ]
        for _, entry in entries:
            opened = self.layouts.opened_by(area, entry)
            if opened is not None:
                self.areas[opened.name] = opened
        written = [(number, entry) for number, entry in entries if any(entry)]
        told = [f"[{number}] {area.layout.text(entry)}" for number, entry in written[:_TOLD_MAX]]
        more = len(entries) - len(told)
        if not told:
            told = [f"{len(entries)} empty"]
        elif more:
            told.append(f"and {more} more")
        return f"{area.name} {'; '.join(told)}"


class Decoder:
    """Puts the contents of shared memory into words, part by part of a trace.

    Args:
        find: the layouts of a function, by its index; None where nothing is known. It is asked
            once for each function that has contents.
    """

    def __init__(self, find: Callable[[int], Layouts | None]) -> None:
        self._find = find
        self._functions: dict[int, _Function | None] = {}

    def take(self, part: Trace) -> dict[int, str]:
        """Contents by row of a part that follows the one before; rows of no area are left out."""
        kinds = part.column("kind")
        looked_at = np.isin(kinds, (Kind.MMIO_WRITE, *_CONTENTS))
        told: dict[int, str] = {}
        if not looked_at.any():
            return told
        records = part.records
        access = view_of(records, "access")
        for row in np.flatnonzero(looked_at).tolist():
            record = records[row]
            function = self._function(int(record["function"]))
            if function is None:
                continue
            if record["kind"] == Kind.MMIO_WRITE:
                facts = access[row]
                where = int(facts["bar"]), int(facts["offset"]), int(facts["width"])
                function.write(*where, int(record["value"]))
            elif text := function.told(int(record["address"]), part.payload(row)):
                told[row] = text
        return told

    def _function(self, index: int) -> _Function | None:
        if index not in self._functions:
            layouts = self._find(index)
            self._functions[index] = None if layouts is None else _Function(layouts)
        return self._functions[index]
