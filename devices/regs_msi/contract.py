# SPDX-License-Identifier: Apache-2.0
"""What a driver must do with the register file and its interrupt generator."""

from __future__ import annotations

from pathlib import Path

from uvtrace.check.automaton import FORBIDDEN, Automaton, Edge
from uvtrace.check.columns import record
from uvtrace.check.contract import Contract
from uvtrace.check.expression import Truth
from uvtrace.check.terms import is_executed, is_first_part, is_return, succeeded
from uvtrace.trace.enums import Kind

VECTOR, TRIGGER = 0x10, 0x14


def writes(offset: int) -> Truth:
    """The driver writes a register."""
    written = (record.kind == Kind.MMIO_WRITE) & is_first_part & is_executed
    return written & (record.bar == 0) & (record.offset == offset)


def reads(offset: int) -> Truth:
    """The driver reads a register and gets a value."""
    answered = (record.kind == Kind.MMIO_READ) & is_return & succeeded & is_executed
    return answered & (record.bar == 0) & (record.offset == offset)


triggers = writes(TRIGGER) & (record.value != 0)
stops = writes(TRIGGER) & (record.value == 0)
sees_none_left = reads(TRIGGER) & (record.value == 0)
registered = (record.kind == Kind.IRQ_REQUEST) & (record.result == 0) & is_return
freed = (record.kind == Kind.IRQ_FREE) & is_return

GENERATOR = Automaton(
    name="regs_msi.generator",
    description="One burst at a time, with a vector that stays; a driver that leaves stops it.",
    states=("idle", "sending"),
    initial="idle",
    accepting=frozenset({"idle"}),
    strict=False,
    edges=(
        Edge("idle", "sending", triggers, "TRIGGER = n"),
        Edge("sending", "idle", sees_none_left, "TRIGGER is 0"),
        Edge("sending", "idle", stops, "TRIGGER = 0"),
        Edge("sending", FORBIDDEN, triggers, "TRIGGER = n while sending"),
        Edge("sending", FORBIDDEN, writes(VECTOR), "VECTOR while sending"),
    ),
)

INTERRUPTS = Automaton(
    name="regs_msi.interrupts",
    description="It interrupts only while somebody listens.",
    states=("no handler", "handler", "sending"),
    initial="no handler",
    accepting=frozenset({"no handler"}),
    strict=False,
    edges=(
        Edge("no handler", "handler", registered, "request_irq"),
        Edge("handler", "sending", triggers, "TRIGGER = n"),
        Edge("sending", "handler", sees_none_left, "TRIGGER is 0"),
        Edge("sending", "handler", stops, "TRIGGER = 0"),
        Edge("handler", "no handler", freed, "free_irq"),
        Edge("no handler", FORBIDDEN, triggers, "TRIGGER = n without a handler"),
        Edge("sending", FORBIDDEN, freed, "free_irq while sending"),
    ),
)

CONTRACT = Contract(
    name="regs_msi",
    automata=(GENERATOR, INTERRUPTS),
    devices=frozenset({(0x5556, 0x0002)}),
    registers=Path(__file__).with_name("registers.rdl"),
    description="Bursts of interrupts, and who listens to them.",
)
