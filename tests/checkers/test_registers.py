# SPDX-License-Identifier: Apache-2.0
"""The REG rules, on a small device that has a register for each."""

from __future__ import annotations

import pytest
from uvtrace.checkers.registers import RULES

from tests.checkers.spaces import config_space
from tests.checkers.verdicts import judge as judge_by
from tests.story import Story
from uvtrace.check.catalogue import ordered
from uvtrace.check.results import Finding, Verdict
from uvtrace.registers.map import (
    Access,
    AddressSpace,
    Field,
    OnRead,
    OnWrite,
    Register,
    RegisterMap,
)
from uvtrace.trace.enums import Flag

ID, CONTROL, DOORBELL, LOCK, EVENTS, CAUSE, BASE, MASK, HOLE = range(0, 36, 4)


def _register(name: str, offset: int, *fields: Field, **facts: object) -> Register:
    return Register(name, 0, offset, 32, (4,), fields, **facts)  # type: ignore[arg-type]


DEVICE = RegisterMap(
    device="test",
    spaces=(AddressSpace(0),),
    registers=(
        _register("ID", ID, Field("VALUE", 0, 32, Access.R)),
        _register(
            "CONTROL",
            CONTROL,
            Field("ENABLE", 0, 1, reset=0),
            Field("REVISION", 4, 4, Access.R),
            Field("STRAP", 8, 1, reset=0, strapped=True),
            Field("RESET", 31, 1, reset=0, resets=1, singlepulse=True),
            required=0,
        ),
        _register("DOORBELL", DOORBELL, Field("INDEX", 0, 32, Access.W)),
        _register("LOCK", LOCK, Field("VALUE", 0, 32, Access.RW1)),
        _register("EVENTS", EVENTS, Field("BITS", 0, 32, on_write=OnWrite.WOCLR, volatile=True)),
        _register(
            "CAUSE", CAUSE, Field("BITS", 0, 32, Access.R, on_read=OnRead.RCLR, volatile=True)
        ),
        _register("BASE", BASE, Field("VALUE", 4, 28), Field("LOW", 0, 4, volatile=True)),
        _register("MASK", MASK, Field("BITS", 0, 8), required=0, mask_clear=True),
    ),
)
LOADED = ordered(RULES)


def judge(story: Story, rule: str, registers: RegisterMap | None = DEVICE) -> Verdict:
    return judge_by(story, rule, rules=LOADED, registers=registers)[0]


def finding(story: Story, rule: str) -> Finding:
    verdict, findings = judge_by(story, rule, rules=LOADED, registers=DEVICE)
    assert verdict is Verdict.FAIL
    assert len(findings) == 1
    return findings[0]


def test_changing_a_read_only_register_breaks_reg001_and_writing_it_back_does_not() -> None:
    found = finding(Story().mmio_read(ID, 0x10ED).mmio_write(ID, 0x1234), "REG001")
    assert found.message == "write of 0x1234 to ID, which read 0x10ed (#0) and is read-only there"
    assert [(each.seq, each.role) for each in found.evidence] == [(0, "read")]
    assert judge(Story().mmio_read(ID, 0x10ED).mmio_write(ID, 0x10ED), "REG001") is Verdict.PASS


def test_setting_a_read_only_field_breaks_reg001_and_leaving_it_zero_does_not() -> None:
    read = Story().mmio_read(CONTROL, 0x30)
    assert judge(read.mmio_write(CONTROL, 0x41), "REG001") is Verdict.FAIL
    read = Story().mmio_read(CONTROL, 0x30)
    assert judge(read.mmio_write(CONTROL, 0x01), "REG001") is Verdict.PASS


def test_reading_a_doorbell_breaks_reg002_and_writing_it_does_not() -> None:
    assert finding(Story().mmio_read(DOORBELL, 0), "REG002").message == (
        "read of DOORBELL, which is write-only"
    )
    story = Story().mmio_write(DOORBELL, 1).mmio_read(CONTROL, 0)
    assert judge(story, "REG002") is Verdict.PASS


def test_writing_a_write_once_register_twice_breaks_reg003() -> None:
    found = finding(Story().mmio_write(LOCK, 1).mmio_write(LOCK, 1), "REG003")
    assert [(each.seq, each.role) for each in found.evidence] == [(0, "first")]


@pytest.mark.parametrize("how", ["register", "kernel", "by hand"])
def test_after_a_reset_a_write_once_register_may_be_written_again(how: str) -> None:
    story = Story().snapshot_config(config_space()).mmio_write(LOCK, 1)
    if how == "register":
        story.mmio_write(CONTROL, 1 << 31)
    elif how == "kernel":
        story.reset(phase="REQUEST").reset(phase="COMPLETION")
    else:
        story.config_write(0x68, 0x8000)
    assert judge(story.mmio_write(LOCK, 1), "REG003") is Verdict.PASS


def _with_events(contents: int) -> Story:
    return Story().snapshot_bars().snapshot_registers(EVENTS, contents.to_bytes(4, "little"))


def test_clearing_an_event_that_nobody_saw_breaks_reg004() -> None:
    found = finding(_with_events(0x5).mmio_write(EVENTS, 0xFF), "REG004")
    assert found.severity == "warning"
    assert "clears the bits 0x5, which were set and no read has seen" in found.message


def test_clearing_what_was_seen_or_was_not_set_passes_reg004() -> None:
    seen = _with_events(0x5).mmio_read(EVENTS, 0x5).mmio_write(EVENTS, 0x5)
    assert judge(seen, "REG004") is Verdict.PASS
    # 8139cp clears status bits that it has not read.
    assert judge(_with_events(0x5).mmio_write(EVENTS, 0xF2), "REG004") is Verdict.PASS
    assert judge(Story().mmio_write(EVENTS, 0xFFFF), "REG004") is Verdict.PASS


