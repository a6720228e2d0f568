# SPDX-License-Identifier: Apache-2.0
"""Structures that begin where the processor's cache lines do: each is fetched as few of them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.loops.heads import address_of

LINE: Final = 64
"""Bytes of a cache line."""


def lined(count: int, dtype: np.dtype[np.void]) -> NDArray[Any]:
    """An array of structures, zeros, the first of which begins a cache line.

    Args:
        count: how many.
        dtype: of the structures; whole lines long, if all are to begin one.
    """
    # No array owns the memory: what fields are counted from is this array.
    memory = bytearray(count * dtype.itemsize + LINE)
    begin = -address_of(np.frombuffer(memory, np.uint8)) % LINE
    return np.ndarray(count, dtype, buffer=memory, offset=begin)
