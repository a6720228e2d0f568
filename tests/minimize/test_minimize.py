# SPDX-License-Identifier: Apache-2.0
"""A part proves what the whole proves, or it is no part to take."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from tests.story import Story
from uvtrace.check.engine import check, checker_of
from uvtrace.check.results import Finding
from uvtrace.check.rules import Selection
from uvtrace.errors import UsageError
from uvtrace.minimize.depend import Dependencies
from uvtrace.minimize.judge import Judge
from uvtrace.minimize.minimize import Minimal, minimize
from uvtrace.minimize.reduce import Budget
from uvtrace.minimize.target import choose, locate
from uvtrace.minimize.written import comments, small_trace
from uvtrace.trace.enums import Kind
from uvtrace.trace.trace import Trace, open_bytes


def busy(story: Story) -> Story:
    """Traffic that has nothing to do with anything."""
    for n in range(20):
        address = 0x100000 + 0x1000 * n
        story.map(address, 256, "TO_DEVICE", phys=address).mmio_write(0x10, n)
        story.dma_read(address, 64).mmio_read(0x8, n).unmap(address, 256, "TO_DEVICE")
    return story


def found(trace: Trace, rule: str) -> Finding:
    return next(each for each in check(trace).findings if each.rule == rule)


def minimal_of(trace: Trace, rule: str, **options: object) -> Minimal:
    own = checker_of(trace, selection=Selection((rule,)))
    return minimize(trace, found(trace, rule), own, **options)  # type: ignore[arg-type]


def kinds(trace: Trace, minimal: Minimal) -> list[Kind]:
    return [Kind(kind) for kind in trace.column("kind")[minimal.kept].tolist()]


def wrong_direction() -> Trace:
    story = busy(Story().begin().config_write(0x04, 0x6, width=2).probe())
    story.map(0x9000, 256, "TO_DEVICE", phys=0x9000).sync_for_device(0x9000, 256, "TO_DEVICE")
    story.dma_read(0x9000, 64).dma_write(0x9010, 16)
    return busy(story.unmap(0x9000, 256, "TO_DEVICE")).trace()


def judge_of(trace: Trace, rule: str) -> tuple[Judge, Dependencies]:
    own = checker_of(trace, selection=Selection((rule,)))
    target = locate(trace, found(trace, rule), own.rules)
    judge = Judge(trace, target, own)
    depends = Dependencies(trace, target, judge.named, needs_tail=not judge.shows_at_once)
    return judge, depends


def test_a_mapping_is_not_taken_from_an_access_that_is_kept() -> None:
    trace = wrong_direction()
    minimal = minimal_of(trace, "DMA004")
    assert kinds(trace, minimal) == [Kind.MAP, Kind.DMA_WRITE]
    part = small_trace(trace, minimal, checker_of(trace))
    assert part.found == ()
    assert part.finding is not None
    assert part.finding.signature == minimal.target.finding.signature


def test_a_part_that_finds_it_for_another_reason_is_refused() -> None:
    """Two mappings break the rule: without the first one the second would be to blame."""
    story = Story().begin().probe()
    story.map(0x9000, 256, "TO_DEVICE", phys=0x9000).dma_write(0x9000, 16)
    trace = story.unmap(0x9000, 256, "TO_DEVICE").map(0x9000, 128, "TO_DEVICE").trace()
    judge, depends = judge_of(trace, "DMA004")
    assert judge.outcome(depends.required).holds
    access = depends.seeds[trace.column("kind")[depends.seeds] == Kind.DMA_WRITE]
    outcome = judge.outcome(access)
    assert not outcome.holds
    assert outcome.why == "the finding is not found"


def test_slices_grow_until_they_are_the_whole() -> None:
    trace = wrong_direction()
    _, depends = judge_of(trace, "DMA004")
    slices = list(depends.slices())
    assert len(slices[-1]) == len(trace)
    for smaller, larger in pairwise(slices):
        assert np.isin(smaller, larger).all()
        assert len(smaller) < len(larger)


def test_a_finding_that_needs_time_to_pass_keeps_an_event_behind_it() -> None:
    story = busy(Story().begin().probe()).mmio_read(0x8, phase="REQUEST", tag=77)
    trace = busy(story.wait(10**11)).trace()
    minimal = minimal_of(trace, "CPL001")
    assert kinds(trace, minimal)[0] == Kind.MMIO_READ
    assert len(minimal.kept) == 2
    assert minimal.kept[1] > minimal.target.position


def test_values_that_do_not_matter_are_left_out_and_those_of_the_proof_stay() -> None:
    story = busy(Story().begin().probe()).config_write(0x04, 0x406, width=2)
    trace = busy(story.config_write(0x04, 0x400, width=2).mmio_write(0x8, 5)).trace()
    minimal = minimal_of(trace, "CFG001")
    assert set(minimal.target.proof).isdisjoint(minimal.emptied)
    kept = minimal_of(trace, "CFG001", keep_values=True)
    assert kept.emptied == frozenset()
    assert kept.kept.tolist() == minimal.kept.tolist()


def test_a_spent_budget_leaves_the_smallest_part_so_far() -> None:
    trace = wrong_direction()
    story_of_power = minimal_of(trace, "DMA004", budget=Budget(tests=0))
    assert story_of_power.stopped == "0 tests"
    assert story_of_power.kept[-1] == story_of_power.target.position
    part = small_trace(trace, story_of_power, checker_of(trace))
    assert part.finding is not None


def test_an_interrupt_leaves_the_smallest_part_so_far() -> None:
    def interrupted(tests: int, kept: int) -> None:
        raise KeyboardInterrupt

    trace = wrong_direction()
    minimal = minimal_of(trace, "DMA004", progress=interrupted)
    assert minimal.stopped == "interrupted"
    assert small_trace(trace, minimal, checker_of(trace)).finding is not None


def test_packets_say_what_they_prove_and_why_they_are_needed() -> None:
    story = busy(Story().begin().probe()).map(0x9000, 256, phys=0x9000)
    trace = story.unmap(0x9000, 256).dma_read(0x9000, 64).trace()
    minimal = minimal_of(trace, "DMA002")
    small = small_trace(trace, minimal, checker_of(trace))
    noted = comments(trace, minimal, small)
    made, gone = (position for position, _ in minimal.target.evidence)
    assert noted[made] == ["mapped: proves DMA002"]
    assert noted[gone] == ["unmapped: proves DMA002"]
    assert noted[minimal.target.position][0].startswith("breaks DMA002: ")
    assert all(noted[position] for position in small.sliced.positions.tolist())


def test_findings_are_chosen_by_number_or_signature() -> None:
    results = check(wrong_direction())
    first = results.findings[0]
    assert choose(results, "1") == choose(results, first.signature) == first


@pytest.mark.parametrize("wanted", ["0", "9", "-1", "DMA004", ""])
def test_a_choice_of_no_finding_is_told_with_what_there_is(wanted: str) -> None:
    results = check(wrong_direction())
    with pytest.raises(UsageError, match="there are 1 DMA"):
        choose(results, wanted)


def test_a_clean_recording_has_nothing_to_minimise() -> None:
    with pytest.raises(UsageError, match="there is no finding to minimise"):
        choose(check(busy(Story().begin().probe().config_write(4, 6)).trace()), "1")


def test_a_loss_is_a_finding_like_others() -> None:
    trace = busy(busy(Story().begin().probe()).loss(5)).trace()
    assert kinds(trace, minimal_of(trace, "TRC001")) == [Kind.LOSS]


def test_what_is_wrong_with_the_file_shows_in_no_part_of_it() -> None:
    data = busy(Story().begin().probe()).to_bytes()
    trace = open_bytes(data + b"no block at all, but many bytes of text")
    with pytest.raises(UsageError, match="no part of it shows it"):
        minimal_of(trace, "TRC003")
