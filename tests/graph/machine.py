# SPDX-License-Identifier: Apache-2.0
"""A small contract that the tests of graphs share, and stories about its device."""

from __future__ import annotations

from typing import Any

from tests.story import Story
from uvtrace.check.automaton import ANY, FORBIDDEN, Automaton, Edge
from uvtrace.check.columns import record
from uvtrace.check.contract import Contract
from uvtrace.check.expression import Truth
from uvtrace.graph.coverage import Coverage, MachineCoverage
from uvtrace.trace.enums import Kind

CONTROL, BASE, DOORBELL = 0x00, 0x10, 0x20
REGISTERS = {"CONTROL": CONTROL, "BASE": BASE, "DOORBELL": DOORBELL}
RESET, ENABLE = 0x8000, 1


def writes(offset: int) -> Truth:
    return (record.kind == Kind.MMIO_WRITE) & (record.offset == offset)


ENGINE = Automaton(
    name="toy.engine",
    states=("reset", "ring", "running"),
    initial="reset",
    accepting=frozenset({"reset"}),
    strict=False,
    edges=(
        Edge("reset", "ring", writes(BASE), "write BASE"),
        Edge("ring", "running", writes(CONTROL) & record.value.has(ENABLE), "ENABLE = 1"),
        Edge("running", "running", writes(DOORBELL), "doorbell"),
        Edge("running", "ring", writes(CONTROL) & (record.value == 0), "ENABLE = 0"),
        Edge(ANY, "reset", writes(CONTROL) & record.value.has(RESET), "RESET"),
        Edge("reset", FORBIDDEN, writes(DOORBELL), "doorbell before BASE"),
    ),
)
CONTRACT = Contract(name="toy", automata=(ENGINE,), devices=frozenset({(0x8086, 0x100E)}))


def story(**given: Any) -> Story:
    """A device that is not probed yet; a microsecond passes with every event."""
    return Story(registers=REGISTERS, **given)


def only_machine(coverage: Coverage) -> MachineCoverage:
    (machine,) = coverage.machines
    return machine


def counts(machine: MachineCoverage) -> dict[str, int]:
    """How often each edge was taken, by its label; the ones that were."""
    return {edge.edge.label: edge.count for edge in machine.edges if edge.count}


def visits(machine: MachineCoverage) -> dict[str, tuple[int, int]]:
    """Visits and time (ns) of each state that the machine was in."""
    return {each.state: (each.visits, each.time_ns) for each in machine.states if each.visits}
