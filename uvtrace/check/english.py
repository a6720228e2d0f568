# SPDX-License-Identifier: Apache-2.0
"""Terms as English, for the rules' pages: no second description that could go stale."""

from __future__ import annotations

from collections.abc import Iterable

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
    Parameter,
    Some,
)

_COMPARISONS = {
    "==": "is",
    "!=": "is not",
    "<": "is less than",
    "<=": "is at most",
    ">": "is more than",
    ">=": "is at least",
}
_OPERATORS = {"//": "divided by", "%": "modulo", "*": "times", "+": "plus", "-": "minus"}


def english(term: Expression) -> str:
    """A term as a phrase: ``the kind of event is MMIO_READ and not Memory Space Enable``."""
    match term:
        case Constant():
            return "always" if term.value else "never"
        case Literal():
            return _number(term.value)
        case Parameter():
            unit = f" {term.unit}" if term.unit else ""
            return f"{term.meaning} ({term.name}, {term.default}{unit} by default)"
        case Column():
            return term.meaning.partition(";")[0]
        case Not():
            return f"not {_inner(term.of)}"
        case All():
            return _joined(term.parts, " and ")
        case Some():
            return _joined(term.parts, " or ")
        case Known():
            return f"what is known of {_inner(term.of)}"
        case Member():
            return f"{_inner(term.of)} is {_members(term)}"
        case Compare():
            return _comparison(term)
        case Compute():
            middle = _OPERATORS.get(term.op, term.op)
            return f"{_inner(term.left)} {middle} {_inner(term.right)}"
        case Bits():
            last = term.low + term.width - 1
            which = f"bit {last}" if term.width == 1 else f"bits {last} to {term.low}"
            return f"{which} of {_inner(term.of)}"
        case Choose():
            condition = english(term.condition)
            return f"({english(term.yes)} where {condition}, else {english(term.no)})"
    raise TypeError(f"{term!r} is no term")


def _comparison(term: Compare) -> str:
    tested = term.left
    zero = isinstance(term.right, Literal) and term.right.value == 0
    if zero and isinstance(tested, Compute) and tested.op == "&" and term.op in ("==", "!="):
        verb = "has" if term.op == "!=" else "has not"
        return f"{english(tested.left)} {verb} a bit of {_value(tested.left, tested.right)}"
    return f"{_inner(tested)} {_COMPARISONS[term.op]} {_value(tested, term.right)}"


def _value(column: Expression, value: Expression) -> str:
    if isinstance(column, Column) and column.values and isinstance(value, Literal):
        return _named(column, value.value)
    return _inner(value)


def _members(term: Member) -> str:
    values = sorted(term.values)
    if isinstance(term.of, Column) and term.of.values:
        return " or ".join(_named(term.of, value) for value in values)
    return " or ".join(_number(value) for value in values)


def _named(column: Column, value: int) -> str:
    assert column.values is not None
    return next((each.name for each in column.values if each == value), str(value))


def _number(value: int) -> str:
    return str(value) if -10 < value < 4096 else hex(value)


def _inner(term: Expression) -> str:
    text = english(term)
    simple = isinstance(term, Column | Literal | Constant)
    return text if simple else f"({text})"


def _joined(parts: Iterable[Expression], word: str) -> str:
    return word.join(
        f"({english(part)})" if isinstance(part, All | Some) else english(part) for part in parts
    )
