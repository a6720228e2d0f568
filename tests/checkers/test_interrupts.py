# SPDX-License-Identifier: Apache-2.0
"""The IRQ rules."""

from __future__ import annotations

from typing import Any

import pytest
from uvtrace.checkers.interrupts import RULES

from tests.checkers.spaces import MSI, MSIX, config_space
from tests.checkers.verdicts import judge as judge_by
from tests.story import Story
from uvtrace.check.catalogue import ordered
from uvtrace.check.results import Finding, Verdict
from uvtrace.trace.enums import Flag, Kind, LossCause

MSI_ON, MSI_OFF = 0x81, 0x80
MSIX_ON, MSIX_MASKED, MSIX_OFF = 0x8002, 0xC002, 0x0002
TABLE, PENDING = 0x10000, 0x11000
INTX_OFF = 0x406
CORE = "pci_msi_update_mask+0x40 [kernel]"
LOADED = ordered(RULES)


def judge(story: Story, rule: str) -> Verdict:
    return judge_by(story, rule, rules=LOADED)[0]


def finding(story: Story, rule: str) -> Finding:
    verdict, findings = judge_by(story, rule, rules=LOADED)
    assert verdict is Verdict.FAIL
    assert len(findings) == 1
    return findings[0]


def _begun(**facts: Any) -> Story:
    return Story().snapshot_config(config_space(**facts))


def _msi(control: int = MSI_ON) -> Story:
    return _begun(msi_control=control)


def _msix(control: int = MSIX_ON) -> Story:
    return _begun(msix_control=control)


def _program(story: Story, vector: int, *, masked: int = 0, data: int = 0) -> Story:
    entry = TABLE + 16 * vector
    story.mmio_write(entry, 0xFEE00000).mmio_write(entry + 4, 0)
    return story.mmio_write(entry + 8, data or 0x4021 + vector).mmio_write(entry + 12, masked)


def test_a_message_while_its_capability_is_off_breaks_irq001() -> None:
    found = finding(_msi(MSI_OFF).msi(), "IRQ001")
    assert found.message == "MSI of vector 0 while MSI Enable is 0 (since #0)"
    assert "MSI-X Enable is 0" in finding(_msix(MSIX_OFF).msix(1), "IRQ001").message


def test_a_message_while_its_capability_is_on_passes_irq001() -> None:
    assert judge(_msi().msi(), "IRQ001") is Verdict.PASS
    assert judge(_msix().msix(1), "IRQ001") is Verdict.PASS


def test_a_masked_vector_breaks_irq002_by_its_entry_and_by_the_function_mask() -> None:
    found = finding(_program(_msix(), 1, masked=1).msix(1), "IRQ002")
    assert found.message == "MSI-X message of vector 1, which is masked (since #4)"
    assert "Function Mask" in finding(_program(_msix(MSIX_MASKED), 1).msix(1), "IRQ002").message


def test_an_unmasked_vector_beside_a_masked_one_passes_irq002() -> None:
    story = _program(_program(_msix(), 0, masked=1), 1).msix(1)
    assert judge(story, "IRQ002") is Verdict.PASS
    story = _program(_program(_msix(), 1, masked=1), 1).msix(1)
    assert judge(story, "IRQ002") is Verdict.PASS


def test_a_vector_whose_entry_was_never_seen_written_is_not_accused() -> None:
    assert judge(_msix().msix(1), "IRQ002") is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("story", "text"),
    [
        (_msi().msi(1), "of 1 that are enabled"),
        (_msix().msix(3), "the table holds 3"),
        (_msix().vector_alloc(2).msix(2), "of 2 that the driver has allocated"),
    ],
)
def test_a_vector_out_of_range_breaks_irq003(story: Story, text: str) -> None:
    assert text in finding(story, "IRQ003").message


def test_the_last_vector_passes_irq003() -> None:
    assert judge(_msi(0xA1).msi(3), "IRQ003") is Verdict.PASS
    assert judge(_msix().vector_alloc(3).msix(2), "IRQ003") is Verdict.PASS


def test_other_data_or_address_than_programmed_breaks_irq004() -> None:
    found = finding(_msi().msi(0, message_data=0x4022), "IRQ004")
    assert "with data 0x4022 to 0xfee00000, where 0x4021 and" in found.message
    assert judge(_msi().msi(0, message_address=0xFEE01000), "IRQ004") is Verdict.FAIL
    stale = _program(_program(_msix(), 1), 1, data=0x4055).msix(1)
    assert judge(stale, "IRQ004") is Verdict.FAIL


def test_a_message_as_programmed_passes_irq004() -> None:
    assert judge(_msi().msi(0), "IRQ004") is Verdict.PASS
    assert judge(_program(_msix(), 1).msix(1), "IRQ004") is Verdict.PASS
    # Of four vectors the number goes into the data's low bits.
    four = _begun(msi_control=0xA1, msi_data=0x4020)
    assert judge(four.msi(3, message_data=0x4023), "IRQ004") is Verdict.PASS


