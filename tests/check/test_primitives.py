# SPDX-License-Identifier: Apache-2.0
"""Obligations and windows: what one event cannot show, whatever the size of a chunk."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.story import Story
from uvtrace.check import engine
from uvtrace.check.columns import record
from uvtrace.check.engine import check
from uvtrace.check.expression import Parameter
from uvtrace.check.obligation import AtEnd, Obligation
from uvtrace.check.results import Finding, Results, Verdict
from uvtrace.check.rule import Rule, Violation, rule
from uvtrace.check.rules import Sight
from uvtrace.check.terms import is_unbound
from uvtrace.check.window import Measure, Window
from uvtrace.trace.enums import Kind

READ = record.kind == Kind.MMIO_READ
WRITE = record.kind == Kind.MMIO_WRITE
US = 1_000


def made(violation: Violation, message: str = "broken") -> Rule:
    return rule(
        "X001", "a test", violation=violation, message=message, source="here", needs={Sight.MMIO}
    )


def answered(at_end: AtEnd = AtEnd.UNKNOWN, deadline_us: int | None = None) -> Rule:
    """A write to a register must be followed by a read of it before the driver is unbound."""
    deadline = None if deadline_us is None else Parameter("X001.wait", deadline_us * US, "the wait")
    duty = Obligation(
        opened_by=WRITE,
        discharged_by=READ,
        key=(record.offset,),
        broken_by=is_unbound,
        deadline_ns=deadline,
        at_end=at_end,
    )
    return made(duty, "{count} x write of {offset:#x}")


def outcome(story: Story, one: Rule) -> tuple[Verdict, list[Finding]]:
    results = check(story.trace(), rules=[one])
    return results.verdicts[0].verdict, list(results.findings)


def test_a_discharged_obligation_passes() -> None:
    story = Story().mmio_write(8).mmio_write(16).mmio_read(16).mmio_read(8).unbound()
    assert outcome(story, answered()) == (Verdict.PASS, [])


def test_what_another_key_discharges_is_broken_by_the_end_of_the_epoch() -> None:
    story = Story().mmio_write(8).mmio_read(16).unbound()
    verdict, findings = outcome(story, answered())
    assert verdict is Verdict.FAIL
    assert [(f.seq, f.message) for f in findings] == [(2, "1 x write of 0x8")]
    assert [(e.seq, e.role) for e in findings[0].evidence] == [(0, "access")]


def test_what_one_event_breaks_and_one_site_opened_is_one_finding() -> None:
    story = Story().mmio_write(8).mmio_write(16).mmio_write(24, site="other").unbound()
    messages = sorted(finding.message for finding in outcome(story, answered())[1])
    assert messages == ["1 x write of 0x18", "2 x write of 0x8"]


def test_a_deadline_breaks_an_obligation_even_if_it_is_discharged_later() -> None:
    late = Story().mmio_write(8).wait(20 * US).mmio_read(8)
    timely = Story().mmio_write(8).wait(5 * US).mmio_read(8)
    assert outcome(late, answered(deadline_us=10))[0] is Verdict.FAIL
    assert outcome(timely, answered(deadline_us=10))[0] is Verdict.PASS


@pytest.mark.parametrize(
    ("at_end", "verdict"),
    [
        (AtEnd.UNKNOWN, Verdict.UNKNOWN),
        (AtEnd.BROKEN, Verdict.FAIL),
        (AtEnd.KEPT, Verdict.VACUOUS),
    ],
)
def test_what_is_open_at_the_end_is_what_the_rule_says(at_end: AtEnd, verdict: Verdict) -> None:
    assert outcome(Story().mmio_write(8), answered(at_end))[0] is verdict


def test_loss_forgets_what_is_open_and_is_no_finding() -> None:
    story = Story().mmio_write(8).loss(3).unbound()
    assert outcome(story, answered()) == (Verdict.UNKNOWN, [])


def test_functions_have_obligations_of_their_own() -> None:
    story = Story().mmio_write(8).function("0000:00:04.0").mmio_read(8).unbound()
    assert check(story.trace(), rules=[answered(AtEnd.BROKEN)]).findings[0].seq == 0


def polled(limit: int, span_us: int = 0) -> Rule:
    """One register is not read more than ``limit`` times, with no write between."""
    window = Window(
        counts=READ,
        key=(record.offset,),
        limit=Parameter("X001.limit", limit, "the limit"),
        span_ns=span_us * US,
        reset_by=WRITE,
    )
    return made(window, "{measured} reads of {offset:#x} since {first}")


def reads(story: Story, count: int, offset: int = 8) -> Story:
    for _ in range(count):
        story.mmio_read(offset)
    return story


def test_a_window_is_broken_once_by_the_event_that_exceeds_its_limit() -> None:
    verdict, findings = outcome(reads(Story(), 10), polled(4))
    assert verdict is Verdict.FAIL
    assert [(f.seq, f.message) for f in findings] == [(4, "5 reads of 0x8 since #0")]
    assert outcome(reads(Story(), 4), polled(4))[0] is Verdict.PASS


def test_a_reset_starts_a_window_over() -> None:
    story = reads(reads(Story(), 3).mmio_write(0), 3)
    assert outcome(story, polled(4))[0] is Verdict.PASS


def test_keys_are_counted_apart() -> None:
    assert outcome(reads(reads(Story(), 3, 8), 3, 16), polled(4))[0] is Verdict.PASS


def test_a_span_starts_a_window_over() -> None:
    story = reads(reads(Story(), 3).wait(100 * US), 3)
    assert outcome(story, polled(4, span_us=50))[0] is Verdict.PASS
    assert outcome(story, polled(4, span_us=500))[0] is Verdict.FAIL


def test_growth_is_a_least_value_that_rises_span_after_span() -> None:
    window = Window(
        counts=READ,
        measure=Measure.GROWTH,
        of=record.value,
        span_ns=10 * US,
        limit=Parameter("X001.rises", 3, "the rises"),
    )
    rising, level = Story(), Story()
    for step in range(60):
        rising.mmio_read(8, value=step)
        level.mmio_read(8, value=step % 10)
    assert outcome(rising, made(window, "{measured} rises"))[0] is Verdict.FAIL
    assert outcome(level, made(window, "{measured} rises"))[0] is Verdict.PASS


def comparable(results: Results) -> object:
    return results.verdicts, results.findings


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(("mmio_read", "mmio_write", "loss", "unbound", "wait")),
            st.sampled_from((8, 16)),
        ),
        max_size=30,
    ),
    st.integers(1, 9),
)
def test_the_size_of_a_chunk_never_changes_a_result(
    events: list[tuple[str, int]], size: int
) -> None:
    story = Story()
    for name, number in events:
        if name in ("mmio_read", "mmio_write"):
            getattr(story, name)(number)
        elif name == "wait":
            story.wait(number * US)
        else:
            getattr(story, name)()
    rules = [
        rule(**{**vars(one), "id": f"X00{number}"})
        for number, one in enumerate((answered(), answered(AtEnd.BROKEN, 12), polled(2, 20)))
    ]
    trace = story.trace()
    whole = comparable(check(trace, rules=rules))
    before = engine.CHUNK
    try:
        engine.CHUNK = size
        assert comparable(check(trace, rules=rules)) == whole
    finally:
        engine.CHUNK = before
