# SPDX-License-Identifier: Apache-2.0
"""Automata: states and guarded edges, declared once, for checking, drawing and proving."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from uvtrace.check.expression import FALSE, TRUE, Number, Truth
from uvtrace.check.latest import Latest
from uvtrace.errors import UvtraceError


@dataclass(frozen=True)
class Edge:
    """A step from one state to another, taken by an event that meets the guard.

    Attributes:
        source: the state it leaves; ``ANY`` for every state.
        target: the state it leads to; ``FORBIDDEN`` for a step that must not be.
        guard: the events that take it.
        label: what happens, in a few words: ``write TCTL.EN = 1``.
        told_from: out of these states the step is made, and reported.
    """

    source: str
    target: str
    guard: Truth
    label: str
    told_from: frozenset[str] = frozenset()


ANY = "*"
"""As an edge's source: every state that has no edge of its own for the event."""
FORBIDDEN = "!"
"""As an edge's target: the step must not be (FSM001); the state stays what it was."""


@dataclass(frozen=True, kw_only=True)
class Automaton:
    """A state machine, kept per function and key.

    An event that meets the guard of no edge out of the current state leaves it as it is, unless
    ``strict``: then an event that meets a guard of any other state's edge breaks FSM001. Of
    several edges that an event meets the first one declared is taken (``rules --lint`` proves
    that there are none). An edge whose guard is unknown makes the state unknown, until an edge of
    ``synchronised_by`` or a reset tells it.

    Attributes:
        name: of the machine, such as ``e1000.receive``.
        states: names, in the order of a run where there is one.
        initial: the state when the driver begins to probe, and after a reset of the function.
        accepting: states in which it may be when the driver is unbound, or its probe has failed
            (FSM004, without a key only); empty: every state.
        accepting_bound: states in which it may be when the trace ends and the driver is still
            bound; empty: every state, as a recording may end at any time.
        edges: the steps.
        key: what there is one machine for besides the function: ``(queue,)``.
        relevant: the events that it looks at at all.
        starts_over: events that put it into ``initial`` whatever came before.
        time_limits_ns: longest stay by state (FSM002); not for the initial one, in which a
            machine is before anything happened to it.
        strict: events that fit another state break FSM001.
        description: a paragraph, for the documentation.
    """

    name: str
    states: tuple[str, ...]
    initial: str
    edges: tuple[Edge, ...]
    accepting: frozenset[str] = frozenset()
    accepting_bound: frozenset[str] = frozenset()
    key: tuple[Number, ...] = ()
    relevant: Truth = TRUE
    starts_over: Truth = FALSE
    time_limits_ns: Mapping[str, int | Latest] = field(default_factory=lambda: MappingProxyType({}))
    strict: bool = True
    description: str = ""

    def __post_init__(self) -> None:
        known = set(self.states)
        if len(known) != len(self.states):
            raise UvtraceError("a state is named twice", where=f"automaton {self.name}")
        named = {self.initial, *self.accepting, *self.accepting_bound, *self.time_limits_ns}
        named |= {edge.source for edge in self.edges if edge.source != ANY}
        named |= {edge.target for edge in self.edges if edge.target != FORBIDDEN}
        if named - known:
            unknown = ", ".join(sorted(named - known))
            raise UvtraceError(f"no such state: {unknown}", where=f"automaton {self.name}")
        if self.initial in self.time_limits_ns:
            text = f"no time limit can be given for the initial state {self.initial}"
            raise UvtraceError(text, where=f"automaton {self.name}")

    def index(self, state: str) -> int:
        """The position of a state in :attr:`states`."""
        return self.states.index(state)

    def edges_from(self, state: str) -> tuple[Edge, ...]:
        """The edges that can be taken in a state, its own before those of ``ANY``."""
        own = tuple(edge for edge in self.edges if edge.source == state)
        return own + tuple(edge for edge in self.edges if edge.source == ANY)

    def terms(self) -> tuple[Truth | Number, ...]:
        """Every term in it."""
        guards = tuple(edge.guard for edge in self.edges)
        limits = (each for each in self.time_limits_ns.values() if isinstance(each, Latest))
        told = (term for each in limits for term in (each.event, each.value))
        return (self.relevant, self.starts_over, *guards, *self.key, *told)
