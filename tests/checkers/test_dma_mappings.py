# SPDX-License-Identifier: Apache-2.0
"""The rules of what is mapped and held, beside those of test_dma."""

from __future__ import annotations

import pytest

from tests.checkers.verdicts import judge
from tests.story import Story
from uvtrace.check.results import Verdict

COOKIE = 2**64 - 1
SKIP_CPU_SYNC = 1 << 5


def said(story: Story, rule: str) -> list[str]:
    """The findings' messages."""
    verdict, findings = judge(story, rule)
    assert verdict is (Verdict.FAIL if findings else Verdict.PASS)
    return [finding.message for finding in findings]


def test_a_receive_buffer_mapped_over_a_live_one_breaks_dma017() -> None:
    story = Story().probe().map(0x1000, 256).map(0x10FF, 256, "FROM_DEVICE")
    assert said(story, "DMA017") == [
        "map of 256 bytes at 0x10ff as FROM_DEVICE overlaps the live mapping of #1"
    ]


def test_neighbours_and_what_the_device_only_reads_pass_dma017() -> None:
    story = Story().probe().map(0x1000, 256).map(0x1100, 256, "FROM_DEVICE").map(0x1080, 64)
    assert said(story, "DMA017") == []


def test_a_mapping_without_cpu_sync_may_overlap() -> None:
    story = Story().probe().map(0x1000, 4096, "FROM_DEVICE", attrs=SKIP_CPU_SYNC)
    assert said(story.map(0x1100, 64, "BIDIRECTIONAL"), "DMA017") == []


def test_a_frame_sent_on_from_the_page_it_came_in_passes_dma017() -> None:
    story = Story().probe().map(0x1000, 4096, "FROM_DEVICE").map(0x1100, 64)
    assert said(story, "DMA017") == []


@pytest.mark.parametrize("address", [0xFFFFFFFFC0123000, 0x7FFC0000])
def test_mapping_a_module_s_data_or_user_memory_breaks_dma018(address: int) -> None:
    assert len(said(Story().probe().map(0x1000, 64, cpu_address=address), "DMA018")) == 1


def test_mapping_the_kernel_s_linear_memory_passes_dma018() -> None:
    assert said(Story().probe().map(0x1000, 64, cpu_address=0xFFFF888000001000), "DMA018") == []


def test_a_resource_has_no_memory_for_dma018() -> None:
    story = Story().probe().map(0xFEA00000, 64, flavour="RESOURCE", cpu_address=0x1000)
    assert judge(story, "DMA018")[0] is Verdict.VACUOUS


def test_the_byte_above_the_mask_breaks_dma019_and_the_one_below_passes() -> None:
    below = Story().probe().dma_mask(32).map(0xFFFFFF00, 256)
    assert said(below, "DMA019") == []
    above = Story().probe().dma_mask(32).map(0xFFFFFF00, 257)
    assert said(above, "DMA019") == [
        "map of 257 bytes at 0xffffff00, above the DMA mask 0xffffffff"
    ]


def test_only_the_mask_in_force_when_it_was_mapped_counts_for_dma019() -> None:
    story = Story().probe().dma_mask(64).map(0x1_0000_0000, 64).dma_mask(32)
    assert said(story.unmap(0x1_0000_0000, 64), "DMA019") == []


def test_a_segment_larger_than_the_limit_breaks_dma024() -> None:
    story = Story().probe().segment_limit(4096).map_sg([(0x1000, 4096), (0x4000, 4097)])
    assert said(story, "DMA024") == [
        "segment 1 at 0x4000 has 4097 bytes, where the device takes 4096"
    ]


def test_a_segment_across_the_boundary_breaks_dma024_and_one_up_to_it_passes() -> None:
    story = Story().probe().segment_limit(0x10000, 0xFFFF)
    assert said(story.map_sg([(0xF000, 0x1000)]), "DMA024") == []
    assert said(story.map_sg([(0x1F000, 0x1001)]), "DMA024") == [
        "segment 0 of 4097 bytes at 0x1f000 crosses the segment boundary 0xffff"
    ]


def test_a_mapping_of_zero_bytes_breaks_dma025_and_one_byte_passes() -> None:
    assert said(Story().probe().map(0x1000, 1), "DMA025") == []
    assert said(Story().probe().map(0x1000, 0), "DMA025") == ["map of 0 bytes at 0x1000"]


def test_the_cookie_written_to_a_register_after_a_failed_map_breaks_dma031() -> None:
    story = Story().probe().map(COOKIE, 64, status="FAILED", tid=7)
    story.mmio_write(0x80, COOKIE, width=8, tid=7)
    assert said(story, "DMA031") == [
        "write of DMA_MAPPING_ERROR to BAR 0 + 0x80: the mapping at #1 had failed"
    ]


def test_a_checked_failure_and_masks_of_all_ones_pass_dma031() -> None:
    story = Story().probe().map(COOKIE, 64, status="FAILED", tid=7)
    story.mmio_write(0xD8, 0xFFFFFFFF, tid=7).mmio_write(0x80, COOKIE, width=8, tid=7)
    assert said(story, "DMA031") == []


def test_another_thread_s_write_of_all_ones_passes_dma031() -> None:
    story = Story().probe().map(COOKIE, 64, status="FAILED", tid=7)
    assert said(story.mmio_write(0x80, COOKIE, width=8, tid=8), "DMA031") == []


def rounds(story: Story, count: int, *, kept: bool) -> Story:
    """Rounds of work that map two buffers each, and keep one of them, or a ring of 64."""
    for number in range(count):
        story.map(0x100000 + 64 * number, 64).map(0x1000, 64).unmap(0x1000, 64)
        if not kept and number >= 64:
            story.unmap(0x100000 + 64 * (number - 64), 64)
    return story


def test_work_that_keeps_a_mapping_each_time_is_warned_of_by_dma026_once() -> None:
    findings = judge(rounds(Story().probe(), 1500, kept=True), "DMA026")[1]
    assert [finding.severity.value for finding in findings] == ["warning"]
    assert "unmaps on end" in findings[0].message


def test_a_ring_that_fills_and_stays_full_passes_dma026() -> None:
    assert judge(rounds(Story().probe(), 1500, kept=False), "DMA026") == (Verdict.PASS, [])


def test_a_slow_leak_above_what_rings_hold_is_warned_of_by_dma026() -> None:
    story = Story(step_ns=20_000_000).probe()
    for number in range(1024):
        story.map(0x100000 + 64 * number, 64, time_ns=1_000_000_000)
    for number in range(2000):
        story.map(0x200000 + 64 * number, 64)
        if number % 10:
            story.unmap(0x200000 + 64 * number, 64)
    findings = judge(story, "DMA026")[1]
    assert len(findings) == 1
    assert "spans on end" in findings[0].message
