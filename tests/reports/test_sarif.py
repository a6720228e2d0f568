# SPDX-License-Identifier: Apache-2.0
"""SARIF 2.1.0, by a schema of what we use of it, written from the standard."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
from uvtrace.reports.sarif import MAX_LOCATIONS, MAX_RESULTS, render

from tests.reports.samples import HOSTILE, clean, finding, hostile, sample
from uvtrace.check.results import Evidence, Results

SCHEMA = json.loads((Path(__file__).parent / "sarif.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker())


def _parse(*results: Results) -> list[dict[str, Any]]:
    document = json.loads(render(results))
    VALIDATOR.validate(document)
    runs: list[dict[str, Any]] = document["runs"]
    for run in runs:
        _links_hold(run)
    return runs


def _links_hold(run: dict[str, Any]) -> None:
    """What a schema cannot say: indices point at what they name."""
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert (result["kind"] == "fail") == (result["level"] != "none")
        for location in result["locations"]:
            artifact = location["physicalLocation"]["artifactLocation"]
            assert run["artifacts"][artifact["index"]]["location"]["uri"] == artifact["uri"]


def _result(run: dict[str, Any], rule: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in run["results"] if each["ruleId"] == rule)
    return found


def test_a_run_for_each_trace() -> None:
    runs = _parse(sample(), clean())
    assert [run["artifacts"][0]["location"]["uri"] for run in runs] == [
        "runs/e1000-6.1.pcapng.zst",
        "clean.pcapng",
    ]
    assert [run["automationDetails"]["id"] for run in runs] == [
        "uvtrace/e1000-6.1/",
        "uvtrace/clean/",
    ]
    assert runs[1]["results"] == []


def test_a_result_says_what_where_and_has_its_signature() -> None:
    result = _result(_parse(sample())[0], "DMA007")
    assert result["level"] == "error"
    assert result["message"]["text"] == "unmap of 1522 bytes at 0x1000, where #401 mapped 2048"
    assert result["partialFingerprints"] == {
        "uvtraceSignature/v1": "DMA007:unmap=e1000_clean_tx_irq [e1000]"
    }
    assert result["locations"][0]["logicalLocations"] == [
        {
            "name": "e1000_clean_tx_irq",
            "fullyQualifiedName": "e1000!e1000_clean_tx_irq",
            "kind": "function",
        },
        {"name": "e1000", "kind": "module"},
        {"name": "0000:00:03.0", "kind": "resource"},
    ]


def test_the_code_flow_is_the_evidence_in_order() -> None:
    flow = _result(_parse(sample())[0], "DMA007")["codeFlows"][0]["threadFlows"][0]
    assert [step["location"]["message"]["text"] for step in flow["locations"]] == [
        "#401 mapped: map 0x1000 (2048)",
        "#812 here: unmap 0x1000 (1522)",
    ]
    assert flow["locations"][0]["location"]["logicalLocations"][0]["name"] == "e1000_xmit_frame"


def test_a_rule_explains_itself() -> None:
    rules = {rule["id"]: rule for rule in _parse(sample())[0]["tool"]["driver"]["rules"]}
    assert rules["DMA007"]["help"]["text"] == (
        "unmap or free with another size. For example: 2048, 1522. "
        "Source: Linux kernel/dma/debug.c. More: uvtrace rules DMA007"
    )
    assert rules["CFG004"]["defaultConfiguration"] == {"level": "warning"}


def test_unknown_is_open_and_not_absent() -> None:
    result = _result(_parse(sample())[0], "DMA001")
    assert (result["kind"], result["level"]) == ("open", "none")
    assert "the recording does not show" in result["message"]["text"]


def test_a_suppressed_result_says_why_and_all_others_say_that_they_are_not() -> None:
    results = _parse(sample())[0]["results"]
    suppressions = {each["ruleId"]: each["suppressions"] for each in results}
    assert [rule for rule, listed in suppressions.items() if listed] == ["ADR005"]
    assert suppressions["ADR005"][0]["justification"] == "known since 2019"
    place = suppressions["ADR005"][0]["location"]["physicalLocation"]
    assert place["region"] == {"startLine": 7}


def test_too_many_results_are_cut_with_a_notice_and_no_signature_is_lost() -> None:
    storm = [finding(seq=n) for n in range(1000, 7000)]
    late = replace(finding(seq=9000), signature="DMA007:other")
    # Not by the schema, which would take ten seconds: the other tests show the same shape.
    run = json.loads(render([replace(sample(), findings=(*storm, late))]))["runs"][0]
    _links_hold(run)
    assert len(run["results"]) == MAX_RESULTS
    signatures = {each["partialFingerprints"]["uvtraceSignature/v1"] for each in run["results"]}
    assert "DMA007:other" in signatures
    notices = run["invocations"][0]["toolExecutionNotifications"]
    # 6,001 findings and one unknown verdict.
    assert notices[0]["message"]["text"].startswith("1002 results are left out")


def test_findings_that_were_not_kept_are_counted() -> None:
    run = _parse(replace(sample(), findings=(replace(finding(), further=984),)))[0]
    assert _result(run, "DMA007")["occurrenceCount"] == 985


def test_a_code_flow_is_cut_and_keeps_the_finding_itself() -> None:
    many = replace(finding(), evidence=tuple(Evidence(n, "mapped") for n in range(2000)))
    flow = _parse(replace(sample(), findings=(many,)))[0]["results"][0]["codeFlows"][0]
    steps = flow["threadFlows"][0]["locations"]
    assert len(steps) == MAX_LOCATIONS
    assert steps[-1]["location"]["message"]["text"].startswith("#812 here")


def test_loss_and_damage_are_told() -> None:
    run = _parse(replace(sample(), lost=5, damage="run.pcapng, byte 7: cut"))[0]
    texts = [n["message"]["text"] for n in run["invocations"][0]["toolExecutionNotifications"]]
    assert texts == [
        "run.pcapng, byte 7: cut",
        "5 records were lost; rules that need them are unknown",
    ]


def test_hostile_text_makes_no_link_and_no_invalid_address() -> None:
    text = render([hostile()])
    assert text.isascii()
    run = _parse(hostile())[0]
    message = _result(run, "DMA007")["message"]["text"]
    assert message.isprintable()
    assert "](" in HOSTILE
    assert "](" not in message
