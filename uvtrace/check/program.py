# SPDX-License-Identifier: Apache-2.0
"""Terms as numpy: many terms become one program, in which equal parts are computed once.

A truth is a pair of boolean arrays, *certain* and *possible*: unknown is what is possible but
not certain. Where nothing can be unknown both are the same array, and cost one operation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.expression import (
    INT_MAX,
    All,
    Bits,
    Choose,
    Column,
    Compare,
    Compute,
    Constant,
    EventColumn,
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

Bools = NDArray[np.bool_]
Numbers = NDArray[Any]


class Frame(Protocol):
    """Some events, as columns."""

    def __len__(self) -> int: ...

    def column(self, name: str) -> Numbers:
        """A column by its name, shape (len,)."""
        ...


class TruthArrays(NamedTuple):
    """A truth of each event: certainly true, possibly true; shape (n,) or scalar."""

    certain: Bools
    possible: Bools

    @property
    def unknown(self) -> Bools:
        """Where it is neither true nor false."""
        if self.possible is self.certain:
            return np.zeros_like(self.certain)
        return self.possible & ~self.certain


class NumberArrays(NamedTuple):
    """A number of each event, and where it is known (None: everywhere)."""

    value: Any
    known: Bools | None


Arrays = TruthArrays | NumberArrays


class _Step(NamedTuple):
    """One computation; ``inputs`` are numbers of earlier steps."""

    term: Expression
    inputs: tuple[int, ...]


class Program:
    """Terms, compiled together. Add them all, then run frames through :meth:`start`."""

    def __init__(self, parameters: Mapping[str, int] | None = None) -> None:
        self._parameters = dict(parameters or {})
        self._steps: list[_Step] = []
        self._numbers: dict[tuple[Any, ...], int] = {}
        self._of_term: dict[int, int] = {}
        self._kept: list[Expression] = []

    def add(self, term: Expression) -> int:
        """Compile a term; returns its number for :meth:`Run.truth` and :meth:`Run.number`."""
        known = self._of_term.get(id(term))
        if known is not None:
            return known
        inputs = tuple(self.add(operand) for operand in term.operands)
        key = (type(term), *_facts(term), *inputs)
        found = self._numbers.setdefault(key, len(self._steps))
        if found == len(self._steps):
            self._steps.append(_Step(term, inputs))
        self._of_term[id(term)] = found
        self._kept.append(term)  # so that its id stays its own
        return found

    def copy(self, parameters: Mapping[str, int] | None = None) -> Program:
        """Another program with the same terms, that more can be added to.

        Args:
            parameters: values of parameters by name; others have their defaults.
        """
        other = Program(parameters)
        other._steps = self._steps.copy()
        other._numbers, other._of_term = self._numbers.copy(), self._of_term.copy()
        other._kept = self._kept.copy()
        return other

    def columns(self) -> list[str]:
        """The names of the columns that its terms depend on, in one order."""
        return sorted({step.term.name for step in self._steps if isinstance(step.term, Column)})

    def digest(self, several: Iterable[Sequence[Any]]) -> str:
        """What tells this program and some of its terms, with what else is of them, apart.

        Args:
            several: lists of terms, which are added, and of numbers and sets of numbers.
        """
        digest = hashlib.sha256()
        for each in several:
            digest.update(repr([self._shown(part) for part in each]).encode())
        for term in (step.term for step in self._steps):
            if isinstance(term, Column):
                unknown, dtype = term.unknown, np.dtype(term.dtype).str
                digest.update(repr((type(term), term.name, unknown, dtype)).encode())
            elif isinstance(term, Parameter):
                digest.update(repr((term.name, self.parameter(term))).encode())
        digest.update(repr(list(self._numbers)).encode())
        return digest.hexdigest()

    def _shown(self, part: Any) -> Any:
        if isinstance(part, Expression):
            return self.add(part)
        return sorted(part) if isinstance(part, frozenset) else part

    def start(self, frame: Frame) -> Run:
        """Evaluate over a frame; nothing is computed that is not asked for."""
        return Run(self._steps, self._parameters, frame)

    @property
    def parameters(self) -> Mapping[str, int]:
        """Values of parameters by name; others have their defaults."""
        return self._parameters

    def constant(self, number: Number) -> int | None:
        """The value that a number always has; None: it has others, or one of more than 63 bits."""
        value = None
        if isinstance(number, Literal):
            value = number.value
        elif isinstance(number, Parameter):
            value = self.parameter(number)
        return value if value is not None and value <= INT_MAX else None

    def parameter(self, parameter: Parameter) -> int:
        """The value in force of a parameter."""
        return self._parameters.get(parameter.name, parameter.default)


class Run:
    """The values of a program's terms over one frame."""

    def __init__(self, steps: list[_Step], parameters: Mapping[str, int], frame: Frame) -> None:
        self._steps = steps
        self._parameters = parameters
        self._frame = frame
        self._done: dict[int, Arrays] = {}

    def truth(self, number: int) -> TruthArrays:
        """The value of a :class:`Truth`, arrays of shape (n,)."""
        certain, possible = self._truth(number)
        if certain.ndim:
            return TruthArrays(certain, possible)
        full = np.full(len(self._frame), bool(certain))
        same = possible is certain or bool(possible) == bool(certain)
        return TruthArrays(full, full if same else np.full(len(self._frame), bool(possible)))

    def number(self, number: int) -> NumberArrays:
        """The value of a :class:`Number`, an array of shape (n,), int64 or uint64."""
        value, known = self._number(number)
        term = self._steps[number].term
        assert isinstance(term, Number)
        dtype = np.uint64 if term.is_word else np.int64
        wide = np.asarray(value).astype(dtype, copy=False)
        return NumberArrays(np.broadcast_to(wide, (len(self._frame),)), known)

    def _arrays(self, number: int) -> Arrays:
        done = self._done.get(number)
        if done is None:
            step = self._steps[number]
            done = _EVALUATE[type(step.term)](self, step)
            self._done[number] = done
        return done

    def _truth(self, number: int) -> TruthArrays:
        arrays = self._arrays(number)
        assert isinstance(arrays, TruthArrays)
        return arrays

    def _number(self, number: int) -> NumberArrays:
        arrays = self._arrays(number)
        assert isinstance(arrays, NumberArrays)
        return arrays

    # ------------------------------------------------------------------ numbers

    def _number_column(self, step: _Step) -> NumberArrays:
        column = step.term
        assert isinstance(column, NumberColumn)
        value = self._frame.column(column.name)
        known = None if column.unknown is None else value != column.unknown
        return NumberArrays(value, known)

    def _literal(self, step: _Step) -> NumberArrays:
        assert isinstance(step.term, Literal)
        return NumberArrays(step.term.value, None)

    def _parameter(self, step: _Step) -> NumberArrays:
        assert isinstance(step.term, Parameter)
        return NumberArrays(self._parameters.get(step.term.name, step.term.default), None)

    def _compute(self, step: _Step) -> NumberArrays:
        term = step.term
        assert isinstance(term, Compute)
        left, left_known = self._number(step.inputs[0])
        right, right_known = self._number(step.inputs[1])
        narrow = term.op == "&" and isinstance(right, int) and _fits(left, right)
        if not narrow:
            dtype = np.uint64 if term.is_word else np.int64
            left, right = _as(left, dtype), _as(right, dtype)
        return NumberArrays(_COMPUTE[term.op](left, right), _both(left_known, right_known))

    def _bits(self, step: _Step) -> NumberArrays:
        term = step.term
        assert isinstance(term, Bits)
        value, known = self._number(step.inputs[0])
        dtype = np.uint64 if term.of.is_word else np.int64
        taken = (_as(value, dtype) >> dtype(term.low)) & dtype(term.mask)
        return NumberArrays(taken.astype(np.int64), known)

    def _choose(self, step: _Step) -> NumberArrays:
        term = step.term
        assert isinstance(term, Choose)
        dtype = np.uint64 if term.is_word else np.int64
        certain, possible = self._truth(step.inputs[0])
        yes, yes_known = self._number(step.inputs[1])
        no, no_known = self._number(step.inputs[2])
        value = np.where(certain, _as(yes, dtype), _as(no, dtype))
        decided = None if possible is certain else ~(possible & ~certain)
        chosen = None
        if yes_known is not None or no_known is not None:
            chosen = np.where(
                certain,
                True if yes_known is None else yes_known,
                True if no_known is None else no_known,
            )
        return NumberArrays(value, _both(decided, chosen))

    # ------------------------------------------------------------------- truths

    def _truth_column(self, step: _Step) -> TruthArrays:
        column = step.term
        assert isinstance(column, TruthColumn)
        value = self._frame.column(column.name)
        certain = value == 1
        return TruthArrays(certain, certain if column.unknown is None else value != 0)

    def _constant(self, step: _Step) -> TruthArrays:
        assert isinstance(step.term, Constant)
        value = np.asarray(step.term.value)
        return TruthArrays(value, value)

    def _compare(self, step: _Step) -> TruthArrays:
        term = step.term
        assert isinstance(term, Compare)
        left, left_known = self._number(step.inputs[0])
        right, right_known = self._number(step.inputs[1])
        if term.left.is_word or term.right.is_word:
            left, right = _as(left, np.uint64), _as(right, np.uint64)
        certain = np.asarray(_COMPARE[term.op](left, right))
        return _decided(certain, _both(left_known, right_known))

    def _member(self, step: _Step) -> TruthArrays:
        term = step.term
        assert isinstance(term, Member)
        value, known = self._number(step.inputs[0])
        array = np.asarray(value)
        certain = np.zeros(array.shape, bool)
        for low, high in runs_of(term.values):
            certain |= (array == low) if low == high else ((array >= low) & (array <= high))
        return _decided(certain, known)

    def _not(self, step: _Step) -> TruthArrays:
        certain, possible = self._truth(step.inputs[0])
        inverse = ~possible
        return TruthArrays(inverse, inverse if possible is certain else ~certain)

    def _all(self, step: _Step) -> TruthArrays:
        return self._joined(step, np.logical_and)

    def _some(self, step: _Step) -> TruthArrays:
        return self._joined(step, np.logical_or)

    def _joined(self, step: _Step, join: Callable[[Any, Any], Any]) -> TruthArrays:
        certain, possible = self._truth(step.inputs[0])
        for number in step.inputs[1:]:
            other = self._truth(number)
            same = possible is certain and other.possible is other.certain
            certain = join(certain, other.certain)
            possible = certain if same else join(possible, other.possible)
        return TruthArrays(certain, possible)

    def _known(self, step: _Step) -> TruthArrays:
        of = self._arrays(step.inputs[0])
        if isinstance(of, TruthArrays):
            known = np.asarray(True) if of.possible is of.certain else ~of.unknown
        else:
            known = np.asarray(True) if of.known is None else of.known
        return TruthArrays(known, known)


