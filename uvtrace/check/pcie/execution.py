# SPDX-License-Identifier: Apache-2.0
"""Which executions a fabric may show, as z3 constraints on the times of issue and delivery.

A message is *issued* when its sender hands it to the fabric and *delivered* when it takes effect
at the other end. Every channel (one direction of one link, one traffic class) keeps the order
that a table asks for, and makes the progress that it asks for; everything else is free.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations
from typing import Any

import z3

from uvtrace.check.pcie.ordering import TABLE, Messages, Passing, Table, Transaction, judge

NEVER = "never"
"""As ``accepted_after``: the receiver never takes the message."""


@dataclass(frozen=True)
class Message:
    """A message of an execution.

    Attributes:
        name: what its events are called: ``name.issued`` and ``name.delivered``.
        channel: messages of one channel keep order with each other.
        transaction, facts, sender, tag: as in :class:`uvtrace.check.pcie.ordering.Messages`.
        after: events that come before it is issued; it is issued once they all have happened.
        accepted_after: the event from which on the receiver takes it; "" always, or NEVER.
    """

    name: str
    channel: str
    transaction: Transaction
    facts: int = 0
    sender: int = 1
    tag: int = 0
    after: tuple[str, ...] = ()
    accepted_after: str = ""


@dataclass(frozen=True)
class Outcome:
    """What is asked of an execution.

    Attributes:
        order: events that happen, each before the next.
        missing: events that never happen.
    """

    order: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def possible(
    messages: Sequence[Message],
    outcome: Outcome,
    *,
    pci_bridge: bool = False,
    table: Table = TABLE,
) -> bool:
    """Whether a fabric that obeys ``table`` can show ``outcome``.

    Raises:
        KeyError: an event is named that no message has.
        RuntimeError: z3 gave up.
    """
    execution = Execution(messages, pci_bridge=pci_bridge, table=table)
    solver = z3.Solver()
    solver.add(*execution.constraints(), *execution.shows(outcome))
    answer = solver.check()
    if answer not in (z3.sat, z3.unsat):
        raise RuntimeError(f"z3 could not decide: {solver.reason_unknown()}")
    return bool(answer == z3.sat)


class Execution:
    """The terms of an execution of some messages.

    Args:
        messages: those that may be sent.
        pci_bridge: the fabric is a bridge to conventional PCI.
        table: the ordering table that it obeys.
    """

    def __init__(
        self, messages: Sequence[Message], *, pci_bridge: bool = False, table: Table = TABLE
    ) -> None:
        self.messages = tuple(messages)
        self._pci_bridge = pci_bridge
        self._table = table
        events = [f"{m.name}.{end}" for m in messages for end in ("issued", "delivered")]
        self.time: Mapping[str, Any] = {event: z3.Int(f"t({event})") for event in events}
        self.happens: Mapping[str, Any] = {event: z3.Bool(event) for event in events}

    def before(self, first: str, second: str) -> Any:
        """That both events happen, in this order."""
        return z3.And(
            self.happens[first], self.happens[second], self.time[first] < self.time[second]
        )

    def shows(self, outcome: Outcome) -> list[Any]:
        """That the execution has this outcome."""
        order = outcome.order
        return [
            *(self.happens[event] for event in order),
            *(self.before(a, b) for a, b in pairwise(order)),
            *(z3.Not(self.happens[event]) for event in outcome.missing),
        ]

    def constraints(self) -> list[Any]:
        """What holds of every execution."""
        terms: list[Any] = [z3.Distinct(*self.time.values())]
        for message in self.messages:
            terms += self._issue(message) + self._delivery(message)
        for earlier, later in permutations(self.messages, 2):
            if earlier.channel == later.channel and self._passing(later, earlier) == 0:
                terms.append(self._in_order(earlier, later))
        return terms + [self._progress(message) for message in self.messages]

    def _passing(self, later: Message, earlier: Message) -> Passing:
        answer, _ = judge(
            *(Messages(m.transaction, m.facts, m.sender, 0, m.tag) for m in (later, earlier)),
            pci_bridge=self._pci_bridge,
            table=self._table,
        )
        return Passing(int(answer))

    def _issue(self, message: Message) -> list[Any]:
        issued = f"{message.name}.issued"
        causes = z3.And(True, *(self.happens[event] for event in message.after))
        return [
            self.happens[issued] == causes,
            *(
                z3.Implies(self.happens[issued], self.time[event] < self.time[issued])
                for event in message.after
            ),
        ]

    def _delivery(self, message: Message) -> list[Any]:
        issued, delivered = f"{message.name}.issued", f"{message.name}.delivered"
        terms = [z3.Implies(self.happens[delivered], self.before(issued, delivered))]
        if message.accepted_after == NEVER:
            terms.append(z3.Not(self.happens[delivered]))
        elif message.accepted_after:
            accepted = self.before(message.accepted_after, delivered)
            terms.append(z3.Implies(self.happens[delivered], accepted))
        return terms

    def _in_order(self, earlier: Message, later: Message) -> Any:
        """That ``later`` does not pass ``earlier`` if it was issued after it."""
        follows = self.before(f"{earlier.name}.issued", f"{later.name}.issued")
        arrives = self.happens[f"{later.name}.delivered"]
        kept = self.before(f"{earlier.name}.delivered", f"{later.name}.delivered")
        return z3.Implies(z3.And(follows, arrives), kept)

    def _progress(self, message: Message) -> Any:
        """That what was issued arrives, unless it is refused or stuck behind what may hold it."""
        issued, delivered = f"{message.name}.issued", f"{message.name}.delivered"
        excuses = [
            z3.And(
                self.before(f"{other.name}.issued", issued),
                z3.Not(self.happens[f"{other.name}.delivered"]),
            )
            for other in self.messages
            if other is not message
            and other.channel == message.channel
            and self._passing(message, other) != Passing.MUST
        ]
        if message.accepted_after == NEVER:
            excuses.append(z3.BoolVal(True))
        elif message.accepted_after:
            excuses.append(z3.Not(self.happens[message.accepted_after]))
        stuck = z3.And(self.happens[issued], z3.Not(self.happens[delivered]))
        return z3.Implies(stuck, z3.Or(False, *excuses))
