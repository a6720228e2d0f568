# SPDX-License-Identifier: Apache-2.0
"""The reference's rules about what is wrong only in numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from uvtrace.trace.enums import IrqType, Kind

from .records import Event, Lost
from .world import Function

Broken = tuple[str, int, int]
_NOT_HANDLED, _WAKES_THREAD = 0, 2
_SECOND = 1_000_000_000


@dataclass
class _Count:
    begun_ns: int
    number: int = 0
    told: bool = False


@dataclass
class Storms:
    """IRQ007 (a handler that runs again and again) and IRQ009 (a line that stays asserted)."""

    counts: dict[tuple[str, int, int], _Count] = field(default_factory=dict)

    def see(self, f: Function, e: Event) -> Iterator[Broken]:
        """An event of a function is in hand."""
        if self._makes_progress(e):
            self._reset("IRQ007", e.function)
        if e.is_a(Kind.INTX_ASSERT, Kind.INTX_DEASSERT):
            self._reset("IRQ009", e.function)
        if e.kind != Kind.HANDLER_EXIT:
            return
        handled = e.result != _NOT_HANDLED
        if e.result != _WAKES_THREAD and (handled or e.irq_type != IrqType.INTX):
            span_ns = f.parameter("IRQ007.span_ns", 10 * _SECOND)
            yield from self._add("IRQ007", e, f.parameter("IRQ007.runs", 500), span_ns)
        if handled and e.irq_type == IrqType.INTX and f.vectors.asserted is True:
            yield from self._add("IRQ009", e, f.parameter("IRQ009.runs", 100), None)

    @staticmethod
    def _makes_progress(e: Event) -> bool:
        writes = e.is_a(Kind.MMIO_WRITE, Kind.PIO_WRITE) and e.begins
        return writes or e.is_a(Kind.UNMAP, Kind.SYNC_FOR_CPU, Kind.IRQ_REQUEST, Kind.IRQ_FREE)

    def _reset(self, rule: str, function: int | None) -> None:
        for key in [key for key in self.counts if key[0] == rule]:
            if function in (None, key[1]):
                del self.counts[key]

    def _add(self, rule: str, e: Event, limit: int, span_ns: int | None) -> Iterator[Broken]:
        key = rule, e.function, e.irq
        count = self.counts.get(key)
        if count is None or (span_ns is not None and e.time_ns - count.begun_ns > span_ns):
            count = self.counts[key] = _Count(e.time_ns)
        count.number += 1
        if count.number > limit and not count.told:
            count.told = True
            yield rule, e.function, e.seq

    def lose(self, lost: Lost) -> None:
        """Records are missing."""
        if lost.sights & {"isr", "mmio", "pio"}:
            self._reset("IRQ007", lost.function)
        if lost.sights & {"irq", "isr"}:
            self._reset("IRQ009", lost.function)


@dataclass
class _Growth:
    begun_ns: int
    least: int
    """Of the span that goes on."""
    before: int | None = None
    """Of the span before it."""
    rises: int = 0
    told: bool = False


@dataclass
class Growths:
    """DMA026: mappings that only grow, from unmap to unmap, and from span to span."""

    growths: dict[tuple[str, int], _Growth] = field(default_factory=dict)

    def see(self, f: Function, e: Event) -> Iterator[Broken]:
        """An event of a function has happened: mappings are counted after it."""
        held = f.mappings.streaming
        if e.unbound or e.probing:
            self._reset(e.function)
        if e.kind == Kind.UNMAP and e.begins:
            limit = f.parameter("DMA026.unmaps", 1000)
            yield from self._add("unmaps", e, held, 1, limit)
        if e.is_a(Kind.MAP, Kind.UNMAP) and held > f.parameter("DMA026.floor", 1024):
            span_ns = f.parameter("DMA026.span_ns", _SECOND)
            yield from self._add("spans", e, held, span_ns, f.parameter("DMA026.spans", 30))

    def _reset(self, function: int | None) -> None:
        for key in [key for key in self.growths if function in (None, key[1])]:
            del self.growths[key]

    def _add(self, which: str, e: Event, held: int, span_ns: int, limit: int) -> Iterator[Broken]:
        growth = self.growths.get((which, e.function))
        if growth is None:
            self.growths[which, e.function] = _Growth(e.time_ns, held)
            return
        if e.time_ns - growth.begun_ns > span_ns:
            if growth.before is not None and growth.least > growth.before:
                growth.rises += 1
            else:
                growth.rises, growth.told = 0, False
            growth.before, growth.least, growth.begun_ns = growth.least, held, e.time_ns
        growth.least = min(growth.least, held)
        if growth.rises > limit and not growth.told:
            growth.told = True
            yield "DMA026", e.function, e.seq

    def lose(self, lost: Lost) -> None:
        """Records are missing."""
        if "map" in lost.sights:
            self._reset(lost.function)


RULES = frozenset(("DMA026", "IRQ007", "IRQ009"))
"""The rules that are judged here."""
