# SPDX-License-Identifier: Apache-2.0
"""What a recording has to play with: accesses, what was received, config space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from uvtrace.errors import InputError
from uvtrace.layouts.decoder import Image
from uvtrace.layouts.ring import Ring
from uvtrace.play.declaration import Place, Playing
from uvtrace.play.timeline import Access
from uvtrace.trace.enums import Flag, Kind, MemoryMoment, Phase, Snapshot, Status
from uvtrace.trace.layout import BAR, BAR_NONE, view_of
from uvtrace.trace.trace import Trace

_READS: Final = (Kind.MMIO_READ, Kind.PIO_READ)
_WRITES: Final = (Kind.MMIO_WRITE, Kind.PIO_WRITE)
_CHUNK: Final = 1 << 16


@dataclass(frozen=True)
class Reception:
    """One descriptor that the recorded device filled.

    Attributes:
        position: when, in the recording.
        entry: the descriptor as the device left it.
        data: what it had written into the buffer.
        sent: descriptors that the driver had handed over for sending by then.
    """

    position: int
    entry: bytes
    data: bytes
    sent: int


@dataclass
class Recorded:
    """A recording of one function.

    Attributes:
        config: its config space when recording began.
        bars: as the kernel had them: number, length, flags of ``IORESOURCE_*``.
        accesses: of the driver, in order, without those of the contract's rings and interrupts.
        receptions: by ring.
        has_contents: it tells what memory held.
    """

    config: bytes = b""
    bars: list[tuple[int, int, int]] = field(default_factory=list)
    accesses: list[Access] = field(default_factory=list)
    receptions: dict[str, list[Reception]] = field(default_factory=dict)
    has_contents: bool = False


@dataclass
class _Waiting:
    """A filled descriptor whose buffer's contents come when the driver takes it."""

    ring: Ring
    position: int
    entry: bytes
    length: int
    sent: int


def read(trace: Trace, function: int, rings: Sequence[Ring], playing: Playing) -> Recorded:
    """Read what can be played of a recording.

    Args:
        trace: the recording.
        function: index of the function.
        rings: of its contract.
        playing: what the contract says of it.

    Raises:
        InputError: it lacks config space, accesses, or contents of memory.
    """
    reader = _Reader(trace, function, rings, playing)
    first = 0
    for part in trace.chunks(_CHUNK):
        reader.take(part, first)
        first += len(part)
    recorded = reader.recorded
    if not recorded.config or not recorded.bars:
        raise InputError(
            "does not tell what the device's config space is",
            path=trace.path,
            hint="record it anew",
        )
    if not recorded.accesses:
        raise InputError("has no access of a driver to its device", path=trace.path)
    if not recorded.has_contents:
        raise InputError(
            "does not tell what memory held, so no frame can be played",
            path=trace.path,
            hint="record with --memory, without --snaplen",
        )
    return recorded


