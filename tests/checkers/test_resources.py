# SPDX-License-Identifier: Apache-2.0
"""The RES rules."""

from __future__ import annotations

import pytest

from tests.checkers.verdicts import judge
from tests.story import Story
from uvtrace.check.results import Verdict
from uvtrace.check.rules import Severity


def said(story: Story, rule: str) -> list[str]:
    """The findings' messages."""
    verdict, findings = judge(story, rule)
    assert (verdict is Verdict.FAIL) is bool(findings)
    return [finding.message for finding in findings]


def test_an_iomap_held_at_unbind_breaks_res001() -> None:
    story = Story().probe().iomap(mapping=1, site="e1000_probe+0x20").iomap(bar=0, mapping=2)
    assert said(story.iounmap(mapping=2).remove().unbound(), "RES001") == [
        "1 x mapping of BAR 0 + 0x0 (0x20000 bytes) made at e1000_probe+0x20 [e1000] still held"
        " when the driver is unbound"
    ]


def test_what_devres_unmaps_after_remove_passes_res001() -> None:
    story = Story().probe().iomap(mapping=1).remove().iounmap(mapping=1).unbound()
    assert said(story, "RES001") == []


def test_a_handler_still_registered_breaks_res002_and_is_named() -> None:
    story = Story().probe().irq_request(11, site="e1000_open+0x9").remove().unbound()
    assert said(story, "RES002") == [
        "handler of interrupt 11 requested at e1000_open+0x9 [e1000] still registered when the"
        " driver is unbound"
    ]


def test_a_request_that_failed_and_one_that_was_freed_pass_res002() -> None:
    story = Story().probe().irq_request(11, result=-16, status="FAILED").irq_request(12)
    assert said(story.irq_free(12).remove().unbound(), "RES002") == []


def test_a_region_still_requested_breaks_res003() -> None:
    story = Story().probe().region_request(0).region_request(1).region_release(1)
    found = said(story.remove().unbound(), "RES003")
    assert len(found) == 1
    assert found[0].startswith("region of BAR 0")


def test_a_device_enabled_twice_and_disabled_once_breaks_res003() -> None:
    story = Story().probe().enable_device().enable_device().disable_device().remove().unbound()
    found = said(story, "RES003")
    assert len(found) == 1
    assert "enabled" in found[0]


def test_what_is_released_and_disabled_passes_res003() -> None:
    story = Story().probe().enable_device().region_request(0).remove().region_release(0)
    assert said(story.disable_device().unbound(), "RES003") == []


def test_a_handler_freed_in_remove_before_a_word_to_the_device_is_warned_of_by_res004() -> None:
    story = Story().probe().irq_request(11).bind().remove().irq_free(11).mmio_write(0xD8, 0)
    found = said(story.unbound(), "RES004")
    assert len(found) == 1
    assert judge(story, "RES004")[1][0].severity is Severity.WARNING


def test_interrupts_masked_before_free_irq_pass_res004() -> None:
    story = Story().probe().irq_request(11).bind().remove().mmio_write(0xD8, 0xFFFFFFFF)
    assert said(story.irq_free(11).unbound(), "RES004") == []


def test_a_handler_freed_when_the_interface_goes_down_is_no_matter_for_res004() -> None:
    story = Story().probe().irq_request(11).bind().irq_free(11).remove().unbound()
    assert said(story, "RES004") == []


@pytest.mark.parametrize("rule", ["RES001", "RES002", "RES003"])
def test_a_trace_that_ends_before_the_unbinding_accuses_nobody(rule: str) -> None:
    story = Story().probe().iomap().irq_request(11).region_request(0).enable_device()
    verdict, findings = judge(story, rule)
    assert findings == []
    assert verdict is Verdict.VACUOUS


RINGS = {"RCTL": 0x100, "RDBAL": 0x2800, "RDBAH": 0x2804}
ENABLED, RING = 2, 0x1_2000_0000


def receiving() -> Story:
    """An e1000 whose receiver uses a ring above 4 GiB."""
    story = Story(registers=RINGS).probe().alloc(RING, 4096).mmio_write("RDBAL", RING & 0xFFFFFFFF)
    started = story.mmio_write("RDBAH", RING >> 32)
    return started.mmio_write("RCTL", ENABLED, site="e1000_setup_rctl+0x20")


def test_a_ring_freed_while_its_engine_runs_breaks_res004() -> None:
    verdict, findings = judge(receiving().free(RING, 4096), "RES004")
    assert verdict is Verdict.FAIL
    assert [finding.message for finding in findings] == [
        "e1000.receive: started at e1000_setup_rctl+0x20 [e1000], it may still use the memory that"
        " is unmapped or freed here"
    ]
    assert [(each.seq, each.role) for each in findings[0].evidence] == [(4, "started")]
    assert findings[0].seq == 5


def test_a_ring_freed_behind_its_engine_passes_res004() -> None:
    assert said(receiving().mmio_write("RCTL", 0).free(RING, 4096), "RES004") == []
    assert said(receiving().reset().free(RING, 4096), "RES004") == []


def test_other_memory_may_go_while_an_engine_runs() -> None:
    assert said(receiving().free(RING & 0xFFFFFFFF, 4096), "RES004") == []
    assert said(receiving().map(0x5000, 64).unmap(0x5000, 64), "RES004") == []


def test_what_an_engine_uses_is_not_known_after_loss() -> None:
    story = Story(registers=RINGS).probe().mmio_write("RDBAL", 0x1000).loss(3)
    assert said(story.mmio_write("RCTL", ENABLED).free(0x1000, 4096), "RES004") == []


EDU = {"SOURCE": 0x80, "DESTINATION": 0x88, "COMMAND": 0x98}


@pytest.mark.parametrize(
    ("command", "given", "other"), [(1, "SOURCE", "DESTINATION"), (3, "DESTINATION", "SOURCE")]
)
def test_edus_engine_uses_the_memory_of_its_direction_until_it_is_seen_idle(
    command: int, given: str, other: str
) -> None:
    def started() -> Story:
        story = Story(registers=EDU, vendor=0x1234, device=0x11E8, driver="edu").probe()
        story.map(0x5000, 64).mmio_write(given, 0x5000).mmio_write(other, 0x40000)
        return story.mmio_write("COMMAND", command)

    assert len(said(started().unmap(0x5000, 64), "RES004")) == 1
    assert said(started().mmio_read("COMMAND", 0).unmap(0x5000, 64), "RES004") == []
    assert len(said(started().mmio_read("COMMAND", 1).unmap(0x5000, 64), "RES004")) == 1
