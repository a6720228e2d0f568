# SPDX-License-Identifier: Apache-2.0
"""The pass that pairs requests with their completions."""

from __future__ import annotations

from typing import Any

from tests.check.passes.running import columns_of
from tests.story import Story
from uvtrace.trace.enums import Phase


def columns(story: Story, *names: str) -> dict[str, list[Any]]:
    """Columns of a story's events."""
    return columns_of(story, "requests", names)


def read(story: Story, phase: Phase, tag: int, address: int = 0x1000, length: int = 64) -> Story:
    return story.dma_read(address, length, phase=phase, tag=tag)


def test_a_completion_is_paired_with_the_request_of_its_tag() -> None:
    story = Story()
    read(read(story, Phase.REQUEST, 1), Phase.REQUEST, 2, address=0x2000)
    read(story.wait(500), Phase.COMPLETION, 1)
    told = columns(story, "request", "request_address", "latency_ns", "outstanding_dma")
    assert told["request"] == [-1, -1, 0]
    assert told["request_address"][2] == 0x1000
    assert told["latency_ns"][2] == 2_500
    assert told["outstanding_dma"] == [0, 1, 2]


def test_a_read_is_outstanding_until_its_last_byte_has_come() -> None:
    story = read(Story(), Phase.REQUEST, 1, length=128)
    read(story, Phase.COMPLETION, 1, length=64)
    read(story, Phase.COMPLETION, 1, address=0x1040, length=64)
    read(story, Phase.COMPLETION, 1, address=0x1080, length=64)
    told = columns(story, "request", "completed_bytes", "last_completion_address")
    assert told["request"] == [-1, 0, 0, -1]
    assert told["completed_bytes"] == [0, 0, 64, 0]
    assert told["last_completion_address"][2] == 0x1000


def test_after_a_reset_nothing_is_outstanding() -> None:
    story = read(Story(), Phase.REQUEST, 1).reset()
    read(story, Phase.COMPLETION, 1)
    assert columns(story, "request")["request"] == [-1, -1, -1]


def test_reads_and_writes_with_one_tag_are_kept_apart() -> None:
    story = Story().config_read(0, 0, phase=Phase.REQUEST, tag=7)
    read(story, Phase.COMPLETION, 7)
    assert columns(story, "request")["request"] == [-1, -1]


def test_an_access_in_one_record_is_its_own_request() -> None:
    story = Story().mmio_read(8, duration_ns=700)
    told = columns(story, "request", "latency_ns")
    assert (told["request"], told["latency_ns"]) == ([0], [700])


def test_more_requests_than_there_is_room_for_do_not_run_over() -> None:
    story = Story()
    for tag in range(1, 300):
        read(story, Phase.REQUEST, tag)
    for tag in range(1, 300):
        read(story, Phase.COMPLETION, tag)
    told = columns(story, "request")["request"]
    assert told[299:] == list(range(299))
