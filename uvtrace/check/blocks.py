# SPDX-License-Identifier: Apache-2.0
"""Terms over blocks of events: one compiled interpreter, whatever the terms are.

A block is small enough to stay in the CPU's cache while many terms look at it. Code goes through
the steps of a rule in order, makes none twice, and leaves a conjunction as soon as it is false of
every event of the block. A truth is one byte, bit 0 *certain*, bit 1 *possible*, so that Kleene's
and and or are the bitwise ones.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from uvtrace.check.arrays import array_at

BLOCK: Final = 512
"""Events that a term is evaluated over at a time."""
NO, UNSURE, YES = 0, 2, 3
"""The value of a truth."""
ALWAYS: Final = -1
"""The block for which a step has been made that is the same for all."""

(COLUMN, LITERAL, COMPUTE, BITS, CHOOSE) = range(5)
(TRUTH_COLUMN, CONSTANT, COMPARE, MEMBER, NOT, ALL, SOME, KNOWN) = range(5, 13)
"""What a step does; the first line's steps give numbers, the second's truths."""
COMPUTES: Final = ("+", "-", "*", "//", "%", "&", "|", "^", "<<", ">>")
COMPARES: Final = ("==", "!=", "<", "<=", ">", ">=")
ADD, SUBTRACT, MULTIPLY, DIVIDE, MODULO, AND, OR, XOR, LEFT, RIGHT = range(10)
EQUAL, DIFFERENT, LESS, AT_MOST, MORE, AT_LEAST = range(6)

OP, VARIANT, WORD, MAYBE, PLACE, ONE, TWO, THREE = range(8)
"""The fields of a step: what it does, in which variant, whether unsigned, whether its value may
be unknown, where the value is kept; and its operands, or where its list begins and ends."""

MAKE, UNLESS_MADE, BEGIN, JOIN = range(4)
"""Code: make a step; go on elsewhere if it is made; begin to join; join one to the others, and go
on elsewhere if that decides."""

ASKED: Final = 2
"""As the field WHOLE: events are only told, not counted."""
TURNED: Final = np.int64(-(1 << 63))
"""Unsigned numbers are ordered as signed ones are whose highest bit is the other one."""

APPLIES, BROKEN, WHOLE, CODE, MIDDLE, END = range(6)
"""The fields of a rule: the steps of what it judges and of what breaks it (-1: nothing), whether
it judges the whole trace (ASKED: it judges nothing), and where its code begins, comes to what
breaks it, and ends."""


class Memory(NamedTuple):
    """Flat terms, and room for their values over one block.

    Attributes:
        steps: shape (steps, 8), the fields above.
        code: shape (n, 4): what to do, the step, another one, where to go on.
        lists: first and last values of MEMBER.
        numbers, known, truths: values of a block, shape (steps, BLOCK), by place.
        made: the block for which a step has been made, or ALWAYS.
        owner: the function of each event of a block.
    """

    steps: NDArray[np.int64]
    code: NDArray[np.int64]
    lists: NDArray[np.int64]
    numbers: NDArray[np.int64]
    known: NDArray[np.uint8]
    truths: NDArray[np.uint8]
    made: NDArray[np.int64]
    owner: NDArray[np.int64]


class Columns(NamedTuple):
    """Where the columns of a chunk lie.

    Attributes:
        address: of each column's first value; the caller keeps the column.
        dtype: which of :data:`DTYPES` it is.
        chosen: whether it holds the judged events only, rather than every row of the chunk.
    """

    address: NDArray[np.uint64]
    dtype: NDArray[np.int64]
    chosen: NDArray[np.bool_]


DTYPES: Final = ("u1", "u2", "u4", "i1", "i2", "i4", "i8")
"""What a column may hold; unsigned numbers of 64 bits are taken as their bits."""


@numba.njit(cache=True)
def judge(
    memory: Memory,
    columns: Columns,
    rows: NDArray[np.int64],
    rules: NDArray[np.int64],
    function: NDArray[np.uint16],
    checked: NDArray[np.int64],
    unknown: NDArray[np.int64],
    hits: NDArray[np.int64],
) -> int:
    """Evaluate rules over events.

    Args:
        memory: the terms.
        columns: where the columns lie.
        rows: the events' rows in the chunk.
        rules: shape (rules, 6), the fields above.
        function: of each row of the chunk.
        checked, unknown: where to count, shape (rules, functions + 1); the last is the trace.
        hits: where to tell what breaks which: rule and index in ``rows``, shape (room, 2).

    Returns:
        How many hits there are; those for which there is no room are only counted.
    """
    count = 0
    own = memory.owner
    last = checked.shape[1] - 1
    for turn in range((len(rows) + BLOCK - 1) // BLOCK):
        begin = turn * BLOCK
        size = min(BLOCK, len(rows) - begin)
        for k in range(size):
            own[k] = min(np.int64(function[rows[begin + k]]), last)
        same = True
        for k in range(size):
            same &= own[k] == own[0]
        for half in range(2 * len(rules)):
            rule = half >> 1
            wanted = rules[rule, APPLIES + (half & 1)]
            if wanted < 0:
                continue
            at, end = rules[rule, CODE + (half & 1)], rules[rule, MIDDLE + (half & 1)]
            _run(memory, columns, rows, at, end, begin, size, turn)
            truth = memory.truths[memory.steps[wanted, PLACE], :size]
            whole = rules[rule, WHOLE] != 0
            if half & 1 == 0 and rules[rule, WHOLE] != ASKED:
                _count(truth, own, whole, same, checked[rule])
            elif half & 1 and not _is_all(truth, NO):
                applies = memory.truths[memory.steps[rules[rule, APPLIES], PLACE]]
                count = _tell(
                    applies, truth, own, whole, rule, begin, checked, unknown, hits, count
                )
    return count


@numba.njit()
def _count(
    applies: NDArray[np.uint8],
    function: NDArray[np.int64],
    whole: bool,
    same: bool,
    checked: NDArray[np.int64],
) -> None:
    last = len(checked) - 1
    if whole or same:
        place = last if whole else function[0]
        if whole or place < last:
            total = 0
            for k in range(len(applies)):
                total += applies[k] & 1
            checked[place] += total
        return
    for k in range(len(applies)):
        if function[k] < last:
            checked[function[k]] += applies[k] & 1


@numba.njit()
def _tell(
    applies: NDArray[np.uint8],
    broken: NDArray[np.uint8],
    function: NDArray[np.int64],
    whole: bool,
    rule: int,
    begin: int,
    checked: NDArray[np.int64],
    unknown: NDArray[np.int64],
    hits: NDArray[np.int64],
    count: int,
) -> int:
    last = checked.shape[1] - 1
    for k in range(len(broken)):
        place = last if whole else function[k]
        if broken[k] == NO or (place >= last and not whole):
            continue
        if broken[k] == UNSURE:
            unknown[rule, place] += 1
            checked[rule, place] -= applies[k] & 1
            continue
        if count < len(hits):
            hits[count, 0] = rule
            hits[count, 1] = begin + k
        count += 1
    return count


@numba.njit()
def _is_all(truth: NDArray[np.uint8], value: int) -> bool:
    other = np.uint8(0)
    for k in range(len(truth)):
        other |= truth[k] ^ np.uint8(value)
    return bool(other == 0)


@numba.njit()
def _run(
    memory: Memory,
    columns: Columns,
    rows: NDArray[np.int64],
    at: int,
    end: int,
    begin: int,
    size: int,
    turn: int,
) -> None:
    while at < end:
        what, step = memory.code[at, 0], memory.code[at, 1]
        if what == UNLESS_MADE:
            made = memory.made[step] == turn or memory.made[step] == ALWAYS
            at = memory.code[at, 3] if made else at + 1
            memory.made[step] = memory.made[step] if made else turn
            continue
        op = memory.steps[step, OP]
        if what == MAKE and op == COLUMN:
            out = memory.numbers[memory.steps[step, PLACE], :size]
            _take(columns, memory.steps[step, ONE], rows, begin, out)
            _make_known(memory, step, op, size)
        elif what == MAKE and op < TRUTH_COLUMN:
            _make_number(memory, step, op, size)
        elif what == MAKE:
            _make_truth(memory, step, op, size)
        elif what == BEGIN:
            _fill(memory.truths[memory.steps[step, PLACE], :size], YES if op == ALL else NO)
        elif _join(
            op,
            memory.truths[memory.steps[memory.code[at, 2], PLACE], :size],
            memory.truths[memory.steps[step, PLACE], :size],
        ):
            at = memory.code[at, 3]
            continue
        at += 1


@numba.njit()
def _fill(truth: NDArray[np.uint8], value: int) -> None:
    for k in range(len(truth)):
        truth[k] = value


@numba.njit()
def _join(op: int, one: NDArray[np.uint8], out: NDArray[np.uint8]) -> bool:
    """Whether that decides, whatever is joined to it."""
    if op == ALL:
        for k in range(len(out)):
            out[k] &= one[k]
        return _is_all(out, NO)
    for k in range(len(out)):
        out[k] |= one[k]
    return _is_all(out, YES)


@numba.njit()
def _take(
    columns: Columns, column: int, rows: NDArray[np.int64], begin: int, out: NDArray[np.int64]
) -> None:
    """The values of a column for a block."""
    address, dtype, chosen = columns.address[column], columns.dtype[column], columns.chosen[column]
    if dtype == 0:
        _gather(array_at(address, np.uint8), rows, chosen, begin, out)
    elif dtype == 1:
        _gather(array_at(address, np.uint16), rows, chosen, begin, out)
    elif dtype == 2:
        _gather(array_at(address, np.uint32), rows, chosen, begin, out)
    elif dtype == 3:
        _gather(array_at(address, np.int8), rows, chosen, begin, out)
    elif dtype == 4:
        _gather(array_at(address, np.int16), rows, chosen, begin, out)
    elif dtype == 5:
        _gather(array_at(address, np.int32), rows, chosen, begin, out)
    else:
        _gather(array_at(address, np.int64), rows, chosen, begin, out)


@numba.njit()
def _gather(
    column: NDArray[Any],
    rows: NDArray[np.int64],
    chosen: bool,
    begin: int,
    out: NDArray[np.int64],
) -> None:
    if chosen:
        for k in range(len(out)):
            out[k] = column[begin + k]
    else:
        for k in range(len(out)):
            out[k] = column[rows[begin + k]]


@numba.njit()
def _number(memory: Memory, step: int, size: int) -> NDArray[np.int64]:
    return memory.numbers[memory.steps[step, PLACE], :size]


@numba.njit()
def _make_number(memory: Memory, step: int, op: int, size: int) -> None:
    one = memory.steps[step, ONE]
    out = _number(memory, step, size)
    if op == COMPUTE:
        left, right = _number(memory, one, size), _number(memory, memory.steps[step, TWO], size)
        variant = memory.steps[step, VARIANT]
        if variant < DIVIDE or AND <= variant <= LEFT:
            _compute(variant, left, right, out)
        elif memory.steps[step, WORD]:
            _compute_words(variant, left.view(np.uint64), right.view(np.uint64), out)
        else:
            _compute_signed(variant, left, right, out)
    elif op == BITS:
        of, mask = _number(memory, one, size).view(np.uint64), memory.steps[step, THREE]
        low = np.uint64(memory.steps[step, TWO])
        for k in range(size):
            out[k] = np.int64(of[k] >> low) & mask
    elif op == CHOOSE:
        condition = memory.truths[memory.steps[one, PLACE]]
        yes = _number(memory, memory.steps[step, TWO], size)
        no = _number(memory, memory.steps[step, THREE], size)
        for k in range(size):
            out[k] = yes[k] if condition[k] == YES else no[k]
    _make_known(memory, step, op, size)


@numba.njit()
def _make_known(memory: Memory, step: int, op: int, size: int) -> None:
    if not memory.steps[step, MAYBE]:
        return
    known = memory.known[step]
    one, two = memory.steps[step, ONE], memory.steps[step, TWO]
    if op == COLUMN:
        value = _number(memory, step, size)
        for k in range(size):
            known[k] = value[k] != two
    elif op == BITS:
        for k in range(size):
            known[k] = memory.known[one, k]
    elif op == COMPUTE:
        for k in range(size):
            known[k] = memory.known[one, k] & memory.known[two, k]
    else:
        condition = memory.truths[memory.steps[one, PLACE]]
        yes, no = memory.known[two], memory.known[memory.steps[step, THREE]]
        for k in range(size):
            chosen = yes[k] if condition[k] == YES else no[k]
            known[k] = chosen if condition[k] != UNSURE else 0


@numba.njit()
def _make_truth(memory: Memory, step: int, op: int, size: int) -> None:
    one, two = memory.steps[step, ONE], memory.steps[step, TWO]
    out = memory.truths[memory.steps[step, PLACE], :size]
    if op == TRUTH_COLUMN:
        column = _number(memory, one, size)
        other = UNSURE if two else NO
        for k in range(size):
            out[k] = YES if column[k] == 1 else (other if column[k] != 0 else NO)
    elif op == NOT:
        of = memory.truths[memory.steps[one, PLACE]]
        for k in range(size):
            # Certainly not true is what is not possible.
            out[k] = ((of[k] >> 1) ^ 1) | (((of[k] & 1) ^ 1) << 1)
    elif op == KNOWN:
        _make_is_known(memory, one, out)
    elif op == COMPARE:
        left, right = _number(memory, one, size), _number(memory, two, size)
        word = memory.steps[step, WORD] != 0
        _compare(memory.steps[step, VARIANT], word, left, right, out)
    else:
        values = memory.lists[two : memory.steps[step, THREE]]
        _member(values, memory.steps[step, WORD] != 0, _number(memory, one, size), out)
    if memory.steps[step, MAYBE]:
        other_known = memory.known[two if op == COMPARE else one]
        for k in range(size):
            out[k] = out[k] if memory.known[one, k] & other_known[k] else UNSURE


@numba.njit()
def _make_is_known(memory: Memory, of: int, out: NDArray[np.uint8]) -> None:
    if memory.steps[of, OP] < TRUTH_COLUMN:
        for k in range(len(out)):
            out[k] = YES if memory.known[of, k] else NO
    else:
        truth = memory.truths[memory.steps[of, PLACE]]
        for k in range(len(out)):
            out[k] = YES if truth[k] != UNSURE else NO


@numba.njit()
def _member(
    values: NDArray[np.int64], word: bool, of: NDArray[np.int64], out: NDArray[np.uint8]
) -> None:
    """``values``: the first and the last of each run of neighbours, in turn."""
    _fill(out, NO)
    turned = TURNED if word else np.int64(0)
    for i in range(0, len(values), 2):
        low, high = values[i] ^ turned, values[i + 1] ^ turned
        for k in range(len(out)):
            out[k] |= YES if low <= of[k] ^ turned <= high else NO


@numba.njit()
def _compare(
    op: int,
    word: bool,
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    out: NDArray[np.uint8],
) -> None:
    # Different is not equal; more is less with sides changed; at most is not more.
    yes = YES if op in (EQUAL, LESS, MORE) else NO
    no = YES - yes
    if op in (EQUAL, DIFFERENT):
        for k in range(len(out)):
            out[k] = yes if left[k] == right[k] else no
        return
    one, two = (left, right) if op in (LESS, AT_LEAST) else (right, left)
    turned = TURNED if word else np.int64(0)
    for k in range(len(out)):
        out[k] = yes if one[k] ^ turned < two[k] ^ turned else no


@numba.njit()
def _compute(
    op: int, left: NDArray[np.int64], right: NDArray[np.int64], out: NDArray[np.int64]
) -> None:
    if op == ADD:
        for k in range(len(out)):
            out[k] = left[k] + right[k]
    elif op == SUBTRACT:
        for k in range(len(out)):
            out[k] = left[k] - right[k]
    elif op == MULTIPLY:
        for k in range(len(out)):
            out[k] = left[k] * right[k]
    elif op == AND:
        for k in range(len(out)):
            out[k] = left[k] & right[k]
    elif op == OR:
        for k in range(len(out)):
            out[k] = left[k] | right[k]
    elif op == XOR:
        for k in range(len(out)):
            out[k] = left[k] ^ right[k]
    else:
        for k in range(len(out)):
            out[k] = left[k] << right[k] if 0 <= right[k] < 64 else 0


@numba.njit()
def _compute_words(
    op: int, left: NDArray[np.uint64], right: NDArray[np.uint64], out: NDArray[np.int64]
) -> None:
    none = np.uint64(0)
    for k in range(len(out)):
        a, b = left[k], right[k]
        if op == RIGHT:
            out[k] = np.int64(a >> b) if b < np.uint64(64) else 0
        elif b == none:
            out[k] = 0
        else:
            out[k] = np.int64(a // b) if op == DIVIDE else np.int64(a % b)


@numba.njit()
def _compute_signed(
    op: int, left: NDArray[np.int64], right: NDArray[np.int64], out: NDArray[np.int64]
) -> None:
    for k in range(len(out)):
        a, b = left[k], right[k]
        if op == RIGHT:
            out[k] = a >> b if 0 <= b < 64 else a >> 63
        elif b == 0:
            out[k] = 0
        elif b == -1:
            out[k] = -a if op == DIVIDE else 0
        else:
            out[k] = a // b if op == DIVIDE else a % b
