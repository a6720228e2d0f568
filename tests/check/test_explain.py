# SPDX-License-Identifier: Apache-2.0
"""Results in words: what the named records tell, and when."""

from __future__ import annotations

import pickle
from dataclasses import asdict, replace

import pytest

from tests.reports.samples import finding
from tests.story import Story
from uvtrace.check import explain
from uvtrace.check.columns import record
from uvtrace.check.explain import explained, first_of_each
from uvtrace.check.results import Evidence, Results, RuleText, RuleVerdict, Verdict
from uvtrace.check.rule import Rule, rule
from uvtrace.check.rules import Severity
from uvtrace.trace.trace import Trace


def _trace() -> Trace:
    story = Story(start_ns=5_000).probe()
    story.map(0x1000, 2048, site="e1000_xmit+0x10").unmap(0x1000, 1522, site="e1000_clean+0x5c")
    return story.trace()


def _results(*evidence: Evidence, seq: int = 2) -> Results:
    found = replace(finding(seq=seq), evidence=evidence)
    verdict = RuleVerdict(function="0000:00:03.0", rule="DMA007", verdict=Verdict.FAIL, checked=1)
    return Results(
        file="run.pcapng",
        transactions=3,
        lost=0,
        seconds=0.1,
        verdicts=(verdict,),
        findings=(found,),
    )


def test_records_are_told_as_show_tells_them() -> None:
    found = explained(_results(Evidence(1, "mapped")), _trace()).findings[0]
    assert found.text.startswith("unmap 0x1000 (1522)")
    assert found.evidence[0].role == "mapped"
    assert found.evidence[0].text.startswith("map 0x1000 (2048)")
    assert found.evidence[0].site == "e1000_xmit+0x10 [e1000]"


def test_a_record_that_is_not_there_stays_without_words() -> None:
    found = explained(_results(Evidence(99, "mapped"), seq=1 << 40), _trace()).findings[0]
    assert (found.text, found.evidence[0].text) == ("", "")


def _rule(statement: str, rule_id: str = "DMA007") -> Rule:
    return rule(
        rule_id,
        statement,
        violation=record.length == 1,
        message="wrong",
        source="a specification",
        severity=Severity.NOTE,
    )


def test_the_trace_and_the_rules_speak() -> None:
    rules = (_rule("first"), _rule("second"), _rule("never judged", "CFG001"))
    results = explained(_results(), _trace(), rules)
    assert results.start_ns == 5_000
    assert results.kernel == "6.1.0-test"
    assert results.functions["0000:00:03.0"].driver == "e1000"
    # Only of rules that were judged, and of several declarations the first.
    assert results.rules == {
        "DMA007": RuleText(
            id="DMA007", statement="first", source="a specification", severity=Severity.NOTE
        )
    }


def test_results_can_be_sent_to_another_process() -> None:
    results = explained(_results(Evidence(1, "mapped")), _trace(), [_rule("first")])
    assert pickle.loads(pickle.dumps(results)) == results
    assert asdict(results)["findings"][0]["text"] == results.findings[0].text


def test_a_storm_is_explained_first_of_each_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explain, "RECORDS_EXPLAINED", 2)
    again = [replace(finding(seq=0), evidence=()), replace(finding(seq=1), evidence=())]
    other = replace(finding(seq=2), evidence=(), signature="other")
    results = replace(_results(), findings=(*again, other))
    assert [bool(f.text) for f in explained(results, _trace()).findings] == [True, False, True]


def test_repetitions_are_of_one_function_and_signature() -> None:
    same, elsewhere = finding(seq=3), replace(finding(seq=4), function="0000:00:04.0")
    assert first_of_each([finding(), same, elsewhere]) == ([finding(), elsewhere], [same])
