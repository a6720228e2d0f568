# SPDX-License-Identifier: Apache-2.0
"""The reference's MSI-X table and INTx line of one function, and what its handlers do."""

from __future__ import annotations

from uvtrace.trace.enums import Flag, Kind

from .records import MMIO, PORT, Event, Lost
from .space import Space

ENTRY = 16
LARGEST_TABLE = 2048
_ADDRESS_LOW, _ADDRESS_HIGH, _DATA, _CONTROL = range(4)


class Vectors:
    """What is known of a function's interrupts."""

    def __init__(self) -> None:
        self._table: dict[tuple[int, int], int] = {}
        """The known dwords of the table's entries, by vector and number."""
        self.asserted: bool | None = None
        """INTx is."""

    def masked(self, vector: int) -> bool | None:
        """The entry of a vector is masked."""
        control = self._table.get((vector, _CONTROL))
        return None if control is None else bool(control & 1)

    def address(self, vector: int) -> int | None:
        """The address that is programmed for a vector."""
        low = self._table.get((vector, _ADDRESS_LOW))
        high = self._table.get((vector, _ADDRESS_HIGH))
        if low is None or high is None or low % 4:
            return None  # of no dword: what comes of it is not defined
        return low | high << 32

    def data(self, vector: int) -> int | None:
        """The data that is programmed for a vector."""
        return self._table.get((vector, _DATA))

    def follow(self, event: Event, space: Space) -> None:
        """An event has happened."""
        if event.kind == Kind.MMIO_WRITE and event.begins and event.executed:
            self._write(event, space)
        elif event.is_a(Kind.INTX_ASSERT, Kind.INTX_DEASSERT):
            self.asserted = event.kind == Kind.INTX_ASSERT
        elif event.kind == Kind.RESET:
            self._table.clear()
            self.asserted = None

    def _write(self, event: Event, space: Space) -> None:
        if space.msix_table is None:
            return
        bar, start = space.msix_table
        inside = event.offset - start
        size = space.msix_size or LARGEST_TABLE
        if event.bar != bar or not 0 <= inside < ENTRY * size:
            return
        vector, part = inside // ENTRY, inside % ENTRY // 4
        if event.width < 4 or inside % 4:
            # Forbidden: what comes of it is not defined.
            self._table.pop((vector, part), None)
            return
        self._table[vector, part] = event.value & 0xFFFFFFFF
        if event.width == 8 and part < _CONTROL:
            self._table[vector, part + 1] = event.value >> 32

    def lose(self, lost: Lost) -> None:
        """Writes or interrupts may have been missed."""
        if lost.sights & {"mmio", "irq", "isr", "life"}:
            self._table.clear()
            self.asserted = None


class Handlers:
    """The handlers that run, of all functions: on each CPU, and in each thread."""

    def __init__(self) -> None:
        self._running: dict[tuple[str, int], tuple[int, int]] = {}
        """Function and accesses so far."""

    @staticmethod
    def _context(event: Event) -> tuple[str, int]:
        return ("cpu", event.cpu) if event.has(Flag.HARDIRQ) else ("thread", event.tid)

    def accesses(self, event: Event) -> int | None:
        """How often the handler that returns has accessed its function."""
        function, count = self._running.get(self._context(event), (None, 0))
        return count if function == event.function else None

    def follow(self, event: Event) -> None:
        """An event has happened."""
        context = self._context(event)
        function, count = self._running.get(context, (None, 0))
        if event.kind == Kind.HANDLER_ENTER:
            self._running[context] = event.function, 0
        elif function != event.function:
            return
        elif event.kind == Kind.HANDLER_EXIT:
            del self._running[context]
        elif event.is_a(*MMIO, *PORT) and event.begins and event.executed:
            self._running[context] = event.function, count + 1

    def lose(self, lost: Lost) -> None:
        """What a handler did may have been missed."""
        if lost.sights & {"mmio", "pio", "irq", "isr", "life"}:
            self._running.clear()
