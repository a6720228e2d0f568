# SPDX-License-Identifier: Apache-2.0
"""A recorded function's config space, to be that function again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from uvtrace.device.config import (
    Bar,
    Capability,
    ConfigSpace,
    MemoryBar,
    Msi,
    MsiX,
    PciExpress,
    PortBar,
    PowerManagement,
)
from uvtrace.errors import InputError

# include/linux/ioport.h
_IO, _MEMORY, _PREFETCHABLE, _WIDE = 0x100, 0x200, 0x2000, 0x100000
_EXPANSION_ROM: Final = 6
_HEADER: Final = 0x40
_HAS_CAPABILITIES: Final = 1 << 4
_CAPABILITIES_MAX: Final = 48


def config_of(space: bytes, bars: Sequence[tuple[int, int, int]], where: str) -> ConfigSpace:
    """What the recorded function was, and what of it can be played.

    Capabilities that are about something else than power, messages and the link's limits are left
    out, as is an expansion ROM.

    Args:
        space: its config space.
        bars: number, length and ``IORESOURCE_*`` flags of each.
        where: the recording, for messages.

    Raises:
        InputError: no such function can be.
    """
    if len(space) < _HEADER:
        raise InputError("has only a part of the config space", path=where)
    found = dict(_capabilities(space))
    return ConfigSpace(
        vendor=_number(space, 0x00, 2),
        device=_number(space, 0x02, 2),
        class_code=_number(space, 0x09, 3),
        revision=space[0x08],
        subsystem_vendor=_number(space, 0x2C, 2),
        subsystem=_number(space, 0x2E, 2),
        bars=tuple(_bars(bars)),
        capabilities=tuple(found.values()),
        at=dict(enumerate(found)),
        interrupt_pin=space[0x3D],
        min_grant=space[0x3E],
        max_latency=space[0x3F],
    )


def _number(space: bytes, at: int, count: int) -> int:
    return int.from_bytes(space[at : at + count], "little")


def _bars(bars: Sequence[tuple[int, int, int]]) -> Iterator[Bar]:
    for number, length, flags in bars:
        if number >= _EXPANSION_ROM:
            continue
        if flags & _IO:
            yield PortBar(number, length)
        elif flags & _MEMORY:
            wide, prefetchable = bool(flags & _WIDE), bool(flags & _PREFETCHABLE)
            yield MemoryBar(number, length, wide=wide, prefetchable=prefetchable)


def _capabilities(space: bytes) -> Iterator[tuple[int, Capability]]:
    """Offset and meaning of those that are known, in the order of the list."""
    at = space[0x34] & ~3 if _number(space, 0x06, 2) & _HAS_CAPABILITIES else 0
    for _ in range(_CAPABILITIES_MAX):
        if at < _HEADER or at + 4 > len(space):
            return
        capability = _capability(space, at)
        if capability is not None:
            yield at, capability
        at = space[at + 1] & ~3


def _capability(space: bytes, at: int) -> Capability | None:
    control = _number(space, at + 2, 2)
    match space[at]:
        case PowerManagement.identity:
            soft_reset = not _number(space, at + 4, 2) & 8
            return PowerManagement(soft_reset, bool(control >> 9 & 1), bool(control >> 10 & 1))
        case Msi.identity:
            vectors = 1 << (control >> 1 & 7)
            return Msi(vectors, bool(control >> 7 & 1), bool(control >> 8 & 1))
        case MsiX.identity:
            table, pending = _number(space, at + 4, 4), _number(space, at + 8, 4)
            return MsiX(
                *((control & 0x7FF) + 1, table & 7, table & ~7, pending & ~7),
                pending_bar=pending & 7,
            )
        case PciExpress.identity:
            able = _number(space, at + 4, 4)
            link = _number(space, at + 12, 4)
            integrated = (control >> 4 & 0xF) == 9
            return PciExpress(
                *(128 << (able & 7), bool(able >> 28 & 1), link & 0xF or 1),
                width=link >> 4 & 0x3F or 1,
                integrated=integrated,
            )
    return None