class _Reader:
    """Goes through the records of one function."""

    def __init__(
        self, trace: Trace, function: int, rings: Sequence[Ring], playing: Playing
    ) -> None:
        self.recorded = Recorded(receptions={ring.name: [] for ring in rings if ring.received})
        self._function = function
        self._rings = rings
        self._playing = playing
        self._own = playing.places()
        self._registers: dict[Place, int] = {}
        self._image = Image()
        self._waiting: list[_Waiting] = []
        self._sent = 0
        self._places: dict[int, Place] = {}

    def take(self, part: Trace, first: int) -> None:
        """Read a part that begins at position ``first``."""
        records = part.records
        access, meta = view_of(records, "access"), view_of(records, "meta")
        for row in np.flatnonzero(records["function"] == self._function).tolist():
            record, kind = records[row], int(records["kind"][row])
            position = first + row
            if kind in _READS or kind in _WRITES:
                self._access(position, record, access[row])
            elif kind == Kind.MEMORY:
                self._memory(position, record, part.payload(row))
            elif kind == Kind.DMA_WRITE:
                self._device_wrote(position, record, part.payload(row))
            elif kind == Kind.DMA_READ:
                self._device_read(record, part.payload(row))
            elif kind == Kind.SNAPSHOT:
                self._snapshot(int(meta["topic"][row]), part.payload(row))

    def _access(self, position: int, record: np.void, facts: np.void) -> None:
        flags, phase = int(record["flags"]), int(record["phase"])
        kind, tag = int(record["kind"]), int(record["tag"])
        place = (int(facts["bar"]), int(facts["offset"]))
        if flags & (Flag.FAR | Flag.OUTSIDE | Flag.STALE | Flag.UNDECODED):
            return
        is_write = kind in _WRITES
        if phase == Phase.REQUEST:
            self._places[tag] = place
        if phase == Phase.COMPLETION:
            place = self._places.pop(tag, place)
        # A write counts when it is asked for, a read when it is answered.
        if phase == (Phase.COMPLETION if is_write else Phase.REQUEST):
            return
        if place[0] == BAR_NONE or int(record["status"]) not in (Status.OK, Status.FAILED):
            return
        value = int(record["value"])
        if is_write:
            self._written(place, value)
        if place not in self._own and place not in self._ring_registers():
            self.recorded.accesses.append(Access(position, place, is_write, value))

    def _ring_registers(self) -> set[Place]:
        return {place for ring in self._rings for place in ring.places}

    def _written(self, place: Place, value: int) -> None:
        for ring in self._rings:
            bell = self._playing.doorbells.get(ring.name)
            if bell is not None and bell.tail == place and ring.received is None:
                entries = max(1, ring.region(self._registers)[1] // ring.entry_bytes)
                self._sent += (value - self._registers.get(place, 0)) % entries
        self._registers[place] = value

    def _memory(self, position: int, record: np.void, contents: bytes) -> None:
        self.recorded.has_contents |= bool(contents)
        address = int(record["address"])
        if record["value"] == MemoryMoment.TO_CPU:
            self._returned(address, contents)
        self._changed(position, address, contents, at_once=False)

    def _device_read(self, record: np.void, contents: bytes) -> None:
        """What the driver had put there."""
        if contents and not int(record["flags"]) & Flag.FAR:
            self.recorded.has_contents = True
            self._image.write(int(record["address"]), contents)

    def _device_wrote(self, position: int, record: np.void, contents: bytes) -> None:
        if not int(record["flags"]) & Flag.FAR and record["status"] == Status.OK:
            self.recorded.has_contents |= bool(contents)
            self._changed(position, int(record["address"]), contents, at_once=True)

    def _changed(self, position: int, address: int, contents: bytes, at_once: bool) -> None:
        before = self._entries(address, len(contents))
        self._image.write(address, contents)
        for ring, at, old in before:
            entry = self._image.read(at, ring.entry_bytes)
            if ring.status.of(entry) & ring.done and entry != old:
                self._filled(position, ring, entry, at_once)

    def _entries(self, address: int, length: int) -> list[tuple[Ring, int, bytes]]:
        """The receive descriptors in some memory: where each is, and what it held."""
        found = []
        for ring in self._rings:
            base, size = ring.region(self._registers)
            if ring.received is None or not size:
                continue
            begin, end = max(base, address), min(base + size, address + length)
            first = base + (begin - base) // ring.entry_bytes * ring.entry_bytes
            found += [
                (ring, at, self._image.read(at, ring.entry_bytes))
                for at in range(first, end, ring.entry_bytes)
            ]
        return found

    def _filled(self, position: int, ring: Ring, entry: bytes, at_once: bool) -> None:
        assert ring.received is not None
        length = ring.received.of(entry)
        if ring.status.of(entry) & ring.failed or not length:
            return
        if at_once:
            data = self._image.read(ring.buffer.of(entry), length)
            self._received(ring, Reception(position, entry, data, self._sent))
        else:
            self._waiting.append(_Waiting(ring, position, entry, length, self._sent))

    def _returned(self, address: int, contents: bytes) -> None:
        """Memory came back to the CPU: it may be the buffer of a descriptor that was filled."""
        for number, each in enumerate(self._waiting):
            if each.ring.buffer.of(each.entry) == address and len(contents) >= each.length:
                data = contents[: each.length]
                del self._waiting[number]
                self._received(each.ring, Reception(each.position, each.entry, data, each.sent))
                return

    def _received(self, ring: Ring, reception: Reception) -> None:
        self.recorded.receptions[ring.name].append(reception)

    def _snapshot(self, topic: int, payload: bytes) -> None:
        if topic == Snapshot.CONFIG and not self.recorded.config:
            self.recorded.config = payload
        elif topic == Snapshot.BARS and not self.recorded.bars:
            bars = np.frombuffer(payload[: len(payload) // BAR.itemsize * BAR.itemsize], BAR)
            self.recorded.bars = [
                (int(bar["index"]), int(bar["length"]), int(bar["flags"]))
                for bar in bars
                if bar["length"]
            ]
