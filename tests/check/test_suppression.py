# SPDX-License-Identifier: Apache-2.0
"""Suppressions: which findings they take out, until when, and what is said of idle ones."""

from __future__ import annotations

import datetime
from dataclasses import replace

import pytest

from tests.reports.samples import NIC, clean, finding, sample
from uvtrace.check.results import Results, Suppression
from uvtrace.check.suppression import Outcome, suppressed

TODAY = datetime.date(2026, 6, 15)
ENTRY = Suppression(rule="DMA007", site="e1000_clean_*", reason="known")


def _one(**changes: object) -> Results:
    changed = replace(finding(), **changes)  # type: ignore[arg-type]
    return replace(sample(), findings=(changed,))


def _apply(entry: Suppression, *results: Results) -> Outcome:
    return suppressed(results or (_one(),), [entry], TODAY)


def _hits(entry: Suppression, *results: Results) -> int:
    return sum(
        each.suppression is entry
        for result in _apply(entry, *results).results
        for each in result.findings
    )


def test_a_suppressed_finding_does_not_fail_the_run_and_stays_listed() -> None:
    assert not _one().ok
    result = _apply(ENTRY).results[0]
    assert result.ok
    assert [each.suppression for each in result.findings] == [ENTRY]
    assert result.counted == ()


@pytest.mark.parametrize(
    "site",
    [
        "e1000_clean_tx_irq",
        "e1000_clean_tx_ir?",
        "*",
        "e1000_clean_tx_irq [e1000]",
        "*_irq [e1000]",
    ],
)
def test_a_site_is_a_symbol_or_a_symbol_in_a_module(site: str) -> None:
    entry = replace(ENTRY, site=site)
    assert _hits(entry) == 1
    moved = _one(site="e1000_clean_tx_irq.isra.0+0x7c/0x2b0 [e1000]")
    assert _hits(entry, moved) == 1


@pytest.mark.parametrize(
    "site",
    [
        "e1000_clean",
        "e1000_clean_rx_*",
        "e1000_clean_tx_irq+0x5c",
        "e1000_clean_tx_irq [e1000e]",
        "[a-z]*",
        "?",
    ],
)
def test_another_site_is_not_meant(site: str) -> None:
    assert _hits(replace(ENTRY, site=site)) == 0


def test_a_finding_without_site_is_met_by_any_site_only() -> None:
    assert _hits(replace(ENTRY, site="*"), _one(site="")) == 1
    assert _hits(replace(ENTRY, site="e*"), _one(site="")) == 0


def test_a_rule_can_be_a_family_and_is_not_taken_for_another() -> None:
    assert _hits(replace(ENTRY, rule="DMA")) == 1
    assert _hits(replace(ENTRY, rule="DMA00")) == 1
    assert _hits(replace(ENTRY, rule="DMA006")) == 0


def test_function_and_device_narrow_it() -> None:
    assert _hits(replace(ENTRY, function=NIC)) == 1
    assert _hits(replace(ENTRY, function="0000:00:04.*")) == 0
    assert _hits(replace(ENTRY, device="8086:100E")) == 1
    assert _hits(replace(ENTRY, device="10ec:*")) == 0
    assert _hits(replace(ENTRY, device="8086:*"), _one(function="*")) == 0


def test_it_holds_through_its_last_day_and_then_counts_again() -> None:
    holds = replace(ENTRY, expires=TODAY)
    assert _hits(holds) == 1
    assert _apply(holds).expired == ()
    over = replace(ENTRY, expires=TODAY - datetime.timedelta(days=1))
    outcome = _apply(over)
    assert not outcome.results[0].ok
    assert outcome.expired == (over,)
    assert outcome.unused == ()


def test_one_that_matches_nothing_is_told_if_its_rule_was_judged() -> None:
    idle = replace(ENTRY, site="nowhere")
    assert _apply(idle).unused == (idle,)
    assert _apply(replace(ENTRY, rule="PWR001")).unused == ()
    assert _apply(ENTRY).unused == ()


def test_one_match_in_one_of_several_traces_is_use() -> None:
    assert _apply(ENTRY, clean(), _one()).unused == ()


def test_the_first_of_two_is_the_reason_and_the_second_is_not_idle() -> None:
    second = replace(ENTRY, site="*", reason="also")
    outcome = suppressed([_one()], [ENTRY, second], TODAY)
    assert outcome.results[0].findings[0].suppression is ENTRY
    assert outcome.unused == ()
