# SPDX-License-Identifier: Apache-2.0
"""Why an event breaks a rule: the fewest facts about it that leave no other verdict.

Each column that the rule looks at is a fact, with the value that it had. z3 is asked which of them
are needed: assumed together they contradict that the rule is kept, whatever the other columns are;
leave one out, and it could be kept. Facts of the event itself come from its own record, the others
from the records of the rule's roles: those that a needed fact comes from are the transactions that
conflict. Of several such sets one is told that does with as few other records as can be, always
the same. What breaks an obligation or an automaton is minimal by itself: what opened a duty or led
to a state, and what broke it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from uvtrace.check.columns import FAMILIES
from uvtrace.check.expression import Column, NumberColumn, Truth
from uvtrace.check.message import Values
from uvtrace.check.results import Fact
from uvtrace.check.rule import Rule
from uvtrace.check.solver import Solver

MOST_EXPLAINED: Final = 64
"""Findings of a check that are explained by facts: each takes z3 some milliseconds."""


@dataclass
class Facts:
    """Finds the facts of findings; ``parameters`` are values of parameters by name."""

    parameters: dict[str, int]
    left: int = MOST_EXPLAINED

    def of(self, rule: Rule, values: Values) -> tuple[Fact, ...]:
        """The facts by which an event breaks a rule; none where there were findings enough.

        Raises:
            EnvironmentLacksError: z3 is not installed.
        """
        if self.left == 0 or not isinstance(rule.violation, Truth):
            return ()
        self.left -= 1
        needed = needed_columns(rule.applies & rule.violation, values.value, self.parameters)
        return tuple(
            Fact(column.name, _shown(column, values), _seqs(column, rule, values))
            for column in needed
        )


def needed_columns(
    violation: Truth, value_of: Callable[[str], int], parameters: dict[str, int]
) -> tuple[Column, ...]:
    """The columns whose values alone make a term true; none of them can be left out.

    Args:
        violation: the term.
        value_of: a column's value, by its name.
        parameters: values of parameters by name; others have their defaults.

    Returns:
        In the order in which the term names them.

    Raises:
        EnvironmentLacksError: z3 is not installed.
        ValueError: the values do not make the term true.
    """
    core = _Core(violation, value_of, parameters)
    named = violation.columns()
    kept = list(named)
    if not core.suffice(kept):
        raise ValueError("the event does not break the rule")
    # First without what other records tell, then without what the event itself does.
    for column in sorted(named, key=_is_own):
        fewer = [each for each in kept if each is not column]
        if core.suffice(fewer):
            kept = fewer
    return tuple(kept)


class _Core:
    """A term that is claimed not to be certain, and each column's value behind an assumption."""

    def __init__(
        self, violation: Truth, value_of: Callable[[str], int], parameters: dict[str, int]
    ) -> None:
        translated = Solver(parameters)
        z3 = translated.z3
        claim = z3.Not(translated.truth(violation).certain)
        self._unsat = z3.unsat
        self._solver = z3.Solver()
        self._solver.add(claim, *translated.domain)
        self._literals: dict[str, Any] = {}
        for name, constant in translated.columns.items():
            self._literals[name] = z3.Bool(f"fact {name}")
            self._solver.add(z3.Implies(self._literals[name], constant == value_of(name)))

    def suffice(self, chosen: Iterable[Column]) -> bool:
        """Whether the values of these columns make the term true whatever the others are."""
        literals = [self._literals[column.name] for column in chosen]
        return bool(self._solver.check(*literals) == self._unsat)


def _is_own(column: Column) -> bool:
    return _family(column) == "record"


def _shown(column: Column, values: Values) -> str:
    value = values.shown(column)
    is_plain = isinstance(column, NumberColumn) and column.is_word and column.values is None
    return f"{value:#x}" if is_plain and isinstance(value, int) else f"{value}"


def _seqs(column: Column, rule: Rule, values: Values) -> tuple[tuple[str, int], ...]:
    """The roles, and their records' numbers, that tell a column: those of its family."""
    if _is_own(column):
        return ()
    family = _family(column)
    told = [
        (role, values.value(event.name))
        for role, event in rule.roles.items()
        if _family(event) == family
    ]
    return tuple((role, values.witness.seq(position)) for role, position in told if position >= 0)


_FAMILY_OF: Final = {column.name: name for name, own in FAMILIES.items() for column in own}


def _family(column: Column) -> str:
    return _FAMILY_OF[column.name]
