# SPDX-License-Identifier: Apache-2.0
"""The compiled walk against one that is slow and obvious, on random machines and runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.graph.machine import writes
from tests.story import Story
from uvtrace.check.automaton import ANY, FORBIDDEN, Automaton, Edge
from uvtrace.check.columns import record
from uvtrace.check.contract import Contract
from uvtrace.graph import cover

STATES = ("a", "b", "c")
OFFSETS = (0x0, 0x4, 0x8)
UNKNOWN = ""

edges = st.builds(
    lambda source, target, offset: (source, target, offset),
    st.sampled_from([*STATES, ANY]),
    st.sampled_from([*STATES, FORBIDDEN]),
    st.sampled_from(OFFSETS),
)
events = st.one_of(
    st.sampled_from(["probe", "reset", "loss"]),
    st.tuples(st.sampled_from(OFFSETS), st.integers(0, 2)),
)


@dataclass
class Reference:
    """One machine for each value written, told event by event."""

    edges: list[tuple[str, str, int]]
    strict: bool
    begins_in: str = UNKNOWN
    state: dict[int, str] = field(default_factory=dict)
    taken: dict[tuple[int, str, int], int] = field(default_factory=dict)
    misfits: dict[tuple[int, str], int] = field(default_factory=dict)

    def happens(self, event: str | tuple[int, int]) -> None:
        if isinstance(event, str):
            self.begins_in = UNKNOWN if event == "loss" else STATES[0]
            self.state = dict.fromkeys(self.state, self.begins_in)
            return
        offset, key = event
        if not any(edge[2] == offset for edge in self.edges):
            return
        state = self.state.setdefault(key, self.begins_in)
        if state == UNKNOWN:
            steps = {self.step(each, offset) for each in STATES}
            if len(steps) != 1:
                return
            edge, target = steps.pop()
            if edge is None or self.edges[edge][1] == FORBIDDEN:
                return
        else:
            edge, target = self.step(state, offset)
        if edge is not None:
            self.taken[key, state, edge] = self.taken.get((key, state, edge), 0) + 1
        elif self.strict:
            self.misfits[key, state] = self.misfits.get((key, state), 0) + 1
        self.state[key] = target

    def step(self, state: str, offset: int) -> tuple[int | None, str]:
        for source in (state, ANY):
            for number, (begin, end, at) in enumerate(self.edges):
                if begin == source and at == offset:
                    return number, state if end == FORBIDDEN else end
        return None, state


@settings(max_examples=200, deadline=None)
@given(
    st.lists(edges, min_size=1, max_size=6),
    st.lists(events, max_size=25),
    st.booleans(),
    st.integers(1, 30),
)
def test_a_random_run_through_a_random_machine_is_counted_as_the_obvious_walk_does(
    drawn: list[tuple[str, str, int]], run: list[str | tuple[int, int]], strict: bool, chunk: int
) -> None:
    reference = Reference(drawn, strict)
    story = Story()
    for event in run:
        reference.happens(event)
        if isinstance(event, str):
            {"probe": story.probe, "reset": story.reset, "loss": story.loss}[event]()
        else:
            story.mmio_write(event[0], event[1])
    automaton = Automaton(
        name="random",
        states=STATES,
        initial=STATES[0],
        key=(record.value,),
        strict=strict,
        edges=tuple(Edge(one, two, writes(at), f"{n}") for n, (one, two, at) in enumerate(drawn)),
    )
    with mock.patch("uvtrace.graph.sweep.CHUNK", chunk):
        coverage = cover(story.trace(), Contract(name="random", automata=(automaton,)))
    assert {machine.key[0]: machine.final for machine in coverage.machines} == reference.state
    assert {
        (machine.key[0], source, number): count
        for machine in coverage.machines
        for number, edge in enumerate(machine.edges)
        for source, count in edge.by_source
    } == reference.taken
    assert {
        (machine.key[0], state.state): state.misfits
        for machine in coverage.machines
        for state in machine.states
        if state.misfits
    } == reference.misfits