def test_enabling_msi_while_msix_is_on_breaks_irq005() -> None:
    found = finding(_msix().config_write(MSI + 2, MSI_ON), "IRQ005")
    assert found.message == "MSI is enabled while MSI-X is (since #0)"
    assert judge(_msi().config_write(MSIX + 2, MSIX_ON), "IRQ005") is Verdict.FAIL


def test_intx_while_msi_is_on_breaks_irq005_and_not_irq008() -> None:
    story = _begun(msi_control=MSI_ON, command=INTX_OFF).intx_assert()
    results = judge_all(story)
    assert results == ["IRQ005"]


def judge_all(story: Story) -> list[str]:
    from uvtrace.check.engine import check

    return [found.rule for found in check(story.trace(), rules=LOADED).findings]


def test_one_capability_after_the_other_passes_irq005() -> None:
    story = _msix().config_write(MSIX + 2, MSIX_OFF).config_write(MSI + 2, MSI_ON)
    story.config_write(MSI + 2, MSI_OFF).intx_assert()
    assert judge(story, "IRQ005") is Verdict.PASS


def _registered() -> Story:
    story = _begun().probe().irq_request(11, phase="REQUEST")
    return story.irq_request(11, phase="COMPLETION").bind()


def test_an_interrupt_without_a_handler_breaks_irq006() -> None:
    assert "INTX_ASSERT" in finding(_begun().probe().intx_assert(), "IRQ006").message


def test_a_handler_that_runs_after_free_irq_breaks_irq006() -> None:
    story = _registered().interrupt(11).irq_free(11).interrupt(11)
    found = finding(story, "IRQ006")
    assert (found.seq, [each.role for each in found.evidence]) == (8, ["freed"])


def test_interrupts_between_request_and_free_pass_irq006() -> None:
    story = _registered().intx_assert().interrupt(11).intx_deassert()
    assert judge(story, "IRQ006") is Verdict.PASS


def _interrupts(story: Story, count: int, *, result: int = 1, writes: bool = False) -> Story:
    for _ in range(count):
        tag = story.new_tag()
        story.handler_enter(11, tag=tag).mmio_read(0xC0, 4, flags=Flag.HARDIRQ)
        if writes:
            story.mmio_write(0xD8, 4, flags=Flag.HARDIRQ | Flag.WRITE)
        story.handler_exit(11, result, tag=tag)
    return story


def test_a_handler_that_only_ever_reads_breaks_irq007_once() -> None:
    found = finding(_interrupts(_registered(), 700), "IRQ007")
    assert found.message.startswith("501 runs of the handler of interrupt 11 since ")


def test_interrupts_that_are_worked_on_or_are_others_pass_irq007() -> None:
    assert judge(_interrupts(_registered(), 700, writes=True), "IRQ007") is Verdict.PASS
    assert judge(_interrupts(_registered(), 700, result=0), "IRQ007") is not Verdict.FAIL
    assert judge(_interrupts(_registered(), 400), "IRQ007") is Verdict.PASS


def test_intx_while_interrupt_disable_is_set_breaks_irq008() -> None:
    found = finding(_begun(command=INTX_OFF).intx_assert(), "IRQ008")
    assert found.message == "INTx is asserted while Interrupt Disable is 1 (since #0)"
    assert judge(_begun().intx_assert(), "IRQ008") is Verdict.PASS


def test_a_line_that_stays_asserted_through_100_runs_breaks_irq009() -> None:
    story = _interrupts(_registered().intx_assert(), 120, writes=True)
    assert "has returned handled 101 times" in finding(story, "IRQ009").message


def test_a_line_that_falls_in_between_passes_irq009() -> None:
    story = _registered()
    for _ in range(3):
        _interrupts(story.intx_assert(), 60, writes=True).intx_deassert()
    assert judge(story, "IRQ009") is Verdict.PASS
    # The line is shared: what another function asserts is not ours.
    assert judge(_interrupts(story, 200, writes=True), "IRQ009") is Verdict.PASS


@pytest.mark.parametrize(
    "fields", [{"length": 2}, {"message_address": 0xFEE00002}, {"first_be": 3}, {"last_be": 15}]
)
def test_a_message_that_is_no_aligned_dword_breaks_irq010(fields: dict[str, int]) -> None:
    assert judge(_msi().msi(0, **fields), "IRQ010") is Verdict.FAIL


def test_an_aligned_dword_passes_irq010() -> None:
    assert judge(_msi().msi(0, first_be=15).msi(0), "IRQ010") is Verdict.PASS


@pytest.mark.parametrize(
    ("offset", "width"), [(TABLE + 12, 1), (TABLE + 2, 4), (TABLE + 4, 8), (PENDING, 2)]
)
def test_narrow_and_misaligned_accesses_to_the_msix_table_break_irq011(
    offset: int, width: int
) -> None:
    assert judge(_msix().mmio_read(offset, width=width), "IRQ011") is Verdict.FAIL


