# SPDX-License-Identifier: Apache-2.0
"""FSM: what a device's contract says of its driver."""

from __future__ import annotations

from uvtrace.check.contract_rules import final_states, novelties, of_automata, stays, steps
from uvtrace.check.expression import FALSE
from uvtrace.check.rule import rule
from uvtrace.check.rules import Sight

FSM001 = rule(
    "FSM001",
    "a transition that the contract forbids",
    needs={Sight.FSM, Sight.MMIO},
    applies=FALSE,
    violation=FALSE,
    of_contract=of_automata(steps),
    message="{step} in state {state}",
    role="step",
    source="the device's contract",
    example="the doorbell of a ring is rung before the ring's base is written",
)
FSM002 = rule(
    "FSM002",
    "stayed in a state longer than the contract allows",
    needs={Sight.FSM, Sight.MMIO, Sight.LIFE},
    applies=FALSE,
    violation=FALSE,
    of_contract=of_automata(stays),
    message="{stay_ns} ns in state {state}, which must be left within {limit_ns} ns",
    role="entered",
    source="the device's contract",
    example="the controller does not become ready in the time that its CAP register promises",
)
FSM003 = rule(
    "FSM003",
    "a state or step that no accepted run has shown",
    needs={Sight.FSM, Sight.MMIO, Sight.BASELINE},
    applies=FALSE,
    violation=FALSE,
    of_contract=of_automata(novelties),
    message="{step} in state {state}, to {target}, is in no accepted run",
    role="step",
    source="the baseline: what uvtrace graph wrote of accepted runs",
    example="a new version of the driver writes the ring's base a second time",
)
FSM004 = rule(
    "FSM004",
    "the final state is not an accepting one, at the unbinding or the end of the trace",
    needs={Sight.FSM, Sight.MMIO, Sight.LIFE},
    applies=FALSE,
    violation=FALSE,
    of_contract=of_automata(final_states),
    message="{step} in state {state}",
    role="end",
    source="the device's contract",
    example="the driver is unbound while the device still runs",
)

RULES = (FSM001, FSM002, FSM003, FSM004)
