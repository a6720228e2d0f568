# SPDX-License-Identifier: Apache-2.0
"""The engine and a slow, obvious reference implementation find the same in random traces."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from tests.checkers.spaces import config_space
from tests.differential.comparing import COVERED, Finding, difference, engine_findings
from tests.differential.random_traces import PARAMETERS, random_trace
from tests.differential.reference.judge import Reference
from tests.story import Story
from uvtrace.check.catalogue import installed_rules

TRACES = 20_000
TRACES_QUICKLY = 150
PART = 500
FIRINGS = 100
"""How often each rule must at least be broken in the long run."""
SHOWN_MAX = 20


def compared(seeds: range) -> tuple[Counter[str], list[str]]:
    """How often each rule was broken in these traces, and the disagreements."""
    fired: Counter[str] = Counter(dict.fromkeys(COVERED, 0))
    disagreements: list[str] = []
    for seed in seeds:
        trace = random_trace(seed)
        expected: Counter[Finding] = Reference(trace, PARAMETERS).findings()
        for sign, (rule, function, record) in difference(engine_findings(trace), expected):
            who = "only the engine" if sign == "+" else "only the reference"
            disagreements.append(f"seed {seed}: {who} finds {rule} of #{record} ({function})")
        for (rule, _, _), count in expected.items():
            fired[rule] += count
    return fired, disagreements


def compared_by_many(seeds: range) -> tuple[Counter[str], list[str]]:
    """The same, on every CPU."""
    parts = [seeds[first : first + PART] for first in range(0, len(seeds), PART)]
    fired: Counter[str] = Counter(dict.fromkeys(COVERED, 0))
    disagreements: list[str] = []
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for counted, told in pool.map(compared, parts):
            fired.update(counted)
            disagreements += told
    return fired, disagreements


def table(fired: Counter[str]) -> str:
    """Rule by rule, for whoever wants to know."""
    return "\n".join(f"{rule} {fired[rule]:6}" for rule in sorted(fired))


def test_the_engine_and_the_reference_find_the_same_in_random_traces() -> None:
    fired, disagreements = compared(range(TRACES_QUICKLY))
    assert not disagreements[:SHOWN_MAX]
    assert len(+fired) > len(COVERED) * 3 // 4, table(fired)


@pytest.mark.long
def test_they_agree_on_20000_traces_in_which_every_rule_is_broken_100_times() -> None:
    fired, disagreements = compared_by_many(range(TRACES))
    assert not disagreements[:SHOWN_MAX]
    assert min(fired.values()) >= FIRINGS, table(fired)


def test_the_reference_like_the_engine_takes_nothing_mapped_for_no_overlap() -> None:
    story = Story().probe().alloc(0x1800, 0).map(0x1000, 0x1000, "FROM_DEVICE")
    assert not _broken(story.map(0x4000, 64, "FROM_DEVICE"), "DMA017")
    assert _broken(story.map(0x1000, 64, "FROM_DEVICE"), "DMA017") == [4]


def test_the_reference_like_the_engine_holds_no_message_against_an_address_of_no_dword() -> None:
    story = Story().snapshot_config(config_space(msix_control=0x8002))
    story.mmio_write(0x10000, 0xFEE00001).mmio_write(0x10004, 0).msix(0)
    assert not _broken(story, "IRQ004")
    assert _broken(story.mmio_write(0x10000, 0xFEE01000).msix(0), "IRQ004") == [5]
    story = Story().snapshot_config(config_space(msi_control=0x81, msi_address=0xFEE00003))
    assert _broken(story.msi(0).msi(0, message_address=0xFEE01000), "IRQ004") == [2]


def _broken(story: Story, rule: str) -> list[int]:
    """The records at which both find a rule broken."""
    trace = story.trace()
    engine, reference = engine_findings(trace), Reference(trace, PARAMETERS).findings()
    assert difference(engine, reference) == []
    return [record for found, _, record in sorted(reference) if found == rule]


def test_the_reference_knows_only_rules_that_there_are() -> None:
    assert {rule.id for rule in installed_rules()} >= COVERED
