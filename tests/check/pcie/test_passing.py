# SPDX-License-Identifier: Apache-2.0
"""Messages that passed others are found, and only where the table forbids it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.check.pcie.bus_story import BusStory, Sent
from uvtrace.check.pcie.ordering import Fact, Messages, Passing, Transaction, judge
from uvtrace.check.pcie.passing import CAPACITY, PATIENCE_NS, EventPassings, passings
from uvtrace.trace.enums import Flag, Kind, Phase, Status

MS = 1_000_000


def test_an_interrupt_that_overtakes_data_breaks_ord005() -> None:
    bus = BusStory()
    data, interrupt = bus.sends("dma_write"), bus.sends("msi")
    at = bus.arrives(interrupt)
    bus.arrives(data)
    assert bus.broken() == [(at, "ORD005", "A2a", 0)]


def test_messages_in_the_order_of_their_issue_break_nothing() -> None:
    bus = BusStory()
    for sent in [bus.sends("dma_write"), bus.sends("msi"), bus.sends("dma_read")]:
        bus.arrives(sent)
    assert bus.broken() == []


def test_a_write_that_passes_a_write_breaks_ord001() -> None:
    bus = BusStory()
    first, second = bus.sends("mmio_write"), bus.sends("mmio_write")
    at = bus.arrives(second)
    bus.arrives(first)
    assert bus.broken() == [(at, "ORD001", "A2a", 0)]


def test_a_write_with_relaxed_ordering_may_pass() -> None:
    for fields in ({"flags": Flag.RELAXED}, {"attributes": 2}):
        bus = BusStory()
        first, second = bus.sends("dma_write"), bus.sends("dma_write", **fields)
        bus.arrives(second)
        bus.arrives(first)
        assert bus.broken() == []


def test_relaxed_ordering_on_the_message_that_is_passed_gives_no_leave() -> None:
    bus = BusStory()
    first, second = bus.sends("dma_write", flags=Flag.RELAXED), bus.sends("dma_write")
    at = bus.arrives(second)
    bus.arrives(first)
    assert bus.broken() == [(at, "ORD001", "A2a", 0)]


def test_relaxed_ordering_means_nothing_on_an_interrupt_message() -> None:
    bus = BusStory()
    data, interrupt = bus.sends("dma_write"), bus.sends("msix", flags=Flag.RELAXED)
    at = bus.arrives(interrupt)
    bus.arrives(data)
    assert bus.broken() == [(at, "ORD005", "A2a", 0)]


def test_id_ordering_gives_leave_to_pass_another_function_only() -> None:
    for function, broken in (("0000:00:03.1", 0), ("0000:00:03.0", 1)):
        bus = BusStory()
        first = bus.sends("dma_write", function="0000:00:03.0")
        second = bus.sends("dma_write", function=function, flags=Flag.ID_ORDERED)
        bus.arrives(second)
        bus.arrives(first)
        assert len(bus.broken()) == broken


def test_functions_of_one_device_keep_order_and_those_of_two_have_none() -> None:
    for function, broken in (("0000:00:03.1", 1), ("0000:00:04.0", 0)):
        bus = BusStory()
        first = bus.sends("dma_write")
        second = bus.sends("dma_write", function=function)
        bus.arrives(second)
        bus.arrives(first)
        assert len(bus.broken()) == broken


def test_traffic_classes_and_directions_have_no_order_with_each_other() -> None:
    bus = BusStory()
    first, other = bus.sends("dma_write"), bus.sends("dma_write", traffic_class=3)
    down = bus.sends("mmio_write")
    for sent in (down, other, first):
        bus.arrives(sent)
    assert bus.broken() == []


@pytest.mark.parametrize("kind", ["mmio_read", "config_read", "config_write", "pio_write"])
def test_a_request_that_passes_a_posted_write_breaks_ord002(kind: str) -> None:
    bus = BusStory()
    write, request = bus.sends("mmio_write"), bus.sends(kind)
    at = bus.arrives(request)
    bus.arrives(write)
    clause = "C2a" if kind.endswith("write") else "B2a"
    assert bus.broken() == [(at, "ORD002", clause, 0)]


def test_relaxed_ordering_does_not_let_a_read_pass_a_posted_write() -> None:
    bus = BusStory()
    write, read = bus.sends("dma_write"), bus.sends("dma_read", flags=Flag.RELAXED)
    at = bus.arrives(read)
    bus.arrives(write)
    assert bus.broken() == [(at, "ORD002", "B2a", 0)]


def test_an_answer_that_passes_the_devices_data_breaks_ord003() -> None:
    bus = BusStory()
    read = bus.sends("mmio_read")
    bus.arrives(read)
    bus.sends("dma_write")
    answer = bus.sends("mmio_read", answers=read)
    at = bus.arrives(answer)
    assert bus.broken() == [(at, "ORD003", "D2a", 2)]


@pytest.mark.parametrize("kind", ["config_write", "pio_write"])
def test_the_answer_to_an_io_or_config_write_may_pass_data(kind: str) -> None:
    bus = BusStory()
    request = bus.sends(kind)
    bus.arrives(request)
    data = bus.sends("dma_write")
    answer = bus.sends(kind, answers=request)
    bus.arrives(answer)
    bus.arrives(data)
    assert bus.broken() == []


def test_parts_of_one_answer_out_of_order_break_ord004() -> None:
    bus = BusStory()
    read = bus.sends("dma_read", address=0x1000, length=128)
    bus.arrives(read)
    first = bus.sends("dma_read", answers=read, address=0x1000, length=64)
    second = bus.sends("dma_read", answers=read, address=0x1040, length=64)
    at = bus.arrives(second)
    late = bus.arrives(first)
    assert bus.broken() == [(at, "ORD004", "D5b", 2)]
    assert bus.judged().overtaken_by[late] == at


def test_answers_to_different_reads_may_pass_each_other() -> None:
    bus = BusStory()
    reads = [bus.sends("dma_read"), bus.sends("dma_read")]
    answers = [bus.sends("dma_read", answers=read) for read in reads]
    for sent in (*reads, *reversed(answers)):
        bus.arrives(sent)
    assert bus.broken() == []


def test_answers_of_two_functions_with_one_tag_are_not_one_answer() -> None:
    bus = BusStory()
    mine = bus.sends("dma_read")
    theirs = Sent(Kind.DMA_READ, Phase.REQUEST, mine.tag, "0000:00:03.1", {})
    first = bus.sends("dma_read", answers=mine)
    second = bus.sends("dma_read", answers=theirs, function="0000:00:03.1")
    bus.arrives(second)
    bus.arrives(first)
    assert bus.broken() == []


def test_a_message_that_arrives_when_issued_passes_what_is_still_under_way() -> None:
    bus = BusStory()
    data = bus.sends("dma_write")
    at = bus.at_once("msix")
    bus.arrives(data)
    bus.at_once("msix")
    assert bus.broken() == [(at, "ORD005", "A2a", 0)]


def test_the_most_specific_rule_and_the_first_message_passed_are_told() -> None:
    bus = BusStory()
    interrupt, first = bus.sends("msi"), bus.sends("dma_write")
    bus.sends("dma_write")
    last = bus.sends("msi")
    at = bus.arrives(last)
    bus.arrives(interrupt)
    bus.arrives(first)
    assert bus.broken() == [(at, "ORD005", "A2a", 1)]
    assert bus.judged().passed_count[at] == 3


def test_what_a_reset_threw_away_is_passed_by_nothing() -> None:
    bus = BusStory()
    bus.sends("mmio_write")
    bus.is_reset()
    bus.arrives(bus.sends("mmio_write"))
    assert bus.broken() == []


def test_what_the_device_never_takes_is_passed_by_nothing() -> None:
    bus = BusStory()
    bus.is_dropped(bus.sends("mmio_write"))
    bus.arrives(bus.sends("mmio_write"))
    assert bus.broken() == []


def test_the_drivers_answer_after_a_timeout_is_no_message() -> None:
    bus = BusStory()
    bus.sends("dma_write")
    bus.story.record(Kind.MMIO_READ, phase=Phase.COMPLETION, status=Status.TIMEOUT, tag=99)
    bus.count += 1
    assert bus.broken() == []


def test_a_dma_write_that_uvbus_refused_has_arrived() -> None:
    bus = BusStory()
    first, second = bus.sends("dma_write"), bus.sends("dma_write")
    at = bus.arrives(second, status=Status.REFUSED)
    bus.arrives(first)
    assert bus.broken() == [(at, "ORD001", "A2a", 0)]


def test_after_a_loss_nothing_is_known_to_be_under_way() -> None:
    bus = BusStory()
    bus.sends("dma_write")
    state = bus.in_flight()
    bus.judged(state)
    state.forget()
    after = BusStory()
    after.at_once("msi")
    assert not after.judged(state).rule.any()
    assert len(state) == 0


def test_a_delivery_without_an_issue_is_counted_and_not_judged() -> None:
    bus = BusStory()
    seen = bus.sends("dma_write")
    bus.arrives(Sent(Kind.MSI, Phase.POSTED, 77, seen.function, {}))
    state = bus.in_flight()
    assert bus.judged(state).rule.tolist() == [0, -1]
    assert state.unmatched == 1


def test_more_messages_than_can_be_kept_are_forgotten_and_counted() -> None:
    bus = BusStory()
    for _ in range(3):
        bus.sends("dma_write")
    records = np.tile(bus.records[:1], CAPACITY + 5)
    records["tag"] = np.arange(1, len(records) + 1)
    state = bus.in_flight()
    passings(records, np.arange(len(records), dtype=np.int64), state)
    assert (state.forgotten, len(state)) == (5, CAPACITY)


# ------------------------------------------------------------------ held up (ORD007)


def _held(bus: BusStory) -> list[tuple[int, int, int]]:
    found = bus.judged()
    return [
        (int(i), int(found.held[i]), int(found.held_ns[i])) for i in np.where(found.held >= 0)[0]
    ]


def test_a_write_stuck_behind_a_read_breaks_ord007() -> None:
    bus = BusStory()
    read, write = bus.sends("mmio_read"), bus.sends("mmio_write")
    bus.waits(60 * MS)
    bus.at_once("dma_write")
    at = bus.arrives(read)
    bus.arrives(write)
    assert [found[:2] for found in _held(bus)] == [(at, 1)]
    assert _held(bus)[0][2] > 60 * MS


def test_an_answer_stuck_behind_a_read_breaks_ord007() -> None:
    bus = BusStory()
    asked = bus.sends("mmio_read")
    bus.arrives(asked)
    read = bus.sends("dma_read")
    bus.sends("mmio_read", answers=asked)
    bus.waits(60 * MS)
    bus.at_once("mmio_write")
    at = bus.arrives(read)
    assert [found[:2] for found in _held(bus)] == [(at, 3)]


def test_a_short_wait_is_no_deadlock() -> None:
    bus = BusStory()
    read, write = bus.sends("mmio_read"), bus.sends("mmio_write")
    bus.waits(PATIENCE_NS // 2)
    bus.at_once("dma_write")
    bus.arrives(read)
    bus.arrives(write)
    assert _held(bus) == []


def test_a_write_that_passes_the_read_is_not_held_by_it() -> None:
    bus = BusStory()
    read, write = bus.sends("mmio_read"), bus.sends("mmio_write")
    bus.waits(60 * MS)
    bus.at_once("dma_write")
    bus.arrives(write)
    bus.arrives(read)
    assert _held(bus) == []


def test_a_device_that_has_stopped_altogether_holds_up_nothing_in_particular() -> None:
    bus = BusStory()
    read, write = bus.sends("mmio_read"), bus.sends("mmio_write")
    bus.waits(60 * MS)
    bus.arrives(read)
    bus.arrives(write)
    assert _held(bus) == []


def test_a_write_that_waits_for_a_write_is_not_held_by_the_read() -> None:
    bus = BusStory()
    first, read = bus.sends("mmio_write"), bus.sends("mmio_read")
    second = bus.sends("mmio_write")
    bus.waits(60 * MS)
    bus.at_once("dma_write")
    for sent in (first, read, second):
        bus.arrives(sent)
    assert _held(bus) == []


def test_a_deadlock_is_told_at_the_end_of_the_trace() -> None:
    bus = BusStory()
    bus.sends("mmio_read")
    bus.sends("mmio_write")
    bus.waits(10 * MS)
    bus.at_once("dma_write")
    state = bus.in_flight()
    bus.judged(state)
    now = int(bus.records["time_ns"][-1])
    assert len(state.held_at(now)) == 0
    held = state.held_at(now + 60 * MS)
    assert held[:, :2].tolist() == [[1, 0]]
    assert len(state.held_at(now + 60 * MS)) == 0


# ------------------------------------------------------------------ against the obvious

_KINDS = ("dma_write", "msi", "dma_read", "mmio_write", "mmio_read", "config_write")
_STEP = st.tuples(
    st.integers(0, 9),
    st.sampled_from(_KINDS),
    st.booleans(),
    st.sampled_from((0, Flag.RELAXED, Flag.ID_ORDERED)),
    st.sampled_from(("0000:00:03.0", "0000:00:03.1", "0000:00:04.0")),
)


class _Random:
    """A bus on which things are sent and arrive as it happens."""

    def __init__(self, steps: list[tuple[int, str, bool, int, str]]) -> None:
        self.bus = BusStory(functions=["0000:00:03.0", "0000:00:03.1", "0000:00:04.0"])
        for name in self.bus.functions:
            self.bus.story.function(name)
        self.life: list[tuple[Sent, int, int]] = []
        under_way: list[int] = []
        for arrival, kind, answer, flags, function in steps:
            if under_way and arrival < 5:
                self._arrive(under_way.pop(arrival % len(under_way)))
                continue
            request = Sent(Kind.DMA_READ, Phase.REQUEST, arrival, function, {})
            if answer:
                sent = self.bus.sends(
                    "dma_read" if kind.startswith("dma") else "mmio_read",
                    answers=request,
                    function=function,
                    flags=flags,
                    address=0x1000 * len(self.life),
                )
            else:
                sent = self.bus.sends(kind, function=function, flags=flags)
            under_way.append(len(self.life))
            self.life.append((sent, self.bus.count - 1, 1 << 62))

    def _arrive(self, n: int) -> None:
        sent, issued, _ = self.life[n]
        self.life[n] = (sent, issued, self.bus.arrives(sent))

    def expected(self) -> list[tuple[int, int, int]]:
        """(delivery, messages passed, first of them by precedence), the obvious way."""
        found = []
        for sent, issued, delivered in self.life:
            victims = [
                (not (_is_interrupt(sent) and other.kind == Kind.DMA_WRITE), at)
                for other, at, arrived in self.life
                if at < issued and delivered < arrived and _forbidden(sent, other)
            ]
            if victims:
                found.append((delivered, len(victims), min(victims)[1]))
        return sorted(found)


def _is_interrupt(sent: Sent) -> bool:
    return sent.kind == Kind.MSI


def _forbidden(later: Sent, earlier: Sent) -> bool:
    same_device = later.function[:-2] == earlier.function[:-2]
    if not same_device or later.to_host != earlier.to_host:
        return False
    passing, _ = judge(_as_message(later), _as_message(earlier))
    return int(passing) == Passing.MUST_NOT


def _as_message(sent: Sent) -> Messages:
    answer = sent.phase == Phase.COMPLETION
    classes = {
        Kind.DMA_READ: Transaction.READ,
        Kind.MMIO_READ: Transaction.READ,
        Kind.CONFIG_WRITE: Transaction.WRITE,
    }
    flags = sent.fields["flags"]
    facts = 0
    if flags & Flag.RELAXED and sent.kind not in (Kind.MSI, Kind.CONFIG_WRITE):
        facts |= Fact.RELAXED
    if flags & Flag.ID_ORDERED and sent.kind != Kind.CONFIG_WRITE:
        facts |= Fact.ID_ORDERED
    function = int(sent.function.replace(":", "").replace(".", ""))
    return Messages(
        Transaction.COMPLETION if answer else classes.get(sent.kind, Transaction.POSTED),
        int(facts),
        function if sent.to_host else -1,
        function,
        sent.tag,
    )


@settings(max_examples=150, deadline=None)
@given(st.lists(_STEP, max_size=40), st.integers(1, 12))
def test_every_forbidden_passing_is_found_and_no_other_whatever_the_chunks(
    steps: list[tuple[int, str, bool, int, str]], chunk: int
) -> None:
    told = _Random(steps)
    found = told.bus.judged(chunk=chunk)
    rows = np.flatnonzero(found.rule)
    got = [(int(i), int(found.passed_count[i]), int(found.passed[i])) for i in rows]
    assert got == told.expected()


def test_a_tap_recording_shows_no_passing_and_keeps_no_state() -> None:
    bus = BusStory()
    bus.at_once("mmio_write")
    bus.story.mmio_read(0x8)
    bus.count += 1
    state = bus.in_flight()
    found = bus.judged(state)
    assert isinstance(found, EventPassings)
    assert not found.rule.any()
    assert len(state) == 0
