# SPDX-License-Identifier: Apache-2.0
"""What the reference remembers of the device's own accesses, and of mappings that failed."""

from __future__ import annotations

from dataclasses import dataclass, field

from uvtrace.trace.enums import Direction, Kind, Phase

from .mappings import Found, Mapping
from .records import DEVICE, REMOVAL, Event, Lost


@dataclass
class Use:
    """What the device has done to a mapping."""

    reads: int = 0
    writes: int = 0
    whole: bool = True
    """Every access since the mapping was made has been seen."""
    written: dict[int, int] = field(default_factory=dict)
    """Where writes began since the CPU was last given the mapping, and when that was."""


@dataclass
class Read:
    """A read of the device that waits for its data."""

    mapping: Mapping
    left: int


class DeviceUse:
    """The device's accesses to the mappings of one function."""

    def __init__(self) -> None:
        self._uses: dict[Mapping, Use] = {}
        self._waiting: dict[int, Read] = {}
        self._handled_at = -1
        self._failed: set[int] = set()
        """Threads whose mapping failed, and that have written no register since."""

    # ------------------------------------------------------------- looking

    def use(self, mapping: Mapping) -> Use:
        """What was done to a live mapping."""
        return self._uses.setdefault(mapping, Use())

    def is_waiting(self, mapping: Mapping) -> bool:
        """A read from the mapping is not yet completed."""
        return any(read.mapping is mapping for read in self._waiting.values())

    def overwrites(self, event: Event, mapping: Mapping) -> bool:
        """A write goes over an earlier one that the driver was told of, and never looked at."""
        before = self.use(mapping).written.get(event.address, -1)
        return 0 <= before < self._handled_at

    def map_failed(self, event: Event) -> bool:
        """The event's thread has a failed mapping, and has written no register since."""
        return event.tid in self._failed

    # ----------------------------------------------------------- following

    def follow(self, event: Event, found: Found) -> None:
        """An event has happened, which concerned ``found``."""
        if event.kind == Kind.HANDLER_EXIT:
            self._handled_at = event.position
        elif event.kind == Kind.UNBIND and event.returned:
            self._forget()
        elif event.kind == Kind.RESET and event.returned:
            self._waiting.clear()
        elif event.is_a(*DEVICE) and event.at_host:
            self._access(event, found.live)
        elif event.kind == Kind.SYNC_FOR_CPU and found.live is not None:
            self.use(found.live).written.clear()
        elif event.is_a(*REMOVAL) and event.begins and found.live is not None:
            self._uses.pop(found.live, None)
        elif event.kind == Kind.MAP and event.returned and not event.ok:
            self._failed.add(event.tid)
        elif event.kind == Kind.MMIO_WRITE:
            self._failed.discard(event.tid)

    def _access(self, event: Event, mapping: Mapping | None) -> None:
        if event.phase == Phase.COMPLETION:
            read = self._waiting.get(event.tag)
            if read is not None:
                read.left -= event.length
                if read.left <= 0 or not event.ok:
                    del self._waiting[event.tag]
            return
        if mapping is None or event.length == 0:
            return
        use = self.use(mapping)
        if event.kind == Kind.DMA_READ:
            use.reads += 1
            if event.phase == Phase.REQUEST:
                self._waiting[event.tag] = Read(mapping, event.length)
        else:
            use.writes += 1
            if mapping.direction != Direction.TO_DEVICE:
                use.written[event.address] = event.position

    def _forget(self) -> None:
        self._uses.clear()
        self._waiting.clear()
        self._handled_at = -1

    def lose(self, lost: Lost) -> None:
        """Accesses, or what ends them, may have been missed."""
        if lost.sights & {"dma", "map"}:
            for use in self._uses.values():
                use.whole = False
        if lost.sights & {"dma", "map", "isr"}:
            self._waiting.clear()
            self._handled_at = -1
            for use in self._uses.values():
                use.written.clear()
        if lost.sights & {"map", "mmio"}:
            self._failed.clear()
