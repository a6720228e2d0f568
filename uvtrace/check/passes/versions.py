# SPDX-License-Identifier: Apache-2.0
"""State that changes rarely, told for every event without writing it for every event.

A pass makes a *version* (a row of numbers) of a function's state whenever it changes; an event's
columns are then looked up in the version in force. Only the events that change state cost
anything.
"""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk, Rows
from uvtrace.check.columns import ALL


class Versions:
    """The versions of one chunk, and which of them is in force at each row.

    Args:
        chunk: the chunk.
        table: int64, shape (functions + 1 + changes, fields). The first ``functions + 1`` are
            those with which the chunk begins (the last one is of records of no function); one
            for each change follows.
        rows: of each change the first row at which it is in force, ascending; int64.
        changed: of each change the function, int64.
    """

    def __init__(
        self, chunk: Chunk, table: NDArray[np.int64], rows: Rows, changed: NDArray[np.int64]
    ) -> None:
        self.table = table
        functions = len(table) - 1 - len(rows)
        self._in_force = in_force(chunk.function, rows, changed, functions)

    def tell(self, chunk: Chunk, names: Sequence[str]) -> None:
        """Tell the chunk a column for each name, from the fields in order (others than columns
        are left out)."""
        for field, name in enumerate(names):
            if name in ALL:
                self._tell(chunk, name, field)

    def field(self, field: int, rows: Rows) -> NDArray[np.int64]:
        """A field at each of ``rows``."""
        values: NDArray[np.int64] = self.table[self._in_force[rows], field]
        return values

    def _tell(self, chunk: Chunk, name: str, field: int) -> None:
        dtype = np.dtype(ALL[name].dtype)
        values = self.table[:, field].astype(dtype)
        chunk.put_filler(name, lambda rows: values[self._in_force[rows]])


@numba.njit(cache=True)
def in_force(
    function: NDArray[np.uint16],
    rows: NDArray[np.int64],
    changed: NDArray[np.int64],
    functions: int,
) -> NDArray[np.int32]:
    """The version in force at each row; see :class:`Versions`."""
    current = np.arange(functions + 1).astype(np.int32)
    result = np.empty(len(function), np.int32)
    following = 0
    for row in range(len(function)):
        while following < len(rows) and rows[following] <= row:
            current[min(changed[following], functions)] = functions + 1 + following
            following += 1
        result[row] = current[min(int(function[row]), functions)]
    return result
