# SPDX-License-Identifier: Apache-2.0
"""The compiled loop of :mod:`uvtrace.check.pcie.passing`.

The table of messages in flight is an int64 matrix, one row per message in the order of issue;
tens of rows at most in practice, so that looking through it is cheaper than any index.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.compiled import copy_row, loop, rare_step, step
from uvtrace.check.pcie.messages import End, Events
from uvtrace.check.pcie.ordering import Passing, pair_facts

# Columns of the table.
_CHANNEL: Final = 0
_CLASS: Final = 1
_FACTS: Final = 2
_SENDER: Final = 3
_FUNCTION: Final = 4
_TAG: Final = 5
_FORM: Final = 6
_ADDRESS: Final = 7
_POSITION: Final = 8
_DATA: Final = 9
_INTERRUPT: Final = 10
_BLOCKERS: Final = 11
"""Messages ahead that it may have to wait for."""
_FREE_NS: Final = 12
"""Since when there is none."""
_OVERTAKEN: Final = 13
_TOLD: Final = 14
"""It has been reported as held up."""
FIELDS: Final = 15

# Columns of what every event shows.
OUT_RULE: Final = 0
OUT_ORDER: Final = 1
OUT_PASSED: Final = 2
OUT_COUNT: Final = 3
OUT_OVERTAKEN: Final = 4
OUT_HELD: Final = 5
OUT_HELD_NS: Final = 6
NOTHING: Final = (0, 0, -1, 0, -1, -1, 0)
"""What an event shows that shows nothing."""

_ISSUED = int(End.ISSUED)
_DELIVERED = int(End.DELIVERED)
_DROPPED = int(End.DROPPED)
_ALL_DROPPED = int(End.ALL_DROPPED)
_MUST_NOT = int(Passing.MUST_NOT)
_MUST = int(Passing.MUST)
_INTERRUPT_RULE = 5


def as_rows(events: Events) -> NDArray[np.int64]:
    """The table's row of each event's message, shape (n, FIELDS)."""
    rows = np.zeros((len(events), FIELDS), np.int64)
    messages = events.messages
    rows[:, _CHANNEL], rows[:, _CLASS] = events.channel, messages.transaction
    rows[:, _FACTS], rows[:, _SENDER] = messages.facts, messages.sender
    rows[:, _FUNCTION], rows[:, _TAG] = messages.function, messages.tag
    rows[:, _FORM], rows[:, _ADDRESS] = events.form, events.address.view(np.int64)
    rows[:, _POSITION], rows[:, _DATA] = events.position, events.data
    rows[:, _INTERRUPT], rows[:, _OVERTAKEN] = events.interrupt, -1
    return rows


_compiled: Any = loop
_step: Any = step
_called: Any = rare_step
_facts_of_pair: Any = step(pair_facts)


@_step
def _facts(later, earlier):  # type: ignore[no-untyped-def]
    """The facts of a pair of rows (conventional PCI bridges have no place in a trace)."""
    return _facts_of_pair(
        later[_FACTS],
        int(later[_SENDER] != earlier[_SENDER]),
        int(later[_FUNCTION] == earlier[_FUNCTION]),
        int(later[_TAG] == earlier[_TAG] and later[_TAG] != 0),
        0,
    )


@_called
def _find(table, count, message):  # type: ignore[no-untyped-def]
    """The oldest row in flight that is the same message; -1 none."""
    for k in range(count):
        row = table[k]
        if (
            row[_TAG] == message[_TAG]
            and row[_FORM] == message[_FORM]
            and row[_FUNCTION] == message[_FUNCTION]
            and row[_CHANNEL] == message[_CHANNEL]
            and row[_ADDRESS] == message[_ADDRESS]
        ):
            return k
    return -1


@_called
def _remove(table, count, at):  # type: ignore[no-untyped-def]
    """Take a row out, keeping the order."""
    for k in range(at, count - 1):
        copy_row(table, k, table, k + 1)
    return count - 1


@_called
def _release(table, count, at, time_ns, passing):  # type: ignore[no-untyped-def]
    """The row ``at`` no longer stands in the way of younger ones."""
    gone = table[at]
    for k in range(at + 1, count):
        row = table[k]
        if row[_CHANNEL] != gone[_CHANNEL]:
            continue
        if passing[row[_CLASS], gone[_CLASS], _facts(row, gone)] != _MUST:
            row[_BLOCKERS] -= 1
            if row[_BLOCKERS] == 0:
                row[_FREE_NS] = time_ns


@_called
def _held_by(table, count, at, time_ns, passing, patience_ns, life_ns):  # type: ignore[no-untyped-def]
    """The first younger row that should long have passed row ``at``; -1 none.

    Its receiver must have shown life while it waited: a device that has stopped altogether
    holds up nothing in particular.
    """
    ahead = table[at]
    for k in range(at + 1, count):
        row = table[k]
        if row[_CHANNEL] != ahead[_CHANNEL] or row[_BLOCKERS] or row[_TOLD]:
            continue
        if time_ns - row[_FREE_NS] < patience_ns or life_ns[row[_CHANNEL]] <= row[_FREE_NS]:
            continue
        if passing[row[_CLASS], ahead[_CLASS], _facts(row, ahead)] == _MUST:
            return k
    return -1


@_called
def _passed_by(message, table, at, passing, label, rules):  # type: ignore[no-untyped-def]
    """What a delivered message has passed of the rows before ``at``, and must not have.

    Returns:
        The rule, the clause, the position of the message passed, and how many there are.
    """
    rule, clause, passed, count = 0, 0, np.int64(-1), 0
    for k in range(at):
        row = table[k]
        if row[_CHANNEL] != message[_CHANNEL]:
            continue
        facts = _facts(message, row)
        if passing[message[_CLASS], row[_CLASS], facts] != _MUST_NOT:
            continue
        count += 1
        if row[_OVERTAKEN] < 0:
            row[_OVERTAKEN] = message[_POSITION]
        broken = rules[message[_CLASS], row[_CLASS]]
        if message[_INTERRUPT] and row[_DATA]:
            broken = _INTERRUPT_RULE
        if rule == 0 or (broken == _INTERRUPT_RULE and rule != _INTERRUPT_RULE):
            rule, passed = broken, row[_POSITION]
            clause = label[message[_CLASS], row[_CLASS], facts]
    return rule, clause, passed, count


@_called
def _issue(message, table, count, time_ns, passing):  # type: ignore[no-untyped-def]
    """Put a message in flight, behind all others."""
    blockers = 0
    for k in range(count):
        row = table[k]
        if row[_CHANNEL] == message[_CHANNEL]:
            blockers += passing[message[_CLASS], row[_CLASS], _facts(message, row)] != _MUST
    for column in range(FIELDS):
        table[count, column] = message[column]
    table[count, _BLOCKERS] = blockers
    table[count, _FREE_NS] = time_ns
    return count + 1


@_called
def _drop_function(table, count, function, time_ns, passing):  # type: ignore[no-untyped-def]
    """Take everything of a function out of flight."""
    for k in range(count - 1, -1, -1):
        if table[k, _FUNCTION] == function:
            _release(table, count, k, time_ns, passing)
            count = _remove(table, count, k)
    return count


@_called
def _deliver(  # type: ignore[no-untyped-def]
    message, table, at, count, time_ns, passing, label, rules, patience_ns, life_ns, out
):
    """A message arrives: the row ``at``, or one that was issued just now if there is none."""
    found = _passed_by(message, table, at, passing, label, rules)
    out[OUT_RULE], out[OUT_ORDER], out[OUT_PASSED], out[OUT_COUNT] = found
    if at == count:
        return
    out[OUT_OVERTAKEN] = table[at, _OVERTAKEN]
    held = _held_by(table, count, at, time_ns, passing, patience_ns, life_ns)
    if held >= 0:
        table[held, _TOLD] = 1
        out[OUT_HELD] = table[held, _POSITION]
        out[OUT_HELD_NS] = time_ns - table[held, _FREE_NS]


@_compiled
def advance(  # type: ignore[no-untyped-def]
    end, time_ns, messages, passing, label, rules, patience_ns, table, life_ns, count, out
):
    """Follow events.

    Args:
        end, time_ns: of each event, shape (n,).
        messages: the row of each event's message, int64 (n, FIELDS).
        passing, label: the compiled ordering table; rules: which rule forbids, (4, 4).
        table, life_ns, count: what is carried on, see ``passing.InFlight``.
        out: int64 (n, OUTPUTS), with the values of "nothing" in it.

    Returns:
        Messages in flight afterwards, messages forgotten, deliveries without an issue.
    """
    forgotten = unmatched = 0
    for i in range(len(end)):
        message, now = messages[i], time_ns[i]
        if end[i] == _ALL_DROPPED:
            count = _drop_function(table, count, message[_FUNCTION], now, passing)
            continue
        is_issued, is_delivered = (end[i] & _ISSUED) != 0, (end[i] & _DELIVERED) != 0
        at = count if is_issued else _find(table, count, message)
        if at < 0:
            out[i, OUT_RULE] = -1 if is_delivered else 0
            unmatched += 1
            continue
        if is_delivered:
            _deliver(
                message, table, at, count, now, passing, label, rules, patience_ns, life_ns, out[i]
            )
            life_ns[message[_CHANNEL]] = now
        if is_issued:
            # Who sends this way receives the other way: the lowest bit is the direction.
            life_ns[message[_CHANNEL] ^ 1] = now
        if not is_issued or (not is_delivered and count == len(table)):
            gone = at if at < count else 0
            forgotten += at == count
            _release(table, count, gone, now, passing)
            count = _remove(table, count, gone)
        if is_issued and not is_delivered:
            count = _issue(message, table, count, now, passing)
    return count, forgotten, unmatched


@_compiled
def held_at_end(table, life_ns, count, passing, patience_ns, time_ns, out):  # type: ignore[no-untyped-def]
    """Rows (message, request ahead, ns, function) of what is held up now; returns how many."""
    n = 0
    for k in range(count):
        while n < len(out):
            held = _held_by(table, count, k, time_ns, passing, patience_ns, life_ns)
            if held < 0:
                break
            table[held, _TOLD] = 1
            out[n, 0], out[n, 1] = table[held, _POSITION], table[k, _POSITION]
            out[n, 2] = time_ns - table[held, _FREE_NS]
            out[n, 3] = table[held, _FUNCTION]
            n += 1
    return n
