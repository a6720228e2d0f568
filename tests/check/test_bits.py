# SPDX-License-Identifier: Apache-2.0
"""Bits of a number: the same in numpy, z3 and English."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from uvtrace.check.columns import config, record
from uvtrace.check.english import english
from uvtrace.check.expression import Number
from uvtrace.check.program import Program
from uvtrace.check.solver import Solver

VALUES = np.array([0, 0x5, 0x80000000_0000_00F0, 2**64 - 1], np.uint64)


class _Values:
    def __len__(self) -> int:
        return len(VALUES)

    def column(self, name: str) -> NDArray[np.uint64]:
        assert name == "value"
        return VALUES


@pytest.mark.parametrize(("low", "width"), [(0, 1), (4, 4), (5, 3), (0, 63), (1, 63), (63, 1)])
def test_bits_are_the_same_in_numpy_and_z3(low: int, width: int) -> None:
    term = record.value.bits(low, width)
    program = Program()
    number = program.add(term)
    found = program.start(_Values()).number(number).value
    assert found.tolist() == [(value >> low) & ((1 << width) - 1) for value in VALUES.tolist()]
    for value, expected in zip(VALUES.tolist(), found.tolist(), strict=True):
        assert _proves(term, value, expected)


def _proves(term: Number, value: int, expected: int) -> bool:
    solver = Solver()
    taken = solver.number(term).value
    z3 = solver.z3
    check = z3.Solver()
    check.add(solver.columns["value"] == z3.BitVecVal(value, 64))
    check.add(taken != z3.BitVecVal(expected, 64))
    return bool(check.check() == z3.unsat)


def test_bits_of_an_unsigned_number_meet_a_signed_one() -> None:
    with pytest.raises(TypeError, match="signed"):
        _ = record.value == config.old_value
    _ = record.value.bits(0, 32) == config.old_value


def test_two_different_bit_fields_are_computed_apart() -> None:
    program = Program()
    low, high = program.add(record.value.bits(0, 4)), program.add(record.value.bits(4, 4))
    run = program.start(_Values())
    assert run.number(low).value.tolist() == [0, 5, 0, 15]
    assert run.number(high).value.tolist() == [0, 0, 15, 15]


@pytest.mark.parametrize(("low", "width"), [(0, 0), (0, 64), (60, 5), (-1, 4)])
def test_more_bits_than_there_are_do_not_exist(low: int, width: int) -> None:
    with pytest.raises(TypeError, match="bits from"):
        record.value.bits(low, width)


def test_bits_read_as_bits() -> None:
    assert english(record.value.bits(5, 3)) == "bits 7 to 5 of the value"
    assert english(record.value.bits(15, 1)) == "bit 15 of the value"