_EVALUATE: dict[type[Expression], Callable[[Run, _Step], Arrays]] = {
    Literal: Run._literal,
    Parameter: Run._parameter,
    Compute: Run._compute,
    Bits: Run._bits,
    Choose: Run._choose,
    NumberColumn: Run._number_column,
    EventColumn: Run._number_column,
    TruthColumn: Run._truth_column,
    Constant: Run._constant,
    Compare: Run._compare,
    Member: Run._member,
    Not: Run._not,
    All: Run._all,
    Some: Run._some,
    Known: Run._known,
}


def _divide(left: Any, right: Any) -> Any:
    with np.errstate(divide="ignore"):
        return np.floor_divide(left, right)


def _modulo(left: Any, right: Any) -> Any:
    with np.errstate(divide="ignore"):
        return np.remainder(left, right)


_COMPUTE: dict[str, Callable[[Any, Any], Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "//": _divide,
    "%": _modulo,
    "&": np.bitwise_and,
    "|": np.bitwise_or,
    "^": np.bitwise_xor,
    "<<": np.left_shift,
    ">>": np.right_shift,
}
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}


def _facts(term: Expression) -> tuple[Any, ...]:
    """What tells two terms of one type with the same operands apart."""
    match term:
        case Column() | Parameter():
            return (term.name,)
        case Literal() | Constant():
            return (term.value,)
        case Compute() | Compare():
            return (term.op,)
        case Member():
            return (term.values,)
        case Bits():
            return (term.low, term.width)
    return ()


def _as(value: Any, dtype: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.astype(dtype, copy=False)
    return dtype(value)


def _fits(array: Any, value: int) -> bool:
    return isinstance(array, np.ndarray) and 0 <= value <= np.iinfo(array.dtype).max


def _both(left: Bools | None, right: Bools | None) -> Bools | None:
    if left is None or right is None:
        return right if left is None else left
    return left & right


def _decided(certain: Bools, known: Bools | None) -> TruthArrays:
    if known is None:
        return TruthArrays(certain, certain)
    return TruthArrays(certain & known, certain | ~known)


def runs_of(values: frozenset[int]) -> list[tuple[int, int]]:
    """Values as runs of neighbours, ascending, each with its first and last."""
    runs: list[tuple[int, int]] = []
    for value in sorted(values):
        if runs and value == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], value)
        else:
            runs.append((value, value))
    return runs


__all__ = ["Arrays", "Frame", "NumberArrays", "Program", "Run", "Truth", "TruthArrays", "runs_of"]
