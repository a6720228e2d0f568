# SPDX-License-Identifier: Apache-2.0
"""The rules of what the device reads and writes."""

from __future__ import annotations

import pytest

from tests.checkers.spaces import config_space
from tests.checkers.verdicts import judge
from tests.story import Story
from uvtrace.check.engine import check
from uvtrace.check.results import Verdict
from uvtrace.check.rules import Selection
from uvtrace.trace.enums import Flag, Phase

COOKIE = 2**64 - 1


def said(story: Story, rule: str) -> list[str]:
    """The findings' messages."""
    verdict, findings = judge(story, rule)
    assert verdict is not Verdict.VACUOUS
    return [finding.message for finding in findings]


def test_a_read_of_what_was_never_mapped_breaks_dma001() -> None:
    story = Story().probe().map(0x1000, 64).dma_read(0x2000, 16)
    assert said(story, "DMA001") == ["device read of 16 bytes at 0x2000, which was never mapped"]


def test_descriptors_in_coherent_memory_pass_dma001() -> None:
    story = Story().probe().alloc(0x8000, 4096).dma_read(0x8010, 16).dma_write(0x8010, 16)
    assert judge(story, "DMA001") == (Verdict.PASS, [])


def test_a_driver_that_was_bound_before_recording_began_is_not_accused_by_dma001() -> None:
    assert judge(Story().dma_read(0x2000, 16), "DMA001") == (Verdict.UNKNOWN, [])


def test_a_write_after_the_unmap_breaks_dma002_and_names_it() -> None:
    story = Story().probe().map(0x1000, 64, "FROM_DEVICE").unmap(0x1000, 64, "FROM_DEVICE")
    verdict, findings = judge(story.dma_write(0x1000, 60), "DMA002")
    assert verdict is Verdict.FAIL
    assert [(e.seq, e.role) for e in findings[0].evidence] == [(1, "mapped"), (2, "unmapped")]
    assert said(story, "DMA001") == []


def test_a_message_that_arrives_before_the_unmap_passes_dma002_however_late_it_was_told() -> None:
    story = Story().probe().map(0x1000, 64, "FROM_DEVICE")
    story.dma_write(0x1000, 60, flags=Flag.WRITE | Flag.APART).unmap(0x1000, 64, "FROM_DEVICE")
    story.dma_write(0x1000, 60, flags=Flag.WRITE | Flag.FAR)
    assert judge(story, "DMA002") == (Verdict.PASS, [])


def test_an_address_that_was_mapped_again_passes_dma002() -> None:
    story = Story().probe().map(0x1000, 64).unmap(0x1000, 64).map(0x1000, 64).dma_read(0x1000, 64)
    assert judge(story, "DMA002") == (Verdict.PASS, [])


def test_a_write_past_the_end_of_its_mapping_breaks_dma003() -> None:
    story = Story().probe().map(0x1000, 64, "FROM_DEVICE").dma_write(0x1030, 17)
    assert said(story, "DMA003") == [
        "device write of 17 bytes at 0x1030, where the mapping of #1 ends after 16"
    ]


def test_a_write_up_to_the_end_passes_dma003() -> None:
    story = Story().probe().map(0x1000, 64, "FROM_DEVICE").dma_write(0x1030, 16)
    assert judge(story, "DMA003") == (Verdict.PASS, [])


def test_an_access_may_go_on_in_the_next_segment_of_its_list_but_not_beyond() -> None:
    story = Story().probe().map_sg([(0x1000, 64), (0x1040, 64)])
    assert judge(story.dma_read(0x1030, 80), "DMA003") == (Verdict.PASS, [])
    assert len(said(story.dma_read(0x1030, 81), "DMA003")) == 1


def test_a_gap_between_segments_breaks_dma003() -> None:
    story = Story().probe().map_sg([(0x1000, 64), (0x1080, 64)])
    assert len(said(story.dma_read(0x1030, 32), "DMA003")) == 1


def test_a_page_mapped_behind_a_segment_is_none_of_its_list_even_with_its_tag() -> None:
    story = Story().probe().map_sg([(0x1000, 64)], entries=2, nents=2, tag=7)
    story.map(0x1040, 64, flavour="PAGES", entry=1, entries=2, nents=2, tag=7)
    assert len(said(story.dma_read(0x1030, 32), "DMA003")) == 1


