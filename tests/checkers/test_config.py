# SPDX-License-Identifier: Apache-2.0
"""The CFG rules."""

from __future__ import annotations

import pytest

from tests.checkers.verdicts import judge
from tests.story import Story
from uvtrace.check.results import Verdict

COMMAND = 0x04
DECODE_OFF = bytes(64)


def test_mmio_with_decode_off_breaks_cfg001_and_names_the_write_that_turned_it_off() -> None:
    story = Story().config_write(COMMAND, 0x6).mmio_read(0).config_write(COMMAND, 0x4)
    verdict, findings = judge(story.mmio_read(8, site="e1000_watchdog+0x8c"), "CFG001")
    assert verdict is Verdict.FAIL
    assert [(f.seq, f.site) for f in findings] == [(3, "e1000_watchdog+0x8c [e1000]")]
    assert [(e.seq, e.role) for e in findings[0].evidence] == [(2, "disabled")]
    assert findings[0].message == "read of BAR 0 + 0x8 while Memory Space Enable is 0 (since #2)"


def test_mmio_with_decode_on_passes_cfg001() -> None:
    story = Story().config_write(COMMAND, 0x4).config_write(COMMAND, 0x6).mmio_read(8)
    assert judge(story, "CFG001")[0] is Verdict.PASS


def test_the_snapshot_tells_whether_decode_is_on() -> None:
    story = Story().snapshot_config(DECODE_OFF).mmio_write(0, 1)
    assert judge(story, "CFG001")[0] is Verdict.FAIL


def test_a_byte_write_beside_memory_space_enable_does_not_change_it() -> None:
    story = Story().config_write(COMMAND, 0x6).config_write(COMMAND + 1, 0x0, width=1)
    assert judge(story.mmio_read(8), "CFG001")[0] is Verdict.PASS


def test_a_read_of_command_tells_its_state() -> None:
    assert judge(Story().config_read(COMMAND, 0x4).mmio_read(8), "CFG001")[0] is Verdict.FAIL


@pytest.mark.parametrize("what", ["reset", "loss"])
def test_after_a_reset_or_loss_the_state_of_decode_is_not_assumed(what: str) -> None:
    story = Story().config_write(COMMAND, 0x4)
    story = story.reset() if what == "reset" else story.loss(1)
    verdict, findings = judge(story.mmio_read(8), "CFG001")
    assert (verdict, findings) == (Verdict.UNKNOWN, [])


def test_mmio_that_uvbus_did_not_execute_is_not_cfg001s_matter() -> None:
    story = Story().config_write(COMMAND, 0x4).mmio_read(8, flags="STALE")
    assert judge(story, "CFG001")[0] is Verdict.VACUOUS


@pytest.mark.parametrize(
    ("offset", "width"), [(0x03, 2), (0x06, 4), (0x100, 8), (0x1000, 4), (0xFFF, 2), (2**64 - 4, 4)]
)
def test_misaligned_and_far_config_accesses_break_cfg007(offset: int, width: int) -> None:
    verdict, findings = judge(Story().config_read(offset, 0, width=width), "CFG007")
    assert verdict is Verdict.FAIL
    assert len(findings) == 1


@pytest.mark.parametrize(("offset", "width"), [(0x03, 1), (0x02, 2), (0xFFC, 4), (0xFFF, 1)])
def test_aligned_config_accesses_pass_cfg007(offset: int, width: int) -> None:
    assert judge(Story().config_read(offset, 0, width=width), "CFG007")[0] is Verdict.PASS


def test_beyond_256_bytes_of_a_conventional_function_breaks_cfg007() -> None:
    conventional = Story().snapshot_config(bytes(256)).config_read(0x100, 0)
    express = Story().snapshot_config(bytes(4096)).config_read(0x100, 0)
    assert judge(conventional, "CFG007")[0] is Verdict.FAIL
    assert judge(express, "CFG007")[0] is Verdict.PASS
