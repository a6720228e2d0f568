# SPDX-License-Identifier: Apache-2.0
"""Where the packets of a file are: not noted down for each, but found again when asked for.

A list of them would take 8 bytes for every packet. What is kept is how far the reader had come at
every step of a megabyte; from there it goes on.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.errors import InputError
from uvtrace.trace.source import forget_pages

Numbers = NDArray[np.int64]

STEP_BYTES: Final = 1 << 20
_STEPS_KEPT: Final = 16
"""Steps of which single packets were asked for, and whose locations are kept."""
_KEPT_MAX: Final = 1 << 20
"""Locations that are kept once they have all been asked for."""
_FEW: Final = 64
"""Packets that are fewer than one in so many are looked for one by one."""
_NOTHING: Final = np.zeros(0, np.int64)
_NO_STATES: Final = np.zeros((0, 0), np.int64)


@dataclass(frozen=True)
class Index:
    """Finds the packets of a file by number.

    Attributes:
        name: the file, for messages.
        words: the file as 32-bit words.
        size: its bytes.
        states: int64, shape (steps, ``kernels.STATE``): how far the reader had come at each step.
        sections, interfaces: what it has found of both.
        end: how many packets there are.
    """

    name: str
    words: NDArray[np.uint32]
    size: int
    states: Numbers
    sections: Numbers
    interfaces: Numbers
    end: int
    _kept: dict[int, Numbers] = field(default_factory=dict, compare=False, repr=False)

    def find(self, first: int, last: int) -> Numbers:
        """Byte offset of each packet from number ``first`` up to ``last``, which is left out.

        Raises:
            InputError: the file is no longer what it was.
        """
        from uvtrace.trace.kernels import locate

        if first >= last:
            return _NOTHING
        state = self.states[self._step_of(first)].copy()
        found = np.empty(last - int(state[0]), np.int64)
        reached = locate(
            *(self.words, self.size, self.size, state, int(state[0]), last),
            *(found, self.sections, self.interfaces, _NOTHING, _NO_STATES),
        )
        self._require(reached[0] == last)
        return found[len(found) - (last - first) :]

    def gather(self, first: int, records: NDArray[np.uint32]) -> Numbers:
        """Copy the records of the packets from number ``first`` on, uint32, shape (n, 32).

        Returns:
            Their byte offsets.

        Raises:
            InputError: the file is no longer what it was.
        """
        from uvtrace.trace.kernels import locate, locate_and_gather

        found, last = np.empty(len(records), np.int64), first + len(records)
        state = self.states[self._step_of(first)].copy()
        of_file = self.sections, self.interfaces, _NOTHING, _NO_STATES
        begin = int(state[0])
        locate(self.words, self.size, self.size, state, begin, first, _NOTHING, *of_file)
        self._require(int(state[0]) == first)
        reached = locate_and_gather(
            self.words, self.size, state, first, last, found, *of_file, records
        )
        self._require(reached == last)
        return found

    def _require(self, same: bool) -> None:
        if not same:
            raise InputError("it has changed since it was opened", path=self.name)

    def at(self, number: int) -> int:
        """Byte offset of a packet."""
        step = self._step_of(number)
        begin = int(self.states[step, 0])
        known = self._kept.get(step)
        if known is None or number - begin >= len(known):
            end = self.end if step + 1 == len(self.states) else int(self.states[step + 1, 0])
            known = self.find(begin, max(end, number + 1))
            if len(self._kept) >= _STEPS_KEPT:
                self._kept.clear()
                # Packets here and there can be of pages all over the file.
                forget_pages(self.words)
            self._kept[step] = known
        return int(known[number - begin])

    def _step_of(self, number: int) -> int:
        """The last step at which the packet had not been come to."""
        return bisect_right(self.states[:, 0], number) - 1


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

    def gather(self, records: NDArray[np.uint32]) -> bool:
        """Copy every record, uint32, shape (n, 32), if the packets are still to be found."""
        if self._found is not None or self._index is None or not self._count:
            return False
        found = self._index.gather(self._first, records)
        if self._count <= _KEPT_MAX:
            self._found = found
        return True

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
