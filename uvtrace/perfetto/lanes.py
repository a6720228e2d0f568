# SPDX-License-Identifier: Apache-2.0
"""Where slices go, so that those of one track are properly nested.

A track shows a stack: a slice that begins within another must end within it.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final

_REMEMBERED: Final = 64


@dataclass
class Nest:
    """The slices of one track, told in the order in which they end.

    What a read took is measured apart from when the handler around it began: it is cut where
    both would overlap.
    """

    _open: list[int] = field(default_factory=list)
    _closed: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    @property
    def depth(self) -> int:
        """How many slices are open."""
        return len(self._open)

    def begin(self, time_ns: int) -> int:
        """A slice begins; returns when, not before the end of what was there."""
        begins = max(time_ns, self._floor())
        self._open.append(begins)
        return begins

    def end(self, time_ns: int) -> int:
        """The innermost slice ends; returns when."""
        begins = self._open.pop()
        ends = max(time_ns, begins, self._closed[-1][1] if self._closed else 0)
        self._close(begins, ends)
        return ends

    def add(self, begins: int, ends: int) -> tuple[int, int]:
        """A whole slice that ends now; returns its beginning and end."""
        ends = max(ends, self._floor())
        begins = max(begins, self._open[-1] if self._open else 0)
        within: list[tuple[int, int]] = []
        for first, last in reversed(self._closed):
            if begins >= last:
                break
            if begins >= first:
                begins = last
                break
            within.append((first, last))
        # One that begins at the same time would have to be told behind this one.
        for first, last in reversed(within):
            if first > begins:
                break
            begins = last
        begins = min(begins, ends)
        self._close(begins, ends)
        return begins, ends

    def _floor(self) -> int:
        last = self._closed[-1][1] if self._closed else 0
        return max(last, self._open[-1] if self._open else 0)

    def _close(self, begins: int, ends: int) -> None:
        # What lies within it will not be met again.
        while self._closed and self._closed[-1][0] >= begins:
            self._closed.pop()
        self._closed.append((begins, ends))


@dataclass
class Lanes:
    """Slices that overlap as they like: each gets a lane for as long as it lasts."""

    _free: list[int] = field(default_factory=list)
    _taken: dict[Hashable, int] = field(default_factory=dict)
    _count: int = 0

    def take(self, key: Hashable) -> int:
        """The lane of something that begins: the lowest that is free."""
        if self._free:
            lane = heapq.heappop(self._free)
        else:
            lane, self._count = self._count, self._count + 1
        self._taken[key] = lane
        return lane

    def give(self, key: Hashable) -> int | None:
        """The lane of something that ends; None if it was not seen to begin."""
        lane = self._taken.pop(key, None)
        if lane is not None:
            heapq.heappush(self._free, lane)
        return lane

    def holds(self, key: Hashable) -> bool:
        """Whether it has begun and not ended."""
        return key in self._taken

    def left(self) -> dict[Hashable, int]:
        """What has not ended, and its lanes."""
        return dict(self._taken)
