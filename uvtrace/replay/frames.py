# SPDX-License-Identifier: Apache-2.0
"""What came from the network, put together from what the recorded device wrote to memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from uvtrace.layouts.ring import Ring
from uvtrace.replay.said import Said
from uvtrace.replay.script import Script, Step
from uvtrace.trace.enums import Kind

_LOOK_AHEAD = 4096
"""Steps within which a driver looks at a buffer that was filled."""
_WRITES = frozenset({Kind.MMIO_WRITE, Kind.PIO_WRITE})


@dataclass(slots=True)
class Frame:
    """A frame that the recorded device received.

    Attributes:
        data: without what the device put behind it.
        fetch: the step at which the device fetched descriptors for it, where it did so after the
            frame before; None: it did not.
        first: the step at which it wrote the first of it.
    """

    data: bytes
    fetch: int | None
    first: int


def frames_of(script: Script, rings: Sequence[Ring]) -> list[Frame]:
    """The frames, in the order of their coming."""
    frames: list[Frame] = []
    for ring in rings:
        if ring.received is not None:
            frames += _Receiving(ring, [each for each in rings if each is not ring]).follow(script)
    return sorted(frames, key=lambda frame: frame.first)


def areas_of(script: Script, rings: Sequence[Ring]) -> list[tuple[int, int, str]]:
    """Where rings lay at any time: begin, end, name."""
    registers: dict[tuple[int, int], int] = {}
    found: dict[tuple[int, int, str], None] = {}
    told_by = {place for ring in rings for place in ring.places}
    for step in script.steps:
        told = step.told
        if told is None or told.kind not in _WRITES or told.place not in told_by:
            continue
        registers[told.place] = told.value
        for ring in rings:
            base, length = ring.region(registers)
            if base and length:
                found[base, base + length, ring.name] = None
    return list(found)


@dataclass
class _Receiving:
    """One receive ring."""

    ring: Ring
    others: Sequence[Ring]
    registers: dict[tuple[int, int], int] = field(default_factory=dict)
    fetch: int | None = None
    first: int | None = None
    stores: list[Said] = field(default_factory=list)
    parts: list[bytes] = field(default_factory=list)
    seen: dict[int, bytes] = field(default_factory=dict)

    def follow(self, script: Script) -> Iterator[Frame]:
        for number, step in enumerate(script.steps):
            if step.told is not None and step.told.kind in _WRITES:
                self.registers[step.told.place] = step.told.value
            elif step.said is not None:
                if step.said.kind == Kind.MEMORY:
                    yield from self._shown(number, step.said, script)
                else:
                    yield from self._look(number, step, step.said, script)

    def _shown(self, number: int, said: Said, script: Script) -> Iterator[Frame]:
        """Memory as the recorder saw it: descriptors that the device is done with.

        Also where it was looked at because the driver rang a bell: the device does not wait.
        """
        ring = self.ring
        base, length = self.ring.region(self.registers)
        if not base <= said.address < base + length:
            return
        size = ring.entry_bytes
        for at in range(-(said.address - base) % size, len(said.data) - size + 1, size):
            entry = said.data[at : at + size]
            if not ring.status.of(entry) & ring.done:
                self.seen.pop(said.address + at, None)
            elif self.seen.get(said.address + at) != entry:
                self.seen[said.address + at] = entry
                yield from self._from_buffer(number, entry, script)

    def _from_buffer(self, number: int, entry: bytes, script: Script) -> Iterator[Frame]:
        ring = self.ring
        address, status = ring.buffer.of(entry), ring.status.of(entry)
        length = ring.received.of(entry) if ring.received else 0
        for step in script.steps[number : number + _LOOK_AHEAD]:
            said = step.said
            if said is not None and said.kind == Kind.MEMORY and said.address == address:
                self.parts.append(said.data[:length])
                break
        else:
            return
        if ring.last and not status & ring.last:
            return
        data, self.parts = b"".join(self.parts), []
        trailer = ring.trailer(self.registers)
        if len(data) > trailer and not status & ring.failed:
            yield Frame(data[: len(data) - trailer], None, number)

    def _look(self, number: int, step: Step, said: Said, script: Script) -> Iterator[Frame]:
        base, length = self.ring.region(self.registers)
        inside = base <= said.address < base + length
        if said.kind == Kind.DMA_READ and inside and self.first is None:
            self.fetch = number
        elif said.kind == Kind.DMA_WRITE and inside:
            yield from self._written_back(number, said, base)
        elif said.kind == Kind.DMA_WRITE and not self._is_of_others(said.address):
            self.first = number if self.first is None else self.first
            self.stores.append(said)

    def _is_of_others(self, address: int) -> bool:
        regions = (ring.region(self.registers) for ring in self.others)
        return any(base <= address < base + length for base, length in regions)

    def _written_back(self, number: int, said: Said, base: int) -> Iterator[Frame]:
        ring = self.ring
        at = (said.address - base) % ring.entry_bytes
        descriptor = bytearray(ring.entry_bytes)
        descriptor[at : at + len(said.data)] = said.data
        status = ring.status.of(bytes(descriptor))
        if not status & ring.done or ring.received is None:
            return
        length = ring.received.of(bytes(descriptor))
        stored, self.stores = b"".join(each.data for each in self.stores), []
        if not status & ring.failed and len(stored) >= length:
            self.parts.append(stored[-length:] if length else b"")
        if ring.last and not status & ring.last:
            return
        data, self.parts = b"".join(self.parts), []
        first, self.first = self.first, None
        fetch, self.fetch = self.fetch, None
        trailer = ring.trailer(self.registers)
        if len(data) > trailer:
            yield Frame(data[: len(data) - trailer], fetch, number if first is None else first)
