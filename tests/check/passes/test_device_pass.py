# SPDX-License-Identifier: Apache-2.0
"""The pass of what the device does to mappings: what it counts, and what it forgets."""

from __future__ import annotations

from typing import Any

import pytest

from tests.check.passes.running import columns_of
from tests.story import Story
from uvtrace.check.passes import device_kernel
from uvtrace.trace.enums import Phase


def columns(story: Story, *names: str, size: int = 1 << 16) -> dict[str, list[Any]]:
    """Columns of a story's events, after those of the mappings."""
    return columns_of(story, "device", names, after=("mapping",), size=size)


@pytest.mark.parametrize("size", [1 << 16, 2, 1])
def test_what_the_device_did_to_a_mapping_is_told_when_it_goes(size: int) -> None:
    story = Story().probe().map(0x1000, 64, "BIDIRECTIONAL").map(0x2000, 64, "BIDIRECTIONAL")
    story.dma_read(0x1000, 8).dma_write(0x1008, 8).dma_write(0x2000, 8).dma_read(0x1010, 8)
    story.unmap(0x1000, 64, "BIDIRECTIONAL").unmap(0x2000, 64, "BIDIRECTIONAL")
    told = columns(story, "device_reads", "device_writes", size=size)
    assert told["device_reads"] == [0, 0, 0, 0, 0, 0, 0, 2, 0]
    assert told["device_writes"] == [0, 0, 0, 0, 0, 0, 0, 1, 1]


def test_a_mapping_does_not_inherit_what_was_done_to_the_one_before_it() -> None:
    story = Story().probe()
    for _ in range(3):
        story.map(0x1000, 64).dma_read(0x1000, 8).unmap(0x1000, 64)
    assert columns(story, "device_reads")["device_reads"] == [0, *([0, 0, 1] * 3)]


def test_the_oldest_outstanding_read_of_a_mapping_is_told_when_it_goes() -> None:
    story = Story().probe().map(0x1000, 64).map(0x2000, 64)
    for tag, address in ((1, 0x2000), (2, 0x1000), (3, 0x1010)):
        story.dma_read(address, 16, phase=Phase.REQUEST, tag=tag)
    story.unmap(0x1000, 64)
    assert columns(story, "pending_read")["pending_read"][-1] == 4


def test_a_read_whose_tag_is_used_again_is_no_longer_outstanding() -> None:
    story = Story().probe().map(0x1000, 64).map(0x2000, 64)
    story.dma_read(0x1000, 16, phase=Phase.REQUEST, tag=1)
    story.dma_read(0x2000, 16, phase=Phase.REQUEST, tag=1)
    story.unmap(0x1000, 64).unmap(0x2000, 64)
    assert columns(story, "pending_read")["pending_read"][-2:] == [-1, 4]


def test_a_handler_between_two_writes_of_one_place_is_told_unless_the_cpu_was_given_it() -> None:
    story = Story().probe().map(0x1000, 64, "FROM_DEVICE").dma_write(0x1000, 8)
    story.handler_enter(11).handler_exit(11).dma_write(0x1000, 8)
    assert columns(story, "overwritten")["overwritten"][-1] == 2
    story.handler_enter(11).handler_exit(11).sync_for_cpu(0x1000, 64).dma_write(0x1000, 8)
    assert columns(story, "overwritten")["overwritten"][-1] == -1


def test_of_more_writes_than_are_remembered_some_are_forgotten_and_none_taken_for_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(device_kernel, "WRITTEN", 16)
    places = 64
    story = Story().probe().alloc(0x8000, 8 * places)
    for _ in range(2):
        for place in range(places):
            story.dma_write(0x8000 + 8 * place, 8)
        story.handler_enter(11).handler_exit(11)
    told = columns(story, "overwritten")["overwritten"]
    again = told[2 + places + 2 : -2]
    assert len(again) == places
    assert all(before in (-1, 2 + place) for place, before in enumerate(again))
    assert -1 in again


def test_of_more_outstanding_reads_than_are_remembered_the_oldest_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(device_kernel, "PENDING", 16)
    story = Story().probe().map(0x1000, 64).map(0x2000, 64)
    for tag in range(1, 5):
        story.dma_read(0x1000, 16, phase=Phase.REQUEST, tag=tag)
    for tag in range(5, 200):
        story.dma_read(0x2000, 16, phase=Phase.REQUEST, tag=tag)
    story.unmap(0x1000, 64).unmap(0x2000, 64)
    first, second = columns(story, "pending_read")["pending_read"][-2:]
    assert first == -1
    assert second > 100


def test_after_a_loss_nothing_is_known_of_what_the_device_did_before() -> None:
    story = Story().probe().map(0x1000, 64, "BIDIRECTIONAL").dma_write(0x1000, 8)
    story.loss(1).map(0x1000, 64, "BIDIRECTIONAL").dma_read(0x1000, 8)
    story.unmap(0x1000, 64, "BIDIRECTIONAL")
    told = columns(story, "device_reads", "device_writes")
    assert (told["device_reads"][-1], told["device_writes"][-1]) == (1, 0)
