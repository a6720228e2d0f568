# SPDX-License-Identifier: Apache-2.0
"""What hardly comes about by chance: mistakes that take several events in a row."""

from __future__ import annotations

from tests.checkers.spaces import BAR0, COMMAND, POWER
from tests.differential.random_device import Device, handler
from tests.differential.random_script import Script
from uvtrace.trace.enums import Flag, Phase


def halves(d: Device, s: Script) -> None:
    """BAR 2 is sized; of its halves one or none is put right before it is decoded again."""
    s.config_write(COMMAND, d.command & ~3)
    for at in (BAR0 + 8, BAR0 + 12):
        s.config_write(at, 0xFFFFFFFF, width=4)
    for at, value in ((BAR0 + 8, d.bars[2][0] | (0xC if d.wide else 8)), (BAR0 + 12, 0)):
        if d.chance(0.6):
            s.config_write(at, value, width=4)
    s.config_write(COMMAND, d.command | 2)


def wrong_ways(d: Device, s: Script) -> None:
    """A buffer is synced or unmapped as it was not mapped."""
    address = d.buffer(256)
    mapped = d.rng.choice(("TO_DEVICE", "FROM_DEVICE", "BIDIRECTIONAL"))
    s.map(address, 256, mapped)
    for _ in range(d.rng.choice((1, 2))):
        sync = d.rng.choice((s.sync_for_cpu, s.sync_for_device))
        length = d.rng.choice((64, 256, 260))
        sync(address, length, d.rng.choice(("TO_DEVICE", "FROM_DEVICE", mapped)))
    s.unmap(address, 256, d.rng.choice((mapped, mapped, "TO_DEVICE")))


def held_lines(d: Device, s: Script) -> None:
    """The handler returns again and again while the line stays asserted."""
    s.intx_assert()
    for _ in range(d.rng.choice((2, 3, 4, 5))):
        tag = s.new_tag()
        s.handler_enter(d.irq, type="INTX", vector=0, tag=tag)
        s.handler_exit(d.irq, d.rng.choice((1,) * 9 + (0,)), type="INTX", vector=0, tag=tag)
    if d.chance(0.8):
        s.intx_deassert()
        handler(d, s, 0, asserted=False)


def cut_reads(d: Device, s: Script) -> None:
    """The function is reset or put to sleep while its read is under way, or just after."""
    address, tag = d.buffer(64), s.new_tag()
    s.map(address, 64, "TO_DEVICE")
    s.dma_read(address, 64, phase=Phase.REQUEST, tag=tag)
    if d.chance(0.3):
        s.dma_read(address, 64, phase=Phase.COMPLETION, tag=tag)
    if d.chance(0.6):
        s.reset()
    else:
        s.config_write(POWER + 4, 3).config_write(POWER + 4, 0)
    s.unmap(address, 64, "TO_DEVICE")


def polls(d: Device, s: Script) -> None:
    """A register is read until it changes; the other end may tell of it, too."""
    for _ in range(d.rng.choice((2, 3, 4, 6))):
        s.mmio_read(0x14, 7)
        if d.chance(0.3):
            s.mmio_read(0x14, 7, flags=Flag.FAR)
    if d.chance(0.5):
        s.mmio_read(0x14, 8)


def loose_orders(d: Device, s: Script) -> None:
    """The device asks for relaxed or ID-based ordering, which it may or may not."""
    address = d.buffer(64)
    s.map(address, 64, "BIDIRECTIONAL")
    for _ in range(d.rng.choice((1, 2))):
        access = d.rng.choice((s.dma_write, s.dma_read))
        access(address, 64, attributes=d.rng.choice((0, 2, 4, 6)))
    s.unmap(address, 64, "BIDIRECTIONAL")
