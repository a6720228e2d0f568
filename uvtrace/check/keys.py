# SPDX-License-Identifier: Apache-2.0
"""Keys of what is kept per function and term: 64 bits that stand for several numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk, Rows
from uvtrace.check.compiled import loop

MIX: Final = 0x9E3779B97F4A7C15
SHIFT: Final = 29
"""By what each part is mixed with those before it; the code that judges does the same."""
_MIX: Final = np.uint64(MIX)
_SHIFT: Final = np.uint64(SHIFT)


def keys_of(
    chunk: Chunk, rows: Rows, functions: int, parts: Iterable[NDArray[Any]]
) -> NDArray[np.uint64]:
    """A number for each event, equal where function and parts are equal.

    Different ones collide once in 2^64: what is kept is bounded far below that.

    Args:
        chunk: the events.
        rows: those that are asked for.
        functions: how many there are; records of others are all of one.
        parts: numbers, by event.
    """
    columns = list(parts)
    numbers = np.empty((len(columns), len(rows)), np.uint64)
    for number, column in zip(numbers, columns, strict=True):
        number[:] = column
    keys = np.empty(len(rows), np.uint64)
    _mix(chunk.function, rows, functions, numbers, keys)
    return keys


@loop
def _mix(
    function: NDArray[np.uint16],
    rows: NDArray[np.int64],
    functions: int,
    numbers: NDArray[np.uint64],
    keys: NDArray[np.uint64],
) -> None:
    for i in range(len(rows)):
        f: Any = min(np.int64(function[rows[i]]), functions)
        key: Any = np.uint64(f + 1) * _MIX
        for part in range(len(numbers)):
            key = (key ^ (key >> _SHIFT)) * _MIX + numbers[part, i]
        keys[i] = (key ^ (key >> _SHIFT)) * _MIX