def _bound() -> Story:
    story = Story().probe().bind().handler_enter(11)
    return story.mmio_read(CAUSE, 0x4, flags=Flag.HARDIRQ).handler_exit(11)


def test_throwing_causes_away_outside_the_handler_is_noted_as_reg005() -> None:
    found = finding(_bound().mmio_read(CAUSE, 0x80), "REG005")
    assert (found.severity, found.seq) == ("note", 5)


def test_causes_read_in_the_handler_empty_or_after_a_reset_pass_reg005() -> None:
    assert judge(_bound().mmio_read(CAUSE, 0), "REG005") is Verdict.PASS
    again = _bound().mmio_read(CAUSE, 0x80, flags=Flag.HARDIRQ)
    assert judge(again, "REG005") is Verdict.VACUOUS
    # e1000 throws ICR away at reset.
    after = _bound().mmio_write(CONTROL, 1 << 31).mmio_read(CAUSE, 0x80)
    assert judge(after, "REG005") is Verdict.VACUOUS


def test_reading_back_other_than_written_breaks_reg006() -> None:
    found = finding(Story().mmio_write(BASE, 0x1000).mmio_read(BASE, 0x2000), "REG006")
    assert found.message == "BASE reads 0x2000, where #0 wrote 0x1000"


def test_volatile_bits_and_resets_are_no_matter_of_reg006() -> None:
    story = Story().mmio_write(BASE, 0x1000).mmio_read(BASE, 0x100F)
    assert judge(story, "REG006") is Verdict.PASS
    story = Story().mmio_write(BASE, 0x1000).mmio_write(CONTROL, 1 << 31).mmio_read(BASE, 0)
    assert judge(story, "REG006") is Verdict.VACUOUS
    story = Story().mmio_write(BASE, 0x1000).loss(1).mmio_read(BASE, 0)
    assert judge(story, "REG006") is Verdict.UNKNOWN


def test_a_first_read_after_reset_with_another_value_breaks_reg007() -> None:
    story = Story().mmio_write(CONTROL, 1).reset(phase="REQUEST").reset(phase="COMPLETION")
    found = finding(story.mmio_read(CONTROL, 0x101), "REG007")
    assert [(each.seq, each.role) for each in found.evidence] == [(2, "reset")]


def test_the_reset_value_straps_and_later_reads_pass_reg007() -> None:
    def reset() -> Story:
        return Story().reset(phase="REQUEST").reset(phase="COMPLETION")

    assert judge(reset().mmio_read(CONTROL, 0x100), "REG007") is Verdict.PASS
    story = reset().mmio_read(CONTROL, 0).mmio_read(CONTROL, 1)
    assert judge(story, "REG007") is Verdict.PASS
    story = reset().mmio_write(CONTROL, 1).mmio_read(CONTROL, 1)
    assert judge(story, "REG007") is Verdict.VACUOUS
    assert judge(Story().mmio_read(CONTROL, 1), "REG007") is Verdict.VACUOUS


def _begun() -> Story:
    return Story().snapshot_config(config_space())


def test_an_access_where_no_register_is_breaks_reg008() -> None:
    found = finding(_begun().mmio_read(HOLE, 0), "REG008")
    assert found.message == "read of 4 bytes at BAR 0 + 0x20, where there is no register"


def test_a_function_without_msix_has_no_table_to_be_excused() -> None:
    story = Story().snapshot_config(config_space(msix=False)).mmio_read(HOLE, 0)
    assert judge(story, "REG008") is Verdict.FAIL


def test_registers_the_msix_table_and_other_bars_pass_reg008() -> None:
    assert judge(_begun().mmio_read(ID, 0).mmio_write(0x10000, 0), "REG008") is Verdict.PASS
    assert judge(_begun().mmio_read(ID, 0, bar=2), "REG008") is Verdict.UNKNOWN


def test_a_partial_map_cannot_tell_that_there_is_no_register() -> None:
    partial = RegisterMap("test", DEVICE.spaces, DEVICE.registers, partial=True)
    assert judge(_begun().mmio_read(HOLE, 0), "REG008", partial) is Verdict.UNKNOWN
    assert judge(_begun().mmio_read(ID, 0), "REG008", partial) is Verdict.PASS


def test_reserved_bits_written_otherwise_break_reg009() -> None:
    found = finding(Story().mmio_write(CONTROL, 0x1001), "REG009")
    assert found.severity == "warning"
    assert found.message.startswith("write of 0x1001 to CONTROL, whose bits 0x7ffffe0e must be")


def test_reserved_bits_as_required_and_all_ones_to_a_mask_register_pass_reg009() -> None:
    assert judge(Story().mmio_write(CONTROL, 0x1), "REG009") is Verdict.PASS
    # e1000 writes IMC = ~0.
    assert judge(Story().mmio_write(MASK, 0xFFFFFFFF), "REG009") is Verdict.VACUOUS
    assert judge(Story().mmio_write(MASK, 0x1FF), "REG009") is Verdict.FAIL


@pytest.mark.parametrize("rule", sorted({rule.id for rule in RULES}))
def test_without_a_map_no_reg_rule_is_judged(rule: str) -> None:
    story = _begun().mmio_read(ID, 1).mmio_write(ID, 2).mmio_read(HOLE, 0)
    assert judge(story, rule, None) is Verdict.UNKNOWN
