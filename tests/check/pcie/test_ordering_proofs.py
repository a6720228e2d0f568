# SPDX-License-Identifier: Apache-2.0
"""The ordering table and its independent statements say the same, and neither can be changed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
import z3

from uvtrace.check.pcie.litmus import all_litmus, failures
from uvtrace.check.pcie.ordering import (
    TABLE,
    Clause,
    Entry,
    Fact,
    Messages,
    Passing,
    Table,
    Transaction,
    judge,
)
from uvtrace.check.pcie.prose import disagreement
from uvtrace.check.pcie.terms import Symbols, passing_term


def test_every_litmus_test_comes_out_of_the_table_as_the_prose_says() -> None:
    assert failures() == ()


def test_litmus_tests_ask_for_both_answers_and_have_names_of_their_own() -> None:
    litmus = all_litmus()
    assert len({test.name for test in litmus}) == len(litmus)
    assert {test.possible for test in litmus} == {True, False}


def test_table_and_prose_agree_on_every_pair_of_packets() -> None:
    assert disagreement() is None


def test_every_cell_is_asked_about_by_a_litmus_test() -> None:
    asked = frozenset().union(*(test.pairs for test in all_litmus()))
    assert asked == set(product(Transaction, Transaction))


def _with(entry: Entry, clauses: tuple[Clause, ...]) -> Table:
    return tuple(e._replace(clauses=clauses) if e is entry else e for e in TABLE)


def _mutants() -> Iterator[tuple[str, Entry, Table]]:
    """The table with one clause answering otherwise, left out, or asking for one fact less."""
    for entry in TABLE:
        for i, clause in enumerate(entry.clauses):
            name = f"{clause.label}/{i}"
            before, after = entry.clauses[:i], entry.clauses[i + 1 :]
            for passing in set(Passing) - {clause.passing}:
                changed = clause._replace(passing=passing)
                yield f"{name}={passing.name}", entry, _with(entry, (*before, changed, *after))
            if after:
                yield f"{name} left out", entry, _with(entry, before + after)
            for fact in Fact:
                if fact in clause.when and clause.when != fact:
                    fewer = clause._replace(when=clause.when & ~fact)
                    mutant = _with(entry, (*before, fewer, *after))
                    yield f"{name} without {fact.name}", entry, mutant


_MUTANTS = [pytest.param(entry, table, id=name) for name, entry, table in _mutants()]


def test_every_clause_of_the_table_is_mutated() -> None:
    clauses = sum(len(entry.clauses) for entry in TABLE)
    assert len(_MUTANTS) >= 2 * clauses


@pytest.mark.parametrize(("entry", "mutant"), _MUTANTS)
def test_a_litmus_test_notices_every_change_of_the_table(entry: Entry, mutant: Table) -> None:
    cell = (entry.later, entry.earlier)
    assert any(not test.agrees(mutant) for test in all_litmus() if cell in test.pairs)


@pytest.mark.parametrize(("entry", "mutant"), _MUTANTS)
def test_the_prose_notices_every_change_of_the_table(entry: Entry, mutant: Table) -> None:
    assert disagreement(mutant) is not None, entry


def _additions() -> Iterator[tuple[str, Table]]:
    """The table with one more condition, to which a cell gives another answer."""
    for entry in TABLE:
        usual = entry.clauses[-1].passing
        for fact in Fact:
            if fact == Fact.WRITE_COMPLETION and entry.later != Transaction.COMPLETION:
                continue
            for passing in set(Passing) - {usual}:
                clause = Clause(entry.clauses[0].label, passing, fact)
                if clause not in entry.clauses:
                    name = f"{entry.clauses[-1].label}: {passing.name} if {fact.name}"
                    yield name, _with(entry, (clause, *entry.clauses))


@pytest.mark.parametrize("table", [pytest.param(t, id=name) for name, t in _additions()])
def test_the_prose_notices_every_added_condition(table: Table) -> None:
    assert disagreement(table) is not None


def test_the_compiled_table_and_the_term_give_one_answer_for_every_pair() -> None:
    later, earlier, bridge = Symbols.named("l"), Symbols.named("e"), z3.Bool("bridge")
    term = passing_term(later, earlier, pci_bridge=bridge)
    for row, column, facts, sender, tag, in_bridge in product(
        Transaction, Transaction, range(8), (1, 2), (0, 7, 8), (False, True)
    ):
        values = [
            (later.transaction, z3.IntVal(int(row))),
            (earlier.transaction, z3.IntVal(int(column))),
            (later.relaxed, z3.BoolVal(bool(facts & Fact.RELAXED))),
            (later.id_ordered, z3.BoolVal(bool(facts & Fact.ID_ORDERED))),
            (later.write_completion, z3.BoolVal(bool(facts & Fact.WRITE_COMPLETION))),
            (later.sender, z3.IntVal(sender)),
            (earlier.sender, z3.IntVal(1)),
            (later.tag, z3.IntVal(tag)),
            (earlier.tag, z3.IntVal(7 if tag else 0)),
            (later.function, z3.IntVal(0)),
            (earlier.function, z3.IntVal(0)),
            (bridge, z3.BoolVal(in_bridge)),
        ]
        from_term = z3.simplify(z3.substitute(term, *values)).as_long()
        passing, _ = judge(
            Messages(row, facts, sender, 0, tag),
            Messages(column, 0, 1, 0, 7 if tag else 0),
            pci_bridge=in_bridge,
        )
        assert from_term == int(passing), values


def test_all_pairs_are_judged_at_once() -> None:
    messages = Messages(
        transaction=np.array([0, 1, 3]),
        facts=np.array([0, 0, 1]),
        sender=np.array([1, 1, 1]),
        function=np.zeros(3, int),
        tag=np.array([0, 5, 6]),
    )
    column = Messages(
        *(
            values[:, None]
            for values in (
                messages.transaction,
                messages.facts,
                messages.sender,
                messages.function,
                messages.tag,
            )
        )
    )
    passing, _ = judge(column, messages)
    assert passing.tolist() == [[0, 2, 1], [0, 1, 1], [1, 2, 0]]
