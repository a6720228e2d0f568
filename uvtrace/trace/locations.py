# SPDX-License-Identifier: Apache-2.0
"""Where the packets of a trace, or of a part of it, are: found again when asked for."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.trace.index import Index, Numbers
from uvtrace.trace.room import Room

_KEPT_MAX: Final = 1 << 20
"""Locations that are kept once they have all been asked for."""
_FEW: Final = 64
"""Packets that are fewer than one in so many are looked for one by one."""


class Locations:
    """The locations of some packets.

    A location is the byte offset of the packet's record; odd for a Simple Packet Block.
    """

    def __init__(
        self, index: Index | None, first: int, count: int, found: Numbers | None = None
    ) -> None:
        self._index = index
        self._first = first
        self._count = count
        self._found = found

    @classmethod
    def of(cls, found: Numbers) -> Locations:
        """Those that are given."""
        return cls(None, 0, len(found), found)

    def __len__(self) -> int:
        return self._count

    def all(self) -> Numbers:
        """Every location, int64, shape (n,)."""
        if self._found is not None:
            return self._found
        assert self._index is not None
        found = self._index.find(self._first, self._first + self._count)
        if self._count <= _KEPT_MAX:
            self._found = found
        return found

    def gather(self, room: Room) -> bool:
        """Copy every record into a room, if they follow each other in the file."""
        if self._found is not None or self._index is None:
            return False
        return self._index.gather(self._first, self._count, room) == self._count

    def told_by(self, room: Room) -> Locations:
        """The same, where a room tells them that the records were copied into."""
        return Locations(self._index, self._first, self._count, room.places[: self._count])

    def at(self, row: int) -> int:
        """The location of one packet, counted from 0."""
        if self._found is not None:
            return int(self._found[row])
        assert self._index is not None
        return self._index.at(self._first + row)

    def select(self, rows: slice | NDArray[Any]) -> Locations:
        """Those of some of the packets: by slice, row numbers or mask."""
        if self._found is None:
            found = self._part(rows) if isinstance(rows, slice) else self._few(rows)
            if found is not None:
                return found
        return Locations.of(self.all()[rows])

    def _part(self, rows: slice) -> Locations | None:
        start, stop, step = rows.indices(self._count)
        if step != 1:
            return None
        return Locations(self._index, self._first + start, max(stop - start, 0))

    def _few(self, rows: NDArray[Any]) -> Locations | None:
        if rows.dtype == bool or len(rows) * _FEW >= self._count:
            return None
        numbers = np.where(rows < 0, rows + self._count, rows)
        if len(numbers) and not 0 <= numbers.min() <= numbers.max() < self._count:
            raise IndexError(f"a record beyond the {self._count} that there are")
        return Locations.of(np.array([self.at(row) for row in numbers.tolist()], np.int64))
