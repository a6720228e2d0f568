# SPDX-License-Identifier: Apache-2.0
"""The engine and a slow, obvious reference implementation find the same in random traces."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from tests.differential.comparing import COVERED, Finding, difference, engine_findings
from tests.differential.random_traces import PARAMETERS, random_trace
from tests.differential.reference.judge import Reference
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


def test_the_reference_knows_only_rules_that_there_are() -> None:
    assert {rule.id for rule in installed_rules()} >= COVERED
