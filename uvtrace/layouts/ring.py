# SPDX-License-Identifier: Apache-2.0
"""How a driver and its device exchange buffers: rings of descriptors, declared by contracts.

Whoever plays one of the two must know it: a replay tells a model what came from the network, and a
recorded device that plays for a live driver finds the driver's addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from uvtrace.layouts.declaration import Area, Field, Layout, Layouts, Registers


def _nothing(_: Registers) -> int:
    return 0


@dataclass(frozen=True, kw_only=True)
class Ring:
    """A ring of descriptors, or a single one.

    Attributes:
        name: as in ``e1000.receive``.
        bar: where its registers are.
        base: offsets of the registers that hold its address: the lower 32 bits, then the upper.
        length: offset of the register that holds its length in bytes; None: one descriptor.
        layout: of its descriptors.
        buffer: the address of a descriptor's buffer; what has no such field has no buffer.
        size: where the driver says how many bytes are in the buffer, or fit into it.
        status: what the device writes when it is done with a descriptor.
        done: bits of it that say so.
        last: bits of it that say that a frame ends there; 0: each descriptor has a whole one.
        failed: bits of it that say that there is no frame.
        received: where the device writes how much it has put into the buffer; None: it transmits.
        trailer: bytes that the device puts behind a frame, as its registers were told to.
    """

    name: str
    bar: int = 0
    base: tuple[int] | tuple[int, int]
    length: int | None
    layout: Layout
    buffer: Field
    size: Field | None = None
    status: Field
    done: int
    last: int = 0
    failed: int = 0
    received: Field | None = None
    trailer: Callable[[Registers], int] = _nothing

    @property
    def entry_bytes(self) -> int:
        """Size of a descriptor."""
        return self.layout.entry_bytes

    @property
    def places(self) -> tuple[tuple[int, int], ...]:
        """BAR and offset of the registers that tell where it lies."""
        offsets = [*self.base, *([] if self.length is None else [self.length])]
        return tuple((self.bar, offset) for offset in offsets)

    def has_buffer(self, descriptor: bytes) -> bool:
        """Whether a descriptor is of a kind that has a buffer."""
        form = self.layout.form(descriptor)
        return form is not None and self.buffer in form.fields

    def region(self, registers: Registers) -> tuple[int, int]:
        """Where it lies, and how many bytes; none while the driver has not said so."""
        parts = [registers.get((self.bar, offset)) for offset in self.base]
        if parts[0] is None:
            return 0, 0
        address = sum((part or 0) << 32 * number for number, part in enumerate(parts))
        if self.length is None:
            return address, self.entry_bytes
        return address, registers.get((self.bar, self.length), 0)

    def area(self, registers: Registers) -> Area:
        """Its memory."""
        kind = "descriptor" if self.length is None else "ring"
        address, length = self.region(registers)
        return Area(f"{self.name.rpartition('.')[2]} {kind}", address, length, self.layout)


def layouts_of(rings: Sequence[Ring]) -> Layouts:
    """The memory that a device shares with its driver where rings are all of it."""

    def areas(registers: Registers) -> tuple[Area, ...]:
        told = (ring.area(registers) for ring in rings)
        return tuple(area for area in told if area.length)

    places = frozenset(place for ring in rings for place in ring.places)
    return Layouts(registers=places, areas=areas)
