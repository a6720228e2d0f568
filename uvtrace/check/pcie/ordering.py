# SPDX-License-Identifier: Apache-2.0
"""PCI Express transaction ordering: which message may pass which.

:data:`TABLE` states Table 2-40, "Ordering Rules Summary", of the PCI Express Base Specification
(section 2.4.1; numbered as in revision 5.0, other revisions number the table differently). Every
other form of it is made from that one declaration: the lookup of the vectorised :func:`judge` and
of the streaming pass (:mod:`uvtrace.check.pcie.passing`), the z3 term
(:mod:`uvtrace.check.pcie.terms`), and the table in ``docs/ordering.md``.

An entry tells whether the *later* message (row) may pass the *earlier* one (column), both going
the same way over the same link in the same traffic class; messages of different traffic classes
have no order. Not covered, as no record tells of it: PASIDs, which widen what IDO allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

SOURCE: Final = "PCI Express Base Specification 5.0, section 2.4.1, Table 2-40"


class Transaction(IntEnum):
    """The table's rows and columns."""

    POSTED = 0
    """Row A, column 2: memory writes, interrupt messages and other messages."""
    READ = 1
    """Row B, column 3: memory, I/O and configuration reads."""
    WRITE = 2
    """Row C, column 4: non-posted with data: I/O and configuration writes, atomics."""
    COMPLETION = 3
    """Row D, column 5."""


NO_TRANSACTION: Final = 255
"""The class of a record that is no message on the bus."""


class Passing(IntEnum):
    """An entry's answer."""

    MUST_NOT = 0
    """"No": the later message must not pass the earlier one."""
    MAY = 1
    """"Y/N": it may pass, and may wait."""
    MUST = 2
    """"Yes": it must be able to pass whenever the earlier one is blocked."""


class Fact(IntFlag):
    """What an entry's answer depends on."""

    RELAXED = 1
    """The later message has the attribute RO."""
    ID_ORDERED = 2
    """The later message has the attribute IDO."""
    WRITE_COMPLETION = 4
    """The later message completes an I/O or configuration write."""
    OTHER_SENDER = 8
    """Requester IDs differ; of a completion, its Completer ID is compared."""
    SAME_TRANSACTION = 16
    """Both complete the same request (equal Transaction IDs)."""
    PCI_BRIDGE = 32
    """On the way to a conventional PCI bus, inside the bridge."""


ALWAYS: Final = Fact(0)
OF_MESSAGE: Final = Fact.RELAXED | Fact.ID_ORDERED | Fact.WRITE_COMPLETION
"""The facts that one message has by itself; the others are of a pair."""


class Clause(NamedTuple):
    """One answer of an entry, and the facts that must all hold for it."""

    label: str
    passing: Passing
    when: Fact = ALWAYS


class Entry(NamedTuple):
    """One cell: the first clause whose facts hold answers; the last has none."""

    later: Transaction
    earlier: Transaction
    clauses: tuple[Clause, ...]


Table = tuple[Entry, ...]

_P, _R, _W, _C = Transaction
_NO, _MAY, _YES = Passing
_IDO: Final = Fact.ID_ORDERED | Fact.OTHER_SENDER

TABLE: Final[Table] = (
    Entry(
        *(_P, _P),
        (Clause("A2b", _MAY, Fact.RELAXED), Clause("A2b", _MAY, _IDO), Clause("A2a", _NO)),
    ),
    Entry(_P, _R, (Clause("A3", _YES),)),
    Entry(_P, _W, (Clause("A4", _YES),)),
    Entry(_P, _C, (Clause("A5b", _YES, Fact.PCI_BRIDGE), Clause("A5a", _MAY))),
    # RO on a read is about its completion: the read itself still pushes posted writes.
    Entry(_R, _P, (Clause("B2b", _MAY, _IDO), Clause("B2a", _NO))),
    Entry(_R, _R, (Clause("B3", _MAY),)),
    Entry(_R, _W, (Clause("B4", _MAY),)),
    Entry(_R, _C, (Clause("B5", _MAY),)),
    Entry(
        *(_W, _P),
        (Clause("C2b", _MAY, Fact.RELAXED), Clause("C2b", _MAY, _IDO), Clause("C2a", _NO)),
    ),
    Entry(_W, _R, (Clause("C3", _MAY),)),
    Entry(_W, _W, (Clause("C4", _MAY),)),
    Entry(_W, _C, (Clause("C5", _MAY),)),
    Entry(
        *(_C, _P),
        (
            Clause("D2b", _MAY, Fact.WRITE_COMPLETION),
            Clause("D2b", _MAY, Fact.RELAXED),
            Clause("D2b", _MAY, _IDO),
            Clause("D2a", _NO),
        ),
    ),
    Entry(_C, _R, (Clause("D3", _YES),)),
    Entry(_C, _W, (Clause("D4", _YES),)),
    Entry(_C, _C, (Clause("D5b", _NO, Fact.SAME_TRANSACTION), Clause("D5a", _MAY))),
)
"""Table 2-40, row by row."""

LABELS: Final = tuple(dict.fromkeys(clause.label for entry in TABLE for clause in entry.clauses))
"""The labels of the table's clauses; :class:`Lookup` numbers them in this order."""


