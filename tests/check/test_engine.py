# SPDX-License-Identifier: Apache-2.0
"""The sweep: chunks, loss, sight and verdicts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import uvtrace
from tests.story import Story
from uvtrace import packs
from uvtrace.check import engine
from uvtrace.check.catalogue import installed_rules
from uvtrace.check.engine import check
from uvtrace.check.results import WHOLE_TRACE, Results, Verdict
from uvtrace.check.rules import Selection, parse_ids
from uvtrace.errors import UsageError


def faulty_story() -> Story:
    """A driver that unmaps twice, leaks, reads with decode off and after iounmap."""
    story = Story().begin().config_write(0x04, 0x6).probe().region_request()
    story.iomap(mapping=1).mmio_read(0, mapping=1)
    for page in range(1, 30):
        story.map(0x1000 * page, 128)
    story.unmap(0x1000, 128).unmap(0x1000, 128).unmap(0x2000, 64)
    story.config_write(0x04, 0x0).mmio_read(8, mapping=1).iounmap(mapping=1)
    story.region_release()
    return story.mmio_read(8, mapping=1, flags="STALE").remove().unbound()


def comparable(results: Results) -> object:
    return results.verdicts, results.findings, results.transactions, results.lost


def test_chunks_of_any_size_give_the_same_results(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = faulty_story().loss(3).mmio_read(4).trace()
    whole = comparable(check(trace))
    for size in (1, 2, 7):
        monkeypatch.setattr(engine, "CHUNK", size)
        assert comparable(check(trace)) == whole


def test_every_fault_of_a_faulty_story_is_found() -> None:
    results = uvtrace.check(faulty_story().trace())
    assert not results.ok
    found = {finding.rule for finding in results.findings}
    assert found == {"ADR004", "CFG001", "DMA007", "DMA010", "DMA011"}
    assert [f.seq for f in results.findings] == sorted(f.seq for f in results.findings)


def test_without_its_faults_the_story_is_ok() -> None:
    story = Story().begin().probe().config_write(0x04, 0x2).region_request()
    story.iomap().mmio_read(0).iounmap().region_release()
    results = uvtrace.check(story.remove().unbound().trace())
    assert results.ok
    assert results.findings == ()


def test_loss_never_becomes_a_pass() -> None:
    clean = Story().probe().map(0x1000, 64).unmap(0x1000, 64).remove().unbound().loss(1).trace()
    results = check(clean, selection=Selection(select=("DMA", "ADR", "CFG")))
    assert Verdict.PASS not in {verdict.verdict for verdict in results.verdicts}
    assert results.lost == 1


def test_loss_of_one_function_leaves_the_others_judged() -> None:
    story = Story().config_write(0x04, 0x6).mmio_read(8).loss(1, function=1)
    story.function("0000:00:04.0").config_write(0x04, 0x6).mmio_read(8)
    verdicts = check(story.trace(), selection=Selection(select=("CFG001",))).verdicts
    assert [(v.function, v.verdict) for v in verdicts] == [
        ("0000:00:03.0", Verdict.PASS),
        ("0000:00:04.0", Verdict.UNKNOWN),
    ]


def test_what_the_recording_cannot_show_is_unknown_with_the_reason() -> None:
    imported = Story().mmio_read(8, flags="IMPORTED").trace()
    verdicts = {v.rule: v for v in check(imported).verdicts if v.function != WHOLE_TRACE}
    assert verdicts["CFG001"].verdict is Verdict.UNKNOWN
    assert verdicts["CFG001"].reason == "the recording does not show config accesses"
    assert verdicts["ADR001"].verdict is Verdict.PASS


def test_an_empty_trace_is_checked() -> None:
    results = check(Story().trace())
    assert results.ok
    assert results.transactions == 0


def test_selection_is_by_id_or_prefix_and_ignore_wins() -> None:
    chosen = Selection(select=("DMA", "CFG001"), ignore=("DMA01",))
    taken = {rule.id for rule in installed_rules() if chosen.takes(rule.id)}
    assert {"CFG001", "DMA006", "DMA007"} <= taken
    assert not taken & {"DMA010", "DMA011", "CFG007", "TRC001"}


def test_ids_that_name_no_rule_are_refused() -> None:
    assert parse_ids("dma, CFG001", ["DMA006", "CFG001"]) == ("DMA", "CFG001")
    with pytest.raises(UsageError, match="XYZ names no rule"):
        parse_ids("XYZ", ["DMA006"])


def test_rule_ids_are_unique_and_say_where_they_come_from() -> None:
    rules = installed_rules()
    assert len({(rule.id, rule.variant) for rule in rules}) == len(rules) >= 9
    assert all(rule.source and rule.example and rule.statement for rule in rules)


def test_the_json_report_has_the_bound_schema(tmp_path: Path) -> None:
    path = tmp_path / "run.pcapng"
    faulty_story().write(path)
    render = packs.load("uvtrace.reports", "json")[0]
    document = json.loads(render([check(uvtrace.open(path))]))
    assert list(document) == ["format", "traces", "verdicts", "findings"]
    assert document["format"] == 1
    assert set(document["traces"][0]) == {"file", "transactions", "lost", "seconds"}
    assert document["traces"][0]["file"] == str(path)
    assert {frozenset(v) for v in document["verdicts"]} == {
        frozenset({"trace", "function", "rule", "verdict", "checked", "reason"})
    }
    finding = next(f for f in document["findings"] if f["rule"] == "DMA007")
    assert set(finding) == {
        *("trace", "rule", "severity", "function", "seq", "time_ns", "site", "message"),
        *("signature", "evidence"),
    }
    assert finding["severity"] == "error"
    assert finding["evidence"][0].keys() == {"seq", "role"}


def test_text_from_a_trace_cannot_steer_the_terminal() -> None:
    story = Story(driver="e1000").probe().unmap(0x1000, 1, site="evil\x1b[2J+0x1 [e1000]")
    render = packs.load("uvtrace.reports", "text")[0]
    text = render([check(story.trace())])
    assert "\x1b" not in text
    assert "evil\\x1b" in text
