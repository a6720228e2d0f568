# SPDX-License-Identifier: Apache-2.0
"""Terms made flat: what is known beforehand of events is decided, what is equal is there once."""

from __future__ import annotations

import numpy as np
import pytest

from uvtrace.check.columns import record
from uvtrace.check.expression import FALSE, TRUE, Number, NumberColumn, Truth, TruthColumn, choose
from uvtrace.check.flat import Flat

A = NumberColumn("a", np.int64, "a number")
B = NumberColumn("b", np.int64, "a number", unknown=-1)
SWITCH = TruthColumn("switch", np.int8, "a switch", unknown=-1)


def flat(**constants: int) -> Flat:
    return Flat(3, {}, constants)


@pytest.mark.parametrize(
    ("term", "always"),
    [
        (record.kind == 3, True),
        (record.kind.is_in({4, 5}), False),
        ((record.kind == 4) & (A == 1), False),
        ((record.kind == 3) | (A == 1), True),
        (TRUE & ~FALSE, True),
    ],
)
def test_what_the_kind_decides_is_decided(term: Truth, always: bool) -> None:
    one = flat()
    assert one.add(term) == (one.yes if always else one.no)


def test_a_column_that_is_the_same_everywhere_is_a_number() -> None:
    one = flat(a=7, b=-1)
    assert one.add(A == 7) == one.yes
    assert one.add(B == 7) == one.unknown
    assert one.add((B == 7).is_known) == one.no
    assert one.columns() == []


def test_bits_of_numbers_that_are_known_are_a_number_and_of_none_there_are_none() -> None:
    one = flat(a=6)
    assert one.add((A & 3 | 8) == 10) == one.yes
    assert one.add((A ^ 6) & 1 == 0) == one.yes
    other = flat()
    assert other.add((A & 0) == 0) == other.yes
    # Of what is not known nothing is known.
    assert other.add((B & 0) == 0) != other.yes


def test_equal_parts_are_there_once_whoever_wrote_them() -> None:
    one = flat()
    assert one.add((A == 1) & (B > 2)) == one.add((B > 2) & (A == 1))
    assert one.add(~(A == 1)) == one.add(A != 1)
    assert one.add(~((A == 1) | (B > 2))) == one.add((A != 1) & ~(B > 2))


def test_what_alternatives_have_in_common_stands_before_them() -> None:
    one = flat()
    alternatives = ((A == 1) & (B == 2)) | ((A == 1) & (B == 3))
    assert one.conjuncts(one.add(alternatives)) == {
        one.add(A == 1),
        one.add((B == 2) | (B == 3)),
    }


def test_cheap_parts_come_first() -> None:
    one = flat()
    node = one.nodes[one.add(((A + B) * B > 3) & (A == 1))]
    assert node.inputs[0] == one.add(A == 1)


@pytest.mark.parametrize(
    ("term", "constants", "value"),
    [
        (B, {"b": -1}, -1),
        (B + A, {"a": 2, "b": -1}, None),
        (choose(SWITCH, A, B), {"switch": -1, "b": 5}, 5),
        (choose(SWITCH, A, B), {"switch": 1, "a": 4}, 4),
    ],
)
def test_a_number_is_told_even_where_it_is_not_known(
    term: Number, constants: dict[str, int], value: int | None
) -> None:
    one = flat(**constants)
    node = one.nodes[one.value(term)]
    assert node.op == ("compute" if value is None else "literal")
    assert not node.maybe
    assert value is None or node.facts == (value,)
