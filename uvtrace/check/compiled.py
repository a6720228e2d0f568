# SPDX-License-Identifier: Apache-2.0
"""Steps that many loops of the check engine take, and what they are made with."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.loops.loop import fetch, fetch_line, loop, lowest_bit, rare_step, step

__all__ = [
    "AHEAD",
    "copy_row",
    "fetch",
    "fetch_ahead",
    "fetch_line",
    "loop",
    "lowest_bit",
    "rare_step",
    "step",
]

AHEAD: Final = 12
"""How many events before it is looked at a record is asked for."""


@step
def fetch_ahead(records: NDArray[Any], rows: NDArray[np.int64], i: int) -> None:
    """Ask for the record of an event that is looked at some events after the ``i``-th.

    Events are every third or tenth record, so that the processor does not guess which come.
    """
    if i + AHEAD < len(rows):
        fetch(records, rows[i + AHEAD])


@step
def copy_row(target: NDArray[Any], to: int, source: NDArray[Any], of: int) -> None:
    """One row of a matrix becomes one of another; a slice would be copied by way of a new array."""
    for column in range(source.shape[1]):
        target[to, column] = source[of, column]
