# SPDX-License-Identifier: Apache-2.0
"""The life of one function as the reference follows it: driver, handlers, regions, BARs."""

from __future__ import annotations

import struct
from collections import Counter

from uvtrace.trace.enums import IrqType, Kind, Phase, Snapshot

from .records import Event, Lost

UNBOUND, PROBING, BOUND, REMOVING = "unbound", "probing", "bound", "removing"
_MEMORY, _PREFETCHABLE = 0x200, 0x2000
BAR_RECORD = struct.Struct("<QQQII")


class Life:
    """What is known of a function's driver and resources; None where it is not known."""

    def __init__(self) -> None:
        self.driver: str | None = None
        self.granted: int | None = None
        """Interrupt vectors."""
        self.sleep_delay_ms: int | None = None
        """The function's own D3hot-to-D0 delay."""
        self.bars: dict[int, tuple[int, int]] = {}
        """Length and IORESOURCE flags by number."""
        self.touched_regions: set[int] = set()
        """The BARs whose region was requested or released since the probe, or a loss."""
        self._regions: Counter[int] = Counter()
        """How often each BAR's region is requested, at least."""
        self._regions_complete = False
        self._handlers: Counter[int] | None = None
        self._vectors: Counter[tuple[int, int]] = Counter()

    # ------------------------------------------------------------- looking

    @property
    def has_driver(self) -> bool:
        return self.driver in (PROBING, BOUND, REMOVING)

    @property
    def handles_anything(self) -> bool | None:
        """A handler is registered for some interrupt."""
        return None if self._handlers is None else self._handlers.total() > 0

    def handles_irq(self, irq: int) -> bool | None:
        """A handler is registered for an interrupt number."""
        return None if self._handlers is None else self._handlers[irq] > 0

    def handles_message(self, event: Event) -> bool | None:
        """A handler is registered for what the device sends."""
        if self._handlers is None:
            return None
        types = {Kind.MSI: IrqType.MSI, Kind.MSIX: IrqType.MSIX}
        which = types.get(Kind(event.kind), IrqType.INTX)
        vector = event.vector if event.kind in types else 0
        return self._vectors[which, vector] > 0

    def bar_length(self, bar: int) -> int | None:
        """None where it is not known."""
        return self.bars.get(bar, (0, 0))[0] or None

    def prefetchable(self, bar: int) -> bool | None:
        """The BAR is prefetchable."""
        return bool(self.bars[bar][1] & _PREFETCHABLE) if bar in self.bars else None

    def region_held(self, bar: int) -> bool | None:
        """The BAR's region is requested."""
        if self._regions[bar] > 0:
            return True
        return False if self._regions_complete else None

    # ----------------------------------------------------------- following

    def follow(self, event: Event) -> None:
        """An event has happened."""
        if event.kind == Kind.SNAPSHOT:
            self._snapshot(event)
        elif event.kind == Kind.PROBE:
            if event.begins:
                self._begin()
                self._regions.clear()
                self.touched_regions.clear()
                self._regions_complete = True
            self.driver = PROBING if event.begins else UNBOUND
        elif event.kind == Kind.BIND:
            self.driver = BOUND
        elif event.kind == Kind.UNBIND:
            self.driver = REMOVING if event.phase == Phase.REQUEST else UNBOUND
        elif event.kind == Kind.VECTOR_ALLOC:
            self.granted = event.count if event.returned and event.ok else self.granted
        elif event.kind == Kind.VECTOR_FREE:
            self.granted = 0
        elif event.kind == Kind.IRQ_REQUEST and event.returned and event.ok:
            self._register(event, 1)
        elif event.kind == Kind.IRQ_FREE and event.returned:
            self._register(event, -1)
        elif event.is_a(Kind.REGION_REQUEST, Kind.REGION_RELEASE):
            self._region(event)

    def _begin(self) -> None:
        """No driver holds anything yet."""
        self.granted = 0
        self._handlers = Counter()
        self._vectors = Counter()

    def _snapshot(self, event: Event) -> None:
        if event.topic == Snapshot.DRIVER:
            if event.payload.strip(b"\0"):
                self.driver = BOUND
            else:
                self._begin()
                self.driver = UNBOUND
        elif event.topic == Snapshot.DELAYS:
            self.sleep_delay_ms = event.value
        elif event.topic == Snapshot.BARS:
            told = BAR_RECORD.iter_unpack(event.payload)
            self.bars = {number: (length, flags) for _, length, _, flags, number in told}

    def _register(self, event: Event, step: int) -> None:
        if self._handlers is None:
            return
        self._handlers[event.irq] = max(self._handlers[event.irq] + step, 0)
        key = event.irq_type, event.vector
        self._vectors[key] = max(self._vectors[key] + step, 0)

    def _region(self, event: Event) -> None:
        bar = event.bar
        if event.kind == Kind.REGION_REQUEST and event.returned and event.ok:
            # Parts of a BAR are requested beside the whole: the last release counts.
            self._regions[bar] += 1
            self.touched_regions.add(bar)
        elif event.kind == Kind.REGION_RELEASE and event.begins:
            self._regions[bar] = max(self._regions[bar] - 1, 0)
            self.touched_regions.add(bar)

    def lose(self, lost: Lost) -> None:
        """Something of it may have been missed."""
        if "life" in lost.sights:
            self.driver = self.granted = self._handlers = None
            self._regions.clear()
            self.touched_regions.clear()
            self._regions_complete = False
