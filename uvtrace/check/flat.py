# SPDX-License-Identifier: Apache-2.0
"""Terms made flat: equal parts once, and what is known beforehand of the events decided.

Negations stand at the leaves, conjunctions in conjunctions are one, and what the alternatives of a
disjunction have in common stands before it. All of that holds in Kleene's logic, too.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from typing import Any, Final, NamedTuple

from uvtrace.check.columns import record
from uvtrace.check.expression import (
    INT_MAX,
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
    TruthColumn,
)
from uvtrace.check.program import runs_of

_MODULUS: Final = 1 << WORD_BITS
_COMPARE: Final[dict[str, Callable[[int, int], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_BITWISE: Final[dict[str, Callable[..., int]]] = {
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
}
_INVERSE: Final = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_STRICT: Final = frozenset({"compute", "bits", "compare", "member", "not"})
"""Of these nothing is known where an input is not."""


class Node(NamedTuple):
    """A part of a term.

    Attributes:
        op: ``literal`` (its value, signed), ``column`` (name, what stands for unknown, signed),
            ``compute`` (operator, whether unsigned), ``bits`` (low, mask), ``choose``;
            ``constant`` (its value), ``truth column`` (name, whether it may be unknown),
            ``compare`` (operator, whether unsigned), ``member`` (whether unsigned, first and last
            of each run of values), ``not``, ``all``, ``some``, ``known``; ``unknown``; and
            ``inside``: the event is of a function, not of none or of one that there is not.
        inputs: its operands' numbers.
        facts: as above.
        maybe: whether it may be unknown.
        weight: how many parts it has.
    """

    op: str
    inputs: tuple[int, ...]
    facts: tuple[Any, ...]
    maybe: bool
    weight: int


class Flat:
    """The parts of terms.

    Args:
        kind: of every event.
        parameters: values of parameters by name.
        constants: columns by name that hold the same value at every event.
    """

    def __init__(
        self, kind: int, parameters: Mapping[str, int], constants: Mapping[str, int]
    ) -> None:
        self._kind = kind
        self._parameters = parameters
        self._constants = constants
        self._numbers: dict[tuple[Any, ...], int] = {}
        self._of_term: dict[int, tuple[Expression, int]] = {}
        self.nodes: list[Node] = []
        """Each behind its inputs."""
        self.no = self._node("constant", facts=(False,))
        self.yes = self._node("constant", facts=(True,))
        self.unknown = self._node("unknown", maybe=True)
        self.inside = self._node("inside")

    def add(self, term: Expression) -> int:
        """The number of a term's node."""
        known = self._of_term.get(id(term))
        if known is None:
            # With the term, so that its id stays its own.
            known = self._of_term[id(term)] = term, self._add(term)
        return known[1]

    def value(self, term: Number) -> int:
        """The number of the node of what a number is, even where it is not known."""
        match term:
            case NumberColumn() if term is not record.kind:
                if term.name in self._constants:
                    return self._literal(self._constants[term.name])
                return self._node("column", (), (term.name, None))
            case Compute():
                return self._compute(term, self.value(term.left), self.value(term.right))
            case Bits():
                return self._node("bits", (self.value(term.of),), (term.low, term.mask))
            case Choose():
                condition = self.add(term.condition)
                if condition == self.unknown or self.nodes[condition].op == "constant":
                    return self.value(term.yes if condition == self.yes else term.no)
                chosen = self.value(term.yes), self.value(term.no)
                return self._node("choose", (condition, *chosen))
        return self.add(term)

    def conjuncts(self, number: int) -> frozenset[int]:
        """The nodes that are all true where one is."""
        if number == self.yes:
            return frozenset()
        node = self.nodes[number]
        return frozenset(node.inputs) if node.op == "all" else frozenset({number})

    def columns(self) -> list[str]:
        """The columns that the nodes depend on."""
        named = (node.facts[0] for node in self.nodes if node.op in ("column", "truth column"))
        return list(dict.fromkeys(named))

    def negated(self, number: int) -> int:
        """The node that is true where another one is false."""
        node = self.nodes[number]
        match node.op:
            case "constant":
                return self.no if node.facts[0] else self.yes
            case "not":
                return node.inputs[0]
            case "compare":
                return self._node("compare", node.inputs, (_INVERSE[node.facts[0]], node.facts[1]))
            case "all" | "some":
                other = "some" if node.op == "all" else "all"
                return self._joined(other, map(self.negated, node.inputs))
        return self._node("not", (number,))

    def _node(
        self,
        op: str,
        inputs: tuple[int, ...] = (),
        facts: tuple[Any, ...] = (),
        *,
        maybe: bool = False,
    ) -> int:
        if op in _STRICT and self.unknown in inputs:
            return self.unknown
        found = self._numbers.setdefault((op, inputs, facts), len(self.nodes))
        if found == len(self.nodes):
            operands = [self.nodes[number] for number in inputs]
            unsure = maybe or (op != "known" and any(each.maybe for each in operands))
            weight = sum(each.weight for each in operands) + (op not in ("literal", "constant"))
            self.nodes.append(Node(op, inputs, facts, unsure, weight))
        return found

    def _literal(self, value: int) -> int:
        return self._node("literal", facts=(_signed(value),))

    def _value(self, number: int, *, word: bool) -> int | None:
        """The value of a literal."""
        node = self.nodes[number]
        if node.op != "literal":
            return None
        value: int = node.facts[0]
        return value % _MODULUS if word else value

    def _add(self, term: Expression) -> int:
        match term:
            case NumberColumn():
                return self._column(term)
            case TruthColumn():
                return self._truth_column(term)
            case Literal():
                return self._literal(term.value)
            case Parameter():
                return self._literal(self._parameters.get(term.name, term.default))
            case Constant():
                return self.yes if term.value else self.no
            case Compute():
                return self._compute(term, self.add(term.left), self.add(term.right))
            case Bits():
                return self._node("bits", (self.add(term.of),), (term.low, term.mask))
            case Choose():
                return self._choose(term)
            case Compare():
                return self._compare(term)
            case Member():
                return self._member(term)
            case Not():
                return self.negated(self.add(term.of))
            case All():
                return self._joined("all", map(self.add, term.parts))
            case Some():
                return self._joined("some", map(self.add, term.parts))
            case Known():
                return self._known(self.add(term.of))
        raise TypeError(f"{term!r} is no term that can be made flat")

    def _column(self, term: NumberColumn) -> int:
        if term is record.kind:
            return self._literal(self._kind)
        unknown = None if term.unknown is None else _signed(term.unknown)
        if term.name in self._constants:
            value = _signed(self._constants[term.name])
            return self.unknown if value == unknown else self._literal(value)
        return self._node("column", (), (term.name, unknown), maybe=unknown is not None)

    def _truth_column(self, term: TruthColumn) -> int:
        maybe = term.unknown is not None
        if term.name not in self._constants:
            return self._node("truth column", (), (term.name, maybe), maybe=maybe)
        value = self._constants[term.name]
        if value not in (0, 1) and maybe:
            return self.unknown
        return self.yes if value == 1 else self.no

    def _compute(self, term: Compute, left: int, right: int) -> int:
        values = [self._value(number, word=False) for number in (left, right)]
        if term.op in _BITWISE and None not in values:
            return self._literal(_BITWISE[term.op](*values))
        sure = not (self.nodes[left].maybe or self.nodes[right].maybe)
        if term.op == "&" and 0 in values and sure:
            return self._literal(0)
        return self._node("compute", (left, right), (term.op, term.is_word))

    def _choose(self, term: Choose) -> int:
        condition = self.add(term.condition)
        if condition == self.unknown:
            return self.unknown
        if self.nodes[condition].op == "constant":
            return self.add(term.yes if condition == self.yes else term.no)
        return self._node("choose", (condition, self.add(term.yes), self.add(term.no)))

    def _compare(self, term: Compare) -> int:
        word = term.left.is_word or term.right.is_word
        inputs = self.add(term.left), self.add(term.right)
        left, right = (self._value(number, word=word) for number in inputs)
        if left is not None and right is not None:
            return self.yes if _COMPARE[term.op](left, right) else self.no
        return self._node("compare", inputs, (term.op, word))

    def _member(self, term: Member) -> int:
        of, word = self.add(term.of), term.of.is_word
        value = self._value(of, word=word)
        if value is not None:
            return self.yes if value in term.values else self.no
        least, most = (0, _MODULUS - 1) if word else (-INT_MAX - 1, INT_MAX)
        own = frozenset(each for each in term.values if least <= each <= most)
        if len(own) == 1:
            return self._node("compare", (of, self._literal(*own)), ("==", word))
        runs = tuple((_signed(low), _signed(high)) for low, high in runs_of(own))
        return self._node("member", (of,), (word, runs))

    def _known(self, of: int) -> int:
        if of == self.unknown:
            return self.no
        return self._node("known", (of,)) if self.nodes[of].maybe else self.yes

    def _joined(self, op: str, parts: Iterable[int]) -> int:
        neutral, deciding = (self.yes, self.no) if op == "all" else (self.no, self.yes)
        kept: set[int] = set()
        for part in parts:
            if part == deciding:
                return deciding
            node = self.nodes[part]
            kept.update(node.inputs if node.op == op else () if part == neutral else (part,))
        if len(kept) < 2:
            return kept.pop() if kept else neutral
        if op == "some":
            common = reduce(frozenset.intersection, map(self.conjuncts, kept))
            if common:
                return self._factored(common, kept)
        # Cheap ones first: they may spare the others.
        ordered = sorted(kept, key=lambda number: (self.nodes[number].weight, number))
        return self._node(op, tuple(ordered))

    def _factored(self, common: frozenset[int], alternatives: Iterable[int]) -> int:
        """Alternatives, of which all have some conjuncts."""
        rests = [
            self._joined("all", self.conjuncts(alternative) - common)
            for alternative in alternatives
        ]
        return self._joined("all", (*common, self._joined("some", rests)))


def _signed(value: int) -> int:
    bits = value % _MODULUS
    return bits - _MODULUS if bits > INT_MAX else bits
