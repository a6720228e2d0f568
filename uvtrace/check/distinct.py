# SPDX-License-Identifier: Apache-2.0
"""Numbers, each once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def distinct(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers in order, each once.

    As :func:`numpy.unique` gives them, which imports :mod:`numpy.ma` for it: that takes as long
    as to judge some thousand events.
    """
    ordered = np.sort(numbers)
    is_new = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=is_new[1:])
    return ordered[is_new]
