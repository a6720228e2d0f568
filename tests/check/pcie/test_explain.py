# SPDX-License-Identifier: Apache-2.0
"""A conflict is explained by the fewest transactions, always the same ones."""

from __future__ import annotations

import numpy as np
import pytest
import z3

from tests.check.pcie.bus_story import BusStory
from uvtrace.check.pcie.execution import Message
from uvtrace.check.pcie.explain import MOST_MESSAGES, Explanation, Observed, explain, orders
from uvtrace.check.pcie.messages import Events, events_of, links_of
from uvtrace.check.pcie.observed import explain_delivery
from uvtrace.check.pcie.ordering import Fact, Transaction
from uvtrace.errors import UvtraceError

_POSTED, _READ, _WRITE, _COMPLETION = Transaction


def _posted(*names: str) -> list[Message]:
    return [Message(name, "up", _POSTED) for name in names]


def test_two_writes_among_many_are_the_whole_conflict() -> None:
    names = [f"w{i}" for i in range(12)]
    swapped = [*names]
    swapped[3], swapped[9] = swapped[9], swapped[3]
    told = explain(_posted(*names), orders(names, swapped))
    assert len(told.messages) == 2
    assert len(told.observed) == 2
    assert len(told.required) == 1


def test_an_interrupt_before_its_data_is_told_with_the_clause() -> None:
    told = explain(_posted("data", "msi"), orders(["data", "msi"], ["msi", "data"]))
    assert told == Explanation(
        messages=("data", "msi"),
        observed=(
            Observed("data.issued", "msi.issued"),
            Observed("msi.delivered", "data.delivered"),
        ),
        required=told.required,
    )
    assert [str(part) for part in told.required] == ["msi must not pass data (A2a)"]


def _flush() -> tuple[list[Message], list[Observed]]:
    """A register is written, then read back; the answer comes before the write arrived."""
    messages = [
        Message("other", "down", _POSTED),
        Message("write", "down", _POSTED),
        Message("read", "down", _READ),
        Message("noise", "up", _READ),
        Message("answer", "up", _COMPLETION, tag=7, after=("read.delivered",)),
    ]
    observed = [
        Observed("other.issued", "write.issued", "program order"),
        Observed("write.issued", "read.issued", "program order"),
        Observed("noise.issued", "answer.issued"),
        Observed("answer.delivered", "write.delivered"),
        Observed("answer.delivered", "noise.delivered"),
    ]
    return messages, observed


def test_a_chain_is_told_whole_where_no_two_messages_conflict() -> None:
    told = explain(*_flush())
    assert told.messages == ("write", "read", "answer")
    assert [part.why for part in told.observed] == ["program order", "the trace", "its cause"]
    assert [str(part) for part in told.required] == ["read must not pass write (B2a)"]


def _is_conflict(messages: list[Message], told: Explanation) -> bool:
    """The same asked of z3 without any core."""
    time = {
        f"{m.name}.{end}": z3.Int(f"{m.name}.{end}")
        for m in messages
        for end in ("issued", "delivered")
    }
    solver = z3.Solver()
    for message in messages:
        solver.add(time[f"{message.name}.issued"] < time[f"{message.name}.delivered"])
    for fact in told.observed:
        solver.add(time[fact.before] < time[fact.after])
    for rule in told.required:
        solver.add(
            z3.Or(
                time[f"{rule.earlier}.issued"] > time[f"{rule.later}.issued"],
                time[f"{rule.earlier}.delivered"] < time[f"{rule.later}.delivered"],
            )
        )
    return bool(solver.check() == z3.unsat)


def test_nothing_can_be_left_out_of_an_explanation() -> None:
    messages, observed = _flush()
    told = explain(messages, observed)
    assert _is_conflict(messages, told)
    for fact in told.observed:
        rest = tuple(part for part in told.observed if part != fact)
        assert not _is_conflict(messages, Explanation(told.messages, rest, told.required))
    for rule in told.required:
        left = tuple(part for part in told.required if part != rule)
        assert not _is_conflict(messages, Explanation(told.messages, told.observed, left))


def test_the_same_conflict_is_always_told_in_the_same_way() -> None:
    names = [f"w{i}" for i in range(10)]
    told = [explain(_posted(*names), orders(names, names[::-1])) for _ in range(4)]
    assert len(set(told)) == 1
    assert told[0].messages == ("w0", "w1")


def test_an_order_with_leave_is_no_conflict() -> None:
    flag = Message("flag", "up", _POSTED, Fact.RELAXED)
    with pytest.raises(UvtraceError, match="breaks no ordering rule"):
        explain([*_posted("data"), flag], orders(["data", "flag"], ["flag", "data"]))


def test_more_messages_than_can_be_explained_are_refused() -> None:
    names = [str(i) for i in range(MOST_MESSAGES + 1)]
    with pytest.raises(UvtraceError, match="too many"):
        explain(_posted(*names), ())


def _events(bus: BusStory) -> Events:
    records = bus.records
    return events_of(records, np.arange(len(records), dtype=np.int64), links_of(bus.functions))


def test_a_delivery_of_a_trace_is_explained_by_the_records_concerned() -> None:
    bus = BusStory()
    for _ in range(3):
        bus.arrives(bus.sends("dma_write"))
    bus.sends("mmio_read")
    data, interrupt = bus.sends("dma_write"), bus.sends("msi")
    bus.sends("dma_write")
    at = bus.arrives(interrupt)
    bus.arrives(data)
    told = explain_delivery(_events(bus), at)
    assert told.messages == ("7", "8")
    assert [rule.clause for rule in told.required] == ["A2a"]


def test_a_message_that_passed_very_many_is_explained() -> None:
    bus = BusStory()
    for _ in range(2 * MOST_MESSAGES):
        bus.sends("dma_read")
    bus.sends("dma_write")
    at = bus.arrives(bus.sends("msi"))
    assert explain_delivery(_events(bus), at).messages == ("128", "129")


def test_a_message_that_never_arrived_is_explained_too() -> None:
    bus = BusStory()
    bus.sends("dma_write")
    interrupt = bus.sends("msi")
    at = bus.arrives(interrupt)
    assert explain_delivery(_events(bus), at).messages == ("0", "1")


def test_what_arrives_when_issued_is_explained_by_its_one_record() -> None:
    bus = BusStory()
    bus.sends("dma_write")
    at = bus.at_once("msi")
    assert explain_delivery(_events(bus), at).messages == ("0", str(at))


def test_what_a_reset_threw_away_explains_nothing() -> None:
    bus = BusStory()
    bus.sends("dma_write")
    bus.is_reset()
    at = bus.arrives(bus.sends("msi"))
    i = int(np.flatnonzero(_events(bus).position == at)[0])
    with pytest.raises(UvtraceError, match="breaks no ordering rule"):
        explain_delivery(_events(bus), i)


def test_a_delivery_without_its_issue_cannot_be_explained() -> None:
    bus = BusStory()
    bus.arrives(bus.sends("dma_write"))
    events = events_of(bus.records[1:], np.array([1]), links_of(bus.functions))
    with pytest.raises(UvtraceError, match=r"record 1: the issue .* is not known"):
        explain_delivery(events, 0)
