# SPDX-License-Identifier: Apache-2.0
"""Many traces judged by rules that are compiled once."""

from __future__ import annotations

from dataclasses import replace

from tests.differential.comparing import covered_rules
from tests.differential.random_traces import PARAMETERS, random_trace
from tests.story import Story
from uvtrace.check.engine import Checker, check
from uvtrace.check.results import Results

SEEDS = range(40, 46)


def without_time(results: Results) -> Results:
    """All but how long it took."""
    return replace(results, seconds=0.0)


def test_a_checker_gives_of_every_trace_what_a_check_of_it_alone_gives() -> None:
    rules = covered_rules()
    checker = Checker(rules, PARAMETERS)
    for seed in SEEDS:
        alone = check(random_trace(seed), rules=rules, parameters=PARAMETERS)
        assert alone.findings
        assert without_time(checker.check(random_trace(seed))) == without_time(alone)


def test_parameters_of_a_checker_hold_for_every_trace() -> None:
    story = Story()
    for _ in range(4):
        story.mmio_read(8, 0)
    rules = tuple(rule for rule in covered_rules() if rule.id == "PWR008")
    strict, usual = Checker(rules, {"PWR008.reads": 3}), Checker(rules, {})
    for _ in range(2):
        assert len(strict.check(story.trace()).findings) == 1
        assert not usual.check(story.trace()).findings
