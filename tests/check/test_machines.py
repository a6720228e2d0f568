# SPDX-License-Identifier: Apache-2.0
"""Automata at work."""

from __future__ import annotations

import pytest

from tests.story import Story
from uvtrace.check import engine
from uvtrace.check.automaton import ANY, FORBIDDEN, Automaton, Edge
from uvtrace.check.columns import record
from uvtrace.check.engine import check
from uvtrace.check.expression import Truth
from uvtrace.check.results import Finding, Verdict
from uvtrace.check.rule import rule
from uvtrace.check.rules import Sight
from uvtrace.trace.enums import Kind


def writes(offset: int) -> Truth:
    return (record.kind == Kind.MMIO_WRITE) & (record.offset == offset)


SET_UP, START, STOP, RESET = writes(0), writes(4), writes(8), writes(12)
RING = Automaton(
    name="ring",
    states=("idle", "ready", "running"),
    initial="idle",
    edges=(
        Edge("idle", "ready", SET_UP, "set-up"),
        Edge("ready", "running", START, "start"),
        Edge("running", "idle", STOP, "stop"),
        Edge("running", FORBIDDEN, SET_UP, "set-up"),
        Edge(ANY, "idle", RESET, "reset"),
    ),
)
FSM = rule(
    "FSM001",
    "a step that the contract forbids",
    needs={Sight.MMIO},
    violation=RING,
    message="{step} in state {state}",
    source="test",
)


def outcome(story: Story) -> tuple[Verdict, list[Finding]]:
    results = check(story.trace(), rules=[FSM])
    return results.verdicts[0].verdict, list(results.findings)


def written(*offsets: int) -> Story:
    story = Story().probe()
    for offset in offsets:
        story.mmio_write(offset)
    return story


def test_a_run_that_keeps_to_the_contract_passes() -> None:
    assert outcome(written(0, 4, 8, 0, 4)) == (Verdict.PASS, [])


def test_a_forbidden_step_is_told_with_its_state() -> None:
    verdict, findings = outcome(written(0, 4, 0))
    assert verdict is Verdict.FAIL
    assert [(f.seq, f.message) for f in findings] == [(3, "set-up in state running")]


def test_an_event_of_another_state_breaks_a_strict_automaton() -> None:
    assert [f.message for f in outcome(written(4))[1]] == ["start in state idle"]


def test_without_a_beginning_the_state_is_unknown_until_a_reset_tells_it() -> None:
    assert outcome(Story().mmio_write(4)) == (Verdict.UNKNOWN, [])
    findings = outcome(Story().mmio_write(12).mmio_write(4))[1]
    assert [f.seq for f in findings] == [1]


def test_after_loss_nothing_is_accused() -> None:
    assert outcome(written(0).loss(2).mmio_write(0)) == (Verdict.UNKNOWN, [])


@pytest.mark.parametrize("size", [1, 2, 3])
def test_chunks_of_any_size_give_the_same(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    story = written(0, 4, 0, 8, 8, 12, 0).function("0000:00:04.0").probe().mmio_write(4)
    whole = outcome(story)
    monkeypatch.setattr(engine, "CHUNK", size)
    assert outcome(story) == whole
