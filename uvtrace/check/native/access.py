# SPDX-License-Identifier: Apache-2.0
"""Where a column's values lie, as far as the machine code that reads them depends on it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from enum import IntEnum
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uvtrace.loops.heads import address_of


class How(IntEnum):
    """By what a value is found."""

    CONSTANT = 0
    """It is ``fill`` at every event."""
    RECORD = 1
    """In the event's record, at an offset."""
    ROW = 2
    """In an array, by the event's row."""
    PLACED = 3
    """In an array, at a place that another array (int32) tells by the event's row; where there is
    none, a negative one, it is ``fill``."""
    POSITION = 4
    """It is the event's position in the trace."""


Where = Callable[[NDArray[Any]], int]
"""Tells where an array begins in memory."""


class Access(NamedTuple):
    """How a column is read.

    Attributes:
        how: its values are found.
        lies: the dtype of a value where it lies.
        counts: the dtype as which it counts.
        stride: bytes from one value to the next.
        offset: in the record; of what is placed, among the bytes that lie ``stride`` apart.
        fill: see :class:`How`; None: every event has a place.
        since: how a value that is a time is turned into the time that has passed since then:
            nothing, ``passed`` or ``passed, at least 0``; -1 stays.
        instead: where a value is 0, it is the one at this offset of the record.
        fetched: there are so many places that a value is not in the processor's caches when it
            is read: it is asked for ahead.
    """

    how: How
    lies: str = "i8"
    counts: str = "i8"
    stride: int = 0
    offset: int = 0
    fill: int | None = None
    since: str = ""
    instead: int | None = None
    fetched: bool = False


class Source(NamedTuple):
    """A column of a chunk.

    Attributes:
        access: how it is read.
        values: what is read, unless it is the records; kept as long as ``address`` is used.
        address: of the first value.
        places: the places of :attr:`How.PLACED`, kept like the values.
        places_address: of the first place.
    """

    access: Access
    values: NDArray[Any] | None = None
    address: int = 0
    places: NDArray[np.int32] | None = None
    places_address: int = 0

    @classmethod
    def of(
        cls,
        access: Access,
        values: NDArray[Any],
        places: NDArray[np.int32] | None = None,
        where: Where | None = None,
    ) -> Source:
        """A column that is read from arrays; ``where`` tells where they begin in memory."""
        where = where or address_of
        if not len(values):
            values = _NOTHING
        places_address = 0 if places is None else where(places)
        return cls(access, values, where(values), places, places_address)


_NOTHING: Final = np.zeros(1, np.int64)
"""What is read, and not used, where no event has a place."""


def offset_in_row(values: NDArray[Any], where: Where | None = None) -> int:
    """Where a field lies in the structures, or a column in the rows, that an array is one of."""
    owner, stride = values.base, values.strides[0]
    if stride <= values.itemsize or not isinstance(owner, np.ndarray):
        return 0
    where = where or address_of
    return (where(values) - where(owner)) % stride


def joined(one: Access, other: Access) -> Access:
    """An access by which both can be read."""
    if one == other:
        return one
    for constant, varying in ((one, other), (other, one)):
        if constant.how == How.CONSTANT and constant.counts == varying.counts:
            same = varying.how == How.PLACED and constant.fill == varying.fill
            if same or varying.how == How.ROW:
                return varying
    return by_row(other.counts)


def by_row(counts: str) -> Access:
    """The access by which any column can be read."""
    return Access(How.ROW, counts, counts, np.dtype(counts).itemsize)


def groups_of(keys: Iterable[Hashable]) -> tuple[int, ...]:
    """A number for each key, the same for the same ones, counted from 0 in order of appearance."""
    numbers: dict[Hashable, int] = {}
    return tuple(numbers.setdefault(key, len(numbers)) for key in keys)
