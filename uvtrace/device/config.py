# SPDX-License-Identifier: Apache-2.0
"""A function's config space, described in a few words, as the three images that the bus keeps.

Layout of the type 0 header: PCI Local Bus Specification 3.0, 6.1 and 6.2. Capabilities: PCI Power
Management 1.2, 3.2; PCI Local Bus 3.0, 6.8 (MSI, MSI-X); PCI Express Base Specification 5.0, 7.5.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from uvtrace.errors import UsageError

CONFIG_SIZE = 256
EXPANDED_SIZE = 4096
_FIRST_CAPABILITY = 0x40
_MEMORY, _PORTS = 0x2, 0x1


@dataclass(frozen=True)
class MemoryBar:
    """A memory BAR: ``size`` bytes, a power of two of at least 16."""

    number: int
    size: int
    wide: bool = False
    """64-bit; takes the next BAR's place, too."""
    prefetchable: bool = False

    @property
    def type_bits(self) -> int:
        return (4 if self.wide else 0) | (8 if self.prefetchable else 0)


@dataclass(frozen=True)
class PortBar:
    """A BAR of I/O ports: ``size`` bytes, a power of two from 4 to 256."""

    number: int
    size: int
    wide = False

    @property
    def type_bits(self) -> int:
        return 1


Bar = MemoryBar | PortBar


class Images:
    """The three images of a config space, as it is at power-on.

    Attributes:
        values: what it holds; of BARs, the type bits only.
        writable: the bits that software can change; of BARs, the size mask.
        clearable: the bits that writing 1 clears.
    """

    def __init__(self, size: int) -> None:
        self.values = bytearray(size)
        self.writable = bytearray(size)
        self.clearable = bytearray(size)

    def put(self, at: int, size: int, value: int, writable: int = 0, clearable: int = 0) -> None:
        """Set a little-endian value, and which of its bits software changes."""
        for image, bits in (
            (self.values, value),
            (self.writable, writable),
            (self.clearable, clearable),
        ):
            image[at : at + size] = bits.to_bytes(size, "little")


@dataclass(frozen=True)
class PowerManagement:
    """PCI power management, version 3. D3hot to D0 keeps the function's state by default."""

    soft_reset: bool = False
    d1: bool = False
    d2: bool = False
    identity = 0x01
    length = 8

    def write(self, images: Images, at: int) -> None:
        images.put(at + 2, 2, 3 | (self.d1 << 9) | (self.d2 << 10))
        images.put(at + 4, 2, 0 if self.soft_reset else 8, writable=0x0103, clearable=0x8000)


@dataclass(frozen=True)
class Msi:
    """MSI with 1, 2, 4, 8, 16 or 32 vectors."""

    vectors: int = 1
    wide: bool = True
    """64-bit message addresses."""
    maskable: bool = False
    identity = 0x05

    @property
    def length(self) -> int:
        return 10 + 4 * self.wide + 10 * self.maskable

    def write(self, images: Images, at: int) -> None:
        control = (self.vectors.bit_length() - 1) << 1 | self.wide << 7 | self.maskable << 8
        images.put(at + 2, 2, control, writable=0x0071)
        images.put(at + 4, 4, 0, writable=0xFFFFFFFC)
        data = at + 8
        if self.wide:
            images.put(at + 8, 4, 0, writable=0xFFFFFFFF)
            data = at + 12
        images.put(data, 2, 0, writable=0xFFFF)
        if self.maskable:
            images.put(data + 4, 4, 0, writable=(1 << self.vectors) - 1)


@dataclass(frozen=True)
class MsiX:
    """MSI-X with up to 2048 vectors; the table and the pending bits lie in memory BARs."""

    vectors: int
    bar: int
    table: int = 0
    """Offset of the table in the BAR: 16 bytes a vector."""
    pending: int | None = None
    """Offset of the pending bits; None: behind the table."""
    pending_bar: int | None = None
    identity = 0x11
    length = 12

    @property
    def pending_offset(self) -> int:
        return self.table + 16 * self.vectors if self.pending is None else self.pending

    def write(self, images: Images, at: int) -> None:
        images.put(at + 2, 2, self.vectors - 1, writable=0xC000)
        images.put(at + 4, 4, self.table | self.bar)
        bar = self.bar if self.pending_bar is None else self.pending_bar
        images.put(at + 8, 4, self.pending_offset | bar)


