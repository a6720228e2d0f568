# SPDX-License-Identifier: Apache-2.0
"""The fewest facts that prove a finding."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.checkers.spaces import COMMAND, config_space
from tests.cli.running import run
from tests.story import Story
from uvtrace.check.columns import config, record
from uvtrace.check.engine import check
from uvtrace.check.expression import Parameter, Truth
from uvtrace.check.facts import MOST_EXPLAINED, needed_columns
from uvtrace.check.results import Fact, Finding
from uvtrace.check.rule import rule
from uvtrace.check.rules import Selection
from uvtrace.trace.enums import Kind

LIMIT = Parameter("TEST.limit", 100, "a limit")


def names(term: Truth, **values: int) -> list[str]:
    """The columns that a term needs of an event with these values."""
    return [column.name for column in needed_columns(term, values.__getitem__, {})]


def test_of_alternatives_one_that_holds_is_enough() -> None:
    either = (record.value == 5) | (record.length == 4)
    assert names(either, value=5, length=8) == ["value"]
    assert names(either, value=6, length=4) == ["length"]
    # Where both do, the first that can be left out is.
    assert names(either, value=5, length=4) == ["length"]


def test_of_a_conjunction_all_is_needed() -> None:
    both = (record.kind == Kind.MMIO_READ) & (record.length > LIMIT)
    assert names(both, kind=Kind.MMIO_READ, length=101) == ["kind", "length"]


def test_what_follows_from_another_fact_is_left_out() -> None:
    assert names((record.length > 8) & (record.length > 4), length=9) == ["length"]
    implied = (config.power_state == 3) & ~(config.power_state == 0) & record.value.has(1)
    assert names(implied, power_state=3, value=1) == ["power_state", "value"]


def test_other_records_are_done_without_where_the_event_itself_is_enough() -> None:
    either = (config.power_state == 3) | (record.length > 8)
    assert names(either, power_state=3, length=9) == ["length"]


def test_an_unknown_value_proves_nothing() -> None:
    with pytest.raises(ValueError, match="does not break"):
        names(config.power_state == 3, power_state=-1)


def asleep(count: int = 1) -> Story:
    story = Story().snapshot_config(config_space()).snapshot_delays(10, 100)
    story.config_write(COMMAND, 0x6).config_write(0x44, 0x3)
    for _ in range(count):
        story.mmio_read(8)
    return story


def findings(story: Story, *, facts: bool) -> tuple[Finding, ...]:
    return check(story.trace(), selection=Selection(select=("PWR001",)), facts=facts).findings


def test_a_finding_names_the_records_that_its_facts_come_from() -> None:
    (finding,) = findings(asleep(), facts=True)
    told = {fact.column: fact for fact in finding.facts}
    assert told["power_state"] == Fact("power_state", "3", (("asleep", 3),))
    assert told["kind"] == Fact("kind", "MMIO_READ")
    assert "width" not in told
    assert "memory_enable" not in told


def test_no_fact_of_a_finding_can_be_left_out_and_together_they_prove_it() -> None:
    """By a slow, obvious look at values instead of z3."""
    term = (record.kind == Kind.MMIO_WRITE) & (record.length.is_between(4, 9) | (record.bar == 1))
    event = {"kind": int(Kind.MMIO_WRITE), "length": 8, "bar": 1}
    needed = set(names(term, **event))

    def holds(kind: int, length: int, bar: int) -> bool:
        return kind == Kind.MMIO_WRITE and (4 <= length < 9 or bar == 1)

    def always(fixed: set[str]) -> bool:
        spans = {
            name: [event[name]] if name in fixed else [int(Kind.MMIO_WRITE), 0, 1, 8]
            for name in event
        }
        return all(
            holds(kind, length, bar)
            for kind in spans["kind"]
            for length in spans["length"]
            for bar in spans["bar"]
        )

    assert always(needed)
    assert all(not always(needed - {name}) for name in needed)


def test_facts_are_found_only_where_they_are_asked_for_and_of_the_first_findings() -> None:
    assert findings(asleep(), facts=False)[0].facts == ()
    told = rule(
        "TEST001",
        "a read",
        source="test",
        violation=record.kind == Kind.MMIO_READ,
        message="read",
    )
    story = Story()
    for number in range(MOST_EXPLAINED + 10):
        story.mmio_read(8, site=f"reader_{number}+0x4")
    found = check(story.trace(), rules=[told], facts=True).findings
    assert [bool(finding.facts) for finding in found] == [True] * MOST_EXPLAINED + [False] * 10


def test_the_command_tells_the_facts(tmp_path: Path) -> None:
    path = tmp_path / "run.pcapng"
    asleep().write(path)
    told = run("check", path, "--select", "PWR001", "--explain")
    (line,) = [each for each in told.out.splitlines() if each.startswith("   = proof: ")]
    assert "power_state = 3 (asleep #3)" in line
    assert "= proof: " not in run("check", path, "--select", "PWR001").out
