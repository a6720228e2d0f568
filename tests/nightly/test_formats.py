# SPDX-License-Identifier: Apache-2.0
"""A night for CI systems: JUnit, KTAP and KCIDB, read by others' readers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import kcidb_io
import pytest
from lxml import etree

from tests.nightly.nights import at, found, job
from tests.nightly.test_compare import X, accepted, broken
from tests.reports.ktap_parser import Node, parse
from uvtrace.check.results import Verdict
from uvtrace.check.rules import Severity
from uvtrace.errors import UsageError
from uvtrace.nightly.compare import Comparison, Earlier, compare
from uvtrace.nightly.junit import as_junit
from uvtrace.nightly.kcidb import as_kcidb
from uvtrace.nightly.ktap import as_ktap
from uvtrace.nightly.outcome import Ended, JobResult, Night

SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).parents[1] / "reports/junit.xsd"))
NIGHT = Night(number=1, matrix="m", started=at(10), finished=None, tool="0")


def unknown(result: JobResult) -> JobResult:
    verdicts = tuple(
        replace(each, verdict=Verdict.UNKNOWN, reason="not shown") for each in result.verdicts
    )
    return replace(result, verdicts=verdicts)


def the_night() -> tuple[Comparison, list[JobResult]]:
    """New on 6.1, known on 6.12, accepted on rt, a warning, a panic, and one that saw nothing."""
    now = [
        job(X),
        job(X, place="6.12/e1000/ping"),
        job(X, place="6.1-rt/e1000/ping"),
        job(found("IRQ001:w", severity=Severity.WARNING), place="6.1/nvme/io"),
        broken(Ended.PANIC, place="6.12/nvme/io"),
        unknown(job(place="6.1/edu/io")),
    ]
    now = [replace(each, release=f"{each.place.kernel}.0", seconds=2.5) for each in now]
    before = [Earlier(at(9).date(), job(X, place="6.12/e1000/ping"))]
    silent = [accepted(kernel="6.1-rt")]
    return compare(now, before, today=at(10).date(), acceptances=silent), now


def junit(comparison: Comparison, results: Sequence[JobResult]) -> dict[str, dict[str, Any]]:
    """Suite to case to what it holds."""
    root = etree.fromstring(as_junit(comparison, results).encode())
    SCHEMA.assertValid(root)
    return {
        suite.get("name", ""): {
            case.get("name", ""): {child.tag: child.get("message") or child.text for child in case}
            for case in suite.iterfind("testcase")
        }
        for suite in root
    }


def test_junit_fails_what_is_new_and_skips_what_is_known() -> None:
    suites = junit(*the_night())
    assert list(suites) == [
        *("6.1/e1000/ping", "6.1/edu/io", "6.1/nvme/io"),
        *("6.1-rt/e1000/ping", "6.12/e1000/ping", "6.12/nvme/io"),
    ]
    assert suites["6.1/e1000/ping"]["DMA007"]["failure"].startswith("new: DMA007:x happened")
    assert suites["6.1/e1000/ping"]["IRQ001"] == {}
    assert suites["6.12/e1000/ping"]["DMA007"]["skipped"] == "still there"
    assert suites["6.1-rt/e1000/ping"]["DMA007"]["skipped"] == "accepted"
    assert list(suites["6.1/nvme/io"]["IRQ001"]) == ["system-out"]
    assert suites["6.12/nvme/io"]["JOB"]["failure"].startswith("new: it ended")
    assert suites["6.1/edu/io"]["DMA007"] == {"skipped": "not shown"}


def test_junit_counts_its_cases() -> None:
    root = etree.fromstring(as_junit(*the_night()).encode())
    counts = {name: root.get(name) for name in ("tests", "failures", "skipped", "errors")}
    assert counts == {"tests": "16", "failures": "2", "skipped": "4", "errors": "0"}


def test_ktap_fails_what_is_new_and_expects_what_is_known() -> None:
    places = {node.name: node for node in parse(as_ktap(*the_night()))}

    def rules(place: str) -> dict[str, Node]:
        return {node.name: node for node in places[place].subtests}

    assert {name for name, node in places.items() if not node.ok} == {
        *("6.1/e1000/ping", "6.12/nvme/io")
    }
    assert not rules("6.1/e1000/ping")["DMA007"].ok
    known = rules("6.12/e1000/ping")["DMA007"]
    assert (known.directive, known.data) == ("XFAIL", "still there")
    assert rules("6.1/edu/io")["DMA007"].directive == "SKIP"


def test_kcidb_takes_the_night_and_a_failure_is_one_however_old() -> None:
    comparison, results = the_night()
    document = json.loads(as_kcidb(NIGHT, comparison, results))
    assert kcidb_io.schema.V5_3.is_compatible_exactly(document)
    assert kcidb_io.schema.V5_3.is_valid_exactly(document)
    status = {(each["build_id"], each["path"]): each["status"] for each in document["tests"]}
    assert status["uvtrace:6.1.0", "uvtrace.e1000.ping.DMA007"] == "FAIL"
    assert status["uvtrace:6.12.0", "uvtrace.e1000.ping.DMA007"] == "FAIL"
    assert status["uvtrace:6.1.0", "uvtrace.edu.io.DMA007"] == "MISS"
    assert status["uvtrace:6.1.0", "uvtrace.e1000.ping.JOB"] == "PASS"
    assert len({each["id"] for each in document["tests"]}) == len(document["tests"])
    with pytest.raises(UsageError, match="origin"):
        as_kcidb(NIGHT, comparison, results, origin="My Lab")


def test_hostile_words_stay_words() -> None:
    wild = found("DMA007:\x1b[2J]]>", message="<b># not ok 1\n\x00\ud800")
    now = [job(wild)]
    comparison = compare(now, [], today=at(10).date())
    assert "failure" in junit(comparison, now)["6.1/e1000/ping"]["DMA007"]
    assert len(parse(as_ktap(comparison, now))) == 1
    assert kcidb_io.schema.V5_3.is_valid_exactly(json.loads(as_kcidb(NIGHT, comparison, now)))
