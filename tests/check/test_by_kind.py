# SPDX-License-Identifier: Apache-2.0
"""Rules about single events: the machine code and the numpy program say the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from uvtrace.check.by_kind import ByKind, Single
from uvtrace.check.chunk import Chunk, Frame
from uvtrace.check.columns import record
from uvtrace.check.expression import (
    FALSE,
    TRUE,
    Compare,
    Compute,
    Expression,
    Number,
    NumberColumn,
    Parameter,
    Truth,
    TruthColumn,
    choose,
    compare,
    compute,
)
from uvtrace.check.loss import Losses
from uvtrace.check.program import Program
from uvtrace.trace.layout import FUNCTION_NONE, make_records

WORD = NumberColumn("word", np.uint64, "the word", unknown=2**64 - 1)
OTHER_WORD = NumberColumn("other_word", np.uint64, "the other word")
BYTE = NumberColumn("byte", np.uint8, "the byte")
SIGNED = NumberColumn("signed", np.int64, "the number", unknown=-1)
SMALL = NumberColumn("small", np.int16, "the small number")
SWITCH = TruthColumn("switch", np.int8, "the switch", unknown=-1)
LIMIT = Parameter("limit", 7, "the limit")
PLACED = NumberColumn("placed", np.int32, "the number in force", unknown=-3)
PASSED = NumberColumn("passed", np.int64, "how long ago it was", unknown=-1)
SELDOM = NumberColumn("seldom", np.int8, "the number of some events", unknown=-1)
NEVER_TOLD = NumberColumn("never_told", np.uint16, "the number of no event")
KINDS = (3, 4, 8)
FUNCTIONS = 2
EDGES = (0, 1, 2, 7, 63, 64, 65, 2**31, 2**63 - 1)


def chunk_of(count: int, seed: int, *, functions: tuple[int, ...] = (0, 1, 7)) -> Chunk:
    """Events with values at the edges, of some functions and of some that there are not."""
    chance = np.random.default_rng(seed)
    # As in a file: not one after the other without a gap.
    records = make_records(2 * count, kind=3)[::2]
    records["kind"] = chance.choice(KINDS, count)
    records["function"] = chance.choice([*functions, FUNCTION_NONE], count)
    records["time_ns"] = chance.integers(0, 1000, count)
    records["address"] = chance.integers(0, 3, count)
    chunk = Chunk(records, 0, Losses.none(), lambda _: b"")
    words = np.array([*EDGES, 2**63, 2**64 - 2, 2**64 - 1], np.uint64)
    numbers = np.array([*EDGES, -1, -2, -64, -(2**63)], np.int64)
    chunk.put("word", chance.choice(words, count))
    chunk.put("other_word", chance.choice(words, count))
    chunk.put("byte", chance.choice([0, 1, 2, 3, 64, 200, 255], count).astype(np.uint8))
    chunk.put("signed", chance.choice(numbers, count))
    chunk.put_filler("small", lambda rows: (rows % 7 - 3).astype(np.int16))
    chunk.put("switch", chance.choice([-1, 0, 1], count).astype(np.int8))
    tell_of_some(chunk, chance)
    return chunk


def tell_of_some(chunk: Chunk, chance: np.random.Generator) -> None:
    """Columns as passes tell them: by version in force, and of some rows only."""
    count = len(chunk)
    in_force = chance.integers(0, 5, count).astype(np.int32)
    table = chance.integers(-3, 400, (5, 3))
    chunk.put_placed("placed", in_force, table[:, 1])
    since = str(chance.choice(["passed", "passed, at least 0"]))
    chunk.put_placed("passed", in_force, table[:, 2], since=since)
    rows = np.flatnonzero(chance.random(count) < chance.choice([0, 0.5, 1])).astype(np.int64)
    told = np.zeros(len(rows), [("other", np.int16), ("value", np.int64)])
    told["value"] = chance.integers(-1, 3, len(rows))
    chunk.put_rows("seldom", rows, told["value"], int(chance.choice([-1, 2])))
    chunk.put_rows("never_told", rows[:0], told["value"][:0], 7)


def numbers(*leaves: Number) -> st.SearchStrategy[Number]:
    literals: st.SearchStrategy[Any] = st.sampled_from(EDGES) | st.integers(0, 300)
    return st.recursive(
        st.sampled_from(leaves),
        lambda inner: (
            st.builds(compute, st.sampled_from(Compute.OPERATORS), inner, inner | literals)
            | st.builds(lambda n, low: n.bits(low, 9), inner, st.integers(0, 55))
            | st.builds(choose, st.just(SWITCH) | st.just(BYTE > 2), inner, inner)
        ),
        max_leaves=4,
    )


def truths(number: st.SearchStrategy[Number]) -> st.SearchStrategy[Truth]:
    values = st.sampled_from(EDGES) | st.integers(0, 300) | st.just(LIMIT)
    comparison = st.builds(compare, st.sampled_from(Compare.OPERATORS), number, number | values)
    member = st.builds(
        lambda n, v: n.is_in(v),
        number,
        st.sets(st.integers(0, 9) | st.sampled_from((2**63, 2**64 - 1)), min_size=1),
    )
    kind = st.builds(record.kind.is_in, st.sets(st.sampled_from(KINDS), min_size=1))
    return st.recursive(
        comparison | member | kind | st.sampled_from((SWITCH, TRUE, FALSE, record.kind == 4)),
        lambda inner: (
            st.builds(lambda a: ~a, inner)
            | st.builds(lambda a, b: a & b, inner, inner)
            | st.builds(lambda a, b: a | b, inner, inner)
            | st.builds(lambda a: a.is_known, inner)
        ),
        max_leaves=6,
    )


terms = (
    truths(numbers(WORD, OTHER_WORD, BYTE, record.address))
    | truths(numbers(SIGNED, BYTE, SMALL, LIMIT))
    | truths(numbers(PLACED, PASSED, SELDOM, NEVER_TOLD, record.time_ns))
)
rules = st.lists(
    st.tuples(terms, terms, st.booleans(), st.none() | st.sets(st.sampled_from(KINDS))),
    min_size=1,
    max_size=3,
)


def single(applies: Truth, violation: Truth, *, whole: bool = False, kinds: Any = None) -> Single:
    counts = np.zeros((2, FUNCTIONS + 1), np.int64)
    looked_at = None if kinds is None else frozenset(kinds)
    return Single(applies, violation, looked_at, whole, counts[0], counts[1])


def by_numpy(
    one: Single, chunk: Chunk, parameters: dict[str, int]
) -> tuple[list[int], list[int], list[int]]:
    """What breaks a rule, and what is checked and unknown by function."""
    program = Program(parameters)
    steps: list[Expression] = [one.applies, one.applies & one.violation]
    run = program.start(Frame(chunk, None))
    applies, broken = (run.truth(program.add(step)) for step in steps)
    place = np.minimum(chunk.function.astype(np.int64), FUNCTIONS)
    place = np.full_like(place, FUNCTIONS) if one.whole_trace else place
    judged = np.array([one.looks_at(int(kind)) for kind in chunk.kind], bool)
    judged &= one.whole_trace | (place < FUNCTIONS)

    def count(chosen: NDArray[np.bool_]) -> list[int]:
        found: list[int] = np.bincount(place[chosen & judged], minlength=FUNCTIONS + 1).tolist()
        return found

    unknown = broken.possible & ~broken.certain
    hits = np.flatnonzero(broken.certain & judged).tolist()
    return hits, count(applies.certain & ~unknown), count(unknown)


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@settings(max_examples=150, deadline=None)
@given(rules, st.sampled_from((1, 30, 1500)), st.integers(0, 99))
def test_the_machine_code_judges_as_the_numpy_program_does(
    declared: list[tuple[Truth, Truth, bool, Any]], count: int, seed: int
) -> None:
    chunk, parameters = chunk_of(count, seed), {"limit": seed}
    singles = [single(a, v, whole=whole, kinds=kinds) for a, v, whole, kinds in declared]
    judging = ByKind(singles, [], Program(parameters), FUNCTIONS)
    found = judging.judge(chunk)
    judging.count()
    for number, one in enumerate(singles):
        hits = found.get(number, np.zeros(0, np.int64)).tolist()
        judged = hits, one.checked.tolist(), one.unknown.tolist()
        assert judged == by_numpy(one, chunk, parameters)


def test_counts_add_up_over_chunks() -> None:
    one = single(record.kind == 3, SWITCH)
    judging = ByKind([one], [], Program(), FUNCTIONS)
    expected = np.zeros(FUNCTIONS, np.int64)
    for seed in range(3):
        chunk = chunk_of(700, seed)
        judging.judge(chunk)
        judging.count()
        known = (chunk.kind == 3) & (chunk.column("switch") >= 0)
        expected += [np.count_nonzero(known & (chunk.function == f)) for f in range(FUNCTIONS)]
    assert one.checked[:FUNCTIONS].tolist() == expected.tolist()
