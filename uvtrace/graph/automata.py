# SPDX-License-Identifier: Apache-2.0
"""A contract's automata as a graph, with the coverage of a run."""

from __future__ import annotations

from typing import Any

from uvtrace.check.automaton import ANY, FORBIDDEN
from uvtrace.check.english import english
from uvtrace.graph.coverage import Coverage, EdgeCoverage, MachineCoverage, StateCoverage
from uvtrace.graph.drawing import Graph, Role, add_edge, add_node, new_graph


def contract_graph(coverage: Coverage) -> Graph:
    """Draw a contract as a run covered it.

    One group for each function and automaton; the machines of an automaton's keys are added up
    in it. ``graph.graph["machines"]`` tells of each machine alone.

    Returns:
        A ``networkx.MultiDiGraph``; see :mod:`uvtrace.graph.drawing`.
    """
    graph = new_graph("contract", coverage.contract)
    graph.graph["machines"] = [_facts(machine) for machine in coverage.machines]
    keys: dict[tuple[int, str], int] = {}
    for machine in coverage.machines:
        place = (machine.function.index, machine.automaton.name)
        keys[place] = keys.get(place, 0) + 1
    for machine in coverage.merged():
        count = keys[(machine.function.index, machine.automaton.name)]
        _draw(graph, machine, count if machine.automaton.key else 0)
    return graph


def _draw(graph: Graph, machine: MachineCoverage, keys: int) -> None:
    prefix = f"{machine.function.name} {machine.automaton.name}"
    title = f"{machine.automaton.name} of {machine.function.name}"
    if keys:
        title += f" ({keys} {'machine' if keys == 1 else 'machines'})"
    title += f": {machine.taken}/{len(machine.allowed)} edges"
    title += f", {machine.visited}/{len(machine.states)} states"
    declared = machine.automaton
    for state in machine.states:
        add_node(
            graph,
            f"{prefix}: {state.state}",
            state.state,
            title,
            covered=state.visits > 0,
            count=state.visits,
            time_ns=state.time_ns,
            initial=state.state == declared.initial,
            accepting=state.state in declared.accepting,
        )
    special = ((ANY, Role.ANY, "any state"), (FORBIDDEN, Role.FORBIDDEN, "forbidden"))
    for end, role, label in special:
        edges = [edge for edge in machine.edges if end in (edge.edge.source, edge.edge.target)]
        if edges:
            count = sum(edge.count for edge in edges)
            node = f"{prefix}: {end}"
            add_node(graph, node, label, title, role=role, covered=count > 0, count=count)
    for edge in machine.edges:
        add_edge(
            graph,
            f"{prefix}: {edge.edge.source}",
            f"{prefix}: {edge.edge.target}",
            edge.edge.label,
            detail=english(edge.edge.guard),
            count=edge.count,
            first=edge.first,
            forbidden=edge.is_forbidden,
        )


def _facts(machine: MachineCoverage) -> dict[str, Any]:
    """A machine as JSON can hold it."""
    return {
        "automaton": machine.automaton.name,
        "function": machine.function.name,
        "key": list(machine.key),
        "final": machine.final or None,
        "unknown_ns": machine.unknown.time_ns,
        "violations": machine.violations,
        "states": [_state_facts(state) for state in machine.states],
        "edges": [_edge_facts(edge) for edge in machine.edges],
    }


def _state_facts(state: StateCoverage) -> dict[str, Any]:
    facts = {"state": state.state, "visits": state.visits, "time_ns": state.time_ns}
    return facts | ({"misfits": state.misfits} if state.misfits else {})


def _edge_facts(edge: EdgeCoverage) -> dict[str, Any]:
    return {
        "source": edge.edge.source,
        "target": edge.edge.target,
        "label": edge.edge.label,
        "forbidden": edge.is_forbidden,
        "count": edge.count,
        "first": edge.first if edge.count else None,
        "by_source": dict(edge.by_source),
    }
