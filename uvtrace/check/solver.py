# SPDX-License-Identifier: Apache-2.0
"""Terms as z3: the same rule that is checked is the one that is proven about.

Every number is a bit vector of 64 bits, unsigned where the term is a word, else signed: exactly
what :mod:`uvtrace.check.program` computes. What may be unknown is a pair of terms, certain and
possible, as there. z3 is imported only here, and only when a term is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from uvtrace.check.expression import (
    All,
    Bits,
    Choose,
    Column,
    Compare,
    Compute,
    Constant,
    Expression,
    Known,
    Literal,
    Member,
    Not,
    Number,
    NumberColumn,
    Parameter,
    Some,
    Truth,
    TruthColumn,
)
from uvtrace.errors import EnvironmentLacksError

_BITS = 64


class TruthTerms(NamedTuple):
    """A truth as two z3 Booleans: certainly true, possibly true."""

    certain: Any
    possible: Any


class NumberTerms(NamedTuple):
    """A number as a z3 bit vector of 64 bits, and a Boolean: it is known."""

    value: Any
    known: Any


def load_z3() -> Any:
    """The module, imported when it is needed.

    Raises:
        EnvironmentLacksError: z3 is not installed.
    """
    try:
        import z3
    except ImportError as error:
        raise EnvironmentLacksError("z3 is not installed", hint="pip install z3-solver") from error
    return z3


class Solver:
    """Translates terms; the same column is the same z3 constant, named after it.

    Attributes:
        z3: the module.
        domain: what is true of the columns used so far: the range of their dtypes, the members
            of their enumerations. To be asserted beside the terms.

    Args:
        parameters: values of parameters; a parameter that is not named has its default.
        suffix: appended to the constants' names, to tell several events apart.

    Raises:
        EnvironmentLacksError: z3 is not installed.
    """

    def __init__(self, parameters: Mapping[str, int] | None = None, suffix: str = "") -> None:
        self.z3 = load_z3()
        self.domain: list[Any] = []
        self._parameters = dict(parameters or {})
        self._suffix = suffix
        self._columns: dict[str, Any] = {}

    @property
    def columns(self) -> Mapping[str, Any]:
        """Column name to its z3 constant: a bit vector of 64 bits, of truths 0, 1 or -1."""
        return self._columns

    def truth(self, term: Truth) -> TruthTerms:
        """A truth as z3 terms."""
        z3 = self.z3
        match term:
            case Constant():
                value = z3.BoolVal(term.value)
                return TruthTerms(value, value)
            case TruthColumn():
                constant = self._column(term)
                return TruthTerms(constant == 1, constant != 0)
            case Not():
                inner = self.truth(term.of)
                return TruthTerms(z3.Not(inner.possible), z3.Not(inner.certain))
            case All() | Some():
                join = z3.And if isinstance(term, All) else z3.Or
                parts = [self.truth(part) for part in term.parts]
                certain = join(*(part.certain for part in parts))
                return TruthTerms(certain, join(*(part.possible for part in parts)))
            case Compare():
                return self._compare(term)
            case Member():
                value, known = self.number(term.of)
                held = z3.Or(*(value == self._constant(each) for each in sorted(term.values)))
                return self._decided(held, known)
            case Known():
                return self._known(term)
        raise TypeError(f"{term!r} is no truth")

    def number(self, term: Number) -> NumberTerms:
        """A number as z3 terms."""
        z3, always = self.z3, self.z3.BoolVal(True)
        match term:
            case Literal():
                return NumberTerms(self._constant(term.value), always)
            case Parameter():
                value = self._parameters.get(term.name, term.default)
                return NumberTerms(self._constant(value), always)
            case NumberColumn():
                constant = self._column(term)
                if term.unknown is None:
                    return NumberTerms(constant, always)
                return NumberTerms(constant, constant != self._constant(term.unknown))
            case Compute():
                left, right = self.number(term.left), self.number(term.right)
                value = self._computed(term, left.value, right.value)
                return NumberTerms(value, z3.And(left.known, right.known))
            case Bits():
                value, known = self.number(term.of)
                taken = z3.LShR(value, self._constant(term.low)) & self._constant(term.mask)
                return NumberTerms(taken, known)
            case Choose():
                condition = self.truth(term.condition)
                yes, no = self.number(term.yes), self.number(term.no)
                decided = condition.certain == condition.possible
                known = z3.If(condition.certain, yes.known, no.known)
                value = z3.If(condition.certain, yes.value, no.value)
                return NumberTerms(value, z3.And(decided, known))
        raise TypeError(f"{term!r} is no number")

    def _known(self, term: Known) -> TruthTerms:
        if isinstance(term.of, Truth):
            inner = self.truth(term.of)
            known = inner.certain == inner.possible
        else:
            known = self.number(term.of).known
        return TruthTerms(known, known)

    def _compare(self, term: Compare) -> TruthTerms:
        z3 = self.z3
        left, right = self.number(term.left), self.number(term.right)
        word = term.left.is_word or term.right.is_word
        one, two = left.value, right.value
        held = {
            "==": lambda: one == two,
            "!=": lambda: one != two,
            "<": lambda: z3.ULT(one, two) if word else one < two,
            "<=": lambda: z3.ULE(one, two) if word else one <= two,
            ">": lambda: z3.UGT(one, two) if word else one > two,
            ">=": lambda: z3.UGE(one, two) if word else one >= two,
        }[term.op]()
        return self._decided(held, z3.And(left.known, right.known))

    def _computed(self, term: Compute, left: Any, right: Any) -> Any:
        z3, word, zero = self.z3, term.is_word, self._constant(0)
        match term.op:
            case "+":
                return left + right
            case "-":
                return left - right
            case "*":
                return left * right
            case "&":
                return left & right
            case "|":
                return left | right
            case "^":
                return left ^ right
            case "<<":
                return left << right
            case ">>":
                return z3.LShR(left, right) if word else left >> right
            case "//":
                quotient = z3.UDiv(left, right) if word else self._floored(left, right)
                return z3.If(right == zero, zero, quotient)
            case "%":
                rest = z3.URem(left, right) if word else left - right * self._floored(left, right)
                return z3.If(right == zero, zero, rest)
        raise TypeError(f"{term.op} is no operator")

    def _floored(self, left: Any, right: Any) -> Any:
        """Division that rounds down, as numpy's; z3's rounds to zero."""
        z3, zero = self.z3, self._constant(0)
        quotient = left / right
        inexact = z3.And(quotient * right != left, (left < zero) != (right < zero))
        return z3.If(inexact, quotient - 1, quotient)

    def _decided(self, held: Any, known: Any) -> TruthTerms:
        z3 = self.z3
        return TruthTerms(z3.And(held, known), z3.Or(held, z3.Not(known)))

    def _constant(self, value: int) -> Any:
        return self.z3.BitVecVal(value, _BITS)

    def _column(self, column: Column) -> Any:
        constant = self._columns.get(column.name)
        if constant is None:
            constant = self.z3.BitVec(column.name + self._suffix, _BITS)
            self._columns[column.name] = constant
            self.domain.append(self._domain(column, constant))
        return constant

    def _domain(self, column: Column, constant: Any) -> Any:
        z3 = self.z3
        allowed = _members(column)
        if allowed is not None:
            return z3.Or(*(constant == self._constant(value) for value in allowed))
        facts = np.iinfo(column.dtype)
        if facts.bits == _BITS:
            return z3.BoolVal(True)
        return z3.And(constant >= int(facts.min), constant <= int(facts.max))


def _members(column: Expression) -> tuple[int, ...] | None:
    assert isinstance(column, Column)
    unknown = () if column.unknown is None else (column.unknown,)
    if isinstance(column, TruthColumn):
        return (0, 1, *unknown)
    if column.values is not None:
        return tuple(dict.fromkeys((*(int(value) for value in column.values), *unknown)))
    return None
