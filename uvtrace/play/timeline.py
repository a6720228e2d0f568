# SPDX-License-Identifier: Apache-2.0
"""How far a live driver has come in a recording, and what it may read there.

A live driver does what the recorded one did, but not in the same instant: it polls more or fewer
times, its timers run off at other moments, independent accesses change places. So it is followed
by what it *writes*: each write is looked for among the recorded ones that it has not made yet,
nearest first. That gives a point in the recording, and the next recorded write that was not made.
A read gets the values that were read there between the two, one after the other, and the last of
them for as long as it takes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from uvtrace.play.declaration import Place

AHEAD: Final = 256
"""Recorded writes, not yet made, among which one is looked for."""
ANY_AHEAD: Final = 16
"""The same for one of another value."""
PATIENCE: Final = 32
"""Reads of one register that give the same value, before time is taken to have gone on."""


@dataclass(frozen=True, slots=True)
class Access:
    """A recorded access of the driver.

    Attributes:
        position: in the recording.
        place: BAR and offset.
        is_write: or a read.
        value: written or read.
    """

    position: int
    place: Place
    is_write: bool
    value: int


class Found(Enum):
    """Where a live write is in the recording."""

    SAME = "same"
    """There."""
    OTHER_VALUE = "other value"
    """There with another value."""
    AGAIN = "again"
    """There, but it was made already: what a timer does, it does more or less often."""
    NOWHERE = "nowhere"
    """Not there."""


@dataclass(slots=True)
class _Reads:
    """The recorded reads of one register."""

    positions: list[int] = field(default_factory=list)
    values: list[int] = field(default_factory=list)
    next: int = 0
    held: int | None = None
    waited: int = 0
    again: list[int] = field(default_factory=list)


class Timeline:
    """A recording's accesses, followed by a live driver's.

    Args:
        accesses: of the recorded driver, in order.
    """

    def __init__(self, accesses: Iterable[Access]) -> None:
        self._writes: list[Access] = []
        self._numbers: dict[tuple[Place, int], list[int]] = defaultdict(list)
        self._reads: dict[Place, _Reads] = defaultdict(_Reads)
        self._stores = _Stores()
        for access in accesses:
            self._stores.see(access)
            if access.is_write:
                self._numbers[access.place, access.value].append(len(self._writes))
                self._writes.append(access)
            else:
                reads = self._reads[access.place]
                reads.positions.append(access.position)
                reads.values.append(access.value)
        self._made = [False] * len(self._writes)
        self._next = 0
        self._point = -1
        self._live: dict[Place, int] = {}

    @property
    def point(self) -> int:
        """Position of the recorded write that the driver has made last."""
        return self._point

    @property
    def limit(self) -> int | None:
        """Position of the next recorded write that it has not made; None: it has made the last."""
        return self._writes[self._next].position if self._next < len(self._writes) else None

    @property
    def skipped(self) -> list[Access]:
        """Recorded writes that were not made though later ones were."""
        return [
            access
            for access, made in zip(self._writes, self._made, strict=True)
            if not made and access.position < self._point
        ]

    def expected(self) -> Access | None:
        """The next recorded write that the driver has not made."""
        return self._writes[self._next] if self._next < len(self._writes) else None

    def write(self, place: Place, value: int) -> Found:
        """The live driver has written a register."""
        self._live[place] = value
        same = self._find(place, value, AHEAD)
        if same is not None:
            self._make(same)
            return Found.SAME
        before = self._made_before(place, value)
        if before is not None:
            self._repeat(before)
            return Found.AGAIN
        other = self._find(place, None, ANY_AHEAD)
        if other is not None:
            self._make(other)
            return Found.OTHER_VALUE
        return Found.NOWHERE

    def _find(self, place: Place, value: int | None, ahead: int) -> int | None:
        """The recorded write that is meant: one that was passed over comes before those to come."""
        begin = max(0, self._next - ahead)
        for number in range(begin, min(len(self._writes), self._next + ahead)):
            access = self._writes[number]
            if not self._made[number] and access.place == place and value in (None, access.value):
                return number
        return None

    def _made_before(self, place: Place, value: int) -> int | None:
        """The recorded write that the driver has made last and makes once more."""
        numbers = self._numbers.get((place, value), [])
        at = bisect_left(numbers, self._next)
        return numbers[at - 1] if at else None

    def _repeat(self, number: int) -> None:
        """The register answers once more what it answered to that write."""
        place, begin = self._writes[number].place, self._writes[number].position
        reads = self._reads.get(place)
        if reads is None:
            return
        later = (each.position for each in self._writes[number + 1 :] if each.place == place)
        end = next(later, reads.positions[-1] + 1 if reads.positions else 0)
        first, last = bisect_left(reads.positions, begin), bisect_left(reads.positions, end)
        reads.again = reads.values[first:last]

    def _make(self, number: int) -> None:
        self._made[number] = True
        self._point = max(self._point, self._writes[number].position)
        if number >= self._next:
            self._next = number + 1
        while self._next < len(self._writes) and self._made[self._next]:
            self._next += 1
        for reads in self._reads.values():
            reads.waited = 0
        if self._writes[number].place in self._reads:
            self._reads[self._writes[number].place].again = []

    def forget(self) -> None:
        """The device was reset: no register holds what was written."""
        self._live.clear()

    def read(self, place: Place) -> int | None:
        """What the live driver reads; None: it has read a register that the recorded never did."""
        if place in self._live and self._stores.is_storage(place):
            return self._live[place]
        reads = self._reads.get(place)
        if reads is None:
            return self._live.get(place)
        if reads.again:
            reads.held = reads.again.pop(0) if len(reads.again) > 1 else reads.again[0]
            return reads.held
        self._pass_by(reads)
        if self._may_take(reads):
            reads.held = reads.values[reads.next]
            reads.next += 1
            reads.waited = 0
        else:
            reads.waited += 1
        return reads.values[0] if reads.held is None else reads.held

    def _pass_by(self, reads: _Reads) -> None:
        """What was read before the driver's last write is over; what it gave last still holds."""
        while reads.next < len(reads.positions) and reads.positions[reads.next] < self._point:
            reads.held = reads.values[reads.next]
            reads.next += 1

    def _may_take(self, reads: _Reads) -> bool:
        if reads.next >= len(reads.positions):
            return False
        limit = self.limit
        within = limit is None or reads.positions[reads.next] < limit
        return within or reads.waited >= PATIENCE


class _Stores:
    """Registers that give back what was written: they need no recording to be answered."""

    def __init__(self) -> None:
        self._written: dict[Place, int] = {}
        self._gives_back: dict[Place, bool] = {}

    def see(self, access: Access) -> None:
        if access.is_write:
            self._written[access.place] = access.value
        elif access.place in self._written:
            same = access.value == self._written[access.place]
            self._gives_back[access.place] = same and self._gives_back.get(access.place, True)

    def is_storage(self, place: Place) -> bool:
        return self._gives_back.get(place, False)
