# SPDX-License-Identifier: Apache-2.0
"""What the bytes of a function's config space are: read-only, reserved, cleared by writing 1.

Sources: PCI Express Base Specification 5.0, 7.5.1 (header), 7.5.2 (power management), 7.5.3 (PCI
Express capability), 7.7.1 (MSI), 7.7.2 (MSI-X), 7.8.4 (AER).
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

SPACE: Final = 4096
HEADER: Final = 0x40
_EXTENDED: Final = 0x100
_POINTER: Final = 0x34
_STATUS_LIST: Final = 1 << 4
EXTENDED_ID: Final = 0x10000
_REMEMBERED: Final = 32
"""Layouts that are kept, of some 50 kilobytes each."""


class Place(IntEnum):
    """Where a function has what, as numbers in :attr:`Layout.places`; -1 it has not."""

    POWER = 0
    MSI = 1
    MSIX = 2
    EXPRESS = 3
    SIZE = 4
    FAULT = 5
    BARS_64 = 6


class Fault(IntEnum):
    """What is wrong with a capability list (``capability_fault``)."""

    NONE = 0
    LOOP = 1
    MISALIGNED = 2
    BELOW_HEADER = 3
    BEYOND = 4


_PLACE_OF_ID = {0x01: Place.POWER, 0x05: Place.MSI, 0x11: Place.MSIX, 0x10: Place.EXPRESS}

# Per register: offset, bytes, read-only bits, reserved bits, bits that writing 1 clears.
_Bits = tuple[int, int, int, int, int]
_HEADER_BITS: tuple[_Bits, ...] = (
    (0x00, 4, 0xFFFFFFFF, 0, 0),
    (0x04, 2, 0, 0xF800, 0),
    (0x06, 2, 0x06FF, 0, 0xF900),
    (0x08, 4, 0xFFFFFFFF, 0, 0),
    (0x0E, 1, 0xFF, 0, 0),
    (0x28, 8, 0xFFFFFFFFFFFFFFFF, 0, 0),
    (0x30, 4, 0, 0x7FE, 0),
    (0x34, 1, 0xFF, 0, 0),
    (0x35, 7, 0, 0xFFFFFFFFFFFFFF, 0),
    (0x3D, 3, 0xFFFFFF, 0, 0),
)
_CAPABILITY_BITS: dict[int, tuple[_Bits, ...]] = {
    0x01: ((0, 4, 0xFFFFFFFF, 0, 0), (4, 2, 0x6008, 0x00F4, 0x8000)),
    0x05: ((0, 2, 0xFFFF, 0, 0), (2, 2, 0x018E, 0xFE00, 0)),
    0x11: ((0, 2, 0xFFFF, 0, 0), (2, 2, 0x07FF, 0x3800, 0), (4, 8, 0xFFFFFFFFFFFFFFFF, 0, 0)),
    0x10: (
        (0, 8, 0xFFFFFFFFFFFFFFFF, 0, 0),
        (0x0A, 2, 0x0030, 0, 0x004F),
        (0x0C, 4, 0xFFFFFFFF, 0, 0),
        (0x12, 2, 0x3FFF, 0, 0xC000),
        (0x24, 4, 0xFFFFFFFF, 0, 0),
        (0x2C, 4, 0xFFFFFFFF, 0, 0),
    ),
    EXTENDED_ID + 1: (
        (0, 4, 0xFFFFFFFF, 0, 0),
        (4, 4, 0, 0, 0xFFFFFFFF),
        (0x10, 4, 0, 0, 0xFFFFFFFF),
        (0x1C, 16, (1 << 128) - 1, 0, 0),
    ),
}


class Layout(NamedTuple):
    """What a function's config space holds, byte by byte; each array of shape (4096,).

    Attributes:
        content: the bytes, uint8.
        known: whether the byte was told, uint8.
        read_only, reserved, clear: bits, uint8.
        capability: ID of the capability that the byte is in, int32; 0 the header, -1 not known.
        start: where that capability begins, int32.
        places: by :class:`Place`, int64, shape (len(Place),).
    """

    content: NDArray[np.uint8]
    known: NDArray[np.uint8]
    read_only: NDArray[np.uint8]
    reserved: NDArray[np.uint8]
    clear: NDArray[np.uint8]
    capability: NDArray[np.int32]
    start: NDArray[np.int32]
    places: NDArray[np.int64]


def unknown_layout() -> Layout:
    """Of a function that no snapshot has told of."""
    layout = _empty()
    _mark(layout, 0, _HEADER_BITS)
    layout.capability[HEADER:] = -1
    layout.places[:] = -1
    layout.places[Place.SIZE] = SPACE
    return layout


@lru_cache(_REMEMBERED)
def layout_of(space: bytes, total: int) -> Layout:
    """Of a function whose config space begins with these bytes, ``total`` in all.

    The same one for the same bytes, as one device is told of many times: it is not to be changed.
    """
    layout = _empty()
    content = np.frombuffer(space[:SPACE], np.uint8)
    layout.content[: len(content)] = content
    layout.known[: len(content)] = 1
    _mark(layout, 0, _HEADER_BITS)
    layout.places[:] = -1
    layout.places[Place.SIZE] = total if total in (256, SPACE) else SPACE
    layout.places[Place.BARS_64] = _bars_of_64_bits(space)
    _mark_bars(layout, space)
    found, layout.places[Place.FAULT] = _capabilities(space)
    for start, end, number in found:
        layout.capability[start:end] = number
        layout.start[start:end] = start
        _mark(layout, start, _CAPABILITY_BITS.get(number, ()))
        if number in _PLACE_OF_ID and layout.places[_PLACE_OF_ID[number]] < 0:
            layout.places[_PLACE_OF_ID[number]] = start
    return layout


def _empty() -> Layout:
    def zeros() -> NDArray[np.uint8]:
        return np.zeros(SPACE, np.uint8)

    return Layout(
        *(zeros(), zeros(), zeros(), zeros(), zeros()),
        capability=np.zeros(SPACE, np.int32),
        start=np.zeros(SPACE, np.int32),
        places=np.zeros(len(Place), np.int64),
    )


def _mark(layout: Layout, base: int, registers: tuple[_Bits, ...]) -> None:
    for offset, size, read_only, reserved, clear in registers:
        for byte in range(min(size, SPACE - base - offset)):
            at = base + offset + byte
            layout.read_only[at] = read_only >> 8 * byte & 0xFF
            layout.reserved[at] = reserved >> 8 * byte & 0xFF
            layout.clear[at] = clear >> 8 * byte & 0xFF


def _mark_bars(layout: Layout, space: bytes) -> None:
    """What a BAR says of itself in its lowest bits cannot be written."""
    wide = _bars_of_64_bits(space)
    for bar in range(6):
        at = 0x10 + 4 * bar
        is_high = bar > 0 and wide >> (bar - 1) & 1
        if len(space) >= HEADER and not is_high:
            layout.read_only[at] = 0x3 if space[at] & 1 else 0xF


def _bars_of_64_bits(space: bytes) -> int:
    bits, bar = 0, 0
    while bar < 6 and len(space) >= HEADER:
        low = space[0x10 + 4 * bar]
        wide = not low & 1 and low >> 1 & 3 == 2
        bits |= wide << bar
        bar += 2 if wide else 1
    return bits


def _capabilities(space: bytes) -> tuple[list[tuple[int, int, int]], Fault]:
    """First byte, end and ID of every capability, and what is wrong with the lists."""
    fault = Fault.NONE
    starts: dict[int, int] = {}
    for start, number, wrong in (*_walk(space), *_walk_extended(space)):
        if wrong is not Fault.NONE:
            fault = wrong
        else:
            starts[start] = number
    ends = [*sorted(starts), SPACE]
    spans = []
    for start in starts:
        limit = _EXTENDED if start < _EXTENDED else SPACE
        end = min(next(other for other in ends if other > start), limit)
        spans.append((start, end, starts[start]))
    return spans, fault


def _walk(space: bytes) -> Iterator[tuple[int, int, Fault]]:
    if len(space) < HEADER or not space[6] & _STATUS_LIST:
        return
    seen: set[int] = set()
    at = space[_POINTER]
    while at:
        if at & 3:
            yield at, 0, Fault.MISALIGNED
            return
        if at < HEADER:
            yield at, 0, Fault.BELOW_HEADER
            return
        if at in seen:
            yield at, 0, Fault.LOOP
            return
        if at + 2 > len(space):
            return
        seen.add(at)
        yield at, space[at], Fault.NONE
        at = space[at + 1]


def _walk_extended(space: bytes) -> Iterator[tuple[int, int, Fault]]:
    seen: set[int] = set()
    at = _EXTENDED
    while at and at + 4 <= len(space):
        header = int.from_bytes(space[at : at + 4], "little")
        if header in (0, 0xFFFFFFFF):
            return
        if at in seen:
            yield at, 0, Fault.LOOP
            return
        seen.add(at)
        yield at, EXTENDED_ID + (header & 0xFFFF), Fault.NONE
        at = header >> 20
        if at & 3:
            yield at, 0, Fault.MISALIGNED
            return
        if 0 < at < _EXTENDED:
            yield at, 0, Fault.BELOW_HEADER
            return
