# SPDX-License-Identifier: Apache-2.0
"""Where rows are among those that a column is told of: room that is used again and again."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.compiled import loop

Rows = NDArray[np.int64]


class Places:
    """Arrays by row in which no row has a place. To empty them costs less than to make them."""

    def __init__(self) -> None:
        self._free: list[NDArray[np.int32]] = []
        self._size = 0

    def take(self, count: int) -> NDArray[np.int32]:
        """An array of ``count`` times -1; to be given back."""
        if count > self._size:
            self._free, self._size = [], count
        if not self._free:
            return np.full(self._size, -1, np.int32)[:count]
        return self._free.pop()[:count]

    def give(self, places: NDArray[np.int32], rows: Rows) -> None:
        """Give an array back, in which only these rows have places."""
        _empty(rows, places)
        whole: Any = places.base
        if len(whole) == self._size:
            self._free.append(whole)


@loop
def put_places(rows: Rows, places: NDArray[np.int32]) -> None:
    """Every row's place becomes which one it is."""
    for i in range(len(rows)):
        places[rows[i]] = i


@loop
def _empty(rows: Rows, places: NDArray[np.int32]) -> None:
    for row in rows:
        places[row] = -1
