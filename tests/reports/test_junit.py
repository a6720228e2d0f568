# SPDX-License-Identifier: Apache-2.0
"""JUnit XML, read by lxml and validated by what its readers have in common."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lxml import etree
from uvtrace.reports.junit import render

from tests.reports.samples import NIC, clean, hostile, sample
from uvtrace.check.results import Results, Verdict

SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).parent / "junit.xsd"))


def _parse(*results: Results) -> etree._Element:
    root = etree.fromstring(render(results).encode())
    SCHEMA.assertValid(root)
    return root


def _case(root: etree._Element, rule: str) -> etree._Element:
    found = root.findall(f".//testcase[@name='{rule}']")
    assert len(found) == 1
    return found[0]


def _children(case: etree._Element) -> list[str]:
    return [child.tag for child in case]


def test_a_suite_for_each_trace_and_function_and_a_case_for_each_rule() -> None:
    root = _parse(sample(), clean())
    assert [suite.get("name") for suite in root] == [
        "e1000-6.1 trace",
        f"e1000-6.1 {NIC}",
        f"clean {NIC}",
    ]
    assert {case.get("classname") for case in root[1].iter("testcase")} == {f"e1000-6.1 {NIC}"}
    files = root.xpath("//property[@name='file']/@value")
    assert files == ["runs/e1000-6.1.pcapng.zst"] * 2 + ["clean.pcapng"]


def test_the_numbers_are_those_of_the_cases() -> None:
    root = _parse(sample(), clean())
    for element in (root, *root):
        for name, tag in (("tests", "testcase"), ("failures", "failure"), ("skipped", "skipped")):
            assert int(element.get(name, "")) == len(list(element.iter(tag)))
        assert element.get("errors") == "0"


def test_an_error_is_a_failure_that_tells_the_proof() -> None:
    failure = _case(_parse(sample()), "DMA007")[0]
    assert failure.tag == "failure"
    assert failure.get("message") == "unmap of 1522 bytes at 0x1000, where #401 mapped 2048"
    text = failure.text or ""
    assert "mapped #401 map 0x1000 (2048)   e1000_xmit_frame+0x10 [e1000]" in text
    assert "at  e1000_clean_tx_irq+0x5c [e1000]  #812  t=1.234567" in text
    assert "2 times in all" in text


def test_a_warning_passes_and_is_told() -> None:
    case = _case(_parse(sample()), "CFG004")
    assert _children(case) == ["system-out"]
    assert "warning[CFG004]: writes BAR0 bit 0" in (case[0].text or "")


def test_unknown_vacuous_and_suppressed_are_skipped_with_their_reason() -> None:
    root = _parse(sample())
    messages = {
        rule: _case(root, rule)[0].get("message") for rule in ("DMA001", "CFG007", "ADR005")
    }
    assert messages == {
        "DMA001": "unknown: the recording does not show #1, the device",
        "CFG007": "vacuous: nothing happened that the rule judges",
        "ADR005": "suppressed: known since 2019",
    }
    assert [_case(root, rule)[0].tag for rule in messages] == ["skipped"] * 3
    assert _children(_case(root, "ADR001")) == []


def test_a_fail_without_findings_fails_with_its_reason() -> None:
    base = clean()
    failed = replace(base.verdicts[0], verdict=Verdict.FAIL, reason="broken")
    failure = _case(_parse(replace(base, verdicts=(failed,))), "ADR001")[0]
    assert (failure.tag, failure.get("message")) == ("failure", "broken")


def test_traces_of_one_name_stay_apart() -> None:
    root = _parse(*(replace(clean(), file=name) for name in ("a/run.gz", "b/run.gz", "b/run.gz")))
    assert [suite.get("name") for suite in root] == [
        f"a/run.gz {NIC}",
        f"b/run.gz {NIC}",
        f"b/run.gz (2) {NIC}",
    ]


def test_hostile_text_stays_text() -> None:
    root = _parse(hostile())
    assert _children(_case(root, "DMA007")) == ["failure"]
    assert root.findall(".//b") == []
    message = _case(root, "DMA007")[0].get("message") or ""
    assert message.startswith(r"\x1b[31mred\x1b]0;title\x07 \x00\x9b2J<b a='1\" &amp;]]>-->"[:30])
    assert r"\udc80" in message
