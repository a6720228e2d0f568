# SPDX-License-Identifier: Apache-2.0
"""The PWR rules."""

from __future__ import annotations

from typing import Any

import pytest
from uvtrace.checkers.config import CFG001
from uvtrace.checkers.power import RULES

from tests.checkers.spaces import (
    BAR0,
    COMMAND,
    DEVICE_CONTROL,
    MSI,
    MSIX,
    POWER,
    config_space,
)
from tests.checkers.verdicts import judge as judge_by
from tests.story import Story
from uvtrace.check.catalogue import ordered
from uvtrace.check.results import Finding, Verdict
from uvtrace.registers.map import Access, AddressSpace, Field, Register, RegisterMap
from uvtrace.trace.enums import Flag

MS = 1_000_000
FLR = 0x8000 | 0x2010
CONTROL = POWER + 4
CORE = "pci_bus_read_config_word+0x40 [kernel]"
LOADED = ordered((*RULES, CFG001))
STATUS = RegisterMap(
    device="test",
    spaces=(AddressSpace(0),),
    registers=(
        Register("STATUS", 0, 8, 32, (4,), (Field("LINK", 1, 1, Access.R),), surprise_ones=True),
        Register("DATA", 0, 12, 32, (4,), (Field("DATA", 0, 32),)),
    ),
)


def judge(story: Story, rule: str, registers: RegisterMap | None = None) -> Verdict:
    return judge_by(story, rule, rules=LOADED, registers=registers)[0]


def finding(story: Story, rule: str, registers: RegisterMap | None = None) -> Finding:
    verdict, findings = judge_by(story, rule, rules=LOADED, registers=registers)
    assert verdict is Verdict.FAIL
    assert len(findings) == 1
    return findings[0]


def _begun(**facts: Any) -> Story:
    return Story().snapshot_config(config_space(**facts)).snapshot_delays(10, 100)


def _flr() -> Story:
    return _begun().config_write(DEVICE_CONTROL, FLR)


def test_a_register_read_in_d3hot_breaks_pwr001() -> None:
    found = finding(_begun().config_write(CONTROL, 0x3).mmio_read(8), "PWR001")
    assert found.message == "read of BAR 0 + 0x8 while the function is in D3 (since #2)"


def test_a_device_that_writes_memory_in_d3hot_breaks_pwr001() -> None:
    found = finding(_begun().config_write(CONTROL, 0x3).dma_write(0x1000, 64), "PWR001")
    assert "the device's write to 0x1000 while it is in D3" in found.message


def test_in_d0_config_space_and_the_core_pass_pwr001() -> None:
    awake = _begun().config_write(CONTROL, 0x3).config_write(CONTROL, 0x0)
    awake.wait(20 * MS).mmio_read(8).dma_write(0x1000, 64)
    assert judge(awake, "PWR001") is Verdict.PASS
    asleep = _begun().config_write(CONTROL, 0x3).config_read(0, 0x100E8086)
    asleep.mmio_write(0x1000C, 1, site="pci_msix_write_vector_ctrl+0x8 [kernel]")
    assert judge(asleep, "PWR001") is not Verdict.FAIL


@pytest.mark.parametrize("wait_ms", [0, 99])
def test_an_access_right_after_a_function_level_reset_breaks_pwr002(wait_ms: int) -> None:
    found = finding(_flr().wait(wait_ms * MS).config_read(COMMAND, 0, width=2), "PWR002")
    assert found.message.endswith("after the function-level reset of #2")
    assert [(each.seq, each.role) for each in found.evidence] == [(2, "reset")]


def test_waiting_the_core_and_immediate_readiness_pass_pwr002() -> None:
    assert judge(_flr().wait(101 * MS).config_read(COMMAND, 0, width=2), "PWR002") is Verdict.PASS
    assert judge(_flr().config_read(0, 0, site=CORE), "PWR002") is Verdict.PASS
    ready = _begun(status=0x11).config_write(DEVICE_CONTROL, FLR).config_read(COMMAND, 0)
    assert judge(ready, "PWR002") is Verdict.PASS


def test_what_the_kernel_reset_and_waited_for_passes_pwr002() -> None:
    story = _begun().reset(phase="REQUEST").config_write(DEVICE_CONTROL, FLR, site=CORE)
    story.wait(100 * MS).reset(phase="COMPLETION").mmio_read(8)
    assert judge(story, "PWR002") is Verdict.PASS


def _not_ready(how: str) -> Story:
    """The function asks for a retry, 150 ms after its reset."""
    story = _flr().wait(150 * MS)
    if how == "vendor ID":
        return story.config_read(0, 0xFFFF0001)
    return story.config_read(0, 0xFFFFFFFF, status="RETRY")


