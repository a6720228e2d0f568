# SPDX-License-Identifier: Apache-2.0
"""Memory is mapped, used by the device, and unmapped; many an act has a mistake in it."""

from __future__ import annotations

from typing import Any

from tests.differential.random_device import Device, delay, interrupt
from tests.differential.random_script import Script
from uvtrace.trace.enums import Phase, Status

_KERNEL = 0xFFFF888000000000
_DIRECTIONS = ("TO_DEVICE", "FROM_DEVICE", "BIDIRECTIONAL")


def _access(d: Device, s: Script, write: bool, address: int, length: int) -> None:
    """The device reads or writes, in one record or in two."""
    more: dict[str, Any] = {}
    if d.chance(0.1):
        more["attributes"] = d.rng.choice((2, 4))
    if d.chance(0.1):
        more.update(first_be=d.rng.choice((1, 0xF)), last_be=d.rng.choice((0, 0xF)))
    if write:
        s.dma_write(address, length, **more)
    elif d.chance(0.6):
        s.dma_read(address, length, **more)
    else:
        _split_read(d, s, address, length, **more)


def _split_read(d: Device, s: Script, address: int, length: int, **more: Any) -> None:
    tag = s.new_tag() if d.chance(0.9) else 3
    s.dma_read(address, length, phase=Phase.REQUEST, tag=tag, **more)
    delay(d, s)
    parts = d.rng.choice((1, 1, 2))
    size = length // parts or 1
    for part in range(parts if d.chance(0.9) else 0):
        answer: dict[str, Any] = {"phase": Phase.COMPLETION, "tag": tag}
        answer["byte_count"] = d.rng.choice((0, length - part * size, length))
        if d.chance(0.05):
            answer["status"] = d.rng.choice((Status.UNSUPPORTED, Status.ABORT, Status.TIMEOUT))
        at = d.rng.choice((0, address + part * size, address + part * size, address + length))
        s.dma_read(at % 2**64, size + d.rng.choice((0,) * 8 + (4, 64)), **answer)
        if d.chance(0.1):
            s.wait(25_000)


def streams(d: Device, s: Script) -> None:
    """A buffer is mapped, used, perhaps synced, and unmapped."""
    length = d.rng.choice((4, 64, 128, 256, 1500, 2048, 8192))
    address = d.buffer(length)
    direction = d.rng.choice(_DIRECTIONS)
    more: dict[str, Any] = {"cpu_address": _KERNEL + address}
    if d.chance(0.04):
        more["cpu_address"] = d.rng.choice((0x7F0000001000, 0xFFFFFFFFC0001000))
    if d.chance(0.03):
        more["attrs"] = 1 << 5
    flavour = d.rng.choice(("SINGLE",) * 8 + ("PAGES", "RESOURCE"))
    s.map(address, length, direction, flavour=flavour, **more)
    if d.chance(0.07):
        s.map(address + d.rng.choice((0, 64)), length, d.rng.choice(_DIRECTIONS), **more)
    for _ in range(d.rng.choice((0, 1, 1, 2, 3))):
        _use_stream(d, s, address, length, direction)
    if d.chance(0.93):
        s.unmap(address, length, direction, flavour=flavour)
    if d.chance(0.08):
        s.unmap(address, length, direction, flavour=flavour)
    if d.chance(0.08):
        _access(d, s, d.chance(0.5), address, min(length, 64))


def _use_stream(d: Device, s: Script, address: int, length: int, direction: str) -> None:
    what = d.rng.random()
    at = address + d.rng.choice((0, 0, 0, 64)) * (length > 64)
    size = d.rng.choice((4, 16, 64, 64, 128, 256, length))
    if d.chance(0.9):
        size = min(size, length - (at - address))
    if what < 0.6:
        usual = direction == "FROM_DEVICE" or (direction == "BIDIRECTIONAL" and d.chance(0.5))
        _access(d, s, usual if d.chance(0.85) else not usual, at, size)
    elif what < 0.75:
        s.sync_for_cpu(at, size, direction if d.chance(0.9) else d.rng.choice(_DIRECTIONS))
    elif what < 0.85:
        s.sync_for_device(at, size, direction)
    else:
        write = direction != "TO_DEVICE"
        _access(d, s, write, at, size)
        interrupt(d, s)
        if d.chance(0.3):
            s.sync_for_cpu(at, size, direction)
        _access(d, s, write, at, size)


