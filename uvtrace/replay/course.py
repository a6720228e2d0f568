# SPDX-License-Identifier: Apache-2.0
"""What stays the same while a recording is replayed: the script, and what the device is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from uvtrace.check.contract import Contract
from uvtrace.registers.map import RegisterMap
from uvtrace.replay.frames import Frame, areas_of, frames_of
from uvtrace.replay.said import ANSWERS, Said
from uvtrace.replay.script import Script
from uvtrace.trace.enums import Kind, MemoryMoment
from uvtrace.trace.texts import kind_text

_GRAIN: Final = 16
"""Bytes of memory that are looked at together."""


@dataclass
class Course:
    """The script and the device's descriptions.

    Attributes:
        script: what happened.
        registers: of the device; None: they have no names, and nothing is known of their bits.
        contract: of the device; None: what came from the network is not known.
        frames: what came from the network.
        compare_reads: the recording and the target both show what memory the device reads.
        frames: what came from the network.
        starts: the steps at which a frame first shows, with its number.
        areas: where rings of descriptors lay: begin, end, name.
        feeds: for a target that reads memory unseen: what it must hold once a step is done.
    """

    script: Script
    registers: RegisterMap | None = None
    contract: Contract | None = None
    compare_reads: bool = True
    frames: list[Frame] = field(default_factory=list)
    starts: dict[int, int] = field(default_factory=dict)
    feeds: dict[int, list[tuple[int, bytes]]] = field(default_factory=dict)
    areas: list[tuple[int, int, str]] = field(default_factory=list)
    _elements: dict[tuple[int, int], int] = field(default_factory=dict)
    _described: dict[tuple[int, int, int], int] = field(default_factory=dict)
    _names: dict[tuple[int, int], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rings: Sequence[object] = self.contract.rings if self.contract else ()
        if rings and self.contract is not None:
            self.frames = frames_of(self.script, self.contract.rings)
            self.areas = areas_of(self.script, self.contract.rings)
        for number, frame in enumerate(self.frames):
            self.starts.setdefault(frame.first, number)
            if frame.fetch is not None:
                self.starts.setdefault(frame.fetch, number)

        if not self.compare_reads:
            self.feeds = _feeds(self.script)

    def name_of(self, said: Said) -> str:
        """The register that an answer is about; where it has no name, its place."""
        if said.kind == Kind.CONFIG_READ:
            return said.where()
        name = self._names.get(said.place)
        if name is None:
            name = self._names[said.place] = self._name(said)
        return name

    def _name(self, said: Said) -> str:
        element = self._element(said)
        if element < 0 or self.registers is None:
            return said.where()
        return self.registers.element_name(element)

    def what(self, said: Said) -> str:
        """The register of an answer, or the kind of another thing: what counts are kept by."""
        if said.kind in ANSWERS:
            return self.name_of(said)
        if said.kind in (Kind.DMA_READ, Kind.DMA_WRITE, Kind.MEMORY):
            for start, end, name in self.areas:
                if start <= said.address < end:
                    return f"{kind_text(said.kind)} ({name})"
        return kind_text(said.kind)

    def is_plain(self, said: Said) -> bool:
        """Whether reading a register changes nothing, so that it can be read again."""
        element = self._element(said)
        if element < 0 or self.registers is None:
            return False
        return all(each.on_read is None for each in self.registers.declaration(element).fields)

    def volatile(self, said: Said) -> int:
        """Bits of an answer that hardware changes."""
        element = self._element(said)
        if element < 0 or self.registers is None:
            return 0
        return int(self.registers.tables.volatile[element])

    def described(self, said: Said) -> int:
        """Bits of an answer that mean something, as far as is known; reserved ones do not."""
        key = (*said.place, said.length)
        if key not in self._described:
            self._described[key] = self._described_bits(said)
        return self._described[key]

    def _described_bits(self, said: Said) -> int:
        element = self._element(said)
        if element < 0 or self.registers is None:
            return -1
        register = self.registers.declaration(element)
        whole = said.length * 8 == register.width
        if not register.fields or not whole or said.place[1] != self._offset(element):
            return -1
        return sum(field.mask for field in register.fields if not field.reserved)

    def _offset(self, element: int) -> int:
        assert self.registers is not None
        return int(self.registers.tables.offset[element])

    def hidden(self, said: Said) -> bool:
        """Whether what was read depends on traffic that the recording does not show."""
        unseen = self.script.uses_memory and not self.script.shows_device
        if not unseen or said.kind == Kind.CONFIG_READ:
            return False
        if self.contract is None or not self.contract.inputs:
            return bool(self.volatile(said))
        element = self._element(said)
        if element < 0 or self.registers is None:
            return False
        return self.registers.declaration(element).name in self.contract.inputs

    def _element(self, said: Said) -> int:
        if self.registers is None or said.kind == Kind.CONFIG_READ:
            return -1
        known = self._elements.get(said.place)
        if known is None:
            bar, offset = said.place
            known = int(self.registers.lookup([bar], [offset])[0])
            self._elements[said.place] = known
        return known


def _feeds(script: Script) -> dict[int, list[tuple[int, bytes]]]:
    """What the device found in memory, by the step behind which it may have been there.

    That is where the device had last to do with that memory: when the driver changed it after
    that, nobody saw, and the device did not look. -1: it had not at all.
    """
    feeds: dict[int, list[tuple[int, bytes]]] = {}
    since: dict[int, int] = {}
    last: dict[int, int] = {}
    for number, step in enumerate(script.steps):
        told, said = step.told, step.said
        if said is not None and said.kind in (Kind.DMA_READ, Kind.DMA_WRITE):
            grains = range(said.address // _GRAIN, (said.address + said.length - 1) // _GRAIN + 1)
            since[said.tag] = max((last.get(grain, -1) for grain in grains), default=-1)
            last.update(dict.fromkeys(grains, number))
        elif said is not None and said.kind == Kind.MEMORY:
            if said.value == MemoryMoment.TO_DEVICE:
                feeds.setdefault(number, []).append((said.address, said.data))
        elif told is not None and told.kind == Kind.DMA_READ and told.data:
            feeds.setdefault(since.get(told.tag, -1), []).append((told.address, told.data))
    return feeds
