# SPDX-License-Identifier: Apache-2.0
"""JSON: the bound schema, exactly."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
from uvtrace.reports.json import render

from tests.reports.samples import HOSTILE, clean, hostile, sample
from uvtrace.check.results import Results

SCHEMA = json.loads(files("uvtrace.reports").joinpath("result.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def _parse(*results: Results) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(render(results))
    VALIDATOR.validate(document)
    return document


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_a_finding_has_the_bound_keys_and_no_others() -> None:
    finding = _parse(sample())["findings"][1]
    assert finding == {
        "trace": 0,
        "rule": "DMA007",
        "severity": "error",
        "function": "0000:00:03.0",
        "seq": 812,
        "time_ns": 3_234_567_000,
        "site": "e1000_clean_tx_irq+0x5c [e1000]",
        "message": "unmap of 1522 bytes at 0x1000, where #401 mapped 2048",
        "signature": "DMA007:unmap=e1000_clean_tx_irq [e1000]",
        "evidence": [{"seq": 401, "role": "mapped"}],
    }


def test_every_finding_is_told_and_names_its_trace() -> None:
    document = _parse(clean(), sample())
    assert [f["seq"] for f in document["findings"]] == [20, 812, 850]
    assert {f["trace"] for f in document["findings"]} == {1}
    assert [v["trace"] for v in document["verdicts"]] == [0, 0, *[1] * 7]


def test_suppressed_findings_are_listed_apart() -> None:
    document = _parse(sample())
    assert [(f["rule"], f["suppression"]) for f in document["suppressed"]] == [
        (
            "ADR005",
            {
                "file": "known.toml",
                "line": 7,
                "reason": "known since 2019",
                "expires": "2030-01-31",
            },
        )
    ]
    assert "suppressed" not in _parse(clean())


def test_the_verdicts_are_told_as_they_are() -> None:
    verdicts = {v["rule"]: v for v in _parse(sample())["verdicts"]}
    assert verdicts["DMA001"]["verdict"] == "unknown"
    assert verdicts["CFG007"]["verdict"] == "vacuous"
    assert verdicts["DMA007"] == {
        "trace": 0,
        "function": "0000:00:03.0",
        "rule": "DMA007",
        "verdict": "fail",
        "checked": 31,
        "reason": "2 findings",
    }


def test_hostile_text_comes_back_as_it_was_save_what_is_no_unicode() -> None:
    message = _parse(hostile())["findings"][0]["message"]
    assert message == HOSTILE.replace("\udc80", r"\udc80").replace("\ud800", r"\ud800")


@pytest.mark.parametrize("key", ["trace", "evidence", "signature"])
def test_the_schema_refuses_a_finding_without(key: str) -> None:
    document = _parse(sample())
    del document["findings"][0][key]
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(document)


def test_the_schema_refuses_keys_that_it_does_not_know() -> None:
    document = _parse(sample())
    document["findings"][0]["text"] = "more"
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(document)
