# SPDX-License-Identifier: Apache-2.0
"""How records are numbered: consecutively, with a gap after each LOSS record."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from uvtrace.trace.enums import COUNTED_LOSS, Kind
from uvtrace.trace.layout import view_of


def lost_counts(records: NDArray[np.void]) -> NDArray[np.uint64]:
    """How many lost records each record stands for; 0 for all but LOSS records.

    A LOSS record whose cause is not a count (a function that could not be hooked, a mapping left
    alone) stands for none.

    Args:
        records: shape (n,), dtype RECORD.

    Returns:
        Shape (n,).
    """
    is_loss = np.asarray(records["kind"]) == Kind.LOSS
    if not is_loss.any():
        return np.zeros(len(records), np.uint64)
    counted = is_loss & np.isin(view_of(records, "meta")["topic"], COUNTED_LOSS)
    return np.where(counted, records["value"], np.uint64(0))


def renumber(records: NDArray[np.void], first_seq: int) -> int:
    """Number ``records`` in place from ``first_seq``; returns the number of the record after them.

    The record after a LOSS record of ``value`` n has ``seq`` n + 1 higher than it.
    """
    steps = lost_counts(records) + np.uint64(1)
    ends = np.cumsum(steps, dtype=np.uint64) + np.uint64(first_seq)
    records["seq"] = ends - steps
    return int(ends[-1]) if len(records) else first_seq
