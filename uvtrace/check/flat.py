# SPDX-License-Identifier: Apache-2.0
"""Terms made flat for :mod:`uvtrace.check.blocks`: equal parts once, what a kind decides folded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import numpy as np

from uvtrace.check import blocks
from uvtrace.check.blocks import BLOCK, Memory
from uvtrace.check.columns import record
from uvtrace.check.expression import (
    FALSE,
    INT_MAX,
    TRUE,
    WORD_BITS,
    All,
    Bits,
    Choose,
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
from uvtrace.check.program import runs_of

_MODULUS: Final = 1 << WORD_BITS
_NOT_YET: Final = -2


class Folded:
    """Terms as they are of events of one kind.

    Args:
        kind: of every event.
    """

    def __init__(self, kind: int) -> None:
        self._kind = Literal(kind)
        self._done: dict[int, tuple[Expression, Expression]] = {}

    def truth(self, term: Truth) -> Truth:
        """The truth, without what the kind decides."""
        folded = self._fold(term)
        assert isinstance(folded, Truth)
        return folded

    def _number(self, term: Number) -> Number:
        folded = self._fold(term)
        assert isinstance(folded, Number)
        return folded

    def _fold(self, term: Expression) -> Expression:
        known = self._done.get(id(term))
        if known is None:
            known = term, self._folded(term)
            self._done[id(term)] = known  # with the term, so that its id stays its own
        return known[1]

    def _folded(self, term: Expression) -> Expression:
        match term:
            case NumberColumn() if term is record.kind:
                return self._kind
            case Compute():
                return Compute(term.op, self._number(term.left), self._number(term.right))
            case Bits():
                return Bits(self._number(term.of), term.low, term.width)
            case Choose():
                condition = self.truth(term.condition)
                if isinstance(condition, Constant) and term.yes.is_word == term.no.is_word:
                    return self._number(term.yes if condition.value else term.no)
                return Choose(condition, self._number(term.yes), self._number(term.no))
            case Compare():
                return _compared(
                    Compare(term.op, self._number(term.left), self._number(term.right))
                )
            case Member():
                of = self._number(term.of)
                if isinstance(of, Literal):
                    return TRUE if of.value in term.values else FALSE
                return Member(of, term.values)
            case Not():
                inner = self.truth(term.of)
                return _constant(not inner.value) if isinstance(inner, Constant) else Not(inner)
            case All():
                return _joined(All, map(self.truth, term.parts), neutral=True)
            case Some():
                return _joined(Some, map(self.truth, term.parts), neutral=False)
            case Known():
                of_known = self._fold(term.of)
                known = isinstance(of_known, Constant | Literal | Parameter)
                assert isinstance(of_known, Truth | Number)
                return TRUE if known else Known(of_known)
        return term


def _constant(value: bool) -> Constant:
    return TRUE if value else FALSE


def _compared(term: Compare) -> Truth:
    left, right = term.left, term.right
    if term.op not in ("==", "!=") or not isinstance(left, Literal):
        return term
    if not isinstance(right, Literal) or left.is_word or right.is_word:
        return term
    return _constant((left.value == right.value) == (term.op == "=="))


def _joined(join: type[All] | type[Some], parts: Iterable[Truth], *, neutral: bool) -> Truth:
    kept: list[Truth] = []
    for part in parts:
        if not isinstance(part, Constant):
            kept.append(part)
        elif part.value is not neutral:
            return _constant(not neutral)
    if len(kept) < 2:
        return kept[0] if kept else _constant(neutral)
    return join(tuple(kept))


class Flat:
    """Terms as steps of the compiled interpreter. Add them all, then ask for :meth:`memory`.

    Args:
        parameters: values of parameters by name.
    """

    def __init__(self, parameters: Mapping[str, int]) -> None:
        self._parameters = parameters
        self._steps: list[list[int]] = []
        self._lists: list[int] = []
        self._numbers: dict[tuple[Any, ...], int] = {}
        self._of_term: dict[int, tuple[Expression, int]] = {}
        self._literals: dict[int, int] = {}
        self._joined: dict[int, tuple[int, ...]] = {}
        self._inputs: dict[int, tuple[int, ...]] = {}
        self._code: list[list[int]] = []
        self._weights: list[int] = []
        self.columns: list[str] = []
        """The columns that the terms depend on."""

    def add(self, term: Expression) -> int:
        """The step that gives a term's value."""
        known = self._of_term.get(id(term))
        if known is None:
            known = term, self._add(term)
            self._of_term[id(term)] = known
        return known[1]

    def both(self, one: int, terms: Truth) -> int:
        """The step of a truth and a term, of which the truth is looked at first."""
        parts = terms.parts if isinstance(terms, All) else (terms,)
        return self._join(blocks.ALL, (one, *self._lightest(map(self.add, parts))))

    def code(self, step: int) -> tuple[int, int]:
        """Code that makes a step and what it needs; where it begins, and where it ends."""
        begin = len(self._code)
        self._write(step)
        return begin, len(self._code)

    def memory(self) -> Memory:
        """The steps and their code, and room for the values of a block."""
        steps = np.array(self._steps, np.int64).reshape(-1, 8)
        # Numbers and truths are kept at places of their own.
        truth = steps[:, blocks.OP] >= blocks.TRUTH_COLUMN
        for each in (truth, ~truth):
            steps[each, blocks.PLACE] = np.arange(np.count_nonzero(each))
        count = max(int(np.count_nonzero(truth)), 1), max(int(np.count_nonzero(~truth)), 1)
        memory = Memory(
            steps=steps,
            code=np.array(self._code, np.int64).reshape(-1, 4),
            lists=np.array(self._lists, np.int64),
            numbers=np.zeros((count[1], BLOCK), np.int64),
            known=np.ones((len(steps), BLOCK), np.uint8),
            truths=np.zeros((count[0], BLOCK), np.uint8),
            made=np.full(len(steps), _NOT_YET, np.int64),
            owner=np.zeros(BLOCK, np.int64),
        )
        for step, value in self._literals.items():
            memory.made[step] = blocks.ALWAYS
            place = steps[step, blocks.PLACE]
            if truth[step]:
                memory.truths[place] = blocks.YES if value else blocks.NO
            else:
                memory.numbers[place] = value
        return memory

    def _write(self, step: int) -> None:
        if step in self._literals:
            return
        begin = len(self._code)
        self._code.append([blocks.UNLESS_MADE, step, 0, 0])
        leaves = []
        if step in self._joined:
            self._code.append([blocks.BEGIN, step, 0, 0])
            for part in self._joined[step]:
                self._write(part)
                leaves.append(len(self._code))
                self._code.append([blocks.JOIN, step, part, 0])
        else:
            for part in self._inputs.get(step, ()):
                self._write(part)
            self._code.append([blocks.MAKE, step, 0, 0])
        for at in (begin, *leaves):
            self._code[at][3] = len(self._code)

    def _step(self, *fields: int) -> int:
        found = self._numbers.setdefault(fields, len(self._steps))
        if found == len(self._steps):
            self._steps.append([*fields, *[0] * (8 - len(fields))])
            self._weights.append(1)
        return found

    def _literal(self, op: int, value: int) -> int:
        bits = value % _MODULUS
        signed = bits - _MODULUS if bits > INT_MAX else bits
        key = (op, signed)
        found = self._numbers.setdefault(("literal", *key), len(self._steps))
        if found == len(self._steps):
            self._steps.append([op, *[0] * 7])
            self._weights.append(0)
            self._literals[found] = signed
        return found

    def _column(self, name: str, unknown: int | None) -> int:
        if name not in self.columns:
            self.columns.append(name)
        place = self.columns.index(name)
        maybe = int(unknown is not None)
        return self._step(blocks.COLUMN, 0, 0, maybe, 0, place, _signed(unknown or 0))

    def _join(self, op: int, steps: Iterable[int]) -> int:
        chosen = tuple(dict.fromkeys(steps))
        found = self._numbers.get((op, *chosen, "joined"))
        if found is None:
            found = self._step(op, 0, 0, 0, 0, len(self._joined))
            self._joined[found] = chosen
            self._numbers[(op, *chosen, "joined")] = found
            self._weights[found] = sum(self._weights[each] for each in chosen)
        return found

    def _lightest(self, steps: Iterable[int]) -> list[int]:
        """Cheap ones first: they may spare the others."""
        return sorted(steps, key=lambda step: self._weights[step])

    def _maybe(self, *steps: int) -> int:
        return int(any(self._steps[step][blocks.MAYBE] for step in steps))

    def _add(self, term: Expression) -> int:
        inputs = tuple(self.add(operand) for operand in term.operands)
        step = _ADD[type(term)](self, term) if type(term) in _ADD else self._leaf(term)
        if inputs:
            self._inputs[step] = inputs
            weight = sum(self._weights[each] for each in inputs) + 1
            self._weights[step] = max(self._weights[step], weight)
        return step

    def _leaf(self, term: Expression) -> int:
        match term:
            case NumberColumn():
                return self._column(term.name, term.unknown)
            case TruthColumn():
                column = self._column(term.name, None)
                maybe = int(term.unknown is not None)
                step = self._step(blocks.TRUTH_COLUMN, 0, 0, 0, 0, column, maybe)
                self._inputs[step] = (column,)
                return step
            case Literal():
                return self._literal(blocks.LITERAL, term.value)
            case Parameter():
                value = self._parameters.get(term.name, term.default)
                return self._literal(blocks.LITERAL, value)
            case Constant():
                return self._literal(blocks.CONSTANT, int(term.value))
        raise TypeError(f"{term!r} is no term that can be made flat")

    def _compute(self, term: Compute) -> int:
        one, two = self.add(term.left), self.add(term.right)
        variant = blocks.COMPUTES.index(term.op)
        maybe = self._maybe(one, two)
        return self._step(blocks.COMPUTE, variant, int(term.is_word), maybe, 0, one, two)

    def _bits(self, term: Bits) -> int:
        one = self.add(term.of)
        return self._step(blocks.BITS, 0, 0, self._maybe(one), 0, one, term.low, term.mask)

    def _choose(self, term: Choose) -> int:
        inputs = self.add(term.condition), self.add(term.yes), self.add(term.no)
        return self._step(blocks.CHOOSE, 0, int(term.is_word), 1, 0, *inputs)

    def _compare(self, term: Compare) -> int:
        one, two = self.add(term.left), self.add(term.right)
        variant = blocks.COMPARES.index(term.op)
        word = int(term.left.is_word or term.right.is_word)
        return self._step(blocks.COMPARE, variant, word, self._maybe(one, two), 0, one, two)

    def _member(self, term: Member) -> int:
        one = self.add(term.of)
        word = term.of.is_word
        least, most = (0, _MODULUS - 1) if word else (-INT_MAX - 1, INT_MAX)
        own = frozenset(value for value in term.values if least <= value <= most)
        key = ("member", one, own)
        found = self._numbers.get(key)
        if found is None:
            begin = len(self._lists)
            for low, high in runs_of(own):
                self._lists += [_signed(low), _signed(high)]
            lists = begin, len(self._lists)
            found = self._step(blocks.MEMBER, 0, int(word), self._maybe(one), 0, one, *lists)
            self._numbers[key] = found
        return found

    def _not(self, term: Not) -> int:
        return self._step(blocks.NOT, 0, 0, 0, 0, self.add(term.of))

    def _all(self, term: All) -> int:
        return self._join(blocks.ALL, self._lightest(map(self.add, term.parts)))

    def _some(self, term: Some) -> int:
        return self._join(blocks.SOME, self._lightest(map(self.add, term.parts)))

    def _known(self, term: Known) -> int:
        return self._step(blocks.KNOWN, 0, 0, 0, 0, self.add(term.of))


_ADD: dict[type[Expression], Callable[[Flat, Any], int]] = {
    Compute: Flat._compute,
    Bits: Flat._bits,
    Choose: Flat._choose,
    Compare: Flat._compare,
    Member: Flat._member,
    Not: Flat._not,
    All: Flat._all,
    Some: Flat._some,
    Known: Flat._known,
}


def _signed(value: int) -> int:
    return value - _MODULUS if value > INT_MAX else value
