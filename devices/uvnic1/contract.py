# SPDX-License-Identifier: Apache-2.0
"""What a driver must do with the 1-in-1-out NIC: README.md says why."""

from __future__ import annotations

from pathlib import Path

from uvtrace.check.automaton import ANY, FORBIDDEN, Automaton, Edge
from uvtrace.check.columns import record
from uvtrace.check.contract import Contract
from uvtrace.check.driver_acts import frees_irq, requests_irq, writes
from uvtrace.layouts import Field, Form, Layout, Ring, layouts_of

TX_DESC, RX_DESC, CONTROL = 0x0, 0x4, 0x8
TX, RX, RESET = 1 << 0, 1 << 1, 1 << 31


resets = writes(CONTROL) & record.value.has(RESET)
_works = writes(CONTROL) & ~record.value.has(RESET)


def _way(name: str, descriptor: int, bit: int, letter: str) -> Automaton:
    rings = _works & record.value.has(bit)
    register, bell = f"{letter}X_DESC", f"CONTROL.{letter}X"
    return Automaton(
        name=f"uvnic1.{name}",
        description="The descriptor's place is told before the first doorbell, and stays until the"
        " reset; a driver that leaves has reset the device.",
        states=("no descriptor", "descriptor", "in use"),
        initial="no descriptor",
        accepting=frozenset({"no descriptor"}),
        strict=False,
        edges=(
            Edge("no descriptor", "descriptor", writes(descriptor), f"write {register}"),
            Edge("descriptor", "descriptor", writes(descriptor), f"write {register} again"),
            Edge("descriptor", "in use", rings, f"{bell}: doorbell"),
            Edge("in use", "in use", rings, f"{bell}: doorbell"),
            Edge(ANY, "no descriptor", resets, "CONTROL.RESET"),
            Edge("no descriptor", FORBIDDEN, rings, f"{bell} before {register}"),
            Edge("in use", FORBIDDEN, writes(descriptor), f"{register} while in use"),
        ),
    )


TRANSMIT = _way("transmit", TX_DESC, TX, "T")
RECEIVE = _way("receive", RX_DESC, RX, "R")
_rings = _works & (record.value.has(TX) | record.value.has(RX))

INTERRUPTS = Automaton(
    name="uvnic1.interrupts",
    description="Every doorbell ends in an interrupt: somebody must listen until the reset.",
    states=("no handler", "handler", "at work"),
    initial="no handler",
    accepting=frozenset({"no handler"}),
    strict=False,
    edges=(
        Edge("no handler", "handler", requests_irq, "request_irq"),
        Edge("handler", "at work", _rings, "CONTROL: doorbell"),
        Edge("at work", "handler", resets, "CONTROL.RESET"),
        Edge("handler", "no handler", frees_irq, "free_irq"),
        Edge("no handler", FORBIDDEN, _rings, "doorbell without a handler"),
        Edge("at work", FORBIDDEN, frees_irq, "free_irq while at work"),
    ),
)

_BUFFER = Field(name="buffer", first=0, count=32)
_SIZE = Field(name="length", first=32, count=32, decimal=True)
_RECEIVED = Field(name="received", first=64, count=16, decimal=True, optional=True)
_STATUS = Field(name="status", first=94, count=2, flags=("ERROR", "DONE"))
_DESCRIPTOR = Layout(
    entry_bytes=16,
    forms=(Form(name="descriptor", fields=(_BUFFER, _SIZE, _RECEIVED, _STATUS)),),
)


def _ring(name: str, base: int, received: Field | None) -> Ring:
    return Ring(
        name=f"uvnic1.{name}",
        base=(base,),
        length=None,
        layout=_DESCRIPTOR,
        buffer=_BUFFER,
        size=_SIZE,
        status=_STATUS,
        done=_STATUS.bits("DONE"),
        failed=_STATUS.bits("ERROR"),
        received=received,
    )


RINGS = (_ring("transmit", TX_DESC, None), _ring("receive", RX_DESC, _RECEIVED))

CONTRACT = Contract(
    name="uvnic1",
    automata=(TRANSMIT, RECEIVE, INTERRUPTS),
    devices=frozenset({(0x5556, 0x0001)}),
    registers=Path(__file__).with_name("registers.rdl"),
    layouts=layouts_of(RINGS),
    rings=RINGS,
    inputs=frozenset({"EVENTS"}),
    description="Descriptors and doorbells each way, reset, and who listens to interrupts.",
)
