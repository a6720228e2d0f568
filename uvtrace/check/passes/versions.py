# SPDX-License-Identifier: Apache-2.0
"""State that changes rarely, told for every event without writing it for every event.

A pass makes a *version* (a row of numbers) of a function's state whenever it changes; an event's
columns are then looked up in the version in force. Only the events that change state cost
anything.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk, Rows
from uvtrace.check.columns import ALL
from uvtrace.check.compiled import loop


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
        current = np.arange(functions + 1, dtype=np.int32)
        self._in_force = np.empty(len(chunk), np.int32)
        in_force(chunk.function, rows, changed, current, self._in_force)

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
        chunk.put_placed(name, self._in_force, self.table[:, field])

    def tell_since(self, chunk: Chunk, name: str, field: int, *, clamped: bool) -> None:
        """Tell the chunk a column of the time since a field's; -1 where that is negative.

        Args:
            chunk: is told.
            name: of the column.
            field: which is a time.
            clamped: a time that is still to come counts as now.
        """
        since = "passed, at least 0" if clamped else "passed"
        chunk.put_placed(name, self._in_force, self.table[:, field], since=since)


@loop
def in_force(
    function: NDArray[np.uint16],
    rows: NDArray[np.int64],
    changed: NDArray[np.int64],
    current: NDArray[np.int32],
    result: NDArray[np.int32],
) -> None:
    """Fill in the version in force at each row; ``current`` are those at the beginning."""
    functions, begin = len(current) - 1, 0
    for following in range(len(rows) + 1):
        # Between two changes there is nothing to decide.
        end = min(rows[following], len(function)) if following < len(rows) else len(function)
        for row in range(begin, end):
            result[row] = current[min(int(function[row]), functions)]
        begin = max(begin, end)
        if following < len(rows):
            current[min(changed[following], functions)] = functions + 1 + following
