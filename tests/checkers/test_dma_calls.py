# SPDX-License-Identifier: Apache-2.0
"""The rules of what is unmapped, freed and synced, beside those of test_dma."""

from __future__ import annotations

import pytest

from tests.checkers.verdicts import judge
from tests.story import Story
from uvtrace.check.results import Verdict

COOKIE = 2**64 - 1
CALL_RULES = ("DMA008", "DMA009", "DMA012", "DMA013", "DMA014", "DMA015", "DMA016", "DMA023")


def said(story: Story, rule: str) -> list[str]:
    """The findings' messages."""
    verdict, findings = judge(story, rule)
    assert verdict is (Verdict.FAIL if findings else Verdict.PASS)
    return [finding.message for finding in findings]


def test_an_unmap_with_another_direction_breaks_dma008() -> None:
    story = Story().probe().map(0x1000, 64, "FROM_DEVICE").unmap(0x1000, 64, "BIDIRECTIONAL")
    assert said(story, "DMA008") == [
        "unmap of 0x1000 as BIDIRECTIONAL, where #1 mapped it FROM_DEVICE"
    ]


def test_of_two_mappings_at_one_address_each_direction_finds_its_own() -> None:
    story = Story().probe().map(0x1000, 64).map(0x1000, 64, "FROM_DEVICE")
    assert said(story.unmap(0x1000, 64, "FROM_DEVICE").unmap(0x1000, 64), "DMA008") == []


def test_a_list_that_is_unmapped_as_single_breaks_dma009() -> None:
    story = Story().probe().map_sg([(0x1000, 64)]).unmap(0x1000, 64)
    assert said(story, "DMA009") == ["unmap of 0x1000 with the call for SINGLE, where #1 made SG"]


def test_coherent_memory_that_is_unmapped_breaks_dma009_and_not_dma006() -> None:
    story = Story().probe().alloc(0x8000, 4096).unmap(0x8000, 4096)
    assert said(story, "DMA009") == [
        "unmap of 0x8000 with the call for SINGLE, where #1 made COHERENT"
    ]
    assert judge(story, "DMA006")[0] is not Verdict.FAIL


def test_a_block_of_a_pool_freed_twice_where_its_page_begins_is_dma010_and_not_dma009() -> None:
    story = Story().probe().pool_create(1, 64).alloc(0x8000, 4096, flavour="POOL")
    story.pool_alloc(1, 0x8000, 64).pool_free(1, 0x8000)
    assert said(story, "DMA009") == []
    assert len(said(story.pool_free(1, 0x8000), "DMA010")) == 1
    assert said(story, "DMA009") == []


def test_a_list_unmapped_with_the_count_of_its_segments_breaks_dma012_once() -> None:
    segments = [(0x1000, 64), (0x3000, 64)]
    story = Story().probe().map_sg(segments, nents=8).unmap_sg(segments, nents=2)
    assert said(story, "DMA012") == [
        "unmap of a list at 0x1000 with 2 entries, which #1 mapped with 8"
    ]


def test_a_list_synced_with_another_count_breaks_dma012() -> None:
    story = Story().probe().map_sg([(0x1000, 64)], "FROM_DEVICE", nents=3)
    story.sync_for_cpu(0x1000, 64, flavour="SG", nents=1)
    assert said(story, "DMA012") == [
        "sync for the CPU of a list at 0x1000 with 1 entries, which #1 mapped with 3"
    ]


def test_a_merged_list_unmapped_with_the_count_it_was_mapped_with_passes_dma012() -> None:
    story = Story().probe().map_sg([(0x1000, 512)], nents=8).unmap_sg([(0x1000, 512)], nents=8)
    assert said(story, "DMA012") == []


def test_unmapping_the_error_cookie_breaks_dma013_alone() -> None:
    story = Story().probe().map(COOKIE, 64, status="FAILED").unmap(COOKIE, 64)
    assert said(story, "DMA013") == ["unmap of DMA_MAPPING_ERROR, which is no address"]


def test_syncing_the_error_cookie_breaks_dma013() -> None:
    assert len(said(Story().probe().sync_for_cpu(COOKIE, 64), "DMA013")) == 1


def test_an_address_just_below_the_cookie_passes_dma013() -> None:
    story = Story().probe().map(COOKIE - 63, 64).unmap(COOKIE - 63, 64)
    assert said(story.dma_read(COOKIE - 63, 4), "DMA013") == []


