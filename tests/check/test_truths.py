# SPDX-License-Identifier: Apache-2.0
"""Where truths are certain: among few events and by the machine code alike."""

from __future__ import annotations

import numpy as np
import pytest

from tests.check.test_by_kind import FUNCTIONS, chunk_of
from uvtrace.check.by_kind import ByKind
from uvtrace.check.columns import record
from uvtrace.check.expression import FALSE, TRUE
from uvtrace.check.program import Program
from uvtrace.check.truths import NEVER, Told, Truths, marked
from uvtrace.trace.enums import Kind


@pytest.mark.parametrize("count", [1, 1500])
def test_the_machine_code_finds_the_rows_that_are_found_among_few(count: int) -> None:
    chunk, truths = chunk_of(count, 7), Truths(Program(), FUNCTIONS)
    even = (record.seq & 1) == 0
    kind = int(chunk.kind[0])
    terms = [TRUE, even, ~even, even & (record.kind == kind), record.kind.is_in({kind, Kind.MAP})]
    numbers = [truths.add(term) for term in terms]
    told = Told(ByKind(truths.singles(), truths.program, FUNCTIONS).judge(chunk), 0)
    few = truths.among_few(chunk)
    for number in numbers:
        assert told.rows(number).tolist() == few.rows(number).tolist()
    assert told.rows(numbers[0]).tolist() == list(range(count))


def test_a_truth_is_asked_once_and_what_is_never_true_not_at_all() -> None:
    truths = Truths(Program(), FUNCTIONS)
    even = (record.seq & 1) == 0
    assert truths.add(even) == truths.add(even)
    assert truths.add(FALSE) == NEVER
    assert truths.add_unknown(even) == NEVER
    assert len(truths.singles()) == 1


def test_a_row_of_several_lists_has_the_bits_of_all() -> None:
    one, two = np.array([1, 4]), np.array([0, 4])
    rows, bits = marked(6, ((one, 1), (two, 2), (np.zeros(0, np.int64), 4)))
    assert rows.tolist() == [0, 1, 4]
    assert bits.tolist() == [2, 1, 3]
    assert [part.tolist() for part in marked(6, ((one, 1), (one, 8)))] == [[1, 4], [9, 9]]
