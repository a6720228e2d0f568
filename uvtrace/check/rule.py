# SPDX-License-Identifier: Apache-2.0
"""A rule: one declaration, of which the check, the proof, the page and the report are made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from string import Formatter
from types import MappingProxyType

from uvtrace.check.automaton import Automaton
from uvtrace.check.baseline import Baseline
from uvtrace.check.columns import ALL, record
from uvtrace.check.contract import Contract
from uvtrace.check.expression import (
    TRUE,
    All,
    Column,
    Compare,
    Constant,
    EventColumn,
    Expression,
    Literal,
    Member,
    Number,
    Some,
    Truth,
)
from uvtrace.check.obligation import Obligation
from uvtrace.check.rules import Severity, Sight
from uvtrace.check.window import Window
from uvtrace.trace.enums import Kind

Violation = Truth | Obligation | Window | Automaton


@dataclass(frozen=True)
class Judged:
    """A variant of a rule that a contract makes.

    Attributes:
        name: of the automaton or engine that it is about.
        applies: the events that it judges.
        violation: what breaks it.
    """

    name: str
    applies: Truth
    violation: Automaton | Obligation


OfContract = Callable[[Contract, Baseline | None], Iterable[Judged]]
"""Makes variants of a rule, of a contract and of what accepted runs did."""

END = 0
"""``kind`` of the event that the engine puts behind the trace's last, one for each function."""
WORDS = frozenset(
    {
        *("access", "access_to", "call", "kind_name", "count", "measured", "first", "state"),
        *("step", "target", "stay_ns", "limit_ns", "total_length", "family"),
        *("first_address", "seq_before"),
        *("register_name", "damage", "loss_cause", "handler_name", "opened_at"),
    }
)
"""What a message may name besides columns; see :mod:`uvtrace.check.message`."""

WORD_COLUMNS = MappingProxyType({"register_name": "register", "seq_before": "missing_before"})
"""The derived column that a word is made from."""


@dataclass(frozen=True)
class Case:
    """One of several messages of a rule, and when it is the one."""

    when: Truth
    message: str


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule.

    Attributes:
        id: permanent, such as ``DMA007``.
        statement: what is wrong when it fires, in one phrase.
        source: the specification and section, or kernel file, that makes it a rule.
        example: a short story that breaks it.
        needs: what a capture must show for it to pass or fail.
        violation: true on an event that breaks it; or an obligation, a window, an automaton.
        applies: the events that it judges. Only the kinds that this names are looked at.
        message: one sentence; columns in braces, with format specifications as in str.format.
        cases: messages that go before ``message`` where their condition holds.
        role: what the event's site did, for the signature.
        roles: the evidence: what part the event named by a column plays.
        severity: of its findings.
        supersedes: rules that do not report an event that this one reports.
        whole_trace: it judges the trace, not a function.
        variant: tells declarations of one ID apart; they share a verdict only if all pass.
        of_contract: it is judged by variants that this makes of the device's contract; the rule
            itself is broken by nothing.
    """

    id: str
    statement: str
    source: str
    needs: frozenset[Sight]
    violation: Violation
    message: str
    example: str = ""
    applies: Truth = TRUE
    cases: tuple[Case, ...] = ()
    role: str = "access"
    roles: Mapping[str, EventColumn] = field(default_factory=lambda: MappingProxyType({}))
    severity: Severity = Severity.ERROR
    supersedes: frozenset[str] = frozenset()
    whole_trace: bool = False
    variant: str = ""
    of_contract: OfContract | None = None

    def __post_init__(self) -> None:
        for text in (self.message, *(case.message for case in self.cases)):
            for name in names_in(text):
                if name not in ALL and name not in WORDS:
                    raise TypeError(f"{self.id}: the message names {name!r}, which is no column")

    def terms(self) -> tuple[Expression, ...]:
        """Every term in it."""
        inner = self.violation
        terms = (inner,) if isinstance(inner, Truth) else inner.terms()
        return (self.applies, *terms, *(case.when for case in self.cases))

    def columns(self) -> tuple[Column, ...]:
        """The columns that judging and reporting it depends on."""
        return self._columns

    @cached_property
    def _columns(self) -> tuple[Column, ...]:
        used = [column for term in self.terms() for column in term.columns()]
        texts = (self.message, *(case.message for case in self.cases))
        names = [WORD_COLUMNS.get(name, name) for text in texts for name in names_in(text)]
        used += [ALL[name] for name in names if name in ALL]
        return tuple(dict.fromkeys([*used, *self.roles.values()]))

    def kinds(self) -> frozenset[int] | None:
        """The kinds of event that ``applies`` and ``violation`` look at; None: every kind."""
        return None if self.broken is None else kinds_of(self.broken)

    @cached_property
    def broken(self) -> Truth | None:
        """True on an event that breaks it; None where that takes more than one event.

        It is the same term whenever it is asked for, so that it need be compiled but once.
        """
        return self.applies & self.violation if isinstance(self.violation, Truth) else None


def rule(
    id: str,
    statement: str,
    *,
    violation: Violation,
    message: str,
    source: str,
    needs: Iterable[Sight] = (),
    example: str = "",
    applies: Truth = TRUE,
    cases: Iterable[Case] = (),
    role: str = "access",
    roles: Mapping[str, EventColumn] | None = None,
    severity: Severity = Severity.ERROR,
    supersedes: Iterable[str] = (),
    whole_trace: bool = False,
    variant: str = "",
    of_contract: OfContract | None = None,
) -> Rule:
    """Declare a rule; see :class:`Rule`.

    Raises:
        TypeError: the message names what is no column.
    """
    return Rule(
        id=id,
        statement=statement,
        source=source,
        needs=frozenset(needs),
        violation=violation,
        message=message,
        example=example,
        applies=applies,
        cases=tuple(cases),
        role=role,
        roles=MappingProxyType(dict(roles or {})),
        severity=severity,
        supersedes=frozenset(supersedes),
        whole_trace=whole_trace,
        variant=variant,
        of_contract=of_contract,
    )


def names_in(message: str) -> tuple[str, ...]:
    """The names in braces of a message."""
    return tuple(name for _, name, _, _ in Formatter().parse(message) if name)


@lru_cache(1 << 12)
def kinds_of(term: Truth) -> frozenset[int] | None:
    """The kinds of event that can make a term other than false; None: any."""
    if isinstance(term, Constant):
        return None if term.value else frozenset()
    if isinstance(term, Member) and term.of is record.kind:
        return frozenset(term.values)
    if isinstance(term, Compare) and term.op == "==" and term.left is record.kind:
        return frozenset({term.right.value}) if isinstance(term.right, Literal) else None
    if isinstance(term, All):
        return _intersection(kinds_of(part) for part in term.parts)
    if isinstance(term, Some):
        found = [kinds_of(part) for part in term.parts]
        known = [kinds for kinds in found if kinds is not None]
        return frozenset().union(*known) if len(known) == len(found) else None
    return None


def _intersection(sets: Iterable[frozenset[int] | None]) -> frozenset[int] | None:
    result: frozenset[int] | None = None
    for kinds in sets:
        if kinds is not None:
            result = kinds if result is None else result & kinds
    return result


__all__ = ["END", "Case", "Kind", "Number", "Rule", "Violation", "kinds_of", "names_in", "rule"]
