# SPDX-License-Identifier: Apache-2.0
"""The driver comes, and goes."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.checkers.spaces import COMMAND, MSI, MSIX
from tests.differential.random_device import ADDRESS, DATA, TABLE, Device
from tests.differential.random_script import Script
from uvtrace.trace.enums import Flag, Kind, Snapshot
from uvtrace.trace.layout import BAR

_MEMORY, _IO, _PREFETCH, _WIDE = 0x200, 0x100, 0x2000, 0x100000


def _bars(d: Device, s: Script) -> None:
    rows = np.zeros(len(d.bars), BAR)
    flags = (_MEMORY, _IO, _MEMORY | _PREFETCH | (_WIDE if d.wide else 0))
    for row, (number, (address, length)) in zip(rows, d.bars.items(), strict=True):
        row["index"], row["flags"], row["length"] = number, flags[number], length
        row["bus_address"] = row["phys_address"] = address
    payload = rows.tobytes()
    size = len(payload)
    s.record(Kind.SNAPSHOT, payload=payload, topic=Snapshot.BARS, length=size, total=size)


def opening(d: Device, s: Script) -> None:
    """The snapshots that a recording begins with."""
    if d.chance(0.03):
        return
    s.snapshot_config(d.config())
    _bars(d, s)
    s.snapshot_driver("e1000" if d.chance(0.05) else "")
    if d.chance(0.8):
        s.snapshot_delays(d.rng.choice((0, 1, 10)), 100)


def probed(d: Device, s: Script) -> None:
    """A probe, from its beginning to the binding."""
    s.probe()
    if d.chance(0.9):
        s.enable_device()
        d.command |= 0x3
        s.config_write(COMMAND, d.command, site="pci_enable_device+0x10 [kernel]")
    if d.chance(0.9):
        s.set_master()
        d.command |= 0x4
        s.config_write(COMMAND, d.command)
    for bar in (0, 2):
        if d.chance(0.92):
            s.region_request(bar)
        length = d.rng.choice((None,) * 12 + (0x40000,))
        s.iomap(bar, mapping=bar + 1, length=length)
    if d.chance(0.8):
        s.dma_mask(d.rng.choice((64, 32, 32)), new_state=0)
        s.dma_mask(d.rng.choice((64, 32, 32)), new_state=1)
    if d.chance(0.5):
        s.segment_limit(d.rng.choice((0x1000, 0x10000)), d.rng.choice((0xFFFFFFFF, 0xFFFF)))
    if d.chance(0.9):
        _set_up_interrupts(d, s)
    s.bind()


def _set_up_interrupts(d: Device, s: Script) -> None:
    if d.interrupts != "INTX":
        s.vector_alloc(d.vectors, d.interrupts)
    if d.interrupts == "MSI":
        encoded = d.vectors.bit_length() - 1
        s.config_write(MSI + 2, 0x85 | encoded << 4, site="pci_msi+0x10 [kernel]")
    elif d.interrupts == "MSIX":
        s.config_write(MSIX + 2, 0x8002 | d.rng.choice((0,) * 9 + (0x4000,)), site="msix [kernel]")
        for vector in range(d.vectors):
            _program(d, s, vector)
    for vector in range(d.vectors if d.interrupts != "INTX" else 1):
        if d.chance(0.93):
            s.irq_request(d.irq + vector, type=d.interrupts, vector=vector)


def _program(d: Device, s: Script, vector: int) -> None:
    at = TABLE + 16 * vector
    core: dict[str, Any] = {"site": "pci_msi+0x20 [kernel]"}
    if d.chance(0.2):
        s.mmio_write(at, ADDRESS, width=8, **core)
    else:
        s.mmio_write(at, ADDRESS, **core).mmio_write(at + 4, 0, **core)
    s.mmio_write(at + 8, DATA + vector, **core)
    s.mmio_write(at + 12, int(d.chance(0.1)), **core)


def goes(d: Device, s: Script) -> None:
    """The driver is unbound; each of its things it forgets now and then."""
    s.remove()
    if d.chance(0.8):
        s.mmio_write(0xD8, 0xFFFFFFFF)
    for vector in range(d.vectors if d.interrupts != "INTX" else 1):
        if d.chance(0.93):
            s.irq_free(d.irq + vector, type=d.interrupts, vector=vector)
    if d.interrupts != "INTX" and d.chance(0.9):
        if d.chance(0.9):
            at = MSI + 2 if d.interrupts == "MSI" else MSIX + 2
            s.config_write(at, 0x84 if d.interrupts == "MSI" else 2, site="pci_msi+0x30 [kernel]")
        s.vector_free(type=d.interrupts)
    for bar in (0, 2):
        if d.chance(0.95):
            s.iounmap(bar, mapping=bar + 1)
        if d.chance(0.95):
            s.region_release(bar)
        if d.chance(0.03):
            s.mmio_read(0x8)
    if d.chance(0.93):
        s.disable_device()
        d.command &= ~0x4
        s.config_write(COMMAND, d.command, site="pci_disable_device+0x10 [kernel]")
    s.unbound()
    if d.chance(0.1):
        s.mmio_read(0x8, flags=d.rng.choice((0, Flag.STALE)))