def scatters(d: Device, s: Script) -> None:
    """A list is mapped, read or written over its segments, and unmapped."""
    address = d.buffer(3 * 0x1000) & ~0xFFF
    segments = [(address, 0x1000), (address + 0x1000, 0x1000)]
    segments.append((address + d.rng.choice((0x2000, 0x3000)), d.rng.choice((0x800, 0x2000, 0))))
    direction = d.rng.choice(_DIRECTIONS[:2])
    s.map_sg(segments, direction)
    if d.chance(0.3):
        s.sync_for_cpu(address, 64, direction, flavour="SG", nents=d.rng.choice((3, 2)))
    for _ in range(d.rng.choice((1, 2))):
        at = address + d.rng.choice((0, 0xFC0, 0x1FC0))
        _access(d, s, direction == "FROM_DEVICE", at, d.rng.choice((64, 128, 0x1800)))
    if d.chance(0.93):
        s.unmap_sg(segments, direction, nents=d.rng.choice((3, 3, 3, 2)))


def shares(d: Device, s: Script) -> None:
    """Coherent memory is allocated, used and freed."""
    length = d.rng.choice((64, 4096, 8192))
    address = d.buffer(length)
    cpu = _KERNEL + address
    s.alloc(address, length, cpu_address=cpu)
    for _ in range(d.rng.choice((0, 1, 2))):
        _access(d, s, d.chance(0.5), address + d.rng.choice((0, 32)), 16)
    if d.chance(0.05):
        s.map(address, 64, "FROM_DEVICE")
    if d.chance(0.07):
        s.unmap(address, length, "TO_DEVICE")
    if d.chance(0.93):
        other = d.rng.choice((0,) * 9 + (64,))
        s.free(address, length + d.rng.choice((0,) * 9 + (4096,)), cpu_address=cpu + other)
    if d.chance(0.05):
        s.free(0, 4096, cpu_address=0)


def pools(d: Device, s: Script) -> None:
    """Blocks of a pool."""
    pages = d.buffer(4096) & ~0xFFF
    s.pool_create(5, 64)
    s.alloc(pages, 4096, flavour="POOL")
    s.pool_alloc(5, pages, 64)
    s.pool_alloc(5, pages + 64, 64)
    if d.chance(0.5):
        _access(d, s, True, pages + d.rng.choice((0, 32, 64, 256)), d.rng.choice((4, 64)))
    s.pool_free(5, pages, d.rng.choice((0, 64)))
    if d.chance(0.3):
        _access(d, s, True, pages, 16)
    if d.chance(0.7):
        s.pool_free(5, d.rng.choice((pages, pages + 64)), d.rng.choice((0, 0, 32)))
    if d.chance(0.9):
        s.free(pages, 4096, flavour="POOL")
        s.pool_destroy(5)


def strays(d: Device, s: Script) -> None:
    """Calls and accesses that were never right."""
    what = d.rng.randrange(8)
    if what == 0:
        _access(d, s, d.chance(0.5), d.rng.choice((2**64 - 1, 0x5000000)), 4)
    elif what == 1:
        s.unmap(d.rng.choice((2**64 - 1, 0x5000000)), 64, "TO_DEVICE")
    elif what == 2:
        s.sync_for_cpu(d.rng.choice((2**64 - 1, 0x5000000)), 64)
    elif what == 3:
        s.map(2**64 - 1, 64, "TO_DEVICE", status="FAILED")
        if d.chance(0.3):
            s.mmio_write(0x20, 1, tid=d.rng.choice((0, 7)))
        s.mmio_write(0x20, 2**64 - 1, width=8)
    elif what == 4:
        s.map(d.buffer(64) + d.rng.choice((0, 2**32)), d.rng.choice((0, 64)), "TO_DEVICE")
    elif what == 5:
        for _ in range(d.rng.choice((4, 6))):
            address = d.buffer(64)
            s.map(address, 64, "FROM_DEVICE").map(address + 0x800, 64, "FROM_DEVICE")
            s.wait(d.rng.choice((0, 2_000)))
            s.unmap(address, 64, "FROM_DEVICE")
    elif what == 6:
        s.alloc(d.buffer(64) + d.rng.choice((0, 2**32)), d.rng.choice((0, 64)))
    else:
        _access(d, s, d.chance(0.5), d.buffer(64) + d.rng.choice((1, 0xFFC)), 64)
