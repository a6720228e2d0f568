# SPDX-License-Identifier: Apache-2.0
"""The ORD rules through the whole engine; what passes what is tested in tests/check/pcie."""

from __future__ import annotations

import pytest
from uvtrace.checkers.ordering import RULES

from tests.check.pcie.bus_story import BusStory
from tests.checkers.spaces import config_space
from tests.checkers.verdicts import judge as judge_by
from tests.story import Story
from uvtrace.check.catalogue import ordered
from uvtrace.check.results import Finding, Verdict
from uvtrace.trace.enums import Flag

MS = 1_000_000
LOADED = ordered(RULES)
PAIRS = {
    "ORD001": ("mmio_write", "mmio_write"),
    "ORD002": ("mmio_write", "mmio_read"),
    "ORD005": ("dma_write", "msi"),
}


def judge(story: Story, rule: str) -> tuple[Verdict, list[Finding]]:
    return judge_by(story, rule, rules=LOADED)


def _seen() -> BusStory:
    """A bus of which the device's reads, writes, messages and completions are seen."""
    bus = BusStory()
    asked = bus.sends("dma_read")
    bus.arrives(asked)
    bus.arrives(bus.sends("dma_read", answers=asked))
    bus.arrives(bus.sends("dma_write"))
    bus.arrives(bus.sends("msi"))
    return bus


@pytest.mark.parametrize("rule", PAIRS)
def test_a_message_that_passes_another_breaks_its_rule(rule: str) -> None:
    bus = _seen()
    first, second = (bus.sends(kind) for kind in PAIRS[rule])
    at = bus.arrives(second)
    bus.arrives(first)
    verdict, findings = judge(bus.story, rule)
    assert verdict is Verdict.FAIL
    assert [(found.seq, [each.role for each in found.evidence]) for found in findings] == [
        (at, ["passed"])
    ]


@pytest.mark.parametrize("rule", PAIRS)
def test_messages_in_their_order_pass(rule: str) -> None:
    bus = _seen()
    first, second = (bus.sends(kind) for kind in PAIRS[rule])
    bus.arrives(first)
    bus.arrives(second)
    assert judge(bus.story, rule)[0] is Verdict.PASS


@pytest.mark.parametrize(("in_order", "verdict"), [(False, Verdict.FAIL), (True, Verdict.PASS)])
def test_an_answer_must_not_pass_the_data_written_before_it(
    in_order: bool, verdict: Verdict
) -> None:
    bus = _seen()
    asked = bus.sends("mmio_read")
    bus.arrives(asked)
    data, answer = bus.sends("dma_write"), bus.sends("mmio_read", answers=asked)
    for sent in (data, answer) if in_order else (answer, data):
        bus.arrives(sent)
    assert judge(bus.story, "ORD003")[0] is verdict


@pytest.mark.parametrize(("in_order", "verdict"), [(False, Verdict.FAIL), (True, Verdict.PASS)])
def test_completions_of_one_request_come_in_the_order_of_addresses(
    in_order: bool, verdict: Verdict
) -> None:
    bus = _seen()
    asked = bus.sends("dma_read", address=0x1000, length=128)
    bus.arrives(asked)
    halves = [bus.sends("dma_read", answers=asked, address=at, length=64) for at in (4096, 4160)]
    for sent in halves if in_order else halves[::-1]:
        bus.arrives(sent)
    assert judge(bus.story, "ORD004")[0] is verdict


def test_relaxed_ordering_without_leave_breaks_ord006_and_with_leave_does_not() -> None:
    space = bytearray(config_space())
    story = Story().snapshot_config(bytes(space)).dma_write(0x1000, 4, flags=Flag.RELAXED)
    assert judge(story, "ORD006")[0] is Verdict.PASS
    space[0x68] &= 0xEF
    story = Story().snapshot_config(bytes(space)).dma_write(0x1000, 4, flags=Flag.RELAXED)
    verdict, findings = judge(story, "ORD006")
    assert verdict is Verdict.FAIL
    assert "DMA_WRITE of 0x1000 carries RO" in findings[0].message


@pytest.mark.parametrize(("wait_ms", "verdict"), [(60, Verdict.FAIL), (1, Verdict.PASS)])
def test_a_write_stuck_behind_a_read_breaks_ord007(wait_ms: int, verdict: Verdict) -> None:
    bus = _seen()
    read, write = bus.sends("mmio_read"), bus.sends("mmio_write")
    bus.waits(wait_ms * MS)
    bus.at_once("dma_write")
    bus.arrives(read)
    bus.arrives(write)
    assert judge(bus.story, "ORD007")[0] is verdict
