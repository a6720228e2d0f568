# SPDX-License-Identifier: Apache-2.0
"""The reference's requests that wait for their completions, of one function."""

from __future__ import annotations

from dataclasses import dataclass

from uvtrace.trace.enums import Flag, Kind, Phase

from .records import CONFIG, Event, Lost

NON_POSTED = (*CONFIG, Kind.MMIO_READ, Kind.PIO_READ, Kind.PIO_WRITE, Kind.DMA_READ)


@dataclass
class Request:
    """A request, and how much of its data has come."""

    event: Event
    came: int = 0

    @property
    def left(self) -> int:
        return self.event.length - self.came


class Requests:
    """What is outstanding, by kind and tag."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[int, int], Request] = {}

    def of(self, event: Event) -> Request | None:
        """The outstanding request with the event's kind and tag."""
        if event.kind not in NON_POSTED or event.has(Flag.FAR) or event.tag == 0:
            return None
        return self._waiting.get((event.kind, event.tag))

    @property
    def device_reads(self) -> int:
        """How many reads of the device are outstanding."""
        return sum(kind == Kind.DMA_READ for kind, _ in self._waiting)

    def follow(self, event: Event) -> None:
        """An event has happened."""
        if event.kind == Kind.RESET and event.returned:
            self._waiting.clear()
        if event.kind not in NON_POSTED or event.has(Flag.FAR) or event.tag == 0:
            return
        key = event.kind, event.tag
        if event.phase == Phase.REQUEST:
            self._waiting[key] = Request(event)
        elif event.phase == Phase.COMPLETION and key in self._waiting:
            request = self._waiting[key]
            request.came += event.length
            in_parts = event.kind == Kind.DMA_READ and request.left > 0
            if not (in_parts and event.ok):
                del self._waiting[key]

    def lose(self, lost: Lost) -> None:
        """Requests or completions may have been missed."""
        if "cpl" in lost.sights:
            self._waiting.clear()
