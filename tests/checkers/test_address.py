# SPDX-License-Identifier: Apache-2.0
"""The ADR rules."""

from __future__ import annotations

import pytest

from tests.checkers.spaces import config_space
from tests.checkers.verdicts import judge
from tests.story import Story
from uvtrace.check.results import Verdict
from uvtrace.registers.map import AddressSpace, HalfOrder, Register, RegisterMap
from uvtrace.trace.enums import Flag

BARS = {0: (0xFEB80000, 0x1000)}
TWO = {0: (0xFEB80000, 0x1000), 1: (0xFEB90000, 0x800)}


def test_an_access_that_uvbus_found_outside_its_mapping_breaks_adr001() -> None:
    verdict, findings = judge(Story().mmio_read(0x30000, flags="OUTSIDE"), "ADR001")
    assert verdict is Verdict.FAIL
    assert "BAR 0 + 0x30000" in findings[0].message


def test_the_last_dword_of_a_bar_passes_adr001_and_the_next_breaks_it() -> None:
    last = Story(bars=BARS).snapshot_bars().mmio_write(0xFFC, 1)
    beyond = Story(bars=BARS).snapshot_bars().mmio_write(0xFFE, 1)
    assert judge(last, "ADR001")[0] is Verdict.PASS
    verdict, findings = judge(beyond, "ADR001")
    assert verdict is Verdict.FAIL
    assert findings[0].message == "write of 4 bytes at BAR 0 + 0xffe, which ends at 0x1000"


def test_an_access_after_iounmap_breaks_adr004_and_names_the_iounmap() -> None:
    story = Story().iomap(mapping=3).mmio_read(8, mapping=3).iounmap(mapping=3)
    story.mmio_read(8, mapping=3, flags=Flag.STALE, status="REFUSED")
    verdict, findings = judge(story, "ADR004")
    assert verdict is Verdict.FAIL
    assert [(f.seq, [(e.seq, e.role) for e in f.evidence]) for f in findings] == [
        (3, [(2, "unmapped")])
    ]


def test_an_access_after_iounmap_is_not_also_outside() -> None:
    story = Story().mmio_read(8, flags=Flag.STALE | Flag.OUTSIDE)
    assert judge(story, "ADR001")[0] is Verdict.PASS


def test_an_access_through_a_second_mapping_passes_adr004_when_the_first_is_gone() -> None:
    story = Story().iomap(mapping=1).iomap(mapping=2).iounmap(mapping=1).mmio_read(8, mapping=2)
    assert judge(story, "ADR004")[0] is Verdict.PASS


def test_an_imported_log_cannot_show_adr004() -> None:
    story = Story().iomap(flags=Flag.IMPORTED).mmio_read(8, flags=Flag.IMPORTED)
    assert judge(story, "ADR004")[0] is Verdict.UNKNOWN


def test_decode_enabled_with_two_bars_at_one_address_breaks_adr002() -> None:
    story = Story(bars=TWO).begin().config_write(0x14, 0xFEB80800, width=4).config_write(0x04, 0x2)
    verdict, findings = judge(story, "ADR002")
    assert verdict is Verdict.FAIL
    assert [finding.message for finding in findings] == [
        "BAR 0 decodes 0xfeb80800, and so does BAR 1 of function 0"
    ]


def test_windows_that_touch_or_are_disabled_pass_adr002() -> None:
    story = Story(bars=TWO).begin().config_write(0x14, 0xFEB80800, width=4)
    story.config_write(0x14, 0xFEB81000, width=4).config_write(0x04, 0x2)
    assert judge(story, "ADR002") == (Verdict.PASS, [])


def test_a_bar_that_is_being_sized_with_decode_on_passes_adr002() -> None:
    story = Story(bars=TWO).begin().config_write(0x04, 0x2)
    for value in (0xFFFFFFFF, 0xFEB81000):
        story.config_write(0x14, value, width=4)
    assert judge(story, "ADR002") == (Verdict.PASS, [])


def test_a_window_over_another_function_s_breaks_adr002() -> None:
    story = Story(bars=BARS).begin().config_write(0x04, 0x2)
    story.function("0000:00:04.0", bars=BARS).begin().config_write(0x04, 0x2)
    verdict, findings = judge(story, "ADR002", "0000:00:04.0")
    assert verdict is Verdict.FAIL
    assert "BAR 0 of function 0" in findings[0].message


@pytest.mark.parametrize(("offset", "width"), [(6, 4), (3, 2), (4, 8)])
def test_an_access_across_its_own_size_breaks_adr003(offset: int, width: int) -> None:
    story = Story().snapshot_bars().mmio_read(offset, width=width)
    assert judge(story, "ADR003")[0] is Verdict.FAIL


@pytest.mark.parametrize(("offset", "width"), [(8, 8), (4, 4), (2, 2), (3, 1)])
def test_an_aligned_access_passes_adr003(offset: int, width: int) -> None:
    story = Story().snapshot_bars().mmio_read(offset, width=width)
    assert judge(story, "ADR003") == (Verdict.PASS, [])


