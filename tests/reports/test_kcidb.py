# SPDX-License-Identifier: Apache-2.0
"""KCIDB submissions, validated by kcidb-io."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import kcidb_io
import pytest
from uvtrace.reports.kcidb import render

from tests.reports.samples import clean, hostile, sample
from uvtrace.check.results import Results


def _parse(*results: Results, **options: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(render(results, **options))
    assert kcidb_io.schema.V5_3.is_compatible_exactly(document)
    assert kcidb_io.schema.V5_3.is_valid_exactly(document)
    return document


def _by_path(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {test["path"]: test for test in document["tests"]}


def test_unknown_and_vacuous_are_not_passed() -> None:
    statuses = {path: test["status"] for path, test in _by_path(_parse(sample())).items()}
    assert statuses == {
        "uvtrace.e1000.ADR001": "PASS",
        "uvtrace.e1000.ADR005": "DONE",
        "uvtrace.e1000.CFG004": "DONE",
        "uvtrace.e1000.CFG007": "SKIP",
        "uvtrace.e1000.DMA001": "MISS",
        "uvtrace.e1000.DMA007": "FAIL",
        "uvtrace.trace.TRC001": "PASS",
    }


def test_tests_are_linked_to_a_build_of_their_kernel() -> None:
    document = _parse(sample(), replace(clean(), kernel="6.12.1"))
    assert [build["id"] for build in document["builds"]] == [
        "uvtrace:6.1.0-56-amd64",
        "uvtrace:6.12.1",
    ]
    assert document["builds"][0]["checkout_id"] == document["checkouts"][0]["id"]
    builds = {test["environment"]["misc"]["trace"]: test["build_id"] for test in document["tests"]}
    assert builds["clean.pcapng"] == "uvtrace:6.12.1"


def test_an_origin_and_a_build_of_others_can_be_named() -> None:
    document = _parse(sample(), origin="lab_7", build_id="redhat:1")
    assert "builds" not in document
    assert {test["build_id"] for test in document["tests"]} == {"redhat:1"}
    assert all(test["id"].startswith("lab_7:") for test in document["tests"])


@pytest.mark.parametrize("options", [{"origin": "Lab 7"}, {"build_id": "1"}])
def test_names_that_kcidb_does_not_take_are_refused(options: Any) -> None:
    with pytest.raises(ValueError, match="KCIDB takes no"):
        render([sample()], **options)


def test_ids_are_unique_and_the_same_when_submitted_again() -> None:
    ids = [test["id"] for test in _parse(sample(), clean())["tests"]]
    assert len(set(ids)) == len(ids)
    assert ids == [test["id"] for test in _parse(sample(), clean())["tests"]]
    later = replace(sample(), start_real_ns=1)
    assert not set(ids) & {test["id"] for test in _parse(later)["tests"]}


def test_a_failure_carries_its_findings() -> None:
    test = _by_path(_parse(sample()))["uvtrace.e1000.DMA007"]
    assert test["start_time"] == "2023-11-14T22:13:20.123456+00:00"
    assert test["log_excerpt"].startswith("error[DMA007]: unmap of 1522 bytes")
    assert test["misc"]["findings"][0]["signature"] == "DMA007:unmap=e1000_clean_tx_irq [e1000]"


def test_an_impossible_clock_is_left_out() -> None:
    document = _parse(replace(sample(), start_real_ns=1 << 70))
    assert all("start_time" not in test for test in document["tests"])


def test_hostile_text_is_a_valid_submission() -> None:
    assert [test["status"] for test in _parse(hostile())["tests"]].count("FAIL") == 1
