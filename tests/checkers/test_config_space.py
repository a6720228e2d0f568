# SPDX-License-Identifier: Apache-2.0
"""The CFG rules on what is written to config space, and on what the device does without leave."""

from __future__ import annotations

from typing import Any

import pytest

from tests.checkers.spaces import (
    BAR0,
    BAR1,
    COMMAND,
    DEVICE_CONTROL,
    MSIX,
    POWER,
    config_space,
)
from tests.checkers.verdicts import judge
from tests.story import Story
from uvtrace.check.results import Verdict
from uvtrace.trace.enums import Flag

CORE = "pci_bus_write_config_word+0x40 [kernel]"
ONES = 0xFFFFFFFF
WIDE = (0xFE000004, 0x0000000F)


def _begun(**facts: Any) -> Story:
    return Story().snapshot_config(config_space(**facts))


def test_port_io_with_io_decode_off_breaks_cfg002() -> None:
    story = _begun(command=0x6).pio_read(0)
    verdict, findings = judge(story, "CFG002")
    assert verdict is Verdict.FAIL
    assert findings[0].message == "read of port BAR 1 + 0x0 while I/O Space Enable is 0 (since #0)"


def test_port_io_with_io_decode_on_and_of_legacy_ports_is_no_matter_of_cfg002() -> None:
    assert judge(_begun(command=0x7).pio_read(0), "CFG002")[0] is Verdict.PASS
    assert judge(_begun(command=0x6).pio_read(0x3F8, bar=0xFF), "CFG002")[0] is Verdict.VACUOUS


def test_a_device_that_reads_memory_without_bus_mastering_breaks_cfg003() -> None:
    story = _begun(command=0x2).dma_read(0x1000, 64)
    verdict, findings = judge(story, "CFG003")
    assert verdict is Verdict.FAIL
    assert "read of 0x1000 (64 bytes) while Bus Master Enable is 0" in findings[0].message


def test_a_message_without_bus_mastering_breaks_cfg003() -> None:
    verdict, findings = judge(_begun(command=0x2).msi(), "CFG003")
    assert verdict is Verdict.FAIL
    assert findings[0].message == "MSI of vector 0 while Bus Master Enable is 0 (since #0)"


def test_what_the_device_does_with_bus_mastering_on_passes_cfg003() -> None:
    story = _begun(command=0x6).dma_read(0x1000, 64).msi()
    assert judge(story, "CFG003")[0] is Verdict.PASS


def test_what_was_sent_before_bus_mastering_went_off_passes_cfg003() -> None:
    story = _begun(command=0x6).dma_write(0x1000, 4, flags=Flag.WRITE | Flag.FAR).msi()
    story.config_write(COMMAND, 0x2).dma_write(0x1000, 4, flags=Flag.WRITE | Flag.APART)
    assert judge(story, "CFG003")[0] is Verdict.PASS


def test_changing_device_id_breaks_cfg004_and_writing_it_back_does_not() -> None:
    verdict, findings = judge(_begun().config_write(0x02, 0x1234), "CFG004")
    assert verdict is Verdict.FAIL
    assert findings[0].severity == "warning"
    assert "write of 0x1234 to 0x2, which holds 0x100e" in findings[0].message
    assert judge(_begun().config_write(0x02, 0x100E), "CFG004")[0] is Verdict.PASS


def test_what_the_core_writes_to_read_only_bits_is_no_matter_of_cfg004() -> None:
    story = _begun().config_write(0x02, 0x1234, site=CORE)
    assert judge(story, "CFG004")[0] is Verdict.VACUOUS


@pytest.mark.parametrize(
    ("at", "value", "command"), [(BAR0, 0xFEC00000, 0x2), (BAR1, 0xD001, 0x1), (BAR1, 0xD001, 0x3)]
)
def test_moving_a_bar_that_decodes_breaks_cfg005(at: int, value: int, command: int) -> None:
    story = _begun(command=command).config_write(at, value, width=4)
    verdict, findings = judge(story, "CFG005")
    assert verdict is Verdict.FAIL
    assert f"moved from {config_value(at):#x} to {value:#x}" in findings[0].message


def config_value(at: int) -> int:
    return int.from_bytes(config_space()[at : at + 4], "little")


@pytest.mark.parametrize(
    ("at", "value", "command"),
    [(BAR0, 0xFEC00000, 0x1), (BAR1, 0xD001, 0x2), (BAR0, 0xFEB80000, 0x2), (BAR0, 0xFEB80008, 2)],
    ids=["memory off", "io off", "same address", "flag bits only"],
)
def test_a_bar_that_does_not_decode_or_move_passes_cfg005(
    at: int, value: int, command: int
) -> None:
    story = _begun(command=command).config_write(at, value, width=4)
    assert judge(story, "CFG005")[0] is Verdict.PASS


@pytest.mark.parametrize(("command", "verdict"), [(2, Verdict.FAIL), (1, Verdict.PASS)])
def test_the_upper_half_of_a_64_bit_bar_is_memory(command: int, verdict: Verdict) -> None:
    story = _begun(bars=(0xFE000004, 0x0000000F), command=command)
    assert judge(story.config_write(BAR1, 0x0000000E, width=4), "CFG005")[0] is verdict


def test_the_core_may_move_bars() -> None:
    story = _begun().config_write(BAR0, 0xFEC00000, width=4, site=CORE)
    assert judge(story, "CFG005")[0] is Verdict.VACUOUS


