# SPDX-License-Identifier: Apache-2.0
"""Which guards hold, as one number per event: an automaton's events that are alike share it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Rows
from uvtrace.check.compiled import loop

_ROOM: Final = 32
"""Symbols that there is room for to begin with: most automata have fewer."""


class Symbols:
    """The symbols of an automaton, which stay the same through a trace.

    Args:
        guards: how many there are.

    Attributes:
        count: symbols that there are. Number 0 is that of an event of which no guard holds.
    """

    def __init__(self, guards: int) -> None:
        self.count = 1
        self._values = np.zeros((_ROOM, guards), np.uint8)
        self._following = np.full((_ROOM, 2 * guards), -1, np.int32)

    @property
    def values(self) -> NDArray[np.uint8]:
        """The values of the guards, by symbol, shape (count, guards); 0 where one is false."""
        return self._values[: self.count]

    def of(self, size: int, rows: Rows, held: Iterable[tuple[int, int, Rows]]) -> NDArray[np.int32]:
        """The symbols of some events.

        Args:
            size: how many rows there can be.
            rows: the events.
            held: guards, each with a value (1 or 2) and with the rows among ``rows`` where it has
                that one; in the same order whenever this is called.

        Returns:
            Shape (len(rows),).
        """
        symbols, places = np.zeros(len(rows), np.int32), np.empty(size, np.int32)
        _place(rows, places)
        for guard, value, where in held:
            if len(where):
                self._make_room()
                tables = self._values, self._following
                self.count = _add(symbols, places, where, guard, value, *tables, self.count)
        return symbols

    def _make_room(self) -> None:
        """A guard can make another symbol of each one."""
        missing = 2 * self.count - len(self._values)
        if missing > 0:
            more = ((0, missing + self.count), (0, 0))
            self._values = np.pad(self._values, more)
            self._following = np.pad(self._following, more, constant_values=-1)


@loop
def _place(rows: Rows, places: NDArray[np.int32]) -> None:
    for i in range(len(rows)):
        places[rows[i]] = i


@loop
def _add(
    symbols: NDArray[np.int32],
    places: NDArray[np.int32],
    rows: Rows,
    guard: int,
    value: int,
    values: NDArray[np.uint8],
    following: NDArray[np.int32],
    count: int,
) -> int:
    """A guard has a value in some rows; returns how many symbols there are now."""
    which = 2 * guard + value - 1
    for row in rows:
        i = places[row]
        old = symbols[i]
        new = following[old, which]
        if new < 0:
            new = count
            following[old, which] = new
            for each in range(values.shape[1]):
                values[new, each] = values[old, each]
            values[new, guard] = value
            count += 1
        symbols[i] = new
    return count
