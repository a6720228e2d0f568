# SPDX-License-Identifier: Apache-2.0
"""What a capture shows, and what the loss of a record hides.

A rule is judged only where its events could have been seen: loss and blindness make a verdict
unknown, never a pass and never a finding.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.compiled import loop
from uvtrace.check.rules import Sight
from uvtrace.trace.enums import Flag, Kind, LossCause, Phase
from uvtrace.trace.events import is_event

ALL_SIGHTS = frozenset(Sight) - {Sight.REGS, Sight.FSM, Sight.BASELINE}
"""Everything that a record can show."""

TAP_SIGHTS = frozenset({Sight.CFG, Sight.MMIO, Sight.MAP, Sight.ISR, Sight.LIFE, Sight.PIO})
"""What the kernel module always shows of a stock driver, whether or not it happens."""

_KINDS_THAT_SHOW = {
    Sight.CFG: (Kind.CONFIG_READ, Kind.CONFIG_WRITE),
    Sight.MMIO: (Kind.MMIO_READ, Kind.MMIO_WRITE),
    Sight.MAP: tuple(range(Kind.MAP, Kind.POOL_FREE + 1)),
    Sight.PIO: (Kind.PIO_READ, Kind.PIO_WRITE),
    Sight.DMA: (Kind.DMA_READ, Kind.DMA_WRITE),
    Sight.MEM: (Kind.MEMORY,),
    Sight.IRQ: (Kind.MSI, Kind.MSIX, Kind.INTX_ASSERT, Kind.INTX_DEASSERT),
    Sight.ISR: (Kind.HANDLER_ENTER, Kind.HANDLER_EXIT),
    Sight.LIFE: (Kind.IOMAP, Kind.IOUNMAP, Kind.PROBE, Kind.BIND, Kind.UNBIND),
}

_NON_POSTED = tuple(range(Kind.CONFIG_READ, Kind.DMA_WRITE + 1))
"""Kinds of which a request and its completion can be two records (:attr:`Sight.CPL`)."""

# Beginnings of the kernel functions that the module hooks, and what goes unseen without them.
_SIGHT_OF_HOOK = (
    ("dma_", Sight.MAP),
    ("dmam_", Sight.MAP),
    ("__dma_", Sight.MAP),
    ("pool-", Sight.MAP),
    ("pci_bus_", Sight.CFG),
    ("pci_read", Sight.CFG),
    ("pci_write", Sight.CFG),
    ("pci_user_", Sight.CFG),
    ("ioread", Sight.MMIO),
    ("iowrite", Sight.MMIO),
    ("irq_handler", Sight.ISR),
    ("handle_irq", Sight.ISR),
    ("pio:", Sight.PIO),
)


@dataclass(frozen=True)
class Loss:
    """Something that the capture did not see.

    Attributes:
        seq: number of the record that tells of it, or of the first record after a gap.
        time_ns: its time.
        function: index of the function it concerns, or FUNCTION_NONE for all.
        count: records lost, 0 where that is not a matter of counting.
        sights: what it hides.
        lasting: hides it for the whole recording (a hook that this kernel lacks).
        text: what happened, for the report.
    """

    seq: int
    time_ns: int
    function: int
    count: int
    sights: frozenset[Sight]
    lasting: bool
    text: str


_CAUSE_TEXT = {
    LossCause.RING_FULL: "the ring was full",
    LossCause.HOOK_MISSED: "a hook did not run",
    LossCause.OVERWRITTEN: "the flight recorder kept only the newest",
    LossCause.STOPPED: "the ring was full and recording stopped",
    LossCause.DAMAGED: "slots of the ring were damaged",
}


def loss_of(cause: int, name: str) -> tuple[frozenset[Sight], bool, str]:
    """What a LOSS record of a cause hides, whether lastingly, and how to say so.

    ``name`` is the record's payload: the hook that is missing.
    """
    if cause == LossCause.NOT_TRAPPED:
        return frozenset({Sight.MMIO}), True, "a mapping could not be trapped"
    if cause == LossCause.NOT_HOOKED:
        return _sights_of_hook(name), True, f"this kernel has no hook for {name or 'something'}"
    if cause == LossCause.MEMORY:
        return frozenset({Sight.MEM}), False, f"contents of memory were not recorded: {name}"
    text = _CAUSE_TEXT.get(LossCause(cause), "lost") if cause in set(LossCause) else "lost"
    hides = _sights_of_hook(name) if cause == LossCause.HOOK_MISSED and name else ALL_SIGHTS
    return hides, False, text


def _sights_of_hook(name: str) -> frozenset[Sight]:
    for prefix, sight in _SIGHT_OF_HOOK:
        if name.startswith(prefix):
            return frozenset({sight})
    # Everything else that is hooked tells of resources; without a name it can be anything.
    return frozenset({Sight.LIFE}) if name else ALL_SIGHTS


_EVENT_KINDS: Final = is_event(np.arange(256))
_OF_TWO: Final = np.isin(np.arange(256), _NON_POSTED)
_IMPORTED: Final = np.uint32(Flag.IMPORTED)
_REQUEST, _COMPLETION = int(Phase.REQUEST), int(Phase.COMPLETION)


class Shown:
    """Gathers, chunk by chunk, which sights a capture has."""

    def __init__(self) -> None:
        self._kinds: set[int] = set()
        self._native = False
        self._apart = False

    def see(self, parts: Mapping[str, NDArray[Any]], kinds: AbstractSet[int]) -> None:
        """Take note of a chunk of records.

        Args:
            parts: their ``kind``, ``phase`` and ``flags``, each of shape (n,).
            kinds: those that there are among them.
        """
        self._kinds |= kinds
        kind = parts["kind"]
        if not self._native:
            self._native = bool(_any_native(kind, parts["flags"], _EVENT_KINDS))
        if not self._apart and not kinds.isdisjoint(_NON_POSTED):
            self._apart = bool(_any_apart(kind, parts["phase"], _OF_TWO))

    @property
    def sights(self) -> frozenset[Sight]:
        """What the capture shows, whether or not it happened."""
        seen = {
            sight
            for sight, kinds in _KINDS_THAT_SHOW.items()
            if not self._kinds.isdisjoint(map(int, kinds))
        }
        if self._apart:
            seen.add(Sight.CPL)
        return frozenset(seen | (TAP_SIGHTS if self._native else set()))


@loop
def _any_native(
    kind: NDArray[np.uint8], flags: NDArray[np.uint32], event_kinds: NDArray[np.bool_]
) -> bool:
    """Whether an event was not taken from another tool's log."""
    found = False
    for row in range(len(kind)):
        found |= event_kinds[kind[row]] and not flags[row] & _IMPORTED
    return found


@loop
def _any_apart(
    kind: NDArray[np.uint8], phase: NDArray[np.uint8], of_two: NDArray[np.bool_]
) -> bool:
    """Whether a request and its completion are two records."""
    found = False
    for row in range(len(kind)):
        part = phase[row] == _REQUEST or phase[row] == _COMPLETION
        found |= part and of_two[kind[row]]
    return found
