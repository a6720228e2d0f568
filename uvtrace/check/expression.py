# SPDX-License-Identifier: Apache-2.0
"""The language that rules are written in: typed terms over named columns.

A term is built by ordinary operators and evaluated later, by whoever needs it: as numpy arrays
(:mod:`uvtrace.check.program`), as a z3 term (:mod:`uvtrace.check.solver`), as English
(:mod:`uvtrace.check.english`).

There are two sorts. A :class:`Number` is a 64-bit integer: unsigned, modulo 2^64, where an
unsigned 64-bit column takes part; signed otherwise. A :class:`Truth` is true, false or unknown:
what depends on state that the capture has not shown is unknown, and unknown it stays unless the
rest of the term decides (Kleene's logic).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

WORD_BITS = 64
INT_MAX = 2**63 - 1


class Expression:
    """A term; immutable. Its operators build larger terms, also ``==`` and ``!=``."""

    @property
    def operands(self) -> tuple[Expression, ...]:
        """The terms that it is made of, empty for a leaf."""
        return ()

    def walk(self) -> Iterator[Expression]:
        """This term and every term in it."""
        yield self
        for operand in self.operands:
            yield from operand.walk()

    def columns(self) -> tuple[Column, ...]:
        """The columns that its value depends on, in order of first use."""
        return tuple(leaf for leaf in self._leaves if isinstance(leaf, Column))

    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters in it."""
        return tuple(leaf for leaf in self._leaves if isinstance(leaf, Parameter))

    @cached_property
    def _leaves(self) -> tuple[Expression, ...]:
        """The terms in it that are made of no others, each once, in order of first use."""
        if not self.operands:
            return (self,)
        # Terms share parts: each one is looked through once.
        return tuple(dict.fromkeys(leaf for each in self.operands for leaf in each._leaves))

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        raise TypeError("a term has no truth value yet: use & | ~ and is_in, not and/or/not/in")


class Truth(Expression):
    """A term that is true, false or unknown."""

    def __and__(self, other: Truth) -> Truth:
        return All((self, _truth(other)))

    def __or__(self, other: Truth) -> Truth:
        return Some((self, _truth(other)))

    def __invert__(self) -> Truth:
        return self.of if isinstance(self, Not) else Not(self)

    def implies(self, other: Truth) -> Truth:
        """False only where this is true and ``other`` is not."""
        return ~self | other

    @property
    def is_known(self) -> Truth:
        """True where this is true or false, false where it is unknown; never unknown itself."""
        return Known(self)


class Number(Expression):
    """A term that is an integer."""

    @property
    def is_word(self) -> bool:
        """Whether it is unsigned, modulo 2^64 (else signed)."""
        raise NotImplementedError

    def __add__(self, other: Number | int) -> Number:
        return compute("+", self, other)

    def __radd__(self, other: int) -> Number:
        return compute("+", other, self)

    def __sub__(self, other: Number | int) -> Number:
        return compute("-", self, other)

    def __rsub__(self, other: int) -> Number:
        return compute("-", other, self)

    def __mul__(self, other: Number | int) -> Number:
        return compute("*", self, other)

    __rmul__ = __mul__

    def __floordiv__(self, other: Number | int) -> Number:
        return compute("//", self, other)

    def __mod__(self, other: Number | int) -> Number:
        return compute("%", self, other)

    def __and__(self, other: Number | int) -> Number:
        return compute("&", self, other)

    __rand__ = __and__

    def __or__(self, other: Number | int) -> Number:
        return compute("|", self, other)

    def __xor__(self, other: Number | int) -> Number:
        return compute("^", self, other)

    def __lshift__(self, other: Number | int) -> Number:
        return compute("<<", self, other)

    def __rshift__(self, other: Number | int) -> Number:
        return compute(">>", self, other)

    def __eq__(self, other: Number | int) -> Truth:  # type: ignore[override]
        return compare("==", self, other)

    def __ne__(self, other: Number | int) -> Truth:  # type: ignore[override]
        return compare("!=", self, other)

    def __lt__(self, other: Number | int) -> Truth:
        return compare("<", self, other)

    def __le__(self, other: Number | int) -> Truth:
        return compare("<=", self, other)

    def __gt__(self, other: Number | int) -> Truth:
        return compare(">", self, other)

    def __ge__(self, other: Number | int) -> Truth:
        return compare(">=", self, other)

    __hash__ = object.__hash__

    def has(self, mask: Number | int) -> Truth:
        """At least one bit of ``mask`` is set."""
        return (self & mask) != 0

    def has_all(self, mask: Number | int) -> Truth:
        """Every bit of ``mask`` is set."""
        return (self & mask) == mask

    def bits(self, low: int, width: int) -> Number:
        """``width`` bits from ``low`` up, as a signed number, so that it meets any other one.

        Raises:
            TypeError: they are no 1 to 63 bits of 64.
        """
        if not (0 <= low < WORD_BITS and 0 < width < WORD_BITS and low + width <= WORD_BITS):
            raise TypeError(f"{width} bits from {low} up are not 1 to 63 bits of {WORD_BITS}")
        return Bits(self, low, width)

    def is_in(self, values: Iterable[int]) -> Truth:
        """It is one of ``values``."""
        return Member(self, frozenset(int(value) for value in values))

    def is_between(self, low: Number | int, high: Number | int) -> Truth:
        """``low <= self <= high``."""
        return (self >= low) & (self <= high)

    def is_aligned_to(self, size: Number | int) -> Truth:
        """It is a multiple of ``size`` (of everything, where ``size`` is 0)."""
        return (self % size) == 0

    @property
    def is_known(self) -> Truth:
        """True where the value is known, false where not; never unknown itself."""
        return Known(self)


