# SPDX-License-Identifier: Apache-2.0
"""The part of Perfetto's trace format that a timeline uses, encoded by hand.

A trace is a sequence of length-delimited packets, so that it can be written as it is made; the
field numbers are those of ``perfetto/trace/perfetto_trace.proto``. The tests parse what is written
with Perfetto's own classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Final

SEQUENCE: Final = 1
"""The one sequence of packets that there is; interned texts belong to it."""
_NEEDS_STATE: Final = 2
_CLEARS_STATE: Final = 1
_REALTIME, _BOOTTIME = 1, 6
_BYTES: Final = 3


class Type(IntEnum):
    """``TrackEvent.Type``."""

    BEGIN = 1
    END = 2
    INSTANT = 3
    COUNTER = 4


class Table(IntEnum):
    """The tables of interned texts, by their field in ``InternedData``."""

    EVENT_NAME = 2
    ANNOTATION_NAME = 3
    ANNOTATION_TEXT = 29


def _short(value: int) -> bytes:
    """A number of at most 14 bits."""
    if value < 0x80:
        return bytes((value,))
    return bytes((value & 0x7F | 0x80, value >> 7))


# Most of the work is numbers: they are put together from pieces of 14 bits.
_LAST: Final = tuple(_short(value) for value in range(1 << 14))
_MORE: Final = tuple(bytes((value & 0x7F | 0x80, value >> 7 | 0x80)) for value in range(1 << 14))


def varint(value: int) -> bytes:
    """An unsigned number, seven bits a byte."""
    encoded = b""
    while value >> 14:
        encoded += _MORE[value & 0x3FFF]
        value >>= 14
    return encoded + _LAST[value]


def number(field: int, value: int) -> bytes:
    """A field that holds an unsigned number."""
    return _LAST[field << 3] + varint(value)


def fixed64(field: int, value: int) -> bytes:
    """A field that holds a number of eight bytes."""
    return _LAST[field << 3 | 1] + value.to_bytes(8, "little")


def block(field: int, content: bytes) -> bytes:
    """A field that holds a message, or a text."""
    return _LAST[field << 3 | 2] + varint(len(content)) + content


def text(field: int, value: str) -> bytes:
    """A field that holds a text."""
    return block(field, value.encode(errors="replace"))


_BEGINS: Final = number(10, SEQUENCE) + number(13, _CLEARS_STATE | _NEEDS_STATE)
_GOES_ON: Final = number(10, SEQUENCE) + number(13, _NEEDS_STATE)


def packet(content: bytes, *, first: bool = False) -> bytes:
    """A ``TracePacket`` of the sequence."""
    return block(1, content + (_BEGINS if first else _GOES_ON))


def first_packet(time_ns: int, real_ns: int | None) -> bytes:
    """The packet that begins the sequence, and relates its clock to the time of day."""
    clocks = [block(1, number(1, _BOOTTIME) + number(2, time_ns))]
    if real_ns is not None and real_ns > 0:
        clocks.append(block(1, number(1, _REALTIME) + number(2, real_ns)))
    snapshot = block(6, b"".join(clocks) + number(2, _BOOTTIME))
    return packet(number(8, time_ns) + snapshot + number(87, 1), first=True)


def track(
    uuid: int,
    name: str,
    parent: int = 0,
    *,
    pid: int = 0,
    rank: int = 0,
    counts_bytes: bool = False,
) -> bytes:
    """A ``TrackDescriptor``; ``pid`` makes it a process, which the UI shows as a group.

    Args:
        uuid: its number, not 0.
        name: what the UI calls it.
        parent: of which track it is a part; 0 none.
        pid: of a process; 0 it is none.
        rank: its place among its siblings; its own children have ranks, too.
        counts_bytes: it shows a number that changes, in bytes.
    """
    content = number(1, uuid)
    if pid:
        content += block(3, number(1, pid) + text(6, name))
    else:
        content += text(2, name)
    if parent:
        content += number(5, parent)
    if counts_bytes:
        content += block(8, number(3, _BYTES))
    # Ranks are meant: EXPLICIT.
    content += number(11, 3) + number(12, rank)
    return packet(block(60, content))


class Interned:
    """Texts that are written once, and referred to by number."""

    def __init__(self) -> None:
        self._known: dict[tuple[Table, str], int] = {}
        self._told: list[bytes] = []

    def number(self, table: Table, name: str) -> int:
        """The number of a text; told with the next packet where it is new."""
        found = self._known.get((table, name))
        if found is None:
            found = self._known[table, name] = len(self._known) + 1
            entry = number(1, found) + text(2, name)
            self._told.append(block(table, entry))
        return found

    def take(self) -> bytes:
        """The field that tells of the new ones; empty where there are none."""
        if not self._told:
            return b""
        told = block(12, b"".join(self._told))
        self._told.clear()
        return told


class Events:
    """Encodes events of tracks.

    Annotations are numbers, shown in hexadecimal where their name ends in ``address`` or is
    ``value``, or texts.
    """

    def __init__(self) -> None:
        self._interned = Interned()
        self._heads: dict[str, bytes] = {}
        self._texts: dict[tuple[str, str], bytes] = {}
        self._kinds: dict[tuple[Type, int, str], bytes] = {}

    def begin(
        self,
        uuid: int,
        time_ns: int,
        name: str,
        about: bytes,
        flows: Iterable[int] = (),
    ) -> bytes:
        """A slice begins; ``about`` is what :meth:`annotations` gives."""
        return self._named(Type.BEGIN, uuid, time_ns, name, about, flows, 48)

    def end(self, uuid: int, time_ns: int) -> bytes:
        """The innermost slice ends."""
        return packet(number(8, time_ns) + block(11, number(9, Type.END) + number(11, uuid)))

    def instant(
        self,
        uuid: int,
        time_ns: int,
        name: str,
        about: bytes,
        flows: Iterable[int] = (),
    ) -> bytes:
        """Something that takes no time; ``flows`` lead from here."""
        return self._named(Type.INSTANT, uuid, time_ns, name, about, flows, 47)

    def count(self, uuid: int, time_ns: int, value: int) -> bytes:
        """A number is this from now on."""
        event = number(9, Type.COUNTER) + number(11, uuid) + number(30, value)
        return packet(number(8, time_ns) + block(11, event))

    def annotations(self, about: Mapping[str, int | str]) -> bytes:
        """Fields of an event that tell about it; numbers or texts by name."""
        return b"".join([self._annotation(name, value) for name, value in about.items()])

    def _named(
        self,
        type_: Type,
        uuid: int,
        time_ns: int,
        name: str,
        about: bytes,
        flows: Iterable[int],
        flow_field: int,
    ) -> bytes:
        head = self._kinds.get((type_, uuid, name))
        if head is None:
            named = number(10, self._interned.number(Table.EVENT_NAME, name))
            head = self._kinds[type_, uuid, name] = number(9, type_) + number(11, uuid) + named
        event = head + about
        for flow in flows:
            event += fixed64(flow_field, flow)
        return packet(number(8, time_ns) + block(11, event) + self._interned.take())

    def _annotation(self, name: str, value: int | str) -> bytes:
        if isinstance(value, str):
            told = self._texts.get((name, value))
            if told is None:
                number_ = self._interned.number(Table.ANNOTATION_TEXT, value)
                told = block(4, self._head(name) + number(17, number_))
                self._texts[name, value] = told
            return told
        head = self._heads.get(name)
        if head is None:
            shown = name == "value" or name.endswith("address")
            head = self._heads[name] = self._head(name) + _LAST[(7 if shown else 3) << 3]
        return block(4, head + varint(value))

    def _head(self, name: str) -> bytes:
        return number(1, self._interned.number(Table.ANNOTATION_NAME, name))
