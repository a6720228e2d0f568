# SPDX-License-Identifier: Apache-2.0
"""Going through a file block by block, and finding again what lies where.

A list of all packets would take 8 bytes for each. What is kept is how far the index had come at
every step of a megabyte; from there it goes on.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uvtrace.errors import InputError
from uvtrace.trace.layout import FUNCTION_NONE
from uvtrace.trace.room import Room
from uvtrace.trace.source import Source, as_words, forget_pages
from uvtrace.trace.stops import Stop

Numbers = NDArray[np.int64]

SECTIONS_MAX: Final = 4096
INTERFACES_MAX: Final = FUNCTION_NONE
BLOCK_MAX: Final = 16 << 20
"""No block of ours is longer: one that says so and is cut is corrupt, not merely cut."""
GONE_BYTES: Final = 64 << 20
"""A file is gone through in steps, and the pages of each are given back."""
STEP_BYTES: Final = 1 << 20
_SMALLEST_PACKET: Final = 144
_STEPS_KEPT: Final = 16
"""Steps of which single packets were asked for, and whose locations are kept."""
_NOTHING: Final = np.zeros(0, np.int64)
_NO_STATES: Final = np.zeros((0, 0), np.int64)


class Found(NamedTuple):
    """What was found in a file, or in the part of it that was gone through.

    Attributes:
        packets: how many of ours.
        sections: int64, shape (n, 4): offset, big-endian?, first interface, first packet.
        interfaces: int64, shape (n, 2): offset of the block, link type.
        foreign: packets of other link types.
        noted: packets with options.
        moved: packets whose record names another function than their interface.
        telling: see :attr:`uvtrace.trace.packets.Packets.telling`.
        stop, offset: why and where it did not go on; CLEAN if it can.
    """

    packets: int
    sections: Numbers
    interfaces: Numbers
    foreign: int
    noted: int
    moved: int
    telling: Numbers
    stop: Stop
    offset: int


class Index:
    """Goes through a file block by block, and finds again by number what it has come past.

    What it says of the file is of the part that it has gone through; :meth:`finish` goes through
    the rest. Memory does not grow with the file, but for a state of every megabyte.

    Args:
        source: the file.

    Attributes:
        name: the file's, for messages.
        data: its bytes.
    """

    def __init__(self, source: Source) -> None:
        from uvtrace.trace.kernels import STATE

        size = len(source.data)
        self.name = source.name
        self.data = source.data
        self._words = as_words(source.data)
        self._size = size
        self._sections = np.empty((min(size // 28, SECTIONS_MAX), 4), np.int64)
        self._interfaces = np.empty((min(size // 20, INTERFACES_MAX), 2), np.int64)
        self._every_state = np.zeros((size // STEP_BYTES + 1, STATE), np.int64)
        self._state = np.zeros(STATE, np.int64)
        self._told = np.empty(0, np.int64)
        self._telling: list[Numbers] = []
        self._stop = Stop.CLEAN
        self._kept: dict[int, Numbers] = {}

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to go through."""
        return self._stop != Stop.CLEAN or self._offset >= self._size

    @property
    def found(self) -> Found:
        """What was found so far."""
        from uvtrace.trace.kernels import FOREIGN, INTERFACES, MOVED, NOTED, PACKETS, SECTIONS

        counts = self._state.tolist()
        return Found(
            packets=counts[PACKETS],
            sections=self._sections[: counts[SECTIONS]],
            interfaces=self._interfaces[: counts[INTERFACES]],
            foreign=counts[FOREIGN],
            noted=counts[NOTED],
            moved=counts[MOVED],
            telling=np.concatenate((_NOTHING, *self._telling)),
            stop=self._stop,
            offset=self._offset,
        )

    @property
    def count(self) -> int:
        """The packets that were found so far."""
        return int(self._state[0])

    @property
    def most(self) -> int:
        """The packets of the file, or so many that there are not more."""
        count = int(self._state[0])
        left = 0 if self.finished else self._size - self._offset
        return count + left // _SMALLEST_PACKET

    def go_on(self) -> None:
        """Go through the next step of the file, and give its pages back."""
        from uvtrace.trace.kernels import locate

        until = self._offset + GONE_BYTES
        told = self._room_to_tell(min(self._size, GONE_BYTES + BLOCK_MAX) // _SMALLEST_PACKET + 1)
        out = _NOTHING, self._sections, self._interfaces, told, self._every_state
        stop = locate(self._words, self._size, until, self._state, 0, self._size, *out)
        self._note(stop)
        forget_pages(self.data)

    def finish(self) -> None:
        """Go through all that is left of the file."""
        while not self.finished:
            self.go_on()

    def reach(self, count: int) -> bool:
        """Go on until so many packets are found; False: there are not so many."""
        while self._state[0] < count and not self.finished:
            self.go_on()
        return bool(self._state[0] >= count)

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
        locate(
            *(self._words, self._size, self._size, state, int(state[0]), last),
            *(found, self._sections, self._interfaces, _NOTHING, _NO_STATES),
        )
        self._require(int(state[0]) == last)
        return found[len(found) - (last - first) :]

    def gather(self, first: int, count: int, room: Room) -> int:
        """Copy the records of the packets from number ``first`` on into a room.

        It goes on where it has not been yet, so that a file is gone through once only.

        Returns:
            How many there were: fewer than ``count`` only at the file's end.

        Raises:
            InputError: the file is no longer what it was.
        """
        known = min(max(self.count - first, 0), count)
        if known:
            self._gather_again(first, room.part(0, known))
        if known < count and not self.finished:
            self._gather_on(room.part(known, count))
        return min(self.count - first, count)

    def _gather_on(self, room: Room) -> None:
        """Fill a room with the records of the packets that come next, and note what is found."""
        from uvtrace.trace.kernels import locate_and_gather

        first, told = self.count, self._room_to_tell(len(room))
        found = room.places, self._sections, self._interfaces, told, self._every_state
        into = room.words(), room.fields
        self._note(
            locate_and_gather(
                *(self._words, self._size, self._state, first, first + len(room)), *found, *into
            )
        )

    def _gather_again(self, first: int, room: Room) -> None:
        """Fill a room with the records of packets that were found before."""
        from uvtrace.trace.kernels import locate_and_gather

        last, state = first + len(room), self.states[self._step_of(first)].copy()
        found = room.places, self._sections, self._interfaces, _NOTHING, _NO_STATES
        into = room.words(), room.fields
        locate_and_gather(*(self._words, self._size, state, first, last), *found, *into)
        self._require(int(state[0]) == last)

    def at(self, number: int) -> int:
        """Byte offset of a packet."""
        self.reach(number + 1)
        states, step = self.states, self._step_of(number)
        begin = int(states[step, 0])
        known = self._kept.get(step)
        if known is None or number - begin >= len(known):
            end = self._state[0] if step + 1 == len(states) else states[step + 1, 0]
            known = self.find(begin, max(int(end), number + 1))
            if len(self._kept) >= _STEPS_KEPT:
                self._kept.clear()
                # Packets here and there can be of pages all over the file.
                forget_pages(self.data)
            self._kept[step] = known
        return int(known[number - begin])

    @property
    def _offset(self) -> int:
        from uvtrace.trace.kernels import OFFSET

        return int(self._state[OFFSET])

    @property
    def states(self) -> Numbers:
        """How far it had come at each step that it has come to, shape (n, ``kernels.STATE``)."""
        return self._every_state[: self._offset // STEP_BYTES + 1]

    def _step_of(self, number: int) -> int:
        """The last step at which the packet had not been come to."""
        return bisect_right(self.states[:, 0], number) - 1

    def _room_to_tell(self, count: int) -> Numbers:
        from uvtrace.trace.kernels import TOLD

        if len(self._told) < count:
            self._told = np.empty(count, np.int64)
        self._state[TOLD] = 0
        return self._told

    def _note(self, stop: int) -> None:
        from uvtrace.trace.kernels import TOLD

        self._stop = Stop(stop)
        self._telling.append(self._told[: self._state[TOLD]].copy())

    def _require(self, same: bool) -> None:
        if not same:
            raise InputError("it has changed since it was opened", path=self.name)
