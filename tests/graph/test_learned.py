# SPDX-License-Identifier: Apache-2.0
"""What is learned from a device that is known is that device."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest

from tests.story import Story
from uvtrace.errors import UvtraceError
from uvtrace.graph import learned_graph
from uvtrace.graph.learned import MAX_REGISTERS
from uvtrace.trace.trace import Trace

CONTROL, STATUS, NOISE = 0x00, 0x08, 0x10
STOP, START = 0, 1
KNOWN: dict[str, dict[str, Any]] = {
    "off": {"start": "starting", "stop": "off", "read": ("off", 0)},
    "starting": {"start": "starting", "stop": "off", "read": ("on", 2)},
    "on": {"start": "on", "stop": "off", "read": ("on", 1)},
}
"""A device that answers 0 while off, 2 once while it starts, then 1."""


def recorded(episodes: int, length: int, *, noise: bool = False) -> Trace:
    choice = random.Random(7)
    story = Story()
    for _ in range(episodes):
        story.probe()
        state = "off"
        for _ in range(length):
            state = _step(story, state, choice.choice(["start", "stop", "read"]))
            if noise:
                story.mmio_write(NOISE, choice.getrandbits(32))
    return story.trace()


def _step(story: Story, state: str, action: str) -> str:
    if action == "read":
        after, answer = KNOWN[state]["read"]
        story.mmio_read(STATUS, int(answer))
        return str(after)
    story.mmio_write(CONTROL, START if action == "start" else STOP)
    return str(KNOWN[state][action])


def learn(trace: Trace, **given: Any) -> Any:
    (function,) = trace.functions
    return learned_graph(trace, function, **given)


def known_edges() -> set[tuple[str, str, str]]:
    number = {"off": "s0", "starting": "s1", "on": "s2"}
    edges = set()
    for state, moves in KNOWN.items():
        for action, value in (("start", START), ("stop", STOP)):
            edges.add((number[state], f"BAR0+0x0 = {value:#x}", number[str(moves[action])]))
        after, answer = moves["read"]
        edges.add((number[state], f"read BAR0+0x8 \N{RIGHTWARDS ARROW} {answer:#x}", number[after]))
    return edges


def learned_edges(graph: Any) -> set[tuple[str, str, str]]:
    name = dict(graph.nodes(data="label"))
    return {(name[one], label, name[two]) for one, two, label in graph.edges(data="label")}


@pytest.mark.parametrize("noise", [False, True])
def test_a_known_device_is_learned_exactly(noise: bool) -> None:
    graph = learn(recorded(40, 12, noise=noise))
    assert learned_edges(graph) == known_edges()
    assert all(count > 0 for *_, count in graph.edges(data="count"))
    assert [node for node, initial in graph.nodes(data="initial") if initial] == ["0000:00:03.0 s0"]


def test_what_is_learned_is_marked_as_a_draft_and_says_how() -> None:
    graph = learn(recorded(40, 12))
    assert graph.graph["draft"] is True
    assert graph.graph["note"] == "learned by RPNI from 480 of 480 accesses"


def test_the_same_trace_teaches_the_same_graph() -> None:
    one, two = learn(recorded(20, 10)), learn(recorded(20, 10))
    assert list(one.nodes(data=True)) == list(two.nodes(data=True))
    assert list(one.edges(data=True)) == list(two.edges(data=True))


def test_learning_is_bounded() -> None:
    graph = learn(recorded(10, 100), max_steps=50)
    taken = int(graph.graph["note"].split()[4])
    assert 50 <= taken < 100


def test_a_long_poll_is_two_steps() -> None:
    story = Story().probe().mmio_write(CONTROL, START)
    for _ in range(30):
        story.mmio_read(STATUS, 2)
    graph = learn(story.mmio_read(STATUS, 1).trace())
    assert [count for *_, count in graph.edges(data="count")] == [1, 1, 1, 1]
    assert graph.graph["note"] == "learned by RPNI from 32 of 32 accesses"


def test_answers_that_differ_for_the_same_accesses_are_learned_with_k_tails() -> None:
    story = Story()
    for answer in (1, 2):
        story.probe().mmio_write(CONTROL, START).mmio_read(STATUS, answer)
    graph = learn(story.trace())
    assert graph.graph["note"].startswith("learned by k-tails (k = 2)")
    answers = {label.split()[-1] for *_, label in graph.edges(data="label") if "read" in label}
    assert answers == {"0x1", "0x2"}


def test_only_the_named_registers_are_learned_from() -> None:
    graph = learn(recorded(20, 10), registers=["BAR0+0x0"])
    assert {label.split()[0] for *_, label in graph.edges(data="label")} == {"BAR0+0x0"}


def test_registers_that_carry_data_are_left_out() -> None:
    graph = learn(recorded(20, 10, noise=True))
    assert not [label for *_, label in graph.edges(data="label") if "0x10" in label]


def test_registers_that_change_both_ways_are_learned_from_first() -> None:
    story = Story().probe()
    for register in range(0x100, 0x200, 4):
        story.mmio_write(register, 1)
    for value in (0, 1):
        story.mmio_write(CONTROL, value).mmio_read(CONTROL, value)
    labels = [label for *_, label in learn(story.trace()).edges(data="label")]
    assert {"BAR0+0x0 = 0x0", "BAR0+0x0 = 0x1"} <= set(labels)
    assert len(set(re.findall(r"BAR0\+0x\w+", " ".join(labels)))) == MAX_REGISTERS


def test_a_run_without_accesses_teaches_nothing() -> None:
    with pytest.raises(UvtraceError, match=r"0000:00:03\.0: no register access to learn from"):
        learn(Story().probe().trace())