def test_a_device_that_writes_what_is_mapped_to_it_breaks_dma004() -> None:
    story = Story().probe().map(0x1000, 64, "TO_DEVICE").dma_write(0x1000, 4)
    assert said(story, "DMA004") == ["device write of 4 bytes at 0x1000, which #1 mapped TO_DEVICE"]


def test_a_device_that_reads_a_receive_buffer_breaks_dma004() -> None:
    assert len(said(Story().probe().map(0x1000, 64, "FROM_DEVICE").dma_read(0x1000), "DMA004")) == 1


def test_either_way_is_right_for_bidirectional_and_coherent_memory() -> None:
    story = Story().probe().map(0x1000, 64, "BIDIRECTIONAL").alloc(0x8000, 64)
    for address in (0x1000, 0x8000):
        story.dma_read(address, 4).dma_write(address, 4)
    assert judge(story, "DMA004") == (Verdict.PASS, [])


def test_a_flushing_read_of_nothing_from_a_receive_buffer_is_no_matter_for_dma004() -> None:
    story = Story().probe().map(0x1000, 64, "FROM_DEVICE").dma_read(0x1000, 0)
    assert judge(story, "DMA004") == (Verdict.VACUOUS, [])


def test_a_write_to_what_the_cpu_owns_is_warned_of_by_dma005() -> None:
    story = Story().probe().map(0x1000, 64, "BIDIRECTIONAL")
    story.sync_for_cpu(0x1000, 16, "BIDIRECTIONAL").dma_write(0x100C, 8)
    verdict, findings = judge(story, "DMA005")
    assert [finding.severity.value for finding in findings] == ["warning"]
    assert verdict is not Verdict.PASS


def test_what_was_given_back_and_what_was_never_synced_pass_dma005() -> None:
    story = Story().probe().map(0x1000, 64, "BIDIRECTIONAL")
    story.sync_for_cpu(0x1000, 16, "BIDIRECTIONAL").dma_write(0x1010, 8)
    story.sync_for_device(0x1000, 16, "BIDIRECTIONAL").dma_write(0x1000, 8)
    assert judge(story, "DMA005") == (Verdict.PASS, [])


def test_a_receive_buffer_given_back_unsynced_as_e1000_does_passes_dma005() -> None:
    story = Story().probe().map(0x1000, 64, "FROM_DEVICE").dma_write(0x1000, 60)
    story.sync_for_cpu(0x1000, 60).dma_write(0x1000, 60)
    assert judge(story, "DMA005") == (Verdict.PASS, [])


def test_a_device_that_is_given_the_error_cookie_breaks_dma013_and_not_dma001() -> None:
    story = Story().probe().map(COOKIE, 64, status="FAILED").dma_read(COOKIE, 1)
    assert len(said(story, "DMA013")) == 1


def test_a_request_across_four_kibibytes_breaks_dma020_and_one_up_to_them_passes() -> None:
    assert judge(Story().dma_read(0x1FF0, 16), "DMA020") == (Verdict.PASS, [])
    assert said(Story().dma_read(0x1FF0, 17), "DMA020") == [
        "device read of 17 bytes at 0x1ff0 crosses a 4 KiB boundary"
    ]


def test_a_write_above_max_payload_and_a_read_above_max_read_request_break_dma021() -> None:
    story = Story().begin(config_space()).dma_write(0x1000, 256).dma_read(0x1000, 512)
    assert len(said(story, "DMA021")) == 1
    assert len(said(story.dma_read(0x1000, 513), "DMA021")) == 2


def test_requests_up_to_both_sizes_pass_dma021() -> None:
    story = Story().begin(config_space()).dma_write(0x1000, 128).dma_read(0x1000, 512)
    assert judge(story, "DMA021") == (Verdict.PASS, [])


def test_without_the_pci_express_capability_dma021_is_unknown() -> None:
    assert judge(Story().dma_write(0x1000, 4096), "DMA021") == (Verdict.UNKNOWN, [])