def test_an_access_after_the_region_was_released_breaks_adr005_and_names_the_release() -> None:
    story = Story().probe().region_request(0).mmio_read(8).region_release(0).mmio_read(8)
    verdict, findings = judge(story, "ADR005")
    assert verdict is Verdict.FAIL
    assert [(e.seq, e.role) for e in findings[0].evidence] == [(3, "released")]


def test_a_part_of_a_region_that_is_released_leaves_the_whole_for_adr005() -> None:
    story = Story().begin().probe().region_request(0).region_request(0, length=0x100)
    story.region_release(0, length=0x100).mmio_read(8)
    assert judge(story, "ADR005") == (Verdict.PASS, [])


def test_a_driver_that_never_requests_its_region_passes_adr005() -> None:
    assert judge(Story().probe().mmio_read(8), "ADR005")[1] == []


def test_a_mapping_beyond_its_bar_breaks_adr008() -> None:
    story = Story(bars=BARS).begin().probe().region_request(0).iomap(length=0x1001)
    verdict, findings = judge(story, "ADR008")
    assert verdict is Verdict.FAIL
    assert findings[0].message == "mapping of 0x1001 bytes at BAR 0 + 0x0, which ends at 0x1000"


def test_a_mapping_of_a_region_that_was_not_requested_is_warned_of_by_adr008() -> None:
    findings = judge(Story(bars=BARS).begin().probe().iomap(), "ADR008")[1]
    assert [finding.severity.value for finding in findings] == ["warning"]


def test_a_mapping_of_all_of_a_requested_bar_passes_adr008() -> None:
    story = Story(bars=BARS).begin().probe().region_request(0).iomap()
    assert judge(story, "ADR008") == (Verdict.PASS, [])


def test_the_core_s_own_mapping_of_the_msix_table_is_no_matter_for_adr008() -> None:
    story = Story(bars={0: (0xFEB80000, 0x20000)}).begin(config_space()).probe()
    assert judge(story.iomap(offset=0x10000, length=0x30), "ADR008")[1] == []


def registers() -> RegisterMap:
    """A 64-bit counter whose low half latches the high one, and a 32-bit register."""
    return RegisterMap(
        device="test",
        spaces=(AddressSpace(0),),
        registers=(
            Register("COUNT", 0, 0x00, 64, (4, 8), half_order=HalfOrder.LOW_FIRST),
            Register("CTRL", 0, 0x08, 32, (4,)),
        ),
    )


def test_a_counter_s_high_half_read_first_breaks_adr006() -> None:
    story = Story().snapshot_bars().mmio_read(4).mmio_read(0)
    verdict, findings = judge(story, "ADR006", registers=registers())
    assert verdict is Verdict.FAIL
    assert [finding.seq for finding in findings] == [1]
    assert "LOW_FIRST" in findings[0].message


def test_a_counter_read_low_half_first_or_at_once_passes_adr006() -> None:
    story = Story().snapshot_bars().mmio_read(0).mmio_read(8).mmio_read(4).mmio_read(0, width=8)
    assert judge(story, "ADR006", registers=registers()) == (Verdict.PASS, [])


def test_writing_the_low_half_does_not_make_up_for_reading_it() -> None:
    story = Story().snapshot_bars().mmio_write(0).mmio_read(4)
    assert judge(story, "ADR006", registers=registers())[0] is Verdict.FAIL


@pytest.mark.parametrize(("offset", "width"), [(8, 8), (8, 2), (4, 8)])
def test_a_width_that_the_register_does_not_allow_breaks_adr007(offset: int, width: int) -> None:
    story = Story().snapshot_bars().mmio_read(offset, width=width)
    assert judge(story, "ADR007", registers=registers())[0] is Verdict.FAIL


def test_allowed_widths_pass_adr007_and_what_is_no_register_is_no_matter() -> None:
    story = Story().snapshot_bars().mmio_read(0, width=8).mmio_read(4).mmio_read(8)
    assert judge(story, "ADR007", registers=registers()) == (Verdict.PASS, [])
    beside = Story().snapshot_bars().mmio_read(0x100, width=1)
    assert judge(beside, "ADR007", registers=registers()) == (Verdict.VACUOUS, [])


def test_an_access_after_the_unbinding_breaks_adr005() -> None:
    story = Story().begin().probe().iomap().mmio_read(8).bind().remove().unbound().mmio_read(8)
    verdict, findings = judge(story, "ADR005")
    assert verdict is Verdict.FAIL
    assert [(e.seq, e.role) for e in findings[0].evidence] == [(9, "unbound")]


def test_an_access_while_remove_runs_passes_adr005() -> None:
    story = Story().begin().probe().region_request(0).iomap().bind().remove().mmio_read(8)
    assert judge(story.region_release(0).unbound(), "ADR005") == (Verdict.PASS, [])


def test_the_kernel_s_own_access_to_a_function_without_driver_is_no_matter_for_adr005() -> None:
    story = Story().begin().probe().remove().unbound()
    assert judge(story.mmio_read(8, site="nvme_disable_and_flr+0x40 [kernel]"), "ADR005")[1] == []
