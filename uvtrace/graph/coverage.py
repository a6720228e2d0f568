# SPDX-License-Identifier: Apache-2.0
"""What a run covered of automata: which edges it took, which states it was in, for how long."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from uvtrace.check.automaton import FORBIDDEN, Automaton, Edge
from uvtrace.trace.functions import Function


@dataclass(frozen=True)
class EdgeCoverage:
    """An edge as a run took it.

    Attributes:
        edge: the edge as declared.
        count: how often it was taken; of a forbidden edge, how often it was attempted.
        first: position in the trace of the first event that took it; -1 never.
        by_source: how often from each state that it was taken from, in the automaton's order.
    """

    edge: Edge
    count: int
    first: int
    by_source: tuple[tuple[str, int], ...]

    @property
    def is_forbidden(self) -> bool:
        """Whether the contract says that this must not happen."""
        return self.edge.target == FORBIDDEN


@dataclass(frozen=True)
class StateCoverage:
    """A state as a run was in it.

    Attributes:
        state: its name; empty for the time in which the state was not known.
        visits: how often it was entered; staying counts once.
        time_ns: how long it lasted in all.
        misfits: events that fit an edge of another state, where the automaton is strict.
    """

    state: str
    visits: int
    time_ns: int
    misfits: int = 0


@dataclass(frozen=True)
class MachineCoverage:
    """One machine: an automaton of one function, and one key if it has keys.

    Attributes:
        automaton: the declaration.
        function: the PCI function.
        key: the key's values; empty where the automaton has no key.
        edges: in the order of the declaration.
        states: in the order of the declaration.
        unknown: the time in which its state was not known.
        final: the state at the trace's end; empty where not known.
    """

    automaton: Automaton
    function: Function
    key: tuple[int, ...]
    edges: tuple[EdgeCoverage, ...]
    states: tuple[StateCoverage, ...]
    unknown: StateCoverage
    final: str

    @property
    def name(self) -> str:
        """``e1000.transmit``, ``nvme.queue[3]``."""
        key = ", ".join(str(value) for value in self.key)
        return f"{self.automaton.name}[{key}]" if self.key else self.automaton.name

    @cached_property
    def allowed(self) -> tuple[EdgeCoverage, ...]:
        """The edges that a run may take."""
        return tuple(edge for edge in self.edges if not edge.is_forbidden)

    @property
    def taken(self) -> int:
        """How many of the edges that it may take the run took."""
        return sum(1 for edge in self.allowed if edge.count)

    @property
    def visited(self) -> int:
        """How many states the run was in."""
        return sum(1 for state in self.states if state.visits)

    @property
    def violations(self) -> int:
        """Attempts to take a forbidden edge, and events that did not fit the state."""
        attempts = sum(edge.count for edge in self.edges if edge.is_forbidden)
        return attempts + sum(state.misfits for state in self.states)


@dataclass(frozen=True)
class Coverage:
    """The coverage of a run, machine by machine.

    Attributes:
        contract: the contract's name.
        machines: by function, automaton and key.
    """

    contract: str
    machines: tuple[MachineCoverage, ...]

    def merged(self) -> tuple[MachineCoverage, ...]:
        """One machine for each function and automaton, those of its keys added up."""
        groups: dict[tuple[int, str], list[MachineCoverage]] = {}
        for machine in self.machines:
            groups.setdefault((machine.function.index, machine.automaton.name), []).append(machine)
        return tuple(_merge(group) for group in groups.values())


def _merge(machines: list[MachineCoverage]) -> MachineCoverage:
    one = machines[0]
    if len(machines) == 1 and not one.key:
        return one
    finals = {machine.final for machine in machines}
    return MachineCoverage(
        one.automaton,
        one.function,
        (),
        tuple(_merge_edges(edges) for edges in zip(*(m.edges for m in machines), strict=True)),
        tuple(_merge_states(states) for states in zip(*(m.states for m in machines), strict=True)),
        _merge_states(machine.unknown for machine in machines),
        finals.pop() if len(finals) == 1 else "",
    )


def _merge_edges(edges: tuple[EdgeCoverage, ...]) -> EdgeCoverage:
    sources: dict[str, int] = {}
    for edge in edges:
        for state, count in edge.by_source:
            sources[state] = sources.get(state, 0) + count
    firsts = [edge.first for edge in edges if edge.first >= 0]
    return EdgeCoverage(
        edges[0].edge,
        sum(edge.count for edge in edges),
        min(firsts, default=-1),
        tuple(sources.items()),
    )


def _merge_states(states: Iterable[StateCoverage]) -> StateCoverage:
    each = list(states)
    return StateCoverage(
        each[0].state,
        sum(state.visits for state in each),
        sum(state.time_ns for state in each),
        sum(state.misfits for state in each),
    )
