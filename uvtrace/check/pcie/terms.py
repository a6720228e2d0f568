# SPDX-License-Identifier: Apache-2.0
"""The ordering table as a z3 term, made from the same declaration as the compiled lookup."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import z3

from uvtrace.check.pcie.ordering import TABLE, Entry, Fact, Passing, Table, Transaction


@dataclass(frozen=True)
class Symbols:
    """One message whose properties are z3 terms (or Python values that z3 takes).

    Attributes:
        transaction: Int, a :class:`Transaction`.
        relaxed, id_ordered, write_completion: Bool, the message's own facts.
        sender, function, tag: Int, as in :class:`uvtrace.check.pcie.ordering.Messages`.
    """

    transaction: Any
    relaxed: Any
    id_ordered: Any
    write_completion: Any
    sender: Any
    function: Any
    tag: Any

    @classmethod
    def named(cls, name: str) -> Symbols:
        """A message of which nothing is known; its terms are called ``name.…``."""
        return cls(
            transaction=z3.Int(f"{name}.transaction"),
            relaxed=z3.Bool(f"{name}.relaxed"),
            id_ordered=z3.Bool(f"{name}.id_ordered"),
            write_completion=z3.Bool(f"{name}.write_completion"),
            sender=z3.Int(f"{name}.sender"),
            function=z3.Int(f"{name}.function"),
            tag=z3.Int(f"{name}.tag"),
        )


def fact_terms(later: Symbols, earlier: Symbols, pci_bridge: Any) -> dict[Fact, Any]:
    """Each fact of a pair, as a Bool term."""
    same = z3.And(
        later.function == earlier.function, later.tag == earlier.tag, z3.Not(later.tag == 0)
    )
    return {
        Fact.RELAXED: later.relaxed,
        Fact.ID_ORDERED: later.id_ordered,
        Fact.WRITE_COMPLETION: later.write_completion,
        Fact.OTHER_SENDER: z3.Not(later.sender == earlier.sender),
        Fact.SAME_TRANSACTION: same,
        Fact.PCI_BRIDGE: pci_bridge,
    }


def passing_term(
    later: Symbols, earlier: Symbols, *, pci_bridge: Any = False, table: Table = TABLE
) -> Any:
    """Whether ``later`` may pass ``earlier``, as an Int term: a :class:`Passing`.

    Both are taken to go the same way over the same link in the same traffic class. A pair
    without a cell gives -1.
    """
    facts = fact_terms(later, earlier, pci_bridge)
    term: Any = z3.IntVal(-1)
    for entry in table:
        here = z3.And(
            later.transaction == int(entry.later), earlier.transaction == int(entry.earlier)
        )
        term = z3.If(here, _entry_term(entry, facts), term)
    return term


def is_transaction(message: Symbols) -> Any:
    """That the message's class is one of the table's."""
    return z3.And(message.transaction >= 0, message.transaction < len(Transaction))


def _entry_term(entry: Entry, facts: dict[Fact, Any]) -> Any:
    term: Any = z3.IntVal(-1)
    for clause in reversed(entry.clauses):
        when = z3.And(*(facts[fact] for fact in Fact if fact in clause.when), True)
        term = z3.If(when, z3.IntVal(int(Passing(clause.passing))), term)
    return term
