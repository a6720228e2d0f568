# SPDX-License-Identifier: Apache-2.0
"""Keys of what is kept per function and term: 64 bits that stand for several numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
_SHIFT: Final = np.uint64(29)


def keys_of(function: NDArray[Any], parts: Iterable[NDArray[Any]]) -> NDArray[np.uint64]:
    """A number for each event, equal where function and parts are equal.

    Different ones collide once in 2^64: what is kept is bounded far below that.
    """
    key: NDArray[np.uint64] = (function.astype(np.uint64) + np.uint64(1)) * _MIX
    for part in parts:
        key = (key ^ (key >> _SHIFT)) * _MIX + part.astype(np.uint64)
    return (key ^ (key >> _SHIFT)) * _MIX
