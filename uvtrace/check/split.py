# SPDX-License-Identifier: Apache-2.0
"""Records taken apart: the fields that passes ask for of every record, in one walk over them.

And records told apart: the rows of each kind.

A field that is read alone fetches a cache line of each record from memory; these lie on the first.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.compiled import loop
from uvtrace.check.record_view import record_view
from uvtrace.trace.layout import RECORD

FIELDS: Final = ("kind", "phase", "status", "flags", "seq", "time_ns", "cpu", "function")
"""The fields, as the record names them."""
_VIEW: Final = record_view(FIELDS)


class Parts(NamedTuple):
    """An array of each field, in the order of :data:`FIELDS`."""

    kind: NDArray[np.uint8]
    phase: NDArray[np.uint8]
    status: NDArray[np.uint8]
    flags: NDArray[np.uint32]
    seq: NDArray[np.uint64]
    time_ns: NDArray[np.uint64]
    cpu: NDArray[np.uint16]
    function: NDArray[np.uint16]


class Room:
    """Memory for the records of one chunk, and their fields; the next one's come in their place.

    To have it from the system anew for each chunk, all zeros, costs more than to fill it.

    Attributes:
        records: dtype RECORD, shape (n,).
    """

    def __init__(self, n: int) -> None:
        self.records = np.empty(n, RECORD)
        self._parts = {name: np.empty(n, RECORD[name]) for name in FIELDS}

    def split(self, records: NDArray[np.void]) -> dict[str, NDArray[Any]]:
        """The fields of at most n records (dtype RECORD), contiguous, by name."""
        parts = {name: part[: len(records)] for name, part in self._parts.items()}
        _split(records.view(_VIEW), Parts(**parts))
        return parts


def split(records: NDArray[np.void]) -> dict[str, NDArray[Any]]:
    """The fields of records (dtype RECORD, shape (n,)), contiguous, by name."""
    return Room(len(records)).split(records)


@loop
def _split(records: NDArray[np.void], parts: Parts) -> None:
    for row in range(len(records)):
        record = records[row]
        parts.kind[row], parts.phase[row] = record.kind, record.phase
        parts.status[row], parts.flags[row] = record.status, record.flags
        parts.seq[row], parts.time_ns[row] = record.seq, record.time_ns
        parts.cpu[row], parts.function[row] = record.cpu, record.function


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
