# SPDX-License-Identifier: Apache-2.0
"""A function whose driver and device do random things."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.checkers.spaces import MSI, POWER
from tests.checkers.spaces import config_space as space_of
from tests.differential.random_script import Script
from uvtrace.trace.enums import Flag

TABLE, PENDING = 0x10000, 0x11000
"""Where the MSI-X table and its PBA are."""
ADDRESS, DATA = 0xFEE00000, 0x4021
"""Of the first interrupt message."""


@dataclass
class Device:
    """A function, and what its driver has in mind.

    Attributes:
        rng: where chance comes from.
        name: of the function.
        bars: bus address and length by BAR: registers, I/O ports, prefetchable memory.
        wide: BAR 2 has 64 bits.
        interrupts: INTX, MSI or MSIX.
        vectors: how many of them.
        irq: Linux's number of the first.
        tags: the last tag that was used.
        next_address: where the next buffer goes.
    """

    rng: Random
    name: str
    bars: dict[int, tuple[int, int]]
    wide: bool
    interrupts: str
    vectors: int
    irq: int
    command: int
    tags: int = 0
    next_address: int = 0x100000

    @classmethod
    def random(cls, rng: Random, number: int) -> Device:
        """One of several functions of a bus."""
        base = 0xFEB80000 + 0x100000 * number * rng.choice((1, 1, 1, 0))
        bars = {0: (base, 0x20000), 1: (0xC000 + 0x100 * number, 0x40), 2: (base + 0x40000, 0x4000)}
        return cls(
            rng=rng,
            name=f"0000:00:03.{number}",
            bars=bars,
            wide=rng.random() < 0.3,
            interrupts=rng.choice(("INTX", "INTX", "MSI", "MSIX", "MSIX")),
            vectors=rng.choice((1, 2, 4)),
            irq=10 + 10 * number,
            command=rng.choice((0, 0x6, 0x7, 0x7, 0x407)),
            tags=1000 * number,
            next_address=0x100000 + 0x1000000 * number,
        )

    def chance(self, probability: float) -> bool:
        """With this probability."""
        return self.rng.random() < probability

    def buffer(self, length: int) -> int:
        """The address of a buffer."""
        address = self.next_address + self.rng.choice((0, 0, 0, 4, 0xFC0))
        self.next_address = (address + length + 0x1FFF) & ~0xFFF
        return address

    def config(self) -> bytes:
        """Config space as it is before the driver comes."""
        rng = self.rng
        bars = (
            self.bars[0][0],
            self.bars[1][0] | 1,
            self.bars[2][0] | (0xC if self.wide else 8),
            0,
        )
        space = bytearray(
            space_of(
                command=self.command,
                status=0x10 | rng.choice((0, 0, 0, 1)) | rng.choice((0, 0x8000, 0x2900)),
                bars=bars,
                no_soft_reset=self.chance(0.6),
                payload_supported=rng.choice((0, 0, 1, 2)),
                msi_control=0x80 | 0x4 | rng.choice((0, 0, 1)) if self.chance(0.7) else 0x04,
                msix_control=rng.choice((2, 3)),
                msix=self.chance(0.85),
                last_pointer=rng.choice((0,) * 12 + (POWER, 0x52, 0x20)),
                size=rng.choice((256, 256, 4096)),
            )
        )
        if space[MSI + 2] & 0x80 == 0:
            space[MSI + 8 : MSI + 10] = DATA.to_bytes(2, "little")
        return bytes(space)


Act = Callable[[Device, Script], None]


def delay(d: Device, s: Script) -> None:
    if d.chance(0.4):
        s.wait(d.rng.choice((100, 3_000, 9_000)))


def interrupt(d: Device, s: Script) -> None:
    vector = d.rng.choice((0,) * 5 + (d.vectors - 1, d.vectors, 5))
    more: dict[str, Any] = {}
    if d.chance(0.04):
        more["message_address"] = d.rng.choice((ADDRESS + 2, ADDRESS + 0x1000))
    if d.chance(0.04):
        more["message_data"] = 0x77
    if d.chance(0.03):
        more["length"] = 2
    kind = d.interrupts if d.chance(0.95) else d.rng.choice(("INTX", "MSI", "MSIX"))
    if kind == "MSI":
        s.msi(vector, **more)
    elif kind == "MSIX":
        s.msix(vector, **more)
    else:
        s.intx_assert()
    handler(d, s, vector if kind != "INTX" else 0, asserted=kind == "INTX")


def handler(d: Device, s: Script, vector: int, *, asserted: bool) -> None:
    irq, tag = d.irq + vector, s.new_tag()
    how: dict[str, Any] = {"type": d.interrupts, "vector": vector, "tag": tag}
    if d.chance(0.1):
        how["flags"] = d.rng.choice((Flag.THREADED, Flag.HARDIRQ))
    s.handler_enter(irq, **how)
    hard = {"flags": how.get("flags", Flag.HARDIRQ) & Flag.HARDIRQ}
    if d.chance(0.8):
        if d.chance(0.9):
            s.mmio_read(0xC0, 4, **hard)
        else:
            s.pio_read(0x8, 4, **hard)
    if asserted and d.chance(0.8):
        s.intx_deassert()
    if d.chance(0.3):
        s.mmio_write(0xD0, 1, flags=hard["flags"] | Flag.WRITE)
    s.handler_exit(irq, d.rng.choice((1, 1, 1, 0, 2)), **how)
