# SPDX-License-Identifier: Apache-2.0
"""What was not seen accuses nobody, and what was seen is not forgotten with it.

Each of these was a disagreement of the engine with the reference in ``tests/differential``.
"""

from __future__ import annotations

from typing import Any

from tests.checkers.spaces import MSIX, POWER, config_space
from tests.checkers.verdicts import judge
from tests.story import Story
from uvtrace.check.results import Verdict
from uvtrace.trace.enums import Phase

TABLE = 0x10000
MSIX_ON = 0x8002
SECOND = 1_000_000_000


def broken(story: Story, rule: str) -> list[int]:
    """The records at which a rule is broken."""
    return [finding.seq for finding in judge(story, rule)[1]]


def test_segments_between_which_another_cpu_was_recorded_are_one_list() -> None:
    story = Story().probe()
    facts: dict[str, Any] = {"flavour": "SG", "entries": 2, "nents": 2, "tag": 5}
    story.map(0x1000, 0x1000, **facts).mmio_read(8, cpu=1).map(0x2000, 0x1000, entry=1, **facts)
    assert broken(story.dma_read(0x1F80, 256), "DMA003") == []
    assert broken(story.dma_read(0x2F80, 256), "DMA003") == [5]


def test_a_dma_mask_from_before_a_loss_is_not_held_against_a_mapping() -> None:
    story = Story().probe().dma_mask(32).map(1 << 32, 64).loss().map(1 << 32, 64)
    assert broken(story, "DMA019") == [2]


def test_an_unmap_that_may_be_of_what_was_mapped_unseen_leaves_no_leak() -> None:
    story = Story().probe().loss().map(0x1000, 256).map(0x2000, 256).unmap(0x1000, 128)
    findings = judge(story.unbound(), "DMA011")[1]
    assert [[(each.seq, each.role) for each in f.evidence] for f in findings] == [[(4, "mapped")]]


def test_a_region_that_may_have_been_requested_unseen_is_not_taken_for_released() -> None:
    story = Story().probe().loss().region_request(0).region_release(0).mmio_read(8)
    assert broken(story, "ADR005") == []
    seen = Story().probe().region_request(0).region_release(0).mmio_read(8)
    assert broken(seen, "ADR005") == [3]


def test_a_request_that_was_too_late_before_a_loss_was_never_completed() -> None:
    story = Story().mmio_read(8, phase=Phase.REQUEST, tag=1).wait(11 * SECOND).config_read(0, 0)
    assert broken(story.loss(), "CPL001") == [0]
    soon = Story().mmio_read(8, phase=Phase.REQUEST, tag=1).loss().wait(11 * SECOND)
    assert broken(soon.config_read(0, 0), "CPL001") == []


def test_a_vector_that_is_programmed_before_its_table_is_told_again_keeps_its_address() -> None:
    story = Story().snapshot_config(config_space(msix_control=MSIX_ON)).reset()
    story.mmio_write(TABLE, 0xFEE01000).mmio_write(TABLE + 4, 0).msix(0)
    assert broken(story, "IRQ004") == [4]


def test_a_vector_that_is_unmasked_before_its_table_is_told_again_is_not_masked() -> None:
    story = Story().snapshot_config(config_space(msix_control=MSIX_ON))
    story.mmio_write(TABLE + 12, 1).loss(cause="HOOK_MISSED", payload=b"pci_bus_read_config_word")
    story.mmio_write(TABLE + 12, 0).config_write(MSIX + 2, MSIX_ON).msix(0)
    assert judge(story, "IRQ002")[0] is not Verdict.FAIL


def test_a_byte_written_to_a_vectors_entry_leaves_it_unknown() -> None:
    story = Story().snapshot_config(config_space(msix_control=MSIX_ON))
    story.mmio_write(TABLE + 12, 0).mmio_write(TABLE + 12, 1, width=1).msix(0)
    assert broken(story, "IRQ002") == []
    assert broken(story, "IRQ011") == [2]


def test_a_mapping_that_failed_before_a_loss_is_not_what_a_register_was_written_with() -> None:
    failed = Story().probe().map(2**64 - 1, 64, status="FAILED")
    assert broken(failed.loss().mmio_write(0x20, 2**64 - 1, width=8), "DMA031") == []
    failed = Story().probe().map(2**64 - 1, 64, status="FAILED")
    assert broken(failed.mmio_write(0x20, 2**64 - 1, width=8), "DMA031") == [2]


OTHER = "0000:00:04.0"


def test_what_was_lost_of_one_function_hides_no_outstanding_read_of_another_from_dma027() -> None:
    story = Story().function(OTHER).function("0000:00:03.0").probe().map(0x1000, 64)
    story.dma_read(0x1000, 64, phase=Phase.REQUEST, tag=5).loss(function=1).unmap(0x1000, 64)
    assert broken(story, "DMA027") == [5]
    own = Story().probe().map(0x1000, 64).dma_read(0x1000, 64, phase=Phase.REQUEST, tag=5)
    assert broken(own.loss(function=0).unmap(0x1000, 64), "DMA027") == []


def test_what_was_lost_of_one_function_hides_no_failed_mapping_of_another_from_dma031() -> None:
    story = Story().function(OTHER).function("0000:00:03.0").probe()
    story.map(2**64 - 1, 64, status="FAILED").loss(function=1)
    assert broken(story.mmio_write(0x20, 2**64 - 1, width=8), "DMA031") == [4]


def test_a_message_is_held_against_an_address_of_all_64_bits() -> None:
    high = 0xFFFFFFFFFEE00000
    story = Story().snapshot_config(config_space(msix_control=MSIX_ON))
    story.mmio_write(TABLE, 0xFEE00000).mmio_write(TABLE + 4, 0xFFFFFFFF)
    assert broken(story.msix(0).msix(0, message_address=high), "IRQ004") == [3]
    story = Story().snapshot_config(config_space(msi_control=0x81, msi_address=high))
    assert broken(story.msi(0).msi(0, message_address=high), "IRQ004") == [1]


def test_a_vector_s_address_of_no_dword_sends_what_is_not_defined() -> None:
    story = Story().snapshot_config(config_space(msix_control=MSIX_ON))
    story.mmio_write(TABLE, 0xFEE00001).mmio_write(TABLE + 4, 0).mmio_write(TABLE + 8, 0x4021)
    assert judge(story.msix(0), "IRQ004") == (Verdict.UNKNOWN, [])


def test_of_two_interrupts_too_far_apart_to_remember_both_no_handler_is_taken_for_absent() -> None:
    story = Story().snapshot_config(config_space(msix_control=MSIX_ON)).probe()
    story.irq_request(24).irq_request(24 + 4096).interrupt(24)
    assert broken(story, "IRQ006") == []


def test_a_loss_does_not_change_how_long_a_function_takes_to_wake() -> None:
    story = Story().snapshot_config(config_space(power_state=3)).snapshot_delays(1, 100)
    story.loss(cause="HOOK_MISSED", payload=b"request_threaded_irq")
    story.config_write(POWER + 4, 3).config_write(POWER + 4, 0).wait(2_000_000)
    assert broken(story.mmio_read(8), "PWR003") == []
