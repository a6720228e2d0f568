# SPDX-License-Identifier: Apache-2.0
"""Terms: numpy and z3 must give the same, and unknown must stay unknown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import z3
from hypothesis import given, settings
from hypothesis import strategies as st

from uvtrace.check.english import english
from uvtrace.check.expression import (
    Compare,
    Compute,
    Number,
    NumberColumn,
    Parameter,
    Truth,
    TruthColumn,
    choose,
    compare,
    compute,
)
from uvtrace.check.program import Program
from uvtrace.check.solver import Solver

WORD = NumberColumn("word", np.uint64, "the word")
SMALL = NumberColumn("small", np.uint8, "the byte")
SIGNED = NumberColumn("signed", np.int64, "the number", unknown=-1)
SWITCH = TruthColumn("switch", np.int8, "the switch", unknown=-1)


class Columns:
    """A frame of one event."""

    def __init__(self, **values: int) -> None:
        dtypes = {"word": np.uint64, "small": np.uint8, "signed": np.int64, "switch": np.int8}
        self._columns = {name: np.array([value], dtypes[name]) for name, value in values.items()}

    def __len__(self) -> int:
        return 1

    def column(self, name: str) -> Any:
        return self._columns[name]


def by_numpy(term: Truth, **values: int) -> tuple[bool, bool]:
    program = Program()
    number = program.add(term)
    certain, possible = program.start(Columns(**values)).truth(number)
    return bool(certain[0]), bool(possible[0])


def by_z3(term: Truth, **values: int) -> tuple[bool, bool]:
    solver = Solver()
    terms = solver.truth(term)
    fixed = [(solver.columns[n], z3.BitVecVal(values[n], 64)) for n in solver.columns]
    return tuple(z3.is_true(z3.simplify(z3.substitute(part, *fixed))) for part in terms)


def numbers(*leaves: Number) -> st.SearchStrategy[Number]:
    literals = st.integers(0, 300)
    base: st.SearchStrategy[Any] = st.sampled_from(leaves) | literals
    return st.recursive(
        st.sampled_from(leaves),
        lambda inner: st.builds(
            compute,
            st.sampled_from(Compute.OPERATORS[:8]),
            inner,
            inner | base,
        ),
        max_leaves=4,
    )


def truths(number: st.SearchStrategy[Number]) -> st.SearchStrategy[Truth]:
    comparison = st.builds(
        compare, st.sampled_from(Compare.OPERATORS), number, number | st.integers(0, 300)
    )
    member = st.builds(lambda n, v: n.is_in(v), number, st.sets(st.integers(0, 20), min_size=1))
    return st.recursive(
        comparison | member | st.just(SWITCH),
        lambda inner: (
            st.builds(lambda a: ~a, inner)
            | st.builds(lambda a, b: a & b, inner, inner)
            | st.builds(lambda a, b: a | b, inner, inner)
            | st.builds(lambda a, b: a.implies(b), inner, inner)
            | st.builds(lambda a: a.is_known, inner)
        ),
        max_leaves=5,
    )


unsigned = truths(numbers(WORD, SMALL))
signed = truths(numbers(SIGNED, SMALL))


@settings(max_examples=150, deadline=None)
@given(
    unsigned | signed,
    st.integers(0, 2**64 - 1),
    st.integers(0, 255),
    st.integers(-1, 2**31),
    st.sampled_from((-1, 0, 1)),
)
def test_numpy_and_z3_agree_on_every_term(
    term: Truth, word: int, small: int, number: int, switch: int
) -> None:
    values = {"word": word, "small": small, "signed": number, "switch": switch}
    assert by_numpy(term, **values) == by_z3(term, **values)


@settings(max_examples=100, deadline=None)
@given(signed, st.integers(0, 2**31), st.integers(0, 255), st.sampled_from((0, 1)))
def test_what_is_decided_without_an_input_does_not_change_when_it_is_known(
    term: Truth, number: int, small: int, switch: int
) -> None:
    if any(type(part).__name__ == "Known" for part in term.walk()):
        return
    certain, possible = by_numpy(term, signed=-1, small=small, switch=-1)
    known = by_numpy(term, signed=number, small=small, switch=switch)
    assert known[0] == known[1]
    if certain == possible:
        assert known[0] == certain


def test_unknown_and_false_is_false_and_unknown_or_true_is_true() -> None:
    assert by_numpy(SWITCH & (SMALL == 1), switch=-1, small=0) == (False, False)
    assert by_numpy(SWITCH & (SMALL == 1), switch=-1, small=1) == (False, True)
    assert by_numpy(SWITCH | (SMALL == 1), switch=-1, small=1) == (True, True)


def test_an_address_wraps_round_where_a_signed_number_goes_below_zero() -> None:
    assert by_numpy(WORD + 8 < 8, word=2**64 - 4) == (True, True)
    assert by_numpy(SMALL - 8 < 0, small=3) == (True, True)


def test_division_by_zero_gives_zero() -> None:
    assert by_numpy(WORD % SMALL == 0, word=5, small=0) == (True, True)
    assert by_numpy(WORD // SMALL == 0, word=5, small=0) == (True, True)


def test_signed_and_unsigned_numbers_of_64_bits_do_not_meet() -> None:
    with pytest.raises(TypeError, match="signed"):
        _ = WORD > SIGNED
    with pytest.raises(TypeError, match="signed"):
        choose(SWITCH, WORD, SIGNED)


def test_a_term_is_neither_true_nor_false_to_python() -> None:
    with pytest.raises(TypeError, match="no truth value"):
        _ = bool((SMALL == 1) and (WORD == 2))


def test_equal_parts_of_terms_are_computed_once() -> None:
    program = Program()
    one = program.add((SMALL == 1) & SWITCH)
    two = program.add((SMALL == 1) & SWITCH)
    assert one == two


def test_a_parameter_can_be_set() -> None:
    limit = Parameter("X001.limit", 10, "the limit")
    program = Program({"X001.limit": 3})
    number = program.add(limit < SMALL)
    assert program.start(Columns(small=5)).truth(number).certain[0]
    assert by_numpy(limit < SMALL, small=5) == (False, False)


def test_a_term_reads_as_english() -> None:
    assert english(SWITCH & ~(SMALL == 3)) == "the switch and not (the byte is 3)"
    assert english(SMALL.has(4)) == "the byte has a bit of 4"
