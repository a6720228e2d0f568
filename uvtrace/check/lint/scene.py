# SPDX-License-Identifier: Apache-2.0
"""Events as unknowns of a z3 problem, with what is true of any event whatever the rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np

from uvtrace.check.columns import record
from uvtrace.check.columns.record import VIEW_FIELDS
from uvtrace.check.expression import Column, EventColumn, Expression, Number, Truth, TruthColumn
from uvtrace.check.rule import END
from uvtrace.check.solver import NumberTerms, Solver, TruthTerms
from uvtrace.trace.enums import Kind
from uvtrace.trace.layout import kinds_of

STEP_NS: Final = 1_000_000
"""The time between two events of a scene, unless it says otherwise."""
PAYLOAD_MAX: Final = 64
_KINDS: Final = (END, *(kind for kind in Kind if kind not in (Kind.PAD, Kind.CONTINUATION)))
_OF_END: Final = frozenset({"kind", "function", "seq", "version", "position", "site", "time_ns"})
"""Record columns that are not 0 in the event behind the trace's last."""

Values = dict[str, int]
"""Column name to value, of one event."""


class Outcome(StrEnum):
    """What z3 said."""

    POSSIBLE = "possible"
    IMPOSSIBLE = "impossible"
    UNKNOWN = "unknown"
    """It ran out of time."""


@dataclass(frozen=True)
class Answer:
    """What z3 said, and where it is possible, the events that show it."""

    outcome: Outcome
    events: tuple[Values, ...] = ()


class Scene:
    """Some consecutive events of function 0, about which claims are made and then solved.

    Args:
        rows: how many events.
        first: the position of the first one in its trace.
        times_ns: their times; ``STEP_NS`` apart unless given.
        parameters: values of parameters by name; others have their defaults.
        with_end: whether they may be the event behind the trace's last one.
    """

    def __init__(
        self,
        rows: int = 1,
        *,
        first: int = 0,
        times_ns: tuple[int, ...] = (),
        parameters: Mapping[str, int] | None = None,
        with_end: bool = False,
    ) -> None:
        self.first = first
        self.times_ns = times_ns or tuple((row + 1) * STEP_NS for row in range(rows))
        self.parameters = dict(parameters or {})
        self.with_end = with_end
        self._solvers = [Solver(self.parameters, f"@{row}") for row in range(rows)]
        self._known: dict[str, Column] = {}
        self._claims: list[Any] = []

    @property
    def z3(self) -> Any:
        """The module."""
        return self._solvers[0].z3

    @property
    def columns(self) -> frozenset[Column]:
        """The columns that claims are about."""
        return frozenset(self._known.values())

    def truth(self, term: Truth, row: int = 0) -> TruthTerms:
        """A truth of an event as z3 terms."""
        self._note(term)
        return self._solvers[row].truth(term)

    def number(self, term: Number, row: int = 0) -> NumberTerms:
        """A number of an event as z3 terms."""
        self._note(term)
        return self._solvers[row].number(term)

    def claim(self, *claims: Any) -> None:
        """Require z3 Booleans to hold."""
        self._claims += claims

    def solve(self, timeout_ms: int) -> Answer:
        """Ask for events that meet every claim."""
        z3 = self.z3
        solver = z3.Solver()
        solver.set("timeout", timeout_ms)
        # Columns that the facts bring in have facts of their own.
        facts = [fact for row in range(len(self._solvers)) for fact in self._facts(row)]
        solver.add(*self._claims, *facts)
        result = solver.check()
        if result == z3.unsat:
            return Answer(Outcome.IMPOSSIBLE)
        if result != z3.sat:
            return Answer(Outcome.UNKNOWN)
        model = solver.model()
        return Answer(Outcome.POSSIBLE, tuple(self._values(model, one) for one in self._solvers))

    def _note(self, term: Expression) -> None:
        self._known.update((column.name, column) for column in term.columns())

    def _values(self, model: Any, solver: Solver) -> Values:
        values = {}
        for name, constant in solver.columns.items():
            value = model.eval(constant, model_completion=True)
            signed = np.dtype(self._known[name].dtype).kind == "i"
            values[name] = value.as_signed_long() if signed else value.as_long()
        return values

    # ------------------------------------------------------------------- facts

    def _facts(self, row: int) -> Iterator[Any]:
        solver = self._solvers[row]
        self.number(record.kind, row)
        if "site" in solver.columns:
            ip, caller = self.number(record.ip, row).value, self.number(record.caller, row).value
            yield solver.columns["site"] == self.z3.If(caller != 0, caller, ip)
        for name, constant in dict(solver.columns).items():
            column = self._known[name]
            yield self._in_range(column, constant)
            yield from self._of_record(column, constant, solver.columns["kind"])
            yield from self._pinned(column, constant, row)

    def _in_range(self, column: Column, constant: Any) -> Any:
        z3 = self.z3
        members = self._members(column)
        if members is not None:
            return z3.Or(*(constant == member for member in members))
        facts = np.iinfo(column.dtype)
        if facts.bits == constant.size():
            return z3.BoolVal(True)
        return z3.And(constant >= int(facts.min), constant <= int(facts.max))

    def _members(self, column: Column) -> tuple[int, ...] | None:
        if column is record.kind:
            return _KINDS if self.with_end else _KINDS[1:]
        return members_of(column)

    def _of_record(self, column: Column, constant: Any, kind: Any) -> Iterator[Any]:
        """A union's columns are 0 where the kind has no such member; the end's are all 0."""
        if column not in _RECORD:
            return
        z3 = self.z3
        kinds = kinds_with(column)
        if kinds is not None:
            yield z3.Or(constant == 0, *(kind == each for each in sorted(kinds)))
        elif column.name not in _OF_END:
            yield z3.Or(constant == 0, kind != END)

    def _pinned(self, column: Column, constant: Any, row: int) -> Iterator[Any]:
        position = self.first + row
        pins = {
            "function": 0,
            "seq": position,
            "position": position,
            "time_ns": self.times_ns[row],
        }
        if column.name in pins and column in _RECORD:
            yield constant == pins[column.name]
        elif isinstance(column, EventColumn):
            yield self.z3.And(constant >= -1, constant < position)
        elif column is record.payload_length:
            yield constant <= PAYLOAD_MAX


_RECORD: Final = frozenset(record.COLUMNS)


def kinds_with(column: Column) -> frozenset[int] | None:
    """The kinds whose records have a column of the union; None: it is none of the union."""
    views = [view for view, fields in VIEW_FIELDS.items() if column.name in fields]
    if not views or column not in _RECORD:
        return None
    return frozenset(kind for view in views for kind in kinds_of(view))


def members_of(column: Column) -> tuple[int, ...] | None:
    """The values that a column can have, where they can be counted off."""
    unknown = () if column.unknown is None else (column.unknown,)
    if isinstance(column, TruthColumn):
        return (0, 1, *unknown)
    if column.values is None:
        return None
    return tuple(dict.fromkeys((*(int(value) for value in column.values), *unknown)))


def default_of(column: Column) -> int:
    """A value that the column can have: unknown where it may be, else 0 or its first member."""
    if column.unknown is not None:
        return column.unknown
    if isinstance(column, EventColumn):
        return -1
    members = members_of(column)
    return 0 if members is None or 0 in members else members[0]