def test_dwords_of_the_table_and_bytes_beside_it_pass_irq011() -> None:
    story = _msix().mmio_read(TABLE + 12).mmio_read(TABLE, width=8).mmio_read(PENDING, width=8)
    assert judge(story, "IRQ011") is Verdict.PASS
    beside = _msix().mmio_read(TABLE + 48, width=1).mmio_read(TABLE - 1, width=1)
    assert judge(beside.mmio_read(PENDING + 8, width=1), "IRQ011") is Verdict.VACUOUS


def test_a_function_without_msix_has_no_table() -> None:
    assert judge(_begun(msix=False).mmio_read(TABLE, width=1), "IRQ011") is Verdict.VACUOUS


def test_vectors_held_at_unbind_break_irq012() -> None:
    story = _msix(MSIX_OFF).probe().config_write(MSIX + 2, MSIX_ON, site=CORE)
    found = finding(story.vector_alloc(3).remove().unbound(), "IRQ012")
    assert found.message.startswith("the interrupt vectors of ")
    assert [each.seq for each in found.evidence] == [3]


def test_msi_enabled_by_hand_and_left_so_breaks_irq012() -> None:
    story = _msi(MSI_OFF).probe().config_write(MSI + 2, MSI_ON).remove().unbound()
    found = finding(story, "IRQ012")
    assert found.message == "MSI, enabled at #2, is still enabled when the driver is unbound"


def test_vectors_that_are_freed_or_a_line_pass_irq012() -> None:
    story = _msix(MSIX_OFF).probe().config_write(MSIX + 2, MSIX_ON, site=CORE).vector_alloc(3)
    story.remove().config_write(MSIX + 2, MSIX_OFF, site=CORE).vector_free().unbound()
    assert judge(story, "IRQ012") is Verdict.PASS
    line = _begun().probe().vector_alloc(1, "INTX").remove().unbound()
    assert judge(line, "IRQ012") is not Verdict.FAIL
    by_hand = _msi(MSI_OFF).probe().config_write(MSI + 2, MSI_ON).config_write(MSI + 2, MSI_OFF)
    assert judge(by_hand.remove().unbound(), "IRQ012") is Verdict.PASS


def test_a_handler_that_claims_an_interrupt_unseen_breaks_irq013() -> None:
    found = finding(_registered().interrupt(11), "IRQ013")
    assert "neither read nor wrote a register" in found.message


def test_where_accesses_to_ports_were_lost_no_handler_is_accused_by_irq013() -> None:
    story = _registered().intx_assert().handler_enter(11, type="INTX")
    story.record(Kind.LOSS, topic=LossCause.HOOK_MISSED, value=1, payload=b"pio:inl")
    assert judge(story.handler_exit(11, 1, type="INTX"), "IRQ013") is Verdict.UNKNOWN


def test_a_handler_that_looks_or_does_not_claim_passes_irq013() -> None:
    assert judge(_interrupts(_registered(), 2), "IRQ013") is Verdict.PASS
    assert judge(_registered().interrupt(11, 0), "IRQ013") is Verdict.VACUOUS
    assert judge(_registered().interrupt(11, 2), "IRQ013") is Verdict.VACUOUS
    msix = _registered().interrupt(40, type="MSIX", vector=1)
    assert judge(msix, "IRQ013") is Verdict.VACUOUS


def test_what_another_cpu_or_the_interrupted_thread_does_is_no_look() -> None:
    story = _registered().handler_enter(11, cpu=1, tag=9)
    story.mmio_read(0xC0, 4, cpu=0).mmio_read(0xC0, 4, cpu=0, flags=Flag.HARDIRQ)
    assert judge(story.handler_exit(11, cpu=1, tag=9), "IRQ013") is Verdict.FAIL


@pytest.mark.parametrize(("looks", "verdict"), [(True, Verdict.PASS), (False, Verdict.FAIL)])
def test_on_rt_the_thread_must_look_at_the_device(looks: bool, verdict: Verdict) -> None:
    facts: dict[str, Any] = {
        "handler": "irq_default_primary_handler [kernel]",
        "thread": "e1000_intr",
        "flags": Flag.THREADED,
        "tid": 283,
    }
    story = _registered().handler_enter(11, cpu=0, tag=9, **facts)
    if looks:
        story.mmio_read(0xC0, 4, cpu=1, tid=283)
    assert judge(story.handler_exit(11, cpu=1, tag=9, **facts), "IRQ013") is verdict


def test_a_thread_whose_primary_handler_looked_need_not() -> None:
    thread: dict[str, Any] = {"thread": "e1000_thread", "flags": Flag.THREADED, "tid": 283}
    story = _registered().interrupt(11, 2)
    story.handler_enter(11, tag=9, **thread).handler_exit(11, tag=9, **thread)
    assert judge(story, "IRQ013") is Verdict.VACUOUS
