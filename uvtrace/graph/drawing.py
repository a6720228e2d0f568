# SPDX-License-Identifier: Apache-2.0
"""The attributes of nodes and edges, which every export and the picture are made of.

A graph has ``kind`` (``contract``, ``registers``, ``learned``), ``title``, ``draft`` (it was mined
from a run, and shows what that run did, not what is right) and ``note``.

Nodes have ``label``, ``group`` (what is drawn in one frame), ``role`` (:class:`Role`), ``covered``,
``count`` (visits of a state, writes of a register), ``time_ns``, ``initial`` and ``accepting``.

Edges have ``label``, ``detail`` (the guard in words), ``covered``, ``forbidden``, ``count`` (how
often) and ``first`` (position of the first event; -1 never). Several edges may join two nodes.

Nodes and edges stand in an order that depends on the contract and the trace alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import networkx as nx

from uvtrace.trace.texts import printable

Graph = Any
"""A ``networkx.MultiDiGraph``; networkx has no types of its own."""


class Role(StrEnum):
    """What a node stands for."""

    STATE = "state"
    REGISTER = "register"
    ANY = "any"
    """Every state: where an edge begins that leaves them all."""
    FORBIDDEN = "forbidden"
    """Where an edge ends that must not be taken."""


def new_graph(kind: str, title: str, *, draft: bool = False, note: str = "") -> Graph:
    """An empty graph."""
    return nx.MultiDiGraph(kind=kind, title=printable(title), draft=draft, note=printable(note))


def add_node(
    graph: Graph,
    node: str,
    label: str,
    group: str,
    *,
    role: Role = Role.STATE,
    covered: bool = True,
    count: int = 0,
    time_ns: int = 0,
    initial: bool = False,
    accepting: bool = False,
) -> None:
    """Add a node; text of a trace is made printable."""
    graph.add_node(
        printable(node),
        label=printable(label),
        group=printable(group),
        role=str(role),
        covered=covered,
        count=count,
        time_ns=time_ns,
        initial=initial,
        accepting=accepting,
    )


def add_edge(
    graph: Graph,
    source: str,
    target: str,
    label: str,
    *,
    detail: str = "",
    count: int = 0,
    first: int = -1,
    forbidden: bool = False,
) -> None:
    """Add an edge between nodes that are there; text of a trace is made printable."""
    graph.add_edge(
        printable(source),
        printable(target),
        label=printable(label),
        detail=printable(detail),
        covered=count > 0,
        forbidden=forbidden,
        count=count,
        first=first,
    )


def joined(graphs: list[Graph]) -> Graph:
    """Graphs of several functions as one, side by side; their nodes must differ.

    What they say of themselves is joined; a draft makes the whole a draft.
    """
    if len(graphs) == 1:
        return graphs[0]
    whole = new_graph(
        "+".join(dict.fromkeys(graph.graph["kind"] for graph in graphs)),
        "; ".join(dict.fromkeys(graph.graph["title"] for graph in graphs)),
        draft=any(graph.graph["draft"] for graph in graphs),
        note="; ".join(dict.fromkeys(g.graph["note"] for g in graphs if g.graph["note"])),
    )
    machines = [each for graph in graphs for each in graph.graph.get("machines", ())]
    if machines:
        whole.graph["machines"] = machines
    for graph in graphs:
        whole.add_nodes_from(graph.nodes(data=True))
        whole.add_edges_from(graph.edges(data=True))
    return whole


def groups(graph: Graph) -> Iterator[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """The frames of a picture with their nodes, in the order in which they were added."""
    found: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for node, facts in graph.nodes(data=True):
        found.setdefault(facts["group"], []).append((node, facts))
    yield from found.items()
