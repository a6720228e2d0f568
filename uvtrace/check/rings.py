# SPDX-License-Identifier: Apache-2.0
"""How a driver and its device exchange buffers: descriptors in memory, declared by contracts.

Whoever plays one of the two must know it: a replay tells a model what came from the network, and a
recorded device that plays for a live driver finds the driver's addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Registers = Mapping[tuple[int, int], int]
"""What the driver has written last, by BAR and offset."""


@dataclass(frozen=True)
class Span:
    """Some bytes of a descriptor, a little-endian number."""

    offset: int
    length: int

    def of(self, descriptor: bytes) -> int:
        """The number."""
        return int.from_bytes(descriptor[self.offset : self.offset + self.length], "little")


def _nothing(_: Registers) -> int:
    return 0


def _always(_: bytes) -> bool:
    return True


@dataclass(frozen=True, kw_only=True)
class Ring:
    """A ring of descriptors, or a single one.

    Attributes:
        name: as in ``e1000.receive``.
        bar: where its registers are.
        base: offsets of the registers that hold its address: the lower 32 bits, then the upper.
        length: offset of the register that holds its length in bytes; None: one descriptor.
        entry_bytes: of a descriptor.
        buffer: where a descriptor holds the address of its buffer.
        size: where the driver says how many bytes are in the buffer, or fit into it.
        has_buffer: whether a descriptor is of a kind that has a buffer.
        status: what the device writes when it is done with a descriptor.
        done: bits of it that say so.
        last: bits of it that say that a frame ends there; 0: each descriptor has a whole one.
        failed: bits of it that say that there is no frame.
        received: where the device writes how much it has put into the buffer; None: it transmits.
        received_mask: bits of that number.
        trailer: bytes that the device puts behind a frame, as its registers were told to.
    """

    name: str
    bar: int = 0
    base: tuple[int] | tuple[int, int]
    length: int | None
    entry_bytes: int
    buffer: Span
    size: Span | None = None
    has_buffer: Callable[[bytes], bool] = _always
    status: Span
    done: int
    last: int = 0
    failed: int = 0
    received: Span | None = None
    received_mask: int = (1 << 64) - 1
    trailer: Callable[[Registers], int] = _nothing

    def region(self, registers: Registers) -> tuple[int, int]:
        """Where it lies, and how many bytes; none while the driver has not said so."""
        parts = [registers.get((self.bar, offset)) for offset in self.base]
        if any(part is None for part in parts[:1]):
            return 0, 0
        address = sum((part or 0) << 32 * number for number, part in enumerate(parts))
        if self.length is None:
            return address, self.entry_bytes
        return address, registers.get((self.bar, self.length), 0)
