# SPDX-License-Identifier: Apache-2.0
"""That an automaton's edges can be taken, that no event has the choice, that none is left open."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from uvtrace.check.automaton import ANY, FORBIDDEN, Automaton, Edge
from uvtrace.check.expression import Truth
from uvtrace.check.lint.firing import TIMED_OUT
from uvtrace.check.lint.report import AutomatonLine, Problem, event_text
from uvtrace.check.lint.scene import Answer, Outcome, Scene
from uvtrace.check.lint.staging import EARLIER


@dataclass
class Guards:
    """What is proven of an automaton."""

    automaton: Automaton
    timeout_ms: int
    stays: list[tuple[str, str]] = field(default_factory=list)
    failures: list[Problem] = field(default_factory=list)
    unknown: list[Problem] = field(default_factory=list)

    def prove(self) -> AutomatonLine:
        """Prove everything; what is wrong is in :attr:`failures`."""
        for edge in self.automaton.edges:
            self._prove_possible(edge)
        for state in (*self.automaton.states, ANY):
            own = [edge for edge in self.automaton.edges if edge.source == state]
            for number, one in enumerate(own):
                for other in own[number + 1 :]:
                    self._prove_disjoint(state, one, other)
        for state in self.automaton.states:
            self._prove_complete(state)
        for state in sorted(set(self.automaton.states) - reached(self.automaton)):
            self._fail(f"no edges lead to the state {state!r}")
        return AutomatonLine(
            self.automaton.name,
            len(self.automaton.states),
            len(self.automaton.edges),
            tuple(self.stays),
        )

    def _prove_possible(self, edge: Edge) -> None:
        outcome = self._ask(self.automaton.relevant & edge.guard).outcome
        if outcome is Outcome.IMPOSSIBLE:
            self._fail(f"no event can take the edge {_text(edge)}")
        elif outcome is Outcome.UNKNOWN:
            self._leave(f"whether an event can take the edge {_text(edge)}")

    def _prove_disjoint(self, state: str, one: Edge, other: Edge) -> None:
        answer = self._ask(self.automaton.relevant & one.guard & other.guard)
        edges = f"{_text(one)} and {_text(other)}"
        where = "of every state" if state == ANY else f"out of {state!r}"
        if answer.outcome is Outcome.POSSIBLE:
            event = event_text(answer.events[0])
            self._fail(f"the guards {where} overlap: {edges} are both taken by {event}")
        elif answer.outcome is Outcome.UNKNOWN:
            self._leave(f"whether the guards {where} overlap: {edges}")

    def _prove_complete(self, state: str) -> None:
        """Every relevant event has an edge, or else leaves the state: the documented default."""
        term = self.automaton.relevant
        for edge in self.automaton.edges_from(state):
            term = term & ~edge.guard
        answer = self._ask(term)
        if answer.outcome is Outcome.POSSIBLE:
            self.stays.append((state, event_text(answer.events[0])))
        elif answer.outcome is Outcome.UNKNOWN:
            self._leave(f"whether every event has an edge out of {state!r}")

    def _ask(self, term: Truth) -> Answer:
        scene = Scene(first=EARLIER)
        scene.claim(scene.truth(term).certain)
        return scene.solve(self.timeout_ms)

    def _fail(self, reason: str) -> None:
        self.failures.append(Problem(f"automaton {self.automaton.name}", reason))

    def _leave(self, what: str) -> None:
        self.unknown.append(Problem(f"automaton {self.automaton.name}", f"{what}: {TIMED_OUT}"))


def reached(automaton: Automaton) -> set[str]:
    """The states that edges lead to from the initial one."""
    found = {automaton.initial}
    while True:
        new = set(_targets(automaton, found)) - found
        if not new:
            return found
        found |= new


def _targets(automaton: Automaton, states: set[str]) -> Iterator[str]:
    for state in states:
        edges: Sequence[Edge] = automaton.edges_from(state)
        yield from (edge.target for edge in edges if edge.target != FORBIDDEN)


def _text(edge: Edge) -> str:
    return f"{edge.label!r} (to {edge.target})"
