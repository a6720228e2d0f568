# SPDX-License-Identifier: Apache-2.0
"""Numbers that earlier events told, followed through a trace."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Rows
from uvtrace.check.compiled import loop
from uvtrace.check.followers import Marked

Functions = NDArray[np.int64]

UNTOLD: Final = 0
"""What stands for a number before an event has told it, and after loss."""


class Remembered:
    """A :class:`uvtrace.check.latest.Latest` at work; ``functions`` is how many there are."""

    def __init__(self, functions: int) -> None:
        self._now = np.full(functions + 1, UNTOLD, np.uint64)

    def values(
        self,
        events: Marked,
        bit: int,
        number: int,
        function: NDArray[np.uint16],
        lost: tuple[Rows, Functions],
    ) -> NDArray[np.uint64]:
        """The number at each event, one that the event itself tells included.

        Args:
            events: those of a chunk.
            bit: of events that tell a number.
            number: the place of that number.
            function: of every record of the chunk.
            lost: rows and functions (-1: all) of losses, after which it is not known.

        Returns:
            Shape (n,).
        """
        carried = np.empty(len(events.rows), np.uint64)
        told = events.numbers[number].view(np.uint64)
        _carry(self._now, events.rows, events.bits[:, 0], bit, told, function, *lost, carried)
        return carried


@loop
def _carry(
    now: NDArray[np.uint64],
    rows: Rows,
    bits: NDArray[np.uint64],
    bit: int,
    told: NDArray[np.uint64],
    function: NDArray[np.uint16],
    lost_rows: Rows,
    lost_functions: Functions,
    carried: NDArray[np.uint64],
) -> None:
    loss = 0
    for i in range(len(rows) + 1):
        while loss < len(lost_rows) and (i == len(rows) or lost_rows[loss] <= rows[i]):
            for f in range(len(now)):
                if lost_functions[loss] < 0 or lost_functions[loss] == f:
                    now[f] = UNTOLD
            loss += 1
        if i < len(rows):
            own: Any = min(np.int64(function[rows[i]]), len(now) - 1)
            if (bits[i] >> np.uint64(bit)) & np.uint64(1):
                now[own] = told[i]
            carried[i] = now[own]