def test_decode_enabled_with_a_bar_of_all_ones_breaks_cfg006() -> None:
    story = _begun().config_write(COMMAND, 0).config_write(BAR0, ONES, width=4)
    story.config_read(BAR0, 0xFFFE0000).config_write(COMMAND, 0x6)
    verdict, findings = judge(story, "CFG006")
    assert verdict is Verdict.FAIL
    assert [(f.seq, [(e.seq, e.role) for e in f.evidence]) for f in findings] == [
        (4, [(2, "left")])
    ]


def test_a_bar_that_is_restored_after_sizing_passes_cfg006() -> None:
    story = _begun().config_write(COMMAND, 0).config_write(BAR0, ONES, width=4)
    story.config_read(BAR0, 0xFFFE0000).config_write(BAR0, 0xFEB80000, width=4)
    assert judge(story.config_write(COMMAND, 0x6), "CFG006")[0] is Verdict.PASS


@pytest.mark.parametrize(("pointer", "text"), [(POWER, "loops"), (0x42, "mis"), (0x10, "header")])
def test_a_broken_capability_list_breaks_cfg008(pointer: int, text: str) -> None:
    verdict, findings = judge(_begun(last_pointer=pointer), "CFG008")
    assert verdict is Verdict.FAIL
    assert text in findings[0].message


def test_a_sound_capability_list_passes_cfg008() -> None:
    assert judge(_begun().config_read(0, 0x100E8086), "CFG008")[0] is Verdict.PASS


def _sized(*restored: int) -> Story:
    story = _begun(bars=WIDE).config_write(COMMAND, 0)
    story.config_write(BAR0, ONES, width=4).config_write(BAR1, ONES, width=4)
    story.config_read(BAR0, 0xFFF00004).config_read(BAR1, ONES)
    for at in restored:
        story.config_write(at, WIDE[(at - BAR0) // 4], width=4)
    return story.config_write(COMMAND, 0x6)


@pytest.mark.parametrize("restored", [BAR0, BAR1])
def test_one_half_of_a_64_bit_bar_breaks_cfg009_and_not_cfg006(restored: int) -> None:
    verdict, findings = judge(_sized(restored), "CFG009")
    assert verdict is Verdict.FAIL
    assert "64-bit BARs with the bits 0x1" in findings[0].message
    assert judge(_sized(restored), "CFG006")[0] is Verdict.PASS


def test_both_halves_written_or_both_left_pass_cfg009() -> None:
    assert judge(_sized(BAR0, BAR1), "CFG009")[0] is Verdict.PASS
    assert judge(_sized(), "CFG009")[0] is Verdict.PASS
    assert judge(_sized(), "CFG006")[0] is Verdict.FAIL


@pytest.mark.parametrize(("control", "supported"), [(0x2050, 1), (0x20F0, 5), (0x6010, 0)])
def test_more_payload_than_supported_or_a_reserved_size_breaks_cfg010(
    control: int, supported: int
) -> None:
    story = _begun(payload_supported=supported).config_write(DEVICE_CONTROL, control)
    assert judge(story, "CFG010")[0] is Verdict.FAIL


@pytest.mark.parametrize(("control", "supported"), [(0x2030, 1), (0x5010, 0), (0x2010, 0)])
def test_sizes_within_what_is_supported_pass_cfg010(control: int, supported: int) -> None:
    story = _begun(payload_supported=supported).config_write(DEVICE_CONTROL, control)
    assert judge(story, "CFG010")[0] is Verdict.PASS


def test_reserved_bits_of_command_break_cfg011_and_defined_ones_do_not() -> None:
    verdict, findings = judge(_begun().config_write(COMMAND, 0xF806), "CFG011")
    assert verdict is Verdict.FAIL
    assert findings[0].severity == "warning"
    assert judge(_begun().config_write(COMMAND, 0x46), "CFG011")[0] is Verdict.PASS


def _written_back(status: int, *, width: int, **fields: str) -> Story:
    at = COMMAND if width == 4 else 0x06
    whole = status << 16 | 0x6 if width == 4 else status
    story = _begun(status=status).config_read(at, whole, width=width)
    return story.config_write(at, whole | (0x40 if width == 4 else 0), width=width, **fields)


def test_writing_command_and_status_back_together_breaks_cfg012() -> None:
    verdict, findings = judge(_written_back(0xA010, width=4), "CFG012")
    assert verdict is Verdict.FAIL
    assert [[(e.seq, e.role) for e in f.evidence] for f in findings] == [[(1, "read")]]


def test_clearing_status_on_purpose_passes_cfg012() -> None:
    assert judge(_written_back(0xA010, width=2), "CFG012")[0] is Verdict.VACUOUS
    assert judge(_written_back(0x0010, width=4), "CFG012")[0] is Verdict.PASS
    assert judge(_written_back(0xA010, width=4, site=CORE), "CFG012")[0] is Verdict.VACUOUS


def test_power_management_may_write_pme_status_back() -> None:
    story = _begun().config_read(POWER + 4, 0x8108, width=2).config_write(POWER + 4, 0x8108)
    assert judge(story, "CFG012")[0] is Verdict.VACUOUS


def test_the_message_control_of_msix_is_no_device_control() -> None:
    assert judge(_begun().config_write(MSIX + 2, 0xC0F0), "CFG010")[0] is Verdict.VACUOUS
