# SPDX-License-Identifier: Apache-2.0
"""Registers, interrupts, config space and power; many an act has a mistake in it."""

from __future__ import annotations

from typing import Any

from tests.checkers.spaces import BAR0, BAR1, COMMAND, DEVICE_CONTROL, EXPRESS, MSI, MSIX, POWER
from tests.differential.random_device import (
    ADDRESS,
    PENDING,
    TABLE,
    Device,
    delay,
    handler,
    interrupt,
)
from tests.differential.random_script import Script
from uvtrace.trace.enums import Flag, Phase, Status


def registers(d: Device, s: Script) -> None:
    """The driver reads and writes registers and ports."""
    if d.chance(0.3):
        for _ in range(d.rng.choice((2, 3, 4))):
            s.mmio_read(0x8, 1)
    for _ in range(d.rng.choice((1, 2, 4))):
        offset = d.rng.choice((0x8, 0x10, 0x2000, 0x1FFFC, 0x20000, 0x12, TABLE + 12, PENDING))
        width = d.rng.choice((4, 4, 4, 4, 1, 2, 8))
        bar = d.rng.choice((0, 0, 0, 2))
        offset = offset & 0x3FFF if bar == 2 else offset
        what = d.rng.random()
        if what < 0.4:
            s.mmio_read(offset, d.rng.choice((0, 1)), bar=bar, width=width)
        elif what < 0.7:
            s.mmio_write(offset, d.rng.choice((0, 1)), bar=bar, width=width)
        elif what < 0.85:
            s.pio_read(offset & 0x3C, 0)
        else:
            s.pio_write(offset & 0x3C, 1)


def split_reads(d: Device, s: Script) -> None:
    """Registers are read of a device whose answers take a while."""
    tag = s.new_tag() if d.chance(0.8) else 3
    s.mmio_read(0x8, 0, phase=Phase.REQUEST, tag=tag)
    if d.chance(0.15):
        s.mmio_read(0x10, 0, phase=Phase.REQUEST, tag=tag)
    s.wait(d.rng.choice((100, 100, 5_000, 25_000)))
    for _ in range(d.rng.choice((0, 1, 1, 1, 1, 2))):
        status = d.rng.choice((Status.OK,) * 8 + (Status.UNSUPPORTED, Status.TIMEOUT))
        answer = {"phase": Phase.COMPLETION, "tag": tag, "status": status}
        s.mmio_read(0x8, 5, length=d.rng.choice((4, 4, 4, 2, 8)), **answer)


def interrupts(d: Device, s: Script) -> None:
    """The device interrupts, once or in a storm."""
    if d.interrupts == "INTX" and d.chance(0.3):
        s.intx_assert()
        for _ in range(4):
            handler(d, s, 0, asserted=False)
    for _ in range(d.rng.choice((1, 1, 2, 6))):
        if d.chance(0.3):
            handler(d, s, 0, asserted=False)
        else:
            interrupt(d, s)


def vectors(d: Device, s: Script) -> None:
    """A vector is masked, moved or unmasked, and used."""
    at = TABLE + 16 * d.rng.randrange(d.vectors)
    width = d.rng.choice((4, 4, 4, 4, 1, 2))
    what = d.rng.randrange(4)
    if what == 0:
        s.mmio_write(at + 12, 1, width=width)
    elif what == 1:
        s.mmio_write(at, d.rng.choice((ADDRESS, ADDRESS + 0x1000)), width=d.rng.choice((4, 8)))
    elif what == 2:
        s.config_write(MSIX + 2, d.rng.choice((0x8002, 0xC002, 2)))
    else:
        s.config_write(MSI + 2, d.rng.choice((0x84, 0x85)))
    interrupt(d, s)
    if d.chance(0.7):
        s.mmio_write(at + 12, 0)


def configures(d: Device, s: Script) -> None:
    """The driver reads and writes config space."""
    rng = d.rng
    base = d.bars[0][0]
    for _ in range(rng.choice((1, 2, 3))):
        what = rng.randrange(10)
        if what == 0:
            s.config_read(COMMAND, d.command | rng.choice((0x100000, 0x80100000, 0x29100000)))
            if d.chance(0.7):
                s.config_write(COMMAND, d.command | 0x80100000, width=4)
        elif what == 1:
            s.config_write(COMMAND, rng.choice((0, 0x2, 0x6, 0x7, 0x407, 0x8007)))
        elif what == 2:
            s.config_write(rng.choice((0, 2, 0x34, 0x2C)), 0x5555)
        elif what == 3:
            s.config_read(rng.choice((0x3, 0x100, 0xFE, 0x1000, 0)), 0, width=rng.choice((1, 2, 4)))
        elif what == 4:
            s.config_write(BAR0, rng.choice((base, base, base + 0x1000000)), width=4)
        elif what == 5:
            value = rng.choice((0x2010, 0x2030, 0x5000, 0x6000, 0x20C0, 0x2000, 0xA010))
            s.config_write(DEVICE_CONTROL, value)
        elif what == 6:
            s.config_write(EXPRESS + 0x28, rng.choice((0, 0x100, 0x200, 0x300)))
        elif what == 7:
            s.config_read(DEVICE_CONTROL, rng.choice((0x2010, 0x12010, 0x42010)))
            s.config_write(DEVICE_CONTROL, 0x12010, width=4)
        elif what == 8:
            s.config_write(POWER + 4, rng.choice((0x08, 0x18, 0x8008)))
        else:
            s.config_write(BAR1, rng.choice((d.bars[1][0] | 1, 0xD001)), width=4)