def conventional(max_payload: int, max_read_request: int) -> Story:
    """A function without the PCI Express capability, on a bus that says what it allows."""
    return Story().begin().snapshot_limits(max_payload, max_read_request)


def test_what_a_virtual_bus_allows_holds_without_the_pci_express_capability_dma021() -> None:
    story = conventional(256, 1024).dma_write(0x1000, 256).dma_read(0x1000, 1024)
    assert judge(story, "DMA021") == (Verdict.PASS, [])
    assert said(story.dma_write(0x1000, 257), "DMA021") == [
        "device write of 257 bytes at 0x1000, where Max Payload is 256"
    ]
    assert len(said(story.dma_read(0x1000, 1025), "DMA021")) == 2


def test_device_control_holds_whatever_a_virtual_bus_allows_dma021() -> None:
    story = Story().begin(config_space()).snapshot_limits(4096, 4096).dma_write(0x1000, 256)
    assert len(said(story, "DMA021")) == 1


def test_after_a_loss_what_a_virtual_bus_allows_is_not_known_dma021() -> None:
    story = conventional(256, 256).loss().dma_write(0x1000, 4096)
    assert judge(story, "DMA021") == (Verdict.UNKNOWN, [])


def test_byte_enables_that_do_not_fit_the_length_break_dma022() -> None:
    one_dword = Story().dma_write(0x1000, 4, first_be=0xF, last_be=0xF)
    two_dwords = Story().dma_write(0x1000, 8, first_be=0xF)
    assert len(said(one_dword, "DMA022")) == len(said(two_dwords, "DMA022")) == 1


def test_a_frame_of_an_odd_length_passes_dma022() -> None:
    story = Story().dma_write(0x1002, 61).dma_write(0x1002, 61, first_be=0xC, last_be=0x7)
    assert judge(story, "DMA022") == (Verdict.PASS, [])


def test_an_unmap_while_a_read_is_outstanding_breaks_dma027() -> None:
    story = Story().probe().map(0x1000, 64)
    story.dma_read(0x1000, 64, phase=Phase.REQUEST, tag=5).unmap(0x1000, 64)
    assert said(story, "DMA027") == [
        "unmap of 64 bytes at 0x1000 while the device's read of #2 is outstanding"
    ]


def test_an_unmap_after_the_last_completion_passes_dma027() -> None:
    story = Story().probe().map(0x1000, 64)
    story.dma_read(0x1000, 64, phase=Phase.REQUEST, tag=5)
    story.dma_read(0x1000, 32, phase=Phase.COMPLETION, tag=5)
    story.dma_read(0x1020, 32, phase=Phase.COMPLETION, tag=5).unmap(0x1000, 64)
    assert judge(story, "DMA027") == (Verdict.PASS, [])


def test_half_of_the_completions_are_not_enough_for_dma027() -> None:
    story = Story().probe().map(0x1000, 64)
    story.dma_read(0x1000, 64, phase=Phase.REQUEST, tag=5)
    story.dma_read(0x1000, 32, phase=Phase.COMPLETION, tag=5).unmap(0x1000, 64)
    assert len(said(story, "DMA027")) == 1


def test_a_reset_ends_the_reads_that_were_outstanding_for_dma027() -> None:
    story = Story().probe().map(0x1000, 64)
    story.dma_read(0x1000, 64, phase=Phase.REQUEST, tag=5).reset().unmap(0x1000, 64)
    assert judge(story, "DMA027") == (Verdict.PASS, [])


def test_a_read_begun_after_a_reset_or_before_another_functions_breaks_dma027() -> None:
    story = Story().probe().map(0x1000, 64).reset()
    story.dma_read(0x1000, 64, phase=Phase.REQUEST, tag=5)
    story.function("0000:00:04.0").reset().function("0000:00:03.0").unmap(0x1000, 64)
    assert len(said(story, "DMA027")) == 1


def received(story: Story) -> Story:
    """A frame is received and its interrupt handled."""
    return story.dma_write(0x1000, 60).interrupt(11)


