# SPDX-License-Identifier: Apache-2.0
"""Records taken apart, for passes that ask for a field of every one; and told apart by kind."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.compiled import loop
from uvtrace.trace.room import FIELDS


def split(records: NDArray[np.void]) -> dict[str, NDArray[Any]]:
    """The fields of records (dtype RECORD, shape (n,)), contiguous, by name.

    They are read-only, as those of a trace's parts are: a loop is made for one kind of array.
    """
    fields = {name: np.ascontiguousarray(records[name]) for name in FIELDS}
    for field in fields.values():
        field.flags.writeable = False
    return fields


@loop
def rows_by_kind(
    kind: NDArray[np.uint8], begins: NDArray[np.int64], rows: NDArray[np.int64]
) -> None:
    """Fill in the rows ordered by kind, and by row within it.

    Args:
        kind: of each row, shape (n,).
        begins: shape (257,), zeros: filled with where each kind begins among the rows.
        rows: filled, shape (n,).
    """
    for row in range(len(kind)):
        begins[np.int64(kind[row]) + 1] += 1
    for one in range(256):
        begins[one + 1] += begins[one]
    # Each kind's beginning moves on to its end, which is where the next one begins.
    for row in range(len(kind)):
        rows[begins[kind[row]]] = row
        begins[kind[row]] += 1
    for one in range(256, 0, -1):
        begins[one] = begins[one - 1]
    begins[0] = 0


@loop
def rows_among(kind: NDArray[np.uint8], wanted: NDArray[np.uint8], rows: NDArray[np.int64]) -> None:
    """Fill in the rows whose kind is wanted, ascending.

    Args:
        kind: of each row.
        wanted: 1 for each kind that is wanted, 0 for the others, shape (256,).
        rows: filled; longer by one than there are such rows.
    """
    found = 0
    # Each row is written, and stays where it is wanted: there is nothing to predict.
    for row in range(len(kind)):
        rows[found] = row
        found += wanted[kind[row]]


@loop
def latest_until(time_ns: NDArray[np.int64], before: int, latest: NDArray[np.int64]) -> None:
    """Fill in the latest time up to each row, given that of all before."""
    now: Any = np.int64(before)
    for row in range(len(time_ns)):
        now = max(now, time_ns[row])
        latest[row] = now
