# SPDX-License-Identifier: Apache-2.0
"""What a driver must do with the register file and its interrupt generator."""

from __future__ import annotations

from pathlib import Path

from uvtrace.check.automaton import FORBIDDEN, Automaton, Edge
from uvtrace.check.columns import record
from uvtrace.check.contract import Contract
from uvtrace.check.driver_acts import frees_irq, reads, requests_irq, writes

VECTOR, TRIGGER = 0x10, 0x14


triggers = writes(TRIGGER) & (record.value != 0)
stops = writes(TRIGGER) & (record.value == 0)
sees_none_left = reads(TRIGGER) & (record.value == 0)

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
        Edge("no handler", "handler", requests_irq, "request_irq"),
        Edge("handler", "sending", triggers, "TRIGGER = n"),
        Edge("sending", "handler", sees_none_left, "TRIGGER is 0"),
        Edge("sending", "handler", stops, "TRIGGER = 0"),
        Edge("handler", "no handler", frees_irq, "free_irq"),
        Edge("no handler", FORBIDDEN, triggers, "TRIGGER = n without a handler"),
        Edge("sending", FORBIDDEN, frees_irq, "free_irq while sending"),
    ),
)

CONTRACT = Contract(
    name="regs_msi",
    automata=(GENERATOR, INTERRUPTS),
    devices=frozenset({(0x5556, 0x0002)}),
    registers=Path(__file__).with_name("registers.rdl"),
    description="Bursts of interrupts, and who listens to them.",
)
