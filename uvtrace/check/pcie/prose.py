# SPDX-License-Identifier: Apache-2.0
"""The ordering rules once more, told by their reasons and for kinds of packets, not by cells.

Written from the running text of the specification (PCI Express Base 5.0, sections 2.2.6.3,
2.2.6.4, 2.4.1 and 2.4.2, and appendix on ordering), without the table: z3 proves in
:func:`disagreement` that both say the same of every pair of packets, so that neither is only
proven against itself.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final

import z3

from uvtrace.check.pcie.ordering import TABLE, Passing, Table, Transaction
from uvtrace.check.pcie.terms import Symbols, passing_term


class Packet(IntEnum):
    """Packet types, as section 2.2.1 tells them apart."""

    MEMORY_WRITE = 0
    MESSAGE = 1
    MEMORY_READ = 2
    IO_READ = 3
    CONFIG_READ = 4
    IO_WRITE = 5
    CONFIG_WRITE = 6
    ATOMIC = 7
    READ_COMPLETION = 8
    """With data, of a read or an atomic; or telling that it failed."""
    WRITE_COMPLETION = 9
    """Without data, of an I/O or configuration write."""


_MEMORY_UPDATES: Final = (Packet.MEMORY_WRITE, Packet.MESSAGE)
_READS: Final = (Packet.MEMORY_READ, Packet.IO_READ, Packet.CONFIG_READ)
_AWAITED_UPDATES: Final = (Packet.IO_WRITE, Packet.CONFIG_WRITE, Packet.ATOMIC)
_ANSWERS: Final = (Packet.READ_COMPLETION, Packet.WRITE_COMPLETION)


def is_any(packet: Any, types: tuple[Packet, ...]) -> Any:
    """That a packet (an Int term) is of one of these types."""
    return z3.Or(*(packet == int(kind) for kind in types))


def must_not_pass(second: Any, first: Any, later: Symbols, earlier: Symbols) -> Any:
    """Overtaking that would be seen by a program.

    Producers and consumers: whoever sees what came second (a flag, an answer, a change made by
    an I/O or configuration write) must see what was posted first. The sender may waive that
    (RO), except for a read, which flushes whatever its attributes; another sender's packets are
    nothing to one that asks to be ordered by ID (IDO). The bare answer to an I/O or
    configuration write tells of no data. And one read's data return in order.
    """
    waived = z3.And(later.relaxed, z3.Not(is_any(second, _READS)))
    unrelated = z3.And(later.id_ordered, z3.Not(later.sender == earlier.sender))
    tells_nothing = second == int(Packet.WRITE_COMPLETION)
    seen = z3.And(is_any(first, _MEMORY_UPDATES), z3.Not(z3.Or(waived, unrelated, tells_nothing)))
    pieces = z3.And(
        is_any(second, _ANSWERS),
        is_any(first, _ANSWERS),
        later.function == earlier.function,
        later.tag == earlier.tag,
        z3.Not(later.tag == 0),
    )
    return z3.Or(seen, pieces)


def must_be_able_to_pass(second: Any, first: Any, pci_bridge: Any) -> Any:
    """Waiting that could become a deadlock.

    Whoever holds up requests that await an answer may do so until its own posted writes and
    answers have left; hence such a request never holds up either of them. A bridge to
    conventional PCI, where a delayed transaction holds the bus, must let posted writes pass
    answers, too.
    """
    awaits = is_any(first, _READS + _AWAITED_UPDATES)
    frees = is_any(second, _MEMORY_UPDATES + _ANSWERS)
    held = z3.And(pci_bridge, is_any(first, _ANSWERS), is_any(second, _MEMORY_UPDATES))
    return z3.Or(z3.And(awaits, frees), held)


def disagreement(table: Table = TABLE) -> str | None:
    """A pair of packets of which table and prose say different things; None if z3 proves none.

    Raises:
        RuntimeError: z3 gave up (the formula is small: a defect).
    """
    later, earlier = Symbols.named("later"), Symbols.named("earlier")
    second, first, pci_bridge = z3.Int("second"), z3.Int("first"), z3.Bool("pci_bridge")
    prose = z3.If(
        must_not_pass(second, first, later, earlier),
        z3.IntVal(int(Passing.MUST_NOT)),
        z3.If(
            must_be_able_to_pass(second, first, pci_bridge),
            z3.IntVal(int(Passing.MUST)),
            z3.IntVal(int(Passing.MAY)),
        ),
    )
    solver = z3.Solver()
    solver.add(*_described(second, later), *_described(first, earlier))
    solver.add(prose != passing_term(later, earlier, pci_bridge=pci_bridge, table=table))
    outcome = solver.check()
    if outcome == z3.unsat:
        return None
    if outcome != z3.sat:
        raise RuntimeError(f"z3 could not decide: {solver.reason_unknown()}")
    model = solver.model()
    kinds = [Packet(model.eval(packet, True).as_long()) for packet in (second, first)]
    return f"{kinds[0].name} after {kinds[1].name}: {model}"


def _described(packet: Any, message: Symbols) -> list[Any]:
    """That ``message`` is what the table calls a ``packet``."""
    classes = (
        (_MEMORY_UPDATES, Transaction.POSTED),
        (_READS, Transaction.READ),
        (_AWAITED_UPDATES, Transaction.WRITE),
        (_ANSWERS, Transaction.COMPLETION),
    )
    return [
        is_any(packet, tuple(Packet)),
        *(
            is_any(packet, types) == (message.transaction == int(transaction))
            for types, transaction in classes
        ),
        message.write_completion == (packet == int(Packet.WRITE_COMPLETION)),
    ]
