# SPDX-License-Identifier: Apache-2.0
"""The CPL rules."""

from __future__ import annotations

from typing import Any

import pytest
from uvtrace.checkers.completions import RULES

from tests.checkers.verdicts import judge as judge_by
from tests.story import Story
from uvtrace.check.catalogue import ordered
from uvtrace.check.results import Finding, Verdict

S = 1_000_000_000
LOADED = ordered(RULES)


def judge(story: Story, rule: str) -> Verdict:
    return judge_by(story, rule, rules=LOADED)[0]


def finding(story: Story, rule: str) -> Finding:
    verdict, findings = judge_by(story, rule, rules=LOADED)
    assert verdict is Verdict.FAIL
    assert len(findings) == 1
    return findings[0]


def _asked(tag: int = 7, length: int = 256) -> Story:
    return Story().dma_read(0x1000, length, phase="REQUEST", tag=tag)


def _answer(story: Story, at: int, length: int, left: int, **fields: object) -> Story:
    given: dict[str, Any] = {"tag": 7, "byte_count": left, **fields}
    return story.dma_read(at, length, phase="COMPLETION", **given)


def _answered() -> Story:
    return _answer(_answer(_asked(), 0x1000, 128, 256), 0x1080, 128, 128)


def test_a_request_without_an_answer_breaks_cpl001() -> None:
    found = finding(_asked().wait(20 * S).mmio_write(0, 1), "CPL001")
    assert found.seq == 0
    assert found.message == "DMA_READ of 0x1000 (256 bytes, tag 0x7) was never completed"


def test_an_answer_that_was_given_up_breaks_cpl001() -> None:
    story = Story().mmio_read(8, phase="REQUEST", tag=3)
    story.mmio_read(8, 0xFFFFFFFF, phase="COMPLETION", tag=3, status="TIMEOUT")
    assert [each.seq for each in finding(story, "CPL001").evidence] == [0]


def test_a_request_that_is_answered_in_parts_or_refused_passes_cpl001() -> None:
    assert judge(_answered().wait(20 * S).mmio_write(0, 1), "CPL001") is Verdict.PASS
    refused = _answer(_asked(), 0, 0, 0, status="UNSUPPORTED").wait(20 * S).mmio_write(0, 1)
    assert judge(refused, "CPL001") is Verdict.PASS


def test_a_request_of_which_a_part_is_missing_breaks_cpl001() -> None:
    story = _answer(_asked(), 0x1000, 128, 256).wait(20 * S).mmio_write(0, 1)
    assert judge(story, "CPL001") is Verdict.FAIL


def test_an_answer_that_nobody_waits_for_breaks_cpl002() -> None:
    found = finding(_answer(_answered(), 0x1000, 128, 128), "CPL002")
    assert (
        found.message == "completion of DMA_READ with tag 0x7, of which no request is outstanding"
    )


def test_answers_in_parts_pass_cpl002() -> None:
    assert judge(_answered(), "CPL002") is Verdict.PASS


def test_more_than_was_asked_for_breaks_cpl003() -> None:
    found = finding(_answer(_asked(length=64), 0x1000, 128, 64), "CPL003")
    assert found.message.startswith("completion of 128 bytes, where #0 asked for 64 and 0 have")


def test_as_much_as_was_asked_for_passes_cpl003() -> None:
    assert judge(_answered(), "CPL003") is Verdict.PASS


@pytest.mark.parametrize(
    ("at", "left", "text"),
    [(0x1000, 128, "byte count 128"), (0x2000, 256, "for 0x2000"), (0xFF0, 256, "for 0xff0")],
)
def test_a_wrong_byte_count_or_address_breaks_cpl004(at: int, left: int, text: str) -> None:
    assert text in finding(_answer(_asked(), at, 128, left), "CPL004").message


def test_a_short_answer_to_the_cpu_breaks_cpl004() -> None:
    story = Story().mmio_read(8, phase="REQUEST", tag=3)
    story.mmio_read(8, 1, phase="COMPLETION", tag=3, length=2)
    assert "of 2 bytes, where #0 asked for 4" in finding(story, "CPL004").message


