# SPDX-License-Identifier: Apache-2.0
"""Structures that begin where the processor's cache lines do: each is fetched as few of them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.native.access import address_of

LINE: Final = 64
"""Bytes of a cache line."""


def lined(count: int, dtype: np.dtype[np.void], *, zero: bool = False) -> NDArray[Any]:
    """An array of structures, the first of which begins a cache line.

    Args:
        count: how many.
        dtype: of the structures; whole lines long, if all are to begin one.
        zero: fill it with zeros.
    """
    size = count * dtype.itemsize
    memory = (np.zeros if zero else np.empty)(size + LINE, np.uint8)
    begin = -address_of(memory) % LINE
    # What a field's place is counted from must be this array, not the memory that it lies in.
    return np.ndarray(count, dtype, buffer=memoryview(memory)[begin : begin + size])