@pytest.mark.parametrize("how", ["vendor ID", "status"])
def test_using_a_function_that_asks_for_a_retry_breaks_pwr002(how: str) -> None:
    found = finding(_not_ready(how).mmio_read(8), "PWR002")
    assert found.message.endswith("has not answered without retry status since #3")
    assert [(each.seq, each.role) for each in found.evidence] == [(3, "retry")]
    found = finding(_not_ready(how).config_write(COMMAND, 0x6), "PWR002")
    assert found.seq == 4


@pytest.mark.parametrize("how", ["vendor ID", "status"])
def test_asking_until_the_function_answers_passes_pwr002(how: str) -> None:
    story = _not_ready(how).config_read(0, 0xFFFF0001).config_read(0, 0x100E8086).mmio_read(8)
    assert judge(story, "PWR002") is Verdict.PASS


def test_all_ones_are_no_answer_of_a_function_that_asked_for_a_retry() -> None:
    story = _not_ready("status").config_read(0, 0xFFFFFFFF).mmio_read(8)
    assert judge(story, "PWR002") is Verdict.FAIL


def test_a_register_read_right_after_d3hot_breaks_pwr003() -> None:
    story = _begun().config_write(CONTROL, 0x3).wait(10 * MS).config_write(CONTROL, 0)
    found = finding(story.mmio_read(8), "PWR003")
    assert found.message.endswith("ns after #3 led from D3hot to D0")


def test_waiting_for_the_function_s_own_delay_passes_pwr003() -> None:
    story = _begun().config_write(CONTROL, 0x3).config_write(CONTROL, 0)
    assert judge(story.wait(10 * MS).mmio_read(8), "PWR003") is Verdict.PASS
    quick = _begun().snapshot_delays(0, 100).config_write(CONTROL, 3).config_write(CONTROL, 0)
    assert judge(quick.mmio_read(8), "PWR003") is Verdict.PASS
    # From D1 there is nothing to wait for.
    light = _begun().config_write(CONTROL, 0x1).config_write(CONTROL, 0)
    assert judge(light.mmio_read(8), "PWR003") is Verdict.PASS


def _reading() -> Story:
    return _begun().dma_read(0x1000, 64, phase="REQUEST", tag=7)


@pytest.mark.parametrize("how", ["reset", "sleep"])
def test_a_reset_or_sleep_with_reads_outstanding_breaks_pwr004(how: str) -> None:
    story = _reading()
    story = story.reset(phase="REQUEST") if how == "reset" else story.config_write(CONTROL, 3)
    assert "1 reads of the device are outstanding" in finding(story, "PWR004").message


def test_a_reset_after_the_last_completion_passes_pwr004() -> None:
    story = _reading().dma_read(0x1000, 64, phase="COMPLETION", tag=7).reset(phase="REQUEST")
    assert judge(story.config_write(CONTROL, 3), "PWR004") is Verdict.PASS


def test_bus_mastering_left_on_breaks_pwr005_which_is_a_warning() -> None:
    story = _begun(command=0x2).probe().config_write(COMMAND, 0x6).set_master().remove().unbound()
    found = finding(story, "PWR005")
    assert found.severity == "warning"
    assert [(each.seq, each.role) for each in found.evidence] == [(3, "set")]


def test_bus_mastering_turned_off_passes_pwr005() -> None:
    story = _begun(command=0x2).probe().config_write(COMMAND, 0x6).set_master().remove()
    assert judge(story.config_write(COMMAND, 0x2).unbound(), "PWR005") is Verdict.PASS


def test_using_a_bar_that_a_reset_took_breaks_pwr006_and_not_cfg001() -> None:
    story = _flr().wait(200 * MS).config_write(COMMAND, 0x6).mmio_read(8)
    found = finding(story, "PWR006")
    assert "the BAR has not been restored since #2" in found.message


def test_using_a_device_whose_command_a_reset_took_breaks_pwr006_alone() -> None:
    from uvtrace.check.engine import check

    story = _flr().wait(200 * MS).config_write(BAR0, 0xFEB80000, width=4)
    story.config_read(COMMAND, 0, width=2).mmio_read(8)
    assert [found.rule for found in check(story.trace(), rules=LOADED).findings] == ["PWR006"]


def test_a_device_that_is_restored_or_was_seen_unharmed_passes_pwr006() -> None:
    story = _flr().wait(200 * MS).config_write(BAR0, 0xFEB80000, width=4)
    assert judge(story.config_write(COMMAND, 0x6).mmio_read(8), "PWR006") is Verdict.PASS
    story = _flr().wait(200 * MS).config_read(BAR0, 0xFEB80000).config_read(COMMAND, 6, width=2)
    assert judge(story.mmio_read(8), "PWR006") is Verdict.PASS


def test_what_the_kernel_resets_it_restores() -> None:
    story = _begun().reset(phase="REQUEST").mmio_write(8, 0)  # the driver's reset_prepare()
    story.config_write(DEVICE_CONTROL, FLR, site=CORE).wait(100 * MS)
    story.config_read(BAR0, 0, site=CORE).config_write(BAR0, 0xFEB80000, width=4, site=CORE)
    story.config_write(COMMAND, 0x6, site=CORE).reset(phase="COMPLETION").mmio_read(8)
    assert judge(story, "PWR006") is Verdict.PASS


