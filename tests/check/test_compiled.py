# SPDX-License-Identifier: Apache-2.0
"""Loops and steps: what is compiled, and who may call it."""

from __future__ import annotations

import numpy as np

from uvtrace.check.compiled import copy_row, loop, step


@step
def _doubled(number: int) -> int:
    return 2 * number


@loop
def _sum_of_doubles(numbers: np.ndarray) -> int:
    total = 0
    for number in numbers:
        total += _doubled(number)
    return total


def test_a_loop_calls_its_steps() -> None:
    assert _sum_of_doubles(np.arange(4)) == 12


def test_a_step_that_python_calls_runs_as_it_is_written() -> None:
    assert _doubled(21) == 42
    target = np.zeros((2, 3), np.int64)
    copy_row(target, 1, np.array([[1, 2, 3]]), 0)
    assert target.tolist() == [[0, 0, 0], [1, 2, 3]]