# ---------------------------------------------------------------------- leaves


@dataclass(frozen=True, eq=False)
class Column(Expression):
    """A named fact about every event, from the record or derived by a pass.

    Attributes:
        name: unique; what messages call it.
        dtype: of the array.
        meaning: what it tells, as a phrase that can stand in a sentence.
        unit: of the value, empty where it has none.
        values: the enumeration that the value is a member of.
        unknown: the value that stands for unknown; None: it is always known.
    """

    name: str
    dtype: npt.DTypeLike
    meaning: str
    unit: str = ""
    values: type[IntEnum] | None = None
    unknown: int | None = None

    def __repr__(self) -> str:
        return self.name


class NumberColumn(Column, Number):
    """A column of integers."""

    @property
    def is_word(self) -> bool:
        return np.dtype(self.dtype) == np.uint64


class TruthColumn(Column, Truth):
    """A column of 0 and 1; where it may be unknown, -1 says so."""


class EventColumn(NumberColumn):
    """A column that names an earlier event, as a position in the trace; -1 where there is none.

    It is what ``roles`` of a rule are made of; in a message it reads ``#812``.
    """


@dataclass(frozen=True, eq=False)
class Constant(Truth):
    """True or false."""

    value: bool


TRUE = Constant(True)
FALSE = Constant(False)


@dataclass(frozen=True, eq=False)
class Literal(Number):
    """A number."""

    value: int

    @property
    def is_word(self) -> bool:
        return self.value > INT_MAX


@dataclass(frozen=True, eq=False)
class Parameter(Number):
    """A threshold that whoever runs the check can set.

    Attributes:
        name: unique, such as ``PWR008.reads``.
        default: its value unless set.
        meaning: what it limits.
        unit: of the value.
        in_vm: its value unless set, for a trace recorded in a virtual machine; None: the default.
    """

    name: str
    default: int
    meaning: str
    unit: str = ""
    in_vm: int | None = None

    @property
    def is_word(self) -> bool:
        return False


# ----------------------------------------------------------------- combinations


@dataclass(frozen=True, eq=False)
class Compute(Number):
    """Arithmetic; ``op`` is one of + - * // % & | ^ << >>. Division by 0 gives 0."""

    OPERATORS: ClassVar = ("+", "-", "*", "//", "%", "&", "|", "^", "<<", ">>")

    op: str
    left: Number
    right: Number

    @property
    def operands(self) -> tuple[Expression, ...]:
        return self.left, self.right

    @property
    def is_word(self) -> bool:
        return self.left.is_word or self.right.is_word


@dataclass(frozen=True, eq=False)
class Bits(Number):
    """``width`` bits of a number from bit ``low`` up; at most 63, and so never negative."""

    of: Number
    low: int
    width: int

    @property
    def operands(self) -> tuple[Expression, ...]:
        return (self.of,)

    @property
    def is_word(self) -> bool:
        return False

    @property
    def mask(self) -> int:
        """As many ones."""
        return (1 << self.width) - 1


