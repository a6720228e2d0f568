# SPDX-License-Identifier: Apache-2.0
"""A graph in a few lines of text."""

from __future__ import annotations

from collections.abc import Iterator

from uvtrace.check.automaton import FORBIDDEN
from uvtrace.graph.coverage import Coverage, MachineCoverage
from uvtrace.graph.drawing import Graph
from uvtrace.trace.texts import duration_text, printable


def coverage_lines(coverage: Coverage) -> Iterator[str]:
    """What a run covered of a contract: one line for each machine, and what it left out below."""
    for machine in coverage.machines:
        place = printable(f"{machine.function.name} {machine.name}")
        yield (
            f"{place}: {machine.taken} of {len(machine.allowed)} edges,"
            f" {machine.visited} of {len(machine.states)} states{_end(machine)}"
        )
        for edge in machine.edges:
            if edge.is_forbidden and edge.count:
                step = f"{edge.edge.source}: {edge.edge.label}"
                yield f"  forbidden, {_times(edge.count)}, first at #{edge.first}: {step}"
        for state in machine.states:
            if state.misfits:
                yield f"  does not fit {state.state!r}: {_times(state.misfits, 'event')}"
        if machine.unknown.time_ns:
            yield f"  state not known for {duration_text(machine.unknown.time_ns)}"
    yield from _never(coverage)


def _never(coverage: Coverage) -> Iterator[str]:
    """The edges that no key of a function took."""
    for machine in coverage.merged():
        for edge in machine.allowed:
            if not edge.count and edge.edge.target != FORBIDDEN:
                name = printable(f"{machine.function.name} {machine.automaton.name}")
                source = "any state" if edge.edge.source == "*" else edge.edge.source
                yield f"never: {name}: {source} -> {edge.edge.target} ({edge.edge.label})"


def draft_lines(graph: Graph) -> Iterator[str]:
    """What was mined."""
    yield (
        f"draft: {graph.graph['title']}: {graph.number_of_nodes()} nodes,"
        f" {graph.number_of_edges()} edges; {graph.graph['note']}"
    )


def _end(machine: MachineCoverage) -> str:
    return f", ends in {machine.final!r}" if machine.final else ""


def _times(count: int, what: str = "time") -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
