# SPDX-License-Identifier: Apache-2.0
"""What the reference finds in a trace: one event after the other, every rule on each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from uvtrace.trace.enums import Kind
from uvtrace.trace.trace import Trace

from . import address, completions, config, dma, interrupts, ordering, power
from .counters import Growths, Storms
from .duties import DUTIES, Broken, Deadlines, Duties
from .order import trace_rules
from .records import (
    CONFIG,
    DEVICE,
    HANDLER,
    MAKING,
    MESSAGE,
    MMIO,
    PORT,
    REMOVAL,
    SYNC,
    Event,
    Lost,
    read_events,
)
from .world import Function, Judge, Judges, Shared

PRECEDENCE: dict[Judge, set[str]] = {
    dma.dma010: {"DMA006"},
    dma.dma013_call: {"DMA006", "DMA007", "DMA010", "DMA012", "DMA014", "DMA015"},
    dma.dma013_device: {"DMA001", "DMA002", "DMA020", "DMA022"},
    dma.dma023: {"DMA007"},
    dma.dma027: {"DMA002"},
    interrupts.irq005_line: {"IRQ008"},
    power.pwr006: {"CFG001"},
}
"""Of one event's findings, the rules that leave it to another one."""
_ACCESSES = (*CONFIG, *MMIO, *PORT)
_SENT = (*DEVICE, *MESSAGE, Kind.INTX_ASSERT)
FAMILIES: tuple[tuple[frozenset[int], Judges], ...] = (
    (frozenset((*MMIO, Kind.CONFIG_WRITE, Kind.IOMAP)), address.JUDGES),
    (frozenset((*_ACCESSES, Kind.DMA_READ)), completions.JUDGES),
    (frozenset((*_ACCESSES, *_SENT, Kind.SNAPSHOT)), config.JUDGES),
    (frozenset((*DEVICE, *MAKING, *REMOVAL, *SYNC, Kind.MMIO_WRITE)), dma.JUDGES),
    (
        frozenset((*MMIO, *_SENT, *HANDLER, Kind.CONFIG_WRITE, Kind.UNBIND)),
        interrupts.JUDGES,
    ),
    (frozenset((*_ACCESSES, *_SENT)), ordering.JUDGES),
    (frozenset((*_ACCESSES, *DEVICE, Kind.RESET, Kind.UNBIND)), power.JUDGES),
)
"""The rules that judge single events, and the kinds of event that each family looks at."""
JUDGES: Judges = {rule: judges for _, family in FAMILIES for rule, judges in family.items()}


class Reference:
    """A check of one trace, slow and obvious.

    Args:
        trace: what is judged.
        parameters: those that do not have their defaults.
    """

    def __init__(self, trace: Trace, parameters: Mapping[str, int]) -> None:
        self._trace = trace
        self._parameters = parameters
        self._shared = Shared(parameters)
        self._functions = [Function(self._shared) for _ in trace.functions]
        self._duties = [Duties(duty) for duty in DUTIES]
        self._deadlines = Deadlines(parameters.get("CPL001.timeout_ns", 10_000_000_000))
        self._storms, self._growths = Storms(), Growths()

    def findings(self) -> Counter[Broken]:
        """Every finding: rule, function (its index; -1 the trace), number of the record."""
        events = read_events(self._trace)
        found: Counter[Broken] = Counter()
        for event in events:
            found.update(self._see(event))
        damaged = self._trace.damage is not None
        found.update(trace_rules(events, damaged, self._parameters))
        return found

    def _see(self, event: Event) -> Iterator[Broken]:
        for lost in event.losses:
            self._lose(lost)
        yield from self._deadlines.pass_time(event)
        if event.function < len(self._functions):
            function = self._functions[event.function]
            function.look(event)
            yield from self._judge(function, event)
            function.follow(event)
            yield from self._growths.see(function, event)
        self._shared.follow(event)

    def _judge(self, function: Function, event: Event) -> Iterator[Broken]:
        broken = [
            (rule, judge)
            for kinds, family in FAMILIES
            if event.kind in kinds
            for rule, judges in family.items()
            for judge in judges
            if judge(function, event)
        ]
        left = {loser for _, judge in broken for loser in PRECEDENCE.get(judge, ())}
        for rule, _ in broken:
            if rule not in left:
                yield rule, event.function, event.seq
        for duties in self._duties:
            yield from duties.see(function, event)
        self._deadlines.see(function, event)
        yield from self._storms.see(function, event)

    def _lose(self, lost: Lost) -> None:
        for number, function in enumerate(self._functions):
            if lost.function in (None, number):
                function.lose(lost)
        self._shared.lose(lost)
        for duties in self._duties:
            duties.lose(lost)
        self._deadlines.lose(lost)
        self._storms.lose(lost)
        self._growths.lose(lost)