def test_d3hot_that_keeps_state_or_is_seen_to_lose_it() -> None:
    kept = _begun().config_write(CONTROL, 0xB).config_write(CONTROL, 0x8).wait(20 * MS)
    assert judge(kept.mmio_read(8), "PWR006") is Verdict.PASS
    lost = _begun(no_soft_reset=False).config_write(CONTROL, 3).config_write(CONTROL, 0)
    lost.wait(20 * MS).config_read(BAR0, 0).config_read(COMMAND, 0x6, width=2).mmio_read(8)
    assert judge(lost, "PWR006") is Verdict.FAIL


ON = 0x81


def _listening(**facts: Any) -> Story:
    """A function that interrupts by messages is reset, and has its BARs and Command back."""
    story = _begun(**facts).probe().irq_request(24, type="MSI").config_write(DEVICE_CONTROL, FLR)
    story.wait(200 * MS).config_write(BAR0, 0xFEB80000, width=4)
    return story.config_write(BAR0 + 4, 0xC001, width=4).config_write(COMMAND, 0x6)


@pytest.mark.parametrize("facts", [{"msi_control": ON}, {"msix_control": 0x8002}])
def test_using_a_device_whose_messages_a_reset_turned_off_breaks_pwr006(
    facts: dict[str, int],
) -> None:
    found = finding(_listening(**facts).mmio_write(8, 1), "PWR006")
    assert "MSI or MSI-X, enabled before, has not been restored since #4" in found.message


def test_a_message_without_its_address_is_not_restored() -> None:
    story = _listening(msi_control=ON).config_write(MSI + 2, ON).mmio_write(8, 1)
    assert judge(story, "PWR006") is Verdict.FAIL


def test_restored_messages_and_messages_that_nobody_waits_for_pass_pwr006() -> None:
    story = _listening(msi_control=ON).config_write(MSI + 4, 0xFEE00000, width=4)
    assert judge(story.config_write(MSI + 2, ON).mmio_write(8, 1), "PWR006") is Verdict.PASS
    story = _listening(msix_control=0x8002).config_write(MSIX + 2, 0x8002).mmio_write(8, 1)
    assert judge(story, "PWR006") is Verdict.PASS
    assert judge(_listening().mmio_write(8, 1), "PWR006") is Verdict.PASS
    freed = _listening(msi_control=ON).irq_free(24, type="MSI").mmio_write(8, 1)
    assert judge(freed, "PWR006") is Verdict.PASS


def test_freeing_an_interrupt_that_nobody_requested_leaves_the_other_one_s_handler() -> None:
    story = _listening(msi_control=ON).irq_free(25, type="MSI", vector=1).mmio_write(8, 1)
    assert judge(story, "PWR006") is Verdict.FAIL


def _answers(count: int, value: int, offset: int = 8) -> Story:
    story = Story()
    for _ in range(count):
        story.mmio_read(offset, value)
    return story


def test_going_on_after_impossible_answers_breaks_pwr007() -> None:
    found = finding(_answers(120, 0xFFFFFFFF), "PWR007", STATUS)
    assert found.message.startswith("101 reads on end, since #0")


def test_sane_answers_few_impossible_ones_and_data_pass_pwr007() -> None:
    story = _answers(90, 0xFFFFFFFF).mmio_read(8, 2)
    for _ in range(90):
        story.mmio_read(8, 0xFFFFFFFF)
    assert judge(story, "PWR007", STATUS) is Verdict.PASS
    assert judge(_answers(200, 0xFFFFFFFF, 12), "PWR007", STATUS) is not Verdict.FAIL
    assert judge(_answers(200, 0xFFFFFFFF), "PWR007") is Verdict.UNKNOWN


def test_a_register_that_is_polled_without_end_breaks_pwr008_once() -> None:
    found = finding(_answers(6000, 0), "PWR008")
    assert found.severity == "warning"
    assert "5000 reads of" in found.message


def test_polling_with_a_change_or_something_else_between_passes_pwr008() -> None:
    changes = _answers(4000, 0)
    for _ in range(4000):
        changes.mmio_read(8, 1)
    assert judge(changes, "PWR008") is Verdict.PASS
    works = _answers(4000, 0).mmio_write(12, 1)
    for _ in range(4000):
        works.mmio_read(8, 0)
    assert judge(works, "PWR008") is Verdict.PASS


def test_what_the_other_end_records_does_not_interrupt_polling_for_pwr008() -> None:
    story = Story()
    for _ in range(6000):
        story.mmio_read(8, 0).mmio_read(8, 0, flags=Flag.FAR)
    assert finding(story, "PWR008").severity == "warning"
