# SPDX-License-Identifier: Apache-2.0
"""Litmus tests of PCI Express ordering: small programs, and what may come of them.

Each is written from the specification's reasons (producers and consumers, flushing reads,
deadlocks, leave given by RO and IDO), not from its table: the expected answer is stated by hand.
:func:`failures` asks z3 whether a fabric that obeys the table shows the outcome, and compares.
``up`` is the way from the device to the host, ``down`` the way back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from uvtrace.check.pcie.execution import NEVER, Message, Outcome, possible
from uvtrace.check.pcie.ordering import TABLE, Fact, Table, Transaction

_POSTED, _READ, _WRITE, _COMPLETION = Transaction
_RO, _IDO = Fact.RELAXED, Fact.ID_ORDERED


@dataclass(frozen=True)
class Litmus:
    """A program, an outcome, and whether the specification's prose lets it be seen.

    Attributes:
        name: the program, and what is asked of it.
        messages: what is sent.
        outcome: what is asked.
        possible: whether it may be seen.
        pci_bridge: the fabric is a bridge to conventional PCI.
    """

    name: str
    messages: tuple[Message, ...]
    outcome: Outcome
    possible: bool
    pci_bridge: bool = False

    def agrees(self, table: Table = TABLE) -> bool:
        """Whether a fabric that obeys ``table`` behaves as the prose says."""
        seen = possible(self.messages, self.outcome, pci_bridge=self.pci_bridge, table=table)
        return seen == self.possible

    @property
    def pairs(self) -> frozenset[tuple[Transaction, Transaction]]:
        """The cells of a table that have a say in it: (later, earlier) classes."""
        return frozenset(
            (later.transaction, earlier.transaction)
            for later in self.messages
            for earlier in self.messages
            if later is not earlier and later.channel == earlier.channel
        )


def failures(table: Table = TABLE) -> tuple[str, ...]:
    """The names of the litmus tests that disagree with a table."""
    return tuple(litmus.name for litmus in all_litmus() if not litmus.agrees(table))


def all_litmus() -> tuple[Litmus, ...]:
    """Every litmus test."""
    return (
        *_flag_in_memory(),
        *_flag_in_device(),
        *_flushing_read(),
        *_configuration_behind_data(),
        *_pieces_of_a_read(),
        *_independent(),
        *_leave_is_no_duty(),
        *_deadlocks(),
        *_bridge(),
    )


def _then(first: Message, second: Message) -> tuple[Message, Message]:
    """``second`` is issued after ``first``."""
    return first, replace(second, after=(*second.after, f"{first.name}.issued"))


def _overtakes(first: Message, second: Message) -> Outcome:
    return Outcome(order=(f"{second.name}.delivered", f"{first.name}.delivered"))


def _attributes(subject: str, ro: bool) -> Iterator[tuple[str, int, int, bool]]:
    """What is said of the later message, its facts, its sender, and whether that gives it leave.

    ``ro``: whether RO is its sender's leave to pass (reads have none).
    """
    yield f"{subject} as usual", 0, 1, False
    yield f"{subject} with RO", _RO, 1, ro
    yield f"{subject} with IDO, of the same sender", _IDO, 1, False
    yield f"{subject} with IDO, of another sender", _IDO, 2, True
    yield f"{subject} of another sender without IDO", 0, 2, False


def _flag_in_memory() -> Iterator[Litmus]:
    """The device writes data, then a flag or an interrupt; who sees it sees the data."""
    data = Message("data", "up", _POSTED)
    for text, facts, sender, leave in _attributes("flag", ro=True):
        flag = Message("flag", "up", _POSTED, facts, sender)
        yield Litmus(
            f"data and flag in memory, {text}: flag seen before data",
            _then(data, flag),
            _overtakes(data, flag),
            leave,
        )
    relaxed = replace(data, facts=_RO | _IDO, sender=2)
    interrupt = Message("interrupt", "up", _POSTED)
    for name, written in (("data", data), ("relaxed data of another function", relaxed)):
        yield Litmus(
            f"interrupt message behind {name}: handler runs before the data arrived",
            _then(written, interrupt),
            _overtakes(written, interrupt),
            False,
        )


def _flag_in_device() -> Iterator[Litmus]:
    """Data goes to one place, the flag is read at the place they come from."""
    for way, back, who in (("up", "down", "device"), ("down", "up", "host")):
        data = Message("data", way, _POSTED)
        read = Message("read", back, _READ)
        for text, facts, sender, leave in _attributes("answer", ro=True):
            answer = Message(
                *("answer", way, _COMPLETION, facts, sender, 7), ("read.delivered", "data.issued")
            )
            yield Litmus(
                f"flag read at the {who} that posted the data, {text}: flag seen before data",
                (data, read, answer),
                _overtakes(data, answer),
                leave,
            )
    data = Message("data", "up", _POSTED)
    done = Message("done", "up", _COMPLETION, Fact.WRITE_COMPLETION, tag=7)
    yield Litmus(
        "answer to an I/O write issued behind data: it tells of none, and may come first",
        _then(data, done),
        _overtakes(data, done),
        True,
    )


def _flushing_read() -> Iterator[Litmus]:
    """A read that has come back has pushed what was posted before it, at both ends."""
    write = Message("write", "down", _POSTED)
    for text, facts, sender, leave in _attributes("read", ro=False):
        read = Message("read", "down", _READ, facts, sender)
        answer = Message("answer", "up", _COMPLETION, 0, 3, 7, ("read.delivered",))
        yield Litmus(
            f"posted write, then {text}: answered before the write arrived",
            (*_then(write, read), answer),
            Outcome(order=("answer.delivered", "write.delivered")),
            leave,
        )
    read = Message("read", "down", _READ)
    status = Message("status", "up", _POSTED, 0, 3, 0, ("write.delivered",))
    answer = Message("answer", "up", _COMPLETION, 0, 3, 7, ("read.delivered", "status.issued"))
    yield Litmus(
        "write stops the device, which posts its last status, then a read: read back too early",
        (*_then(write, read), status, answer),
        Outcome(order=("answer.delivered", "status.delivered")),
        False,
    )


def _configuration_behind_data() -> Iterator[Litmus]:
    """A change made by a non-posted write is seen only after what was posted before it."""
    data = Message("data", "down", _POSTED)
    for text, facts, sender, leave in _attributes("non-posted write", ro=True):
        change = Message("change", "down", _WRITE, facts, sender)
        yield Litmus(
            f"posted data, then {text}: change seen before data",
            _then(data, change),
            _overtakes(data, change),
            leave,
        )


def _pieces_of_a_read() -> Iterator[Litmus]:
    """The data of one read come in order; those of two reads need not."""
    first = Message("first", "down", _COMPLETION, tag=7)
    for text, facts, sender in (("as usual", 0, 1), ("with RO and IDO", _RO | _IDO, 2)):
        second = Message("second", "down", _COMPLETION, facts, sender, 7)
        yield Litmus(
            f"two completions of one read, the second {text}: second part comes first",
            _then(first, second),
            _overtakes(first, second),
            False,
        )
    yield from _free("completions of different reads", first, replace(first, name="second", tag=8))


def _free(text: str, first: Message, second: Message) -> Iterator[Litmus]:
    """Two messages that may pass each other and need not."""
    yield Litmus(f"{text}: in another order", _then(first, second), _overtakes(first, second), True)
    yield _waits(text, first, second, True)


def _waits(
    text: str, first: Message, second: Message, possible: bool, pci_bridge: bool = False
) -> Litmus:
    """The first is never taken; can the second be stuck behind it?"""
    refused = replace(first, accepted_after=NEVER)
    stuck = Outcome(missing=(f"{second.name}.delivered",))
    return Litmus(
        f"{text}: stuck behind it", _then(refused, second), stuck, possible, pci_bridge=pci_bridge
    )


_NAMES: Final = {
    _POSTED: "posted write",
    _READ: "read",
    _WRITE: "non-posted write",
    _COMPLETION: "completion",
}


def _independent() -> Iterator[Litmus]:
    """Non-posted requests have no order with each other, nor anything with an answer ahead."""
    requests = (_READ, _WRITE)
    unordered = [(later, earlier) for later in requests for earlier in requests]
    unordered += [(later, _COMPLETION) for later in (_POSTED, *requests)]
    for later, earlier in unordered:
        first = Message("first", "up", earlier, tag=7)
        second = Message("second", "up", later, tag=8)
        yield from _free(f"{_NAMES[later]} behind {_NAMES[earlier]}", first, second)


def _leave_is_no_duty() -> Iterator[Litmus]:
    """Who may pass by RO or IDO may also wait; who must not pass has to."""
    ahead = Message("ahead", "up", _POSTED)
    for later in Transaction:
        for text, facts, sender, _ in _attributes(_NAMES[later], ro=later != _READ):
            behind = Message("behind", "up", later, facts, sender)
            yield _waits(f"{text}, behind a posted write", ahead, behind, True)
    done = Message("done", "up", _COMPLETION, Fact.WRITE_COMPLETION, tag=7)
    yield _waits("answer to an I/O write, behind a posted write", ahead, done, True)
    first = Message("first", "down", _COMPLETION, tag=7)
    yield _waits("completions of one read", first, replace(first, name="second"), True)


def _deadlocks() -> Iterator[Litmus]:
    """Requests that wait for an answer hold up neither posted writes nor answers."""
    for held in (_READ, _WRITE):
        for freeing in (_POSTED, _COMPLETION):
            request = Message("request", "up", held, accepted_after="freeing.delivered")
            behind = Message("freeing", "up", freeing, tag=7)
            yield Litmus(
                f"{_NAMES[held]} taken only when the {_NAMES[freeing]} behind it has come: stuck",
                _then(request, behind),
                Outcome(missing=("freeing.delivered",)),
                False,
            )
            yield Litmus(
                f"{_NAMES[freeing]} behind {_NAMES[held]}: comes first",
                _then(request, behind),
                _overtakes(request, behind),
                True,
            )
        yield _crossing(held)


def _crossing(kind: Transaction) -> Litmus:
    """Both ends send requests, and take the other's second only when their first is answered."""

    def side(me: str, other: str, way: str) -> tuple[Message, ...]:
        first = Message(f"{me}1", way, kind)
        second = replace(
            first, name=f"{me}2", after=(f"{me}1.issued",), accepted_after=f"{me}answer.delivered"
        )
        causes = (f"{other}1.delivered", f"{me}2.issued")
        return first, second, Message(f"{me}answer", way, _COMPLETION, tag=1, after=causes)

    return Litmus(
        f"two ends with room for one {_NAMES[kind]} each, answering one another: neither answered",
        (*side("a", "b", "up"), *side("b", "a", "down")),
        Outcome(missing=("aanswer.delivered", "banswer.delivered")),
        False,
    )


def _bridge() -> Iterator[Litmus]:
    """Inside a bridge to conventional PCI posted writes pass answers, elsewhere they may wait."""
    answer = Message("answer", "down", _COMPLETION, tag=7, accepted_after="write.delivered")
    write = Message("write", "down", _POSTED)
    for is_bridge, place in ((True, "a bridge to conventional PCI"), (False, "PCI Express")):
        yield Litmus(
            f"answer taken only when the posted write behind it has come, in {place}: stuck",
            _then(answer, write),
            Outcome(missing=("write.delivered",)),
            not is_bridge,
            pci_bridge=is_bridge,
        )
        yield Litmus(
            f"posted write behind an answer, in {place}: comes first",
            _then(answer, write),
            _overtakes(answer, write),
            True,
            pci_bridge=is_bridge,
        )
