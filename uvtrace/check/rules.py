# SPDX-License-Identifier: Apache-2.0
"""What a rule states, and what a capture must show for it to be judged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from uvtrace.errors import UsageError


class Sight(StrEnum):
    """A class of events that a capture shows or does not (the catalogue's ``needs``)."""

    CFG = "cfg"
    """Config accesses."""
    MMIO = "mmio"
    """Accesses to BARs."""
    MAP = "map"
    """DMA-API calls."""
    DMA = "dma"
    """The device's own reads and writes of memory."""
    MEM = "mem"
    """Contents of mapped memory."""
    IRQ = "irq"
    """Interrupt messages on the bus."""
    ISR = "isr"
    """Handler entry and exit on the CPU."""
    LIFE = "life"
    """Probe, remove, iomap, power, reset, request and release of interrupts."""
    CPL = "cpl"
    """Requests and completions as separate, timed events."""
    PIO = "pio"
    """Accesses to ports."""
    REGS = "regs"
    """A description of the device's registers."""
    FSM = "fsm"
    """A contract of the device."""
    BASELINE = "baseline"
    """What accepted runs did, by the device's contract."""


SIGHT_TEXT = {
    Sight.CFG: "config accesses",
    Sight.MMIO: "MMIO accesses",
    Sight.MAP: "DMA-API calls",
    Sight.DMA: "the device's own memory accesses",
    Sight.MEM: "contents of memory",
    Sight.IRQ: "interrupt messages",
    Sight.ISR: "interrupt handlers",
    Sight.LIFE: "probe, remove and resources",
    Sight.CPL: "requests and completions apart",
    Sight.PIO: "port I/O",
    Sight.REGS: "what the device's registers are",
    Sight.FSM: "the device's contract",
    Sight.BASELINE: "what accepted runs did",
}


class Severity(StrEnum):
    """How bad a finding is; only errors make a run fail."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule of the catalogue.

    Attributes:
        id: its permanent ID, such as ``DMA007``.
        statement: what is wrong when it fires, in one phrase.
        needs: what a capture must show for it to pass or fail.
        source: the specification and section, or kernel file, that makes it a rule.
        example: a short story that breaks it.
        severity: of its findings.
    """

    id: str
    statement: str
    needs: frozenset[Sight]
    source: str
    example: str
    severity: Severity = Severity.ERROR


@dataclass(frozen=True)
class Selection:
    """Which rules to judge: IDs or prefixes, as ``--select`` and ``--ignore`` take them.

    An empty ``select`` means all; ``ignore`` wins over ``select``.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()

    def takes(self, rule_id: str) -> bool:
        """Whether the rule is to be judged."""
        selected = not self.select or rule_id.startswith(self.select)
        return selected and not (self.ignore and rule_id.startswith(self.ignore))


def parse_ids(text: str | None, known: Iterable[str]) -> tuple[str, ...]:
    """The IDs and prefixes of a comma-separated list.

    Raises:
        UsageError: one of them names no known rule.
    """
    ids = tuple(part.strip().upper() for part in (text or "").split(",") if part.strip())
    all_known = tuple(known)
    for wanted in ids:
        if not any(rule_id.startswith(wanted) for rule_id in all_known):
            raise UsageError(
                f"{wanted} names no rule", hint="uvtrace rules lists the rules that are installed"
            )
    return ids
