# SPDX-License-Identifier: Apache-2.0
"""Why an observed order cannot be: the fewest transactions that conflict.

What a trace shows (this before that) and what the ordering table asks for are handed to z3 as
assumptions; an unsatisfiable core of them that nothing can be left out of is the explanation. It
serves a message that passed another as well as longer chains, where no two messages conflict by
themselves (data, flag, read of the flag, answer).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final, TypeVar

import z3

from uvtrace.check.pcie.execution import Execution, Message
from uvtrace.check.pcie.ordering import LABELS, TABLE, Messages, Passing, Table, judge
from uvtrace.errors import UvtraceError

MOST_MESSAGES: Final = 64
"""More are not taken: pairs grow with the square."""

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Observed:
    """That one event came before another: ``data.issued``, ``flag.issued``.

    Attributes:
        before, after: ``name.issued`` or ``name.delivered`` of a message.
        why: what shows it, for the report.
    """

    before: str
    after: str
    why: str = "the trace"

    @property
    def messages(self) -> frozenset[str]:
        """The names of the messages it speaks of."""
        return frozenset({_message(self.before), _message(self.after)})

    def __str__(self) -> str:
        return f"{self.before} before {self.after} ({self.why})"


@dataclass(frozen=True)
class Required:
    """That ``later`` must not pass ``earlier``, by a clause of the table."""

    earlier: str
    later: str
    clause: str

    @property
    def messages(self) -> frozenset[str]:
        """The names of both messages."""
        return frozenset({self.earlier, self.later})

    def __str__(self) -> str:
        return f"{self.later} must not pass {self.earlier} ({self.clause})"


@dataclass(frozen=True)
class Explanation:
    """A conflict of which no part can be left out.

    Attributes:
        messages: the names of the messages in it, in the order they were given.
        observed: what was seen, in the order it was given.
        required: what the table asks for, of messages in that order.
    """

    messages: tuple[str, ...]
    observed: tuple[Observed, ...]
    required: tuple[Required, ...]


def explain(
    messages: Sequence[Message],
    observed: Sequence[Observed],
    *,
    pci_bridge: bool = False,
    table: Table = TABLE,
) -> Explanation:
    """The fewest messages, and of them the fewest facts, that cannot all be so.

    No message, fact or requirement can be left out of it. Of several such the one that needs
    the least of the given order is told, always the same.

    Args:
        messages: what was sent; ``after`` of each is taken as observed, too.
        observed: the order in which events came. A message that never arrived is described by
            what arrived before it.

    Raises:
        UvtraceError: there is no conflict, or there are more than MOST_MESSAGES messages.
        KeyError: an event of a message that is not among ``messages``.
    """
    if len(messages) > MOST_MESSAGES:
        raise UvtraceError(
            f"{len(messages)} messages are too many to explain",
            hint=f"take at most {MOST_MESSAGES} around the conflict",
        )
    time = Execution(messages, table=table).time
    causes = [Observed(e, f"{m.name}.issued", "its cause") for m in messages for e in m.after]
    parts: list[Observed | Required] = [*observed, *causes]
    parts += _requirements(messages, pci_bridge, table)
    core = _Core(messages, parts, time)
    kept = core.shrunk([message.name for message in messages])
    names = frozenset[str]().union(*(part.messages for part in kept))
    return Explanation(
        messages=tuple(m.name for m in messages if m.name in names),
        observed=tuple(part for part in kept if isinstance(part, Observed)),
        required=tuple(part for part in kept if isinstance(part, Required)),
    )


def orders(issued: Sequence[str], delivered: Sequence[str]) -> tuple[Observed, ...]:
    """What two lists of names say: the order of issue, and that of delivery.

    Every pair is stated, so that a conflict need not mention those in between.
    """
    return tuple(
        Observed(f"{first}.{end}", f"{second}.{end}")
        for end, names in (("issued", issued), ("delivered", delivered))
        for first, second in combinations(names, 2)
    )


def _message(event: str) -> str:
    return event.rpartition(".")[0]


def _requirements(
    messages: Sequence[Message], pci_bridge: bool, table: Table
) -> Iterable[Required]:
    for first, second in combinations(messages, 2):
        for earlier, later in ((first, second), (second, first)):
            if earlier.channel != later.channel:
                continue
            passing, label = judge(
                *(Messages(m.transaction, m.facts, m.sender, 0, m.tag) for m in (later, earlier)),
                pci_bridge=pci_bridge,
                table=table,
            )
            if passing == Passing.MUST_NOT:
                yield Required(earlier.name, later.name, LABELS[int(label)])


class _Core:
    """Parts of a conflict, each behind an assumption of its own."""

    def __init__(
        self,
        messages: Sequence[Message],
        parts: Sequence[Observed | Required],
        time: Mapping[str, Any],
    ) -> None:
        self._parts = list(parts)
        self._solver = z3.Solver()
        self._literals = [z3.Bool(f"part {i}") for i in range(len(parts))]
        for message in messages:
            self._solver.add(time[f"{message.name}.issued"] < time[f"{message.name}.delivered"])
        for literal, part in zip(self._literals, parts, strict=True):
            self._solver.add(z3.Implies(literal, _term(part, time)))

    def shrunk(self, names: Sequence[str]) -> list[Observed | Required]:
        """A conflict that no message and no part can be left out of, the earliest messages first.

        z3's own core depends on its version; this one does not.
        """

        def among(chosen: list[str]) -> list[int]:
            messages = frozenset(chosen)
            return [i for i, part in enumerate(self._parts) if part.messages <= messages]

        if not self._conflict(among(list(names))):
            raise UvtraceError("what was observed breaks no ordering rule")
        messages = _fewest(list(names), lambda chosen: self._conflict(among(chosen)))
        return [self._parts[i] for i in sorted(_fewest(among(messages), self._conflict))]

    def _conflict(self, chosen: list[int]) -> bool:
        """Whether the chosen parts cannot all hold."""
        answer = self._solver.check(*(self._literals[i] for i in chosen))
        if answer not in (z3.sat, z3.unsat):
            raise RuntimeError(f"z3 could not decide: {self._solver.reason_unknown()}")
        return bool(answer == z3.unsat)


def _fewest(items: list[_Item], conflict: Callable[[list[_Item]], bool]) -> list[_Item]:
    """A part of ``items``, which conflict, that conflicts and has no smaller part that does.

    The shortest beginning that conflicts (with what is kept already) must end with an item that
    is needed: keep it, and look at what stands before it.
    """
    kept: list[_Item] = []
    while not kept or not conflict(kept):
        low, high = 1, len(items)
        while low < high:
            middle = (low + high) // 2
            if conflict(kept + items[:middle]):
                high = middle
            else:
                low = middle + 1
        kept.append(items[low - 1])
        items = items[: low - 1]
    return kept


def _term(part: Observed | Required, time: Mapping[str, Any]) -> Any:
    if isinstance(part, Observed):
        return time[part.before] < time[part.after]
    return z3.Implies(
        time[f"{part.earlier}.issued"] < time[f"{part.later}.issued"],
        time[f"{part.earlier}.delivered"] < time[f"{part.later}.delivered"],
    )