@dataclass(frozen=True, eq=False)
class Choose(Number):
    """``yes`` where ``condition`` is true, ``no`` where it is false."""

    condition: Truth
    yes: Number
    no: Number

    @property
    def operands(self) -> tuple[Expression, ...]:
        return self.condition, self.yes, self.no

    @property
    def is_word(self) -> bool:
        return self.yes.is_word or self.no.is_word


@dataclass(frozen=True, eq=False)
class Compare(Truth):
    """A comparison; ``op`` is one of == != < <= > >=."""

    OPERATORS: ClassVar = ("==", "!=", "<", "<=", ">", ">=")

    op: str
    left: Number
    right: Number

    @property
    def operands(self) -> tuple[Expression, ...]:
        return self.left, self.right


@dataclass(frozen=True, eq=False)
class Member(Truth):
    """The value is one of a set."""

    of: Number
    values: frozenset[int]

    @property
    def operands(self) -> tuple[Expression, ...]:
        return (self.of,)


@dataclass(frozen=True, eq=False)
class Not(Truth):
    """Negation."""

    of: Truth

    @property
    def operands(self) -> tuple[Expression, ...]:
        return (self.of,)


class _Several(Truth):
    """Terms joined by one connective; what is nested is made flat."""

    parts: tuple[Truth, ...]

    @property
    def operands(self) -> tuple[Expression, ...]:
        return self.parts

    def _flatten(self) -> None:
        flat: list[Truth] = []
        for part in self.parts:
            flat += part.parts if isinstance(part, type(self)) else (part,)
        object.__setattr__(self, "parts", tuple(flat))


@dataclass(frozen=True, eq=False)
class All(_Several):
    """Every one is true (and)."""

    parts: tuple[Truth, ...]

    def __post_init__(self) -> None:
        self._flatten()


@dataclass(frozen=True, eq=False)
class Some(_Several):
    """At least one is true (or)."""

    parts: tuple[Truth, ...]

    def __post_init__(self) -> None:
        self._flatten()


@dataclass(frozen=True, eq=False)
class Known(Truth):
    """Whether a term's value is known."""

    of: Truth | Number

    @property
    def operands(self) -> tuple[Expression, ...]:
        return (self.of,)


# ------------------------------------------------------------------ construction


def number(value: Number | int) -> Number:
    """A number as a term."""
    if isinstance(value, Number):
        return value
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{value!r} is no number")
    if not -(2**63) <= value < 2**WORD_BITS:
        raise TypeError(f"{value:#x} does not fit into 64 bits")
    return Literal(int(value))


def choose(condition: Truth, yes: Number | int, no: Number | int) -> Number:
    """``yes`` where ``condition`` is true, ``no`` where it is false."""
    left, right = number(yes), number(no)
    _refuse_mixture(left, right)
    return Choose(condition, left, right)


def compute(op: str, left: Number | int, right: Number | int) -> Number:
    """Arithmetic on two numbers.

    Raises:
        TypeError: a signed column meets an unsigned one of 64 bits.
    """
    one, two = number(left), number(right)
    _refuse_mixture(one, two)
    return Compute(op, one, two)


def compare(op: str, left: Number | int, right: Number | int) -> Truth:
    """A comparison of two numbers.

    Raises:
        TypeError: a signed column meets an unsigned one of 64 bits.
    """
    one, two = number(left), number(right)
    _refuse_mixture(one, two)
    return Compare(op, one, two)


def any_of(*terms: Truth) -> Truth:
    """At least one is true."""
    return Some(terms)


def all_of(*terms: Truth) -> Truth:
    """Every one is true."""
    return All(terms)


def _truth(value: Any) -> Truth:
    if not isinstance(value, Truth):
        raise TypeError(f"{value!r} is neither true nor false: compare it first")
    return value


def _refuse_mixture(left: Number, right: Number) -> None:
    if left.is_word == right.is_word:
        return
    other = right if left.is_word else left
    for term in _bare(other):
        signed = isinstance(term, NumberColumn) and np.dtype(term.dtype).kind == "i"
        negative = isinstance(term, Literal) and term.value < 0
        if signed or negative:
            raise TypeError(f"{term!r} is signed and meets an unsigned number of 64 bits")


def _bare(term: Expression) -> Iterator[Expression]:
    """The term and what is in it, but not what bits are taken from."""
    yield term
    if not isinstance(term, Bits):
        for operand in term.operands:
            yield from _bare(operand)