class Lookup(NamedTuple):
    """A table compiled for every combination of facts.

    Attributes:
        passing: uint8 (4, 4, 64): the :class:`Passing` by later class, earlier class and facts.
        label: uint8 (4, 4, 64): the index in :data:`LABELS` of the clause that answers.
    """

    passing: NDArray[np.uint8]
    label: NDArray[np.uint8]


@cache
def compiled(table: Table = TABLE) -> Lookup:
    """The lookup arrays of a table.

    Raises:
        ValueError: a cell is missing or stated twice, or one has no unconditional last clause.
    """
    cells = {(entry.later, entry.earlier): entry for entry in table}
    n = len(Transaction)
    if len(table) != n * n or len(cells) != n * n:
        raise ValueError("a table needs each of its 16 entries once")
    shape = (n, n, 2 * max(Fact))
    passing, label = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    for (later, earlier), entry in cells.items():
        for facts in range(shape[2]):
            clause = answering(entry, Fact(facts))
            passing[later, earlier, facts] = clause.passing
            label[later, earlier, facts] = LABELS.index(clause.label)
    passing.flags.writeable = label.flags.writeable = False
    return Lookup(passing, label)


def answering(entry: Entry, facts: Fact) -> Clause:
    """The clause of an entry that answers for these facts.

    Raises:
        ValueError: none does.
    """
    for clause in entry.clauses:
        if clause.when & facts == clause.when:
            return clause
    raise ValueError(f"entry {entry.clauses[0].label} does not answer for every message")


@dataclass(frozen=True)
class Messages:
    """Messages as columns of one shape; single values stand for messages that are all alike.

    Attributes:
        transaction: :class:`Transaction` of each.
        facts: those of :data:`OF_MESSAGE` that each has.
        sender: number of the Requester ID of a request, of the Completer ID of a completion.
        function: the function whose transaction it belongs to.
        tag: with ``function``, the transaction that it belongs to; 0 where that is not known.
    """

    transaction: Any
    facts: Any = 0
    sender: Any = 0
    function: Any = 0
    tag: Any = 0

    def take(self, rows: Any) -> Messages:
        """The given rows of every column (all must be arrays)."""
        return Messages(
            self.transaction[rows],
            self.facts[rows],
            self.sender[rows],
            self.function[rows],
            self.tag[rows],
        )


def pair_facts(
    facts: Any, senders_differ: Any, same_function: Any, same_tag: Any, pci_bridge: Any
) -> Any:
    """The facts of a pair, from those of its later message.

    Works on numbers (also compiled, in the streaming pass) and elementwise on arrays.
    """
    return facts | senders_differ * 8 | (same_function & same_tag) * 16 | pci_bridge * 32


def judge(
    later: Messages, earlier: Messages, *, pci_bridge: bool = False, table: Table = TABLE
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Whether each ``later`` message may pass the ``earlier`` one at the same place.

    Both must go the same way over the same link in the same traffic class. Columns broadcast:
    (n, 1) against (1, n) judges all pairs.

    Returns:
        :class:`Passing` and index in :data:`LABELS` of each pair, uint8.
    """
    lookup = compiled(table)
    facts = pair_facts(
        np.asarray(later.facts, np.int64),
        np.not_equal(later.sender, earlier.sender),
        np.equal(later.function, earlier.function),
        np.equal(later.tag, earlier.tag) & np.not_equal(later.tag, 0),
        pci_bridge,
    )
    cell = (np.asarray(later.transaction), np.asarray(earlier.transaction), facts)
    return lookup.passing[cell], lookup.label[cell]


def as_markdown(table: Table = TABLE) -> list[str]:
    """The table as lines of Markdown, for the documentation."""
    names = ("posted", "read", "non-posted with data", "completion")
    answers = {_NO: "no", _MAY: "may", _YES: "must be able to"}
    lines = [
        "| may the later (row) pass the earlier (column)? | " + " | ".join(names) + " |",
        "|-" * (len(names) + 1) + "|",
    ]
    for later, name in zip(Transaction, names, strict=True):
        row = [entry for earlier in Transaction for entry in _cell(table, later, earlier)]
        texts = (_text(entry.clauses, answers) for entry in row)
        lines.append(f"| {name} | " + " | ".join(texts) + " |")
    return lines


def _cell(table: Table, later: Transaction, earlier: Transaction) -> Sequence[Entry]:
    return [entry for entry in table if (entry.later, entry.earlier) == (later, earlier)]


_FACT_TEXT: Final = {
    Fact.RELAXED: "RO",
    Fact.ID_ORDERED: "IDO",
    Fact.WRITE_COMPLETION: "of an I/O or config write",
    Fact.OTHER_SENDER: "other ID",
    Fact.SAME_TRANSACTION: "same request",
    Fact.PCI_BRIDGE: "bridge to PCI",
}


def _text(clauses: Sequence[Clause], answers: dict[Passing, str]) -> str:
    parts = []
    for clause in clauses:
        condition = " and ".join(text for fact, text in _FACT_TEXT.items() if fact in clause.when)
        parts.append(
            f"{clause.label} {answers[clause.passing]}" + f" if {condition}" * bool(condition)
        )
    return "<br>".join(parts)