def test_a_buffer_that_is_filled_again_without_a_sync_is_warned_of_by_dma030() -> None:
    story = received(Story().probe().map(0x1000, 2048, "FROM_DEVICE")).dma_write(0x1000, 60)
    verdict, findings = judge(story, "DMA030")
    assert [finding.severity.value for finding in findings] == ["warning"]
    assert [(e.seq, e.role) for e in findings[0].evidence] == [(1, "mapped"), (2, "written before")]
    assert verdict is not Verdict.PASS


@pytest.mark.parametrize("taken", ["sync", "unmap"])
def test_a_buffer_that_was_synced_or_mapped_anew_passes_dma030(taken: str) -> None:
    story = received(Story().probe().map(0x1000, 2048, "FROM_DEVICE"))
    if taken == "sync":
        story.sync_for_cpu(0x1000, 60)
    else:
        story.unmap(0x1000, 2048, "FROM_DEVICE").map(0x1000, 2048, "FROM_DEVICE")
    assert judge(story.dma_write(0x1000, 60), "DMA030") == (Verdict.PASS, [])


def test_a_frame_written_in_pieces_before_the_handler_runs_passes_dma030() -> None:
    story = Story().probe().map(0x1000, 2048, "FROM_DEVICE").dma_write(0x1000, 128)
    story.dma_write(0x1080, 128).dma_write(0x1000, 4).interrupt(11)
    assert judge(story, "DMA030") == (Verdict.PASS, [])


def test_a_frame_to_be_sent_that_is_mapped_from_device_breaks_dma032() -> None:
    story = Story().probe().map(0x1000, 64, "FROM_DEVICE").dma_read(0x1000, 64)
    assert said(story.unmap(0x1000, 64, "FROM_DEVICE"), "DMA032") == [
        "unmap of 0x1000, mapped FROM_DEVICE at #1: the device read it 1 times and wrote it 0 times"
    ]


def test_a_mapping_that_the_device_also_used_as_declared_is_dma004_s_alone() -> None:
    story = Story().probe().map(0x1000, 64, "FROM_DEVICE").dma_read(0x1000, 4)
    story.dma_write(0x1000, 64).unmap(0x1000, 64, "FROM_DEVICE")
    assert judge(story, "DMA032") == (Verdict.PASS, [])


def pool() -> Story:
    """A pool of blocks of 64 bytes; one of them is in use."""
    story = Story().probe().pool_create(1, 64).alloc(0x8000, 4096, flavour="POOL")
    return story.pool_alloc(1, 0x8000, 64)


def test_a_block_that_was_given_back_to_its_pool_breaks_dma002_though_the_page_lives_on() -> None:
    story = pool().dma_read(0x8000, 64).pool_free(1, 0x8000)
    assert judge(story, "DMA002") == (Verdict.PASS, [])
    assert len(said(story.dma_read(0x8000, 64), "DMA002")) == 1


def test_a_device_that_fetches_a_little_beyond_its_block_is_still_in_the_pool() -> None:
    assert judge(pool().dma_read(0x8020, 64), "DMA003") == (Verdict.PASS, [])


def test_of_two_mappings_of_one_buffer_a_device_may_use_the_one_that_allows_it() -> None:
    story = Story().probe().map(0x1000, 64, "FROM_DEVICE").map(0x1000, 64, "TO_DEVICE")
    assert judge(story.dma_write(0x1000, 64).dma_read(0x1000, 64), "DMA004") == (Verdict.PASS, [])


@pytest.mark.parametrize(
    ("story", "rule"),
    [
        (Story().probe().unmap(COOKIE, 64), "DMA013"),
        (Story().probe().sync_for_cpu(COOKIE, 64), "DMA013"),
        (Story().probe().dma_read(COOKIE, 1), "DMA013"),
        (Story().probe().alloc(0x8000, 64).free(0x8000, 32), "DMA023"),
        (Story().probe().map(0x1000, 64).unmap(0x1000, 64).unmap(0x1000, 64), "DMA010"),
    ],
)
def test_of_several_rules_that_one_event_breaks_the_most_specific_is_reported_alone(
    story: Story, rule: str
) -> None:
    results = check(story.trace(), selection=Selection(select=("DMA",)))
    assert [finding.rule for finding in results.findings] == [rule]
