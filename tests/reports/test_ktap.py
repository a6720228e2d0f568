# SPDX-License-Identifier: Apache-2.0
"""KTAP, read by a strict parser."""

from __future__ import annotations

from dataclasses import replace

import pytest
from uvtrace.reports.ktap import render

from tests.reports.ktap_parser import Node, parse
from tests.reports.samples import HOSTILE, NIC, clean, hostile, sample
from uvtrace.check.results import Verdict


def _rules(tests: list[Node]) -> dict[str, Node]:
    return {rule.name: rule for function in tests for rule in function.subtests}


def test_traces_hold_functions_and_functions_hold_rules() -> None:
    traces = parse(render([sample(), clean()]))
    assert [trace.name for trace in traces] == ["e1000-6.1", "clean"]
    assert [function.name for function in traces[0].subtests] == ["trace", NIC]
    assert [rule.name for rule in traces[1].subtests[0].subtests] == ["ADR001", "DMA007"]
    assert [trace.ok for trace in traces] == [False, True]


def test_only_errors_that_count_are_not_ok() -> None:
    rules = _rules(parse(render([sample()]))[0].subtests)
    assert [name for name, rule in rules.items() if not rule.ok] == ["DMA007"]
    assert rules["CFG004"].diagnostics[0] == "warning[CFG004]: writes BAR0 bit 0"
    assert (rules["ADR005"].directive, rules["ADR005"].data) == (
        "XFAIL",
        "suppressed: known since 2019",
    )


def test_unknown_and_vacuous_are_skipped_with_their_reason() -> None:
    rules = _rules(parse(render([sample()]))[0].subtests)
    assert rules["DMA001"].directive == rules["CFG007"].directive == "SKIP"
    assert rules["DMA001"].data == "the recording does not show #1, the device"
    assert rules["ADR001"].directive == ""


def test_a_function_of_which_nothing_could_be_judged_is_skipped_itself() -> None:
    base = clean()
    blind = tuple(replace(v, verdict=Verdict.UNKNOWN, reason="blind") for v in base.verdicts)
    trace = parse(render([replace(base, verdicts=blind)]))[0]
    assert (trace.directive, trace.subtests[0].directive) == ("SKIP", "SKIP")


def test_hostile_text_forges_no_result() -> None:
    traces = parse(render([hostile(), replace(clean(), file=HOSTILE)]))
    assert len(traces) == 2
    rules = _rules(traces[0].subtests)
    assert sorted(rules) == ["ADR001", "ADR005", "CFG004", "CFG007", "DMA001", "DMA007", "TRC001"]
    assert [rule.directive for rule in rules.values()].count("SKIP") == 2
    assert not rules["DMA007"].ok


@pytest.mark.parametrize(
    "text",
    [
        "1..0\n",
        "KTAP version 1\n1..1\n",
        "KTAP version 1\n1..1\nok 2 a\n",
        "KTAP version 1\n1..1\n   ok 1 a\n",
        "KTAP version 1\n1..1\nok 1 a\nok 2 b\n",
        "KTAP version 1\n1..1\nhello\nok 1 a\n",
        "KTAP version 1\n1..1\n  KTAP version 1\n  1..1\n  not ok 1 b\nok 1 a\n",
    ],
)
def test_the_parser_is_strict(text: str) -> None:
    with pytest.raises(ValueError, match=r"due|result|indentation|behind|disagrees"):
        parse(text)