@dataclass(frozen=True)
class PciExpress:
    """The PCI Express capability, version 2, of an endpoint."""

    max_payload: int = 128
    """Supported, bytes: 128 to 4096."""
    flr: bool = True
    speed: int = 1
    width: int = 1
    integrated: bool = True
    """A root complex integrated endpoint, which has no link."""
    identity = 0x10
    length = 60

    def write(self, images: Images, at: int) -> None:
        images.put(at + 2, 2, 2 | (0x90 if self.integrated else 0))
        supported = (self.max_payload // 128).bit_length() - 1
        images.put(at + 4, 4, supported | 1 << 15 | self.flr << 28)
        # Device Control: relaxed ordering, no snoop and 512-byte reads at power-on. FLR reads 0,
        # but is written.
        images.put(at + 8, 2, 0x2810, writable=0xF8FF if self.flr else 0x78FF)
        images.put(at + 10, 2, 0, clearable=0xF)
        if not self.integrated:
            link = self.speed | self.width << 4
            images.put(at + 12, 4, link)
            images.put(at + 16, 2, 0, writable=0x00FB)
            images.put(at + 18, 2, link)


@dataclass(frozen=True)
class Vendor:
    """A vendor-specific capability with ``data`` behind its length byte."""

    data: bytes
    identity = 0x09

    @property
    def length(self) -> int:
        return 3 + len(self.data)

    def write(self, images: Images, at: int) -> None:
        images.put(at + 2, 1, self.length)
        images.values[at + 3 : at + self.length] = self.data


Capability = PowerManagement | Msi | MsiX | PciExpress | Vendor


@dataclass(frozen=True)
class SerialNumber:
    """The extended capability Device Serial Number (PCI Express 5.0, 7.9.3)."""

    number: int
    identity = 0x0003
    length = 12

    def write(self, images: Images, at: int) -> None:
        images.put(at + 4, 8, self.number)


@dataclass(frozen=True)
class ConfigSpace:
    """A type 0 function's config space.

    Attributes:
        class_code: base class, subclass and interface, as in ``0x020000``.
        interrupt_pin: 0 none, 1 INTA to 4 INTD.
        capabilities: in the order of the list; each is placed behind the one before, dword
            aligned, from 0x40 on; ``at`` says otherwise.
        at: offsets of capabilities, by their index in ``capabilities``.
        extended: extended capabilities; with any, or ``expanded=True``, there are 4096 bytes.

    Raises:
        UsageError: BARs or capabilities that cannot be.
    """

    vendor: int
    device: int
    class_code: int
    revision: int = 0
    subsystem_vendor: int = 0
    subsystem: int = 0
    bars: Sequence[Bar] = ()
    capabilities: Sequence[Capability] = ()
    interrupt_pin: int = 1
    min_grant: int = 0
    max_latency: int = 0
    at: dict[int, int] = field(default_factory=dict)
    extended: Sequence[SerialNumber] = ()
    expanded: bool = False

    def __post_init__(self) -> None:
        _refuse_bars(self.bars)
        self.offsets()

    @property
    def size(self) -> int:
        """Bytes: 256 or 4096."""
        return EXPANDED_SIZE if self.expanded or self.extended else CONFIG_SIZE

    def bar(self, number: int) -> Bar:
        """The BAR of that number.

        Raises:
            KeyError: there is none.
        """
        for bar in self.bars:
            if bar.number == number:
                return bar
        raise KeyError(number)

    def offsets(self) -> list[int]:
        """Where each capability lies."""
        offsets, free = [], _FIRST_CAPABILITY
        for index, capability in enumerate(self.capabilities):
            at = self.at.get(index, free)
            free = (at + capability.length + 3) & ~3
            if at < _FIRST_CAPABILITY or at % 4 or free > CONFIG_SIZE:
                raise UsageError(f"a capability cannot lie at {at:#x}", where="config space")
            offsets.append(at)
        spans = sorted(zip(offsets, self.capabilities, strict=True), key=lambda span: span[0])
        for (at, capability), (behind, _) in pairwise(spans):
            if at + capability.length > behind:
                raise UsageError(f"capabilities overlap at {behind:#x}", where="config space")
        return offsets

    def images(self) -> Images:
        """The three images."""
        images = Images(self.size)
        self._write_header(images)
        for bar in self.bars:
            low = -bar.size & 0xFFFFFFFF & ~(3 if isinstance(bar, PortBar) else 15)
            images.put(0x10 + 4 * bar.number, 4, bar.type_bits, writable=low)
            if bar.wide:
                high = (-bar.size & 0xFFFFFFFFFFFFFFFF) >> 32
                images.put(0x14 + 4 * bar.number, 4, 0, writable=high)
        self._write_capabilities(images)
        return images

    def _write_header(self, images: Images) -> None:
        command = 0x0544  # SERR, parity, bus master, interrupt disable
        command |= _MEMORY if any(isinstance(bar, MemoryBar) for bar in self.bars) else 0
        command |= _PORTS if any(isinstance(bar, PortBar) for bar in self.bars) else 0
        images.put(0x00, 2, self.vendor)
        images.put(0x02, 2, self.device)
        images.put(0x04, 2, 0, writable=command)
        images.put(0x06, 2, 0x10 if self.capabilities else 0, clearable=0xF900)
        images.put(0x08, 4, self.class_code << 8 | self.revision)
        images.put(0x0C, 2, 0, writable=0xFFFF)
        images.put(0x2C, 2, self.subsystem_vendor or self.vendor)
        images.put(0x2E, 2, self.subsystem or self.device)
        images.put(0x3C, 1, 0, writable=0xFF)
        images.put(0x3D, 1, self.interrupt_pin)
        images.put(0x3E, 1, self.min_grant)
        images.put(0x3F, 1, self.max_latency)

    def _write_capabilities(self, images: Images) -> None:
        offsets = self.offsets()
        for at, pointer in zip(offsets, [0x34, *(at + 1 for at in offsets)], strict=False):
            images.put(pointer, 1, at)
        for at, capability in zip(offsets, self.capabilities, strict=True):
            images.put(at, 1, capability.identity)
            capability.write(images, at)
        at = CONFIG_SIZE
        for number, extension in enumerate(self.extended, 1):
            behind = (at + extension.length + 3) & ~3
            following = behind if number < len(self.extended) else 0
            images.put(at, 4, extension.identity | 1 << 16 | following << 20)
            extension.write(images, at)
            at = behind


def _refuse_bars(bars: Sequence[Bar]) -> None:
    taken: set[int] = set()
    for bar in bars:
        numbers = {bar.number, bar.number + 1} if bar.wide else {bar.number}
        smallest, largest = (4, 256) if isinstance(bar, PortBar) else (16, 1 << 40)
        where = f"BAR{bar.number}"
        if bar.size & (bar.size - 1) or not smallest <= bar.size <= largest:
            raise UsageError(f"{bar.size} bytes are no size of a BAR", where=where)
        if numbers & taken or not numbers <= set(range(6)):
            raise UsageError("is not free", where=where, hint="a 64-bit BAR takes two numbers")
        taken |= numbers
