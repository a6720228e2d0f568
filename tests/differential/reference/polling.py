# SPDX-License-Identifier: Apache-2.0
"""How often one register of a function was read on end, with nothing else done in between."""

from __future__ import annotations

from uvtrace.trace.enums import Flag, Kind, Phase

from .records import Event, Lost

_READS = (Kind.MMIO_READ, Kind.PIO_READ)
_UNSEEN = Flag.OUTSIDE | Flag.STALE | Flag.UNDECODED | Flag.FAR


class Polling:
    """The reads of a function that go on."""

    def __init__(self) -> None:
        self._last: tuple[int, int, int] | None = None
        """BAR, offset and value."""
        self._count = 0

    def reads(self, event: Event) -> int:
        """How often the event's register has been read on end, this time included."""
        if not self._is_answer(event):
            return 0
        same = self._last == (event.bar, event.offset, event.value)
        return self._count + 1 if same else 1

    @staticmethod
    def _is_answer(event: Event) -> bool:
        read = event.is_a(*_READS) and event.returned and event.ok
        return read and event.in_bar and not event.has(_UNSEEN)

    def follow(self, event: Event) -> None:
        """An event has happened."""
        if self._is_answer(event):
            self._count = self.reads(event)
            self._last = event.bar, event.offset, event.value
            return
        asks = event.is_a(*_READS) and event.phase == Phase.REQUEST
        if not asks and not event.has(Flag.FAR):
            self._last = None

    def lose(self, lost: Lost) -> None:
        """Accesses may have been missed."""
        if lost.sights & {"mmio", "pio", "life"}:
            self._last = None