def test_counts_and_addresses_as_they_should_be_pass_cpl004() -> None:
    assert judge(_answered(), "CPL004") is Verdict.PASS
    # 4096 bytes are told as 0.
    page = _answer(_asked(length=4096), 0x1000, 4096, 0)
    assert judge(page, "CPL004") is Verdict.PASS


def test_an_answer_after_the_timeout_breaks_cpl005() -> None:
    found = finding(_answer(_asked().wait(80_000_000), 0x1000, 256, 256), "CPL005")
    assert found.message == "DMA_READ of #0 was completed after 80001000 ns"


def test_an_answer_before_the_timeout_passes_cpl005() -> None:
    assert judge(_answer(_asked().wait(40_000_000), 0x1000, 256, 256), "CPL005") is Verdict.PASS


def test_in_a_vm_an_answer_may_take_a_second() -> None:
    late = _answer(_asked().wait(80_000_000), 0x1000, 256, 256).session(source="vm")
    assert judge(late, "CPL005") is Verdict.PASS
    later = _answer(_asked().wait(1_100_000_000), 0x1000, 256, 256).session(source="vm")
    assert judge(later, "CPL005") is Verdict.FAIL
    local = _answer(_asked().wait(80_000_000), 0x1000, 256, 256).session(source="local")
    assert judge(local, "CPL005") is Verdict.FAIL


def test_an_answer_may_take_as_long_as_the_device_was_recorded_with() -> None:
    late = _answer(_asked().wait(1_100_000_000), 0x1000, 256, 256)
    granted = {"CPL005.timeout_ns": 2_000_000_000}
    assert judge(late.session(source="vm", parameters=granted), "CPL005") is Verdict.PASS


@pytest.mark.parametrize(
    "nonsense", [["CPL005.timeout_ns"], {"CPL005.timeout_ns": "long"}, {"": -1}]
)
def test_parameters_that_no_recorder_writes_are_passed_over(nonsense: object) -> None:
    late = _answer(_asked().wait(1_100_000_000), 0x1000, 256, 256)
    assert judge(late.session(source="vm", parameters=nonsense), "CPL005") is Verdict.FAIL


def test_a_tag_that_is_still_in_use_breaks_cpl006() -> None:
    found = finding(_asked().dma_read(0x2000, 64, phase="REQUEST", tag=7), "CPL006")
    assert [(each.seq, each.role) for each in found.evidence] == [(0, "request")]


def test_other_tags_and_used_ones_pass_cpl006() -> None:
    assert judge(_answered().dma_read(0x2000, 64, phase="REQUEST", tag=7), "CPL006") is Verdict.PASS
    assert judge(_asked().dma_read(0x2000, 64, phase="REQUEST", tag=8), "CPL006") is Verdict.PASS
    # The CPU's tags are its own.
    assert judge(_asked().mmio_read(8, phase="REQUEST", tag=7), "CPL006") is Verdict.PASS


@pytest.mark.parametrize("status", ["UNSUPPORTED", "ABORT"])
def test_a_refused_request_breaks_cpl007(status: str) -> None:
    story = _answer(_asked(), 0x1000, 0, 0, status=status)
    assert "DMA_READ of 0x1000" in finding(story, "CPL007").message


def test_answers_and_what_the_core_looks_for_pass_cpl007() -> None:
    assert judge(_answered(), "CPL007") is Verdict.PASS
    core = _asked().config_read(
        0, 0xFFFFFFFF, status="UNSUPPORTED", site="pci_scan_single_device+0x4 [kernel]"
    )
    assert judge(core, "CPL007") is not Verdict.FAIL


@pytest.mark.parametrize("rule", sorted({rule.id for rule in RULES}))
def test_what_tap_records_as_one_is_no_matter_of_completions(rule: str) -> None:
    story = Story().mmio_read(8, 1).config_read(0, 1).dma_read(0x1000, 64)
    assert judge(story, rule) is Verdict.UNKNOWN
