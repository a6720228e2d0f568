# SPDX-License-Identifier: Apache-2.0
"""What memory held when, as far as a recording tells.

The device's reads show what the driver had put there, its writes what they left, MEMORY records
both. A byte that is asked for at some point of the recording is what the next read shows, if
nothing else happened to it before that read; else what was known of it last.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from enum import IntEnum
from typing import Final

_PAGE: Final = 4096
_LOOK: Final = 256
"""Events of a page that are looked through, each way."""


class _How(IntEnum):
    READ = 0
    WRITTEN = 1
    KNOWN = 2
    FORGOTTEN = 3


class History:
    """Contents of memory by place and time; rows are those of the trace, told in order."""

    def __init__(self) -> None:
        self._rows: dict[int, list[int]] = defaultdict(list)
        self._events: dict[int, list[tuple[_How, int, bytes, int]]] = defaultdict(list)

    @property
    def end(self) -> int:
        """The address behind the highest page that is known."""
        return (max(self._rows) + 1) * _PAGE if self._rows else 0

    def read(self, row: int, address: int, data: bytes) -> None:
        """The device read this: it was there before."""
        self._add(_How.READ, row, address, data, len(data))

    def written(self, row: int, address: int, data: bytes) -> None:
        """The device wrote this."""
        self._add(_How.WRITTEN, row, address, data, len(data))

    def known(self, row: int, address: int, data: bytes) -> None:
        """The recorder saw this there."""
        self._add(_How.KNOWN, row, address, data, len(data))

    def forgotten(self, row: int, address: int, length: int) -> None:
        """What is there means nothing any more: mapped anew, or unmapped."""
        self._add(_How.FORGOTTEN, row, address, b"", length)

    def _add(self, how: _How, row: int, address: int, data: bytes, length: int) -> None:
        end = address + length
        at = address
        while at < end:
            until = min(end, (at // _PAGE + 1) * _PAGE)
            page = at // _PAGE
            part = data[at - address : until - address] if data else b""
            self._rows[page].append(row)
            self._events[page].append((how, at % _PAGE, part, until - at))
            at = until

    def at(self, row: int, address: int, length: int) -> tuple[bytes, int]:
        """What memory held just before ``row``, unknown bytes as 0; and how many are unknown."""
        content, unknown = bytearray(), 0
        at, end = address, address + length
        while at < end:
            until = min(end, (at // _PAGE + 1) * _PAGE)
            part, missing = self._in_page(at // _PAGE, row, at % _PAGE, until - at)
            content += part
            unknown += missing
            at = until
        return bytes(content), unknown

    def _in_page(self, page: int, row: int, start: int, length: int) -> tuple[bytearray, int]:
        content = bytearray(length)
        rows, events = self._rows.get(page), self._events.get(page)
        open_ = set(range(length))
        if rows is None or events is None:
            return content, length
        now = bisect_right(rows, row)
        blocked: set[int] = set()
        for how, at, data, size in events[now : now + _LOOK]:
            touched = _touched(start, length, at, size) & open_
            if how == _How.READ:
                for place in touched - blocked:
                    if (source := place + start - at) < len(data):
                        content[place] = data[source]
                        open_.discard(place)
            blocked |= touched
            if open_ <= blocked:
                break
        for how, at, data, size in reversed(events[max(0, now - _LOOK) : now]):
            if not open_:
                break
            touched = _touched(start, length, at, size) & open_
            if how == _How.FORGOTTEN:
                # Streaming memory is mapped after it was filled: what comes later is what counts.
                continue
            for place in touched:
                if (source := place + start - at) < len(data):
                    content[place] = data[source]
                    open_.discard(place)
        return content, len(open_)


def _touched(start: int, length: int, at: int, size: int) -> set[int]:
    return set(range(max(0, at - start), min(length, at + size - start)))