def sizes(d: Device, s: Script) -> None:
    """BARs are sized; one is not always put right again."""
    core: dict[str, Any] = {"site": "pci_scan+0x20 [kernel]"} if d.chance(0.6) else {}
    if d.chance(0.7):
        s.config_write(COMMAND, d.command & ~3, **core)
    for at, bar in ((BAR0, 0), (BAR1, 1)):
        if d.chance(0.8):
            s.config_write(at, 0xFFFFFFFF, width=4, **core)
            s.config_read(at, 0xFFFFFFFF & ~(d.bars[bar][1] - 1) | bar, **core)
            if d.chance(0.8):
                s.config_write(at, d.bars[bar][0] | bar, width=4, **core)
    if d.wide and d.chance(0.7):
        s.config_write(BAR0 + 8, 0xFFFFFFFF, width=4, **core)
        s.config_write(BAR0 + 12, 0xFFFFFFFF, width=4, **core)
        for at, value in ((BAR0 + 8, d.bars[2][0] | 0xC), (BAR0 + 12, 0)):
            if d.chance(0.7):
                s.config_write(at, value, width=4, **core)
    s.config_write(COMMAND, d.command, **core)


def sleeps(d: Device, s: Script) -> None:
    """The function sleeps and wakes."""
    keeps = d.rng.choice((0, 8))
    s.config_write(POWER + 4, keeps | d.rng.choice((3, 3, 1)))
    if d.chance(0.4):
        s.power(0, 3)
    if d.chance(0.2):
        s.mmio_read(0x8)
    if d.chance(0.1):
        s.dma_write(0x5000000, 4)
    delay(d, s)
    s.config_write(POWER + 4, keeps)
    if d.chance(0.4):
        s.power(3, 0)
    s.wait(d.rng.choice((100, 500_000, 2_000_000, 11_000_000)))
    _put_right(d, s)


def resets(d: Device, s: Script) -> None:
    """The function is reset, by hand or by the kernel."""
    how = d.rng.randrange(4)
    if how == 0:
        s.config_write(DEVICE_CONTROL, 0xA010)
    elif how == 1:
        s.reset(phase=Phase.REQUEST)
        if d.chance(0.4):
            s.config_read(COMMAND, d.rng.choice((0, d.command)), width=2)
        s.reset(phase=Phase.COMPLETION, status=d.rng.choice((Status.OK, Status.OK, Status.FAILED)))
    elif how == 2:
        s.reset(phase=Phase.WHOLE)
    else:
        s.reset()
    s.wait(d.rng.choice((100, 20_000, 40_000)))
    if d.chance(0.2):
        s.config_read(0, d.rng.choice((0x0001, 0xFFFFFFFF)), width=d.rng.choice((2, 4)))
    elif d.chance(0.2):
        s.config_read(0, 0, status=Status.RETRY)
    if d.chance(0.4):
        s.config_read(0, 0x100E8086)
    _put_right(d, s)


def _put_right(d: Device, s: Script) -> None:
    core: dict[str, Any] = {"site": "pci_restore_state+0x20 [kernel]"}
    if d.chance(0.2):
        s.config_read(BAR0, d.rng.choice((0, d.bars[0][0])), **core)
    for at, bar, flags in ((BAR0, 0, 0), (BAR1, 1, 1), (BAR0 + 8, 2, 0xC if d.wide else 8)):
        if d.chance(0.8):
            s.config_write(at, d.bars[bar][0] | flags, width=4, **core)
    if d.chance(0.8):
        s.config_write(COMMAND, d.command, **core)
    if d.chance(0.6) and d.interrupts == "MSI":
        s.config_write(MSI + 4, ADDRESS, width=4, **core).config_write(MSI + 2, 0x85, **core)
    elif d.chance(0.6):
        s.config_write(MSIX + 2, 0x8002, **core)
    if d.chance(0.6):
        s.mmio_read(0x8, bar=d.rng.choice((0, 2)))


def claims(d: Device, s: Script) -> None:
    """Resources are taken and given back at an odd time."""
    what = d.rng.randrange(6)
    if what == 0:
        s.region_release(0)
        s.mmio_read(0x8)
        if d.chance(0.7):
            s.region_request(0)
    elif what == 1:
        s.irq_free(d.irq, type=d.interrupts)
        interrupt(d, s)
        s.irq_request(d.irq, type=d.interrupts)
    elif what == 2:
        s.iomap(0, mapping=4, offset=0x100, length=0x100)
        if d.chance(0.7):
            s.iounmap(0, mapping=4, offset=0x100, length=0x100)
    elif what == 3:
        s.enable_device()
        if d.chance(0.7):
            s.disable_device()
    elif what == 4:
        s.iounmap(0, mapping=1)
        s.mmio_read(0x8, flags=Flag.STALE)
        s.iomap(0, mapping=1)
    else:
        s.config_write(0x30, (d.bars[2][0] & ~0x7FF) | d.rng.choice((0, 1)), width=4)
        s.config_write(BAR0 + 8, d.rng.choice((d.bars[0][0], d.bars[2][0])) | 8, width=4)
