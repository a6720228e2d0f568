# SPDX-License-Identifier: Apache-2.0
"""Every format holds for results of recordings of real drivers, faulty and stock, in one run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import jsonschema
import kcidb_io
import pytest
from lxml import etree

import uvtrace
from tests.reports.ktap_parser import parse
from uvtrace import packs
from uvtrace.check.explain import first_of_each
from uvtrace.check.results import Results, Verdict

ROOT = Path(__file__).parents[2]
TRACES = [
    ROOT / "traces" / name
    for name in ("faulty/edu-6.1.pcapng.zst", "faulty/nvme-6.1.pcapng.zst", "e1000-6.1.pcapng.zst")
]
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def results() -> list[Results]:
    return [uvtrace.check(uvtrace.open(path)) for path in TRACES]


@pytest.fixture(scope="module")
def written(results: Sequence[Results]) -> Mapping[str, str]:
    """The text of each installed format that tells of several recordings."""
    group = "uvtrace.reports"
    names = [name for name in packs.names(group) if name != "html"]
    return {name: packs.load(group, name)[0](results) for name in names}


def _judged(results: Sequence[Results], verdict: Verdict) -> int:
    return sum(each.verdict is verdict for result in results for each in result.verdicts)


def test_the_recordings_have_findings_and_unknowns(results: Sequence[Results]) -> None:
    assert any(result.findings for result in results)
    assert _judged(results, Verdict.UNKNOWN)
    assert all(finding.text for result in results for finding in result.findings if finding.site)


def test_junit(written: Mapping[str, str], results: Sequence[Results]) -> None:
    root = etree.fromstring(written["junit"].encode())
    etree.XMLSchema(etree.parse(HERE / "junit.xsd")).assertValid(root)
    assert len(root.findall(".//testcase")) == sum(len(each.verdicts) for each in results)
    unknown = root.xpath("//skipped[starts-with(@message, 'unknown: ')]")
    assert isinstance(unknown, list)
    assert len(unknown) == _judged(results, Verdict.UNKNOWN)


def test_ktap(written: Mapping[str, str], results: Sequence[Results]) -> None:
    traces = parse(written["ktap"])
    assert [trace.ok for trace in traces] == [result.ok for result in results]
    rules = [rule for trace in traces for function in trace.subtests for rule in function.subtests]
    skipped = sum(rule.directive == "SKIP" for rule in rules)
    assert skipped == _judged(results, Verdict.UNKNOWN) + _judged(results, Verdict.VACUOUS)


def test_sarif(written: Mapping[str, str], results: Sequence[Results]) -> None:
    document = json.loads(written["sarif"])
    schema = json.loads((HERE / "sarif.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(document)
    fails = [r for run in document["runs"] for r in run["results"] if r["kind"] == "fail"]
    assert len(fails) == sum(len(each.findings) for each in results)


def test_kcidb(written: Mapping[str, str], results: Sequence[Results]) -> None:
    document = json.loads(written["kcidb"])
    assert kcidb_io.schema.V5_3.is_valid_exactly(document)
    passed = [test for test in document["tests"] if test["status"] == "PASS"]
    assert len(passed) == _judged(results, Verdict.PASS)


def test_json(written: Mapping[str, str]) -> None:
    schema = json.loads((ROOT / "reports/result.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(json.loads(written["json"]))


def test_text(written: Mapping[str, str], results: Sequence[Results]) -> None:
    for result in results:
        for finding in first_of_each(result.findings)[0]:
            assert f"{finding.severity}[{finding.rule}]: {finding.message}\n" in written["text"]
            assert finding.site in written["text"]
