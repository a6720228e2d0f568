# SPDX-License-Identifier: Apache-2.0
"""Numbers that earlier events told, followed through a trace."""

from __future__ import annotations

from typing import Final

import numba
import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Frame, Rows
from uvtrace.check.latest import Latest
from uvtrace.check.program import Run
from uvtrace.check.truths import Truths

Functions = NDArray[np.int64]

UNTOLD: Final = 0
"""What stands for a number before an event has told it, and after loss."""


class Remembered:
    """A :class:`Latest` at work; ``functions`` is how many there are.

    Attributes:
        event: the number of the truth that tells which events tell it.
    """

    def __init__(self, latest: Latest, truths: Truths, functions: int) -> None:
        self.event = truths.add(latest.event)
        self._value = truths.program.add(latest.value)
        self._now = np.full(functions + 1, UNTOLD, np.uint64)

    def values(
        self, rows: Rows, events: Rows, frame: Frame, run: Run, lost: tuple[Rows, Functions]
    ) -> NDArray[np.uint64]:
        """The number at each event of the next frame, one that the event itself tells included.

        Args:
            rows: of the events in the chunk.
            events: the rows among them that tell a number.
            frame: the events.
            run: the program, over them.
            lost: rows and functions (-1: all) of losses, after which it is not known.

        Returns:
            Shape (n,).
        """
        told = np.zeros(len(rows), bool)
        told[np.searchsorted(rows, events)] = True
        value = np.ascontiguousarray(run.number(self._value).value).astype(np.uint64)
        function = np.minimum(frame.column("function").astype(np.int64), len(self._now) - 1)
        return _carried(self._now, told, value, function, rows, lost[0], lost[1])


@numba.njit(cache=True)
def _carried(
    now: NDArray[np.uint64],
    told: NDArray[np.bool_],
    value: NDArray[np.uint64],
    function: NDArray[np.int64],
    rows: NDArray[np.int64],
    lost_rows: NDArray[np.int64],
    lost_functions: NDArray[np.int64],
) -> NDArray[np.uint64]:
    carried = np.empty(len(told), np.uint64)
    loss = 0
    for i in range(len(told) + 1):
        while loss < len(lost_rows) and (i == len(told) or lost_rows[loss] <= rows[i]):
            f = lost_functions[loss]
            if f < 0:
                now[:] = UNTOLD
            else:
                now[f] = UNTOLD
            loss += 1
        if i == len(told):
            break
        if told[i]:
            now[function[i]] = value[i]
        carried[i] = now[function[i]]
    return carried