def test_a_sync_after_the_unmap_breaks_dma014_and_names_the_unmap() -> None:
    story = Story().probe().map(0x1000, 64, "FROM_DEVICE").unmap(0x1000, 64, "FROM_DEVICE")
    assert said(story.sync_for_cpu(0x1000, 64), "DMA014") == [
        "sync for the CPU of 64 bytes at 0x1000, unmapped at #2"
    ]


def test_a_sync_inside_a_mapping_passes_dma014_and_dma015() -> None:
    story = Story().probe().map(0x1000, 64, "FROM_DEVICE").sync_for_cpu(0x1010, 48)
    assert said(story, "DMA014") == said(story, "DMA015") == []


def test_a_sync_of_nothing_is_no_matter_for_dma014() -> None:
    assert judge(Story().probe().sync_for_cpu(0x1000, 0), "DMA014")[0] is Verdict.VACUOUS


def test_a_sync_beyond_the_mapping_breaks_dma015() -> None:
    story = Story().probe().map(0x1000, 64, "FROM_DEVICE").sync_for_cpu(0x1010, 49)
    assert said(story, "DMA015") == [
        "sync for the CPU of 49 bytes at 0x1010, of which #1 mapped 48"
    ]


def test_a_sync_with_another_direction_breaks_dma016() -> None:
    story = Story().probe().map(0x1000, 64, "TO_DEVICE").sync_for_cpu(0x1000, 64, "FROM_DEVICE")
    assert said(story, "DMA016") == [
        "sync for the CPU of 0x1000 as FROM_DEVICE, where #1 mapped it TO_DEVICE"
    ]


@pytest.mark.parametrize("direction", ["TO_DEVICE", "FROM_DEVICE"])
def test_a_bidirectional_mapping_may_be_synced_either_way(direction: str) -> None:
    story = Story().probe().map(0x1000, 64, "BIDIRECTIONAL")
    assert said(story.sync_for_cpu(0x1000, 64, direction), "DMA016") == []


def test_a_receive_buffer_may_be_given_back_with_sync_for_device() -> None:
    story = Story().probe().map(0x1000, 64, "FROM_DEVICE").sync_for_cpu(0x1000, 64)
    assert said(story.sync_for_device(0x1000, 64, "FROM_DEVICE"), "DMA016") == []


def test_coherent_memory_freed_with_another_size_breaks_dma023() -> None:
    story = Story().probe().alloc(0x8000, 4096).free(0x8000, 256)
    assert said(story, "DMA023") == ["free of 256 bytes at 0x8000, where #1 allocated 4096"]


def test_coherent_memory_freed_at_another_cpu_address_breaks_dma023() -> None:
    story = Story().probe().alloc(0x8000, 64, cpu_address=0xFFFF888000008000)
    assert said(story.free(0x8000, 64, cpu_address=0xFFFF888000009000), "DMA023") == [
        "free of 0x8000 at CPU address 0xffff888000009000, where #1 allocated it at"
        " 0xffff888000008000"
    ]


def test_coherent_memory_freed_as_it_was_allocated_passes_dma023() -> None:
    story = Story().probe().alloc(0x8000, 64, cpu_address=0xFFFF888000008000)
    assert said(story.free(0x8000, 64, cpu_address=0xFFFF888000008000), "DMA023") == []


def test_freeing_nothing_at_remove_is_no_matter_for_dma023() -> None:
    assert judge(Story().probe().free(0, 4096), "DMA023")[0] is Verdict.VACUOUS


@pytest.mark.parametrize("rule", ["DMA008", "DMA009", "DMA014", "DMA015", "DMA016", "DMA023"])
def test_what_was_mapped_before_recording_is_not_accused(rule: str) -> None:
    story = Story().unmap(0x1000, 64).sync_for_cpu(0x2000, 64).free(0x8000, 64)
    verdict, findings = judge(story, rule)
    assert (verdict, findings) == (Verdict.UNKNOWN, [])


def test_of_two_mappings_of_one_buffer_a_sync_finds_the_one_of_its_direction() -> None:
    story = Story().probe().map(0x1000, 64, "FROM_DEVICE").map(0x1000, 64, "TO_DEVICE")
    assert said(story.sync_for_cpu(0x1000, 64, "FROM_DEVICE"), "DMA016") == []
