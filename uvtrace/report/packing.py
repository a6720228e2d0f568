# SPDX-License-Identifier: Apache-2.0
"""Columns of numbers, packed for a page: few bytes, and quickly unpacked by a script.

A column's bytes are laid out plane by plane, all lowest bytes first, and deflated: planes of
numbers that are close to each other are long runs. Of a column that grows (times, numbers of
records) the differences are kept, zigzag-coded so that a step back is a small number, too.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_LEVEL: Final = 6


@dataclass(frozen=True)
class Packed:
    """A packed column.

    Attributes:
        data: planes of bytes, deflated (zlib).
        width: how many planes.
        steps: whether they are zigzag-coded differences.
    """

    data: bytes
    width: int
    steps: bool = False


def pack(values: NDArray[Any]) -> Packed:
    """Non-negative integers, shape (n,), as they are."""
    wide = np.ascontiguousarray(values.astype("<u8"))
    top = int(wide.max()) if len(wide) else 0
    width = max(1, (top.bit_length() + 7) // 8)
    planes = np.ascontiguousarray(wide.view(np.uint8).reshape(-1, 8)[:, :width].T)
    return Packed(zlib.compress(planes.tobytes(), _LEVEL), width)


def pack_steps(values: NDArray[np.int64]) -> Packed:
    """Integers, shape (n,), as differences; the first one's is from 0."""
    steps: NDArray[np.int64] = np.diff(values, prepend=np.int64(0))
    zigzag = (steps.astype(np.uint64) << np.uint64(1)) ^ (steps >> np.int64(63)).astype(np.uint64)
    packed = pack(zigzag)
    return Packed(packed.data, packed.width, steps=True)


def unpack(packed: Packed, rows: int) -> NDArray[Any]:
    """What was packed, shape (rows,); pages do it in JavaScript."""
    planes = np.frombuffer(zlib.decompress(packed.data), np.uint8).reshape(packed.width, rows)
    wide = np.zeros((rows, 8), np.uint8)
    wide[:, : packed.width] = planes.T
    values = wide.view("<u8").reshape(-1)
    if not packed.steps:
        return values
    steps = (values >> np.uint64(1)).astype(np.int64) ^ -(values & np.uint64(1)).astype(np.int64)
    return np.cumsum(steps)
