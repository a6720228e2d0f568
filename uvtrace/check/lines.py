# SPDX-License-Identifier: Apache-2.0
"""Memory that begins where the processor's cache lines do, and is taken as it is written."""

from __future__ import annotations

from mmap import ACCESS_COPY, mmap
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

LINE: Final = 64
"""Bytes of a cache line."""


def lined(shape: int | tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """An array, zeros, the first element of which begins a cache line.

    Its memory is taken as it is written, some kilobytes at a time: numpy would ask for two
    megabytes at a time, all of which the system has to fill with zeros.

    Args:
        shape: how many elements, or of the array.
        dtype: of the elements; structures that are whole lines long all begin one.
    """
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    # No array owns the memory: what fields are counted from is this array.
    return np.ndarray(shape, dtype, buffer=mmap(-1, max(size, 1), access=ACCESS_COPY))
