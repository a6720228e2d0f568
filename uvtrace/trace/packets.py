# SPDX-License-Identifier: Apache-2.0
"""The packets of a file: where they are, and what is read from them on demand."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uvtrace.trace import pcapng
from uvtrace.trace.enums import Kind
from uvtrace.trace.functions import Function
from uvtrace.trace.layout import COMMON, FUNCTION_NONE, RECORD, RECORD_SIZE
from uvtrace.trace.locations import Locations
from uvtrace.trace.migrate import FORMAT_VERSION, upgrade
from uvtrace.trace.room import WORDS, Room
from uvtrace.trace.source import as_words
from uvtrace.trace.stops import Damage

_ALIGN: Final = 64  # a cache line
_SIMPLE: Final = 1  # lowest bit of a location: a Simple Packet Block


class Section(NamedTuple):
    """A section of the file (there is more than one only where files were concatenated).

    Attributes:
        offset: byte of its header.
        big_endian: byte order of its block headers.
        first_interface: index of its first interface in the whole file.
        hardware: the recorded machine, from its header; likewise:
        os: the recorded kernel's release,
        application: what wrote it,
        comments: its comments.
    """

    offset: int
    big_endian: bool
    first_interface: int
    hardware: str = ""
    os: str = ""
    application: str = ""
    comments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Packets:
    """The packets of a file, or some of them.

    Attributes:
        name: the file, for messages.
        data: its bytes, uint8, shape (size,).
        locations: byte offset of each record; odd for a Simple Packet Block.
        functions: every interface of the file, so that a function's index is its position.
        sections: at least one.
        section_offsets: their offsets, for looking a packet's section up.
        resolution: nanoseconds of one timestamp unit, by interface.
        damage: where and why the file ends early.
        foreign: packets of other link types, which were skipped.
        noted: packets with options; 0 spares looking for them.
        moved: whether a record's function differs from its packet's interface.
        telling: of each packet of the whole file that tells of the trace itself (a kind from
            SNAPSHOT on) or of a module being loaded: its number, times 256, and its kind.
        version: the file's format.
    """

    name: str
    data: NDArray[np.uint8]
    locations: Locations
    functions: tuple[Function, ...]
    sections: tuple[Section, ...]
    section_offsets: tuple[int, ...]
    resolution: tuple[float, ...]
    damage: Damage | None
    foreign: int
    noted: int
    moved: bool
    telling: NDArray[np.int64]
    version: int

    def __len__(self) -> int:
        return len(self.locations)

    def select(self, rows: slice | NDArray[np.integer] | NDArray[np.bool_]) -> Packets:
        """Some of the packets: by slice, row numbers or mask."""
        return replace(self, locations=self.locations.select(rows))

    def telling_of(self, kind: Kind) -> NDArray[np.int64]:
        """Numbers, in the whole file, of the packets of a kind that :attr:`telling` has."""
        assert kind >= Kind.SNAPSHOT or kind == Kind.MODULE_LOAD
        numbers: NDArray[np.int64] = self.telling[self.telling & 0xFF == kind] >> 8
        return numbers

    @property
    def words(self) -> NDArray[np.uint32]:
        """The file as 32-bit words, for the kernels."""
        return as_words(self.data)

    def records(self) -> NDArray[np.void]:
        """Every record: a view of the file where the packets are equally spaced, else a copy."""
        stride = self._stride()
        if self.moved or self.version != FORMAT_VERSION or stride is None:
            return self._copied()
        if len(self) == 0:
            return np.zeros(0, RECORD)
        first = self.locations.at(0) & ~_SIMPLE
        # numpy wants the buffer to start at the lowest address it may touch
        return np.lib.stride_tricks.as_strided(
            self.data[first : first + RECORD_SIZE].view(RECORD),
            (len(self),),
            (stride,),
            writeable=False,
        )

    def columns(self) -> dict[str, NDArray[np.integer]]:
        """All common fields, each of shape (n,) and contiguous, in one pass over the file."""
        from uvtrace.trace.kernels import split

        if self.version != FORMAT_VERSION:
            records = self.records()
            return {name: np.ascontiguousarray(records[name]) for name in COMMON}
        columns = _empty_columns(len(self))
        split(self.words, self.locations.all(), *columns.values())
        if self.moved:
            columns["function"] = self._functions(columns["function"])
        return columns

    def payload(self, row: int) -> memoryview:
        """What follows the record in its packet, without copying."""
        at = self.locations.at(row)
        start = at & ~_SIMPLE
        captured = self._header_word(at, 8) if not at & _SIMPLE else self._simple_length(at)
        return self.data.data[start + RECORD_SIZE : start + captured]

    def original_length(self, row: int) -> int:
        """Bytes that the payload had before it was cut."""
        return max(self._header_word(self.locations.at(row), 4) - RECORD_SIZE, 0)

    def timestamp_ns(self, row: int) -> int | None:
        """The packet's own timestamp (wall clock), in ns; None where it has none."""
        at = self.locations.at(row)
        if at & _SIMPLE:
            return None
        units = self._header_word(at, 16) << 32 | self._header_word(at, 12)
        unit_ns = self.resolution[self._interface(at)]
        return units if unit_ns == 1.0 else int(units * unit_ns)

    def options(self, row: int) -> list[tuple[int, bytes]]:
        """The packet's options: code and value."""
        at = self.locations.at(row)
        if at & _SIMPLE:
            return []
        total, captured = self._header_word(at, 24), self._header_word(at, 8)
        start = at + pcapng.padded(captured)
        end = at - pcapng.EPB_DATA + total - 4
        big = self._section(at).big_endian
        return list(pcapng.decode_options(self.data.data[start:end], big=big))

    def big_endian(self, row: int) -> bool:
        """The byte order of the packet's header."""
        return self._section(self.locations.at(row)).big_endian

    def rows_with_options(self) -> NDArray[np.intp]:
        """Rows of the packets that carry options, ascending."""
        from uvtrace.trace.kernels import with_options

        if not self.noted or not len(self):
            return np.zeros(0, np.intp)
        is_big = np.array([section.big_endian for section in self.sections])
        of_big = is_big[self._section_numbers()]
        found = np.zeros(len(self), np.bool_)
        for big in np.unique(of_big).tolist():
            rows = of_big == big
            found[rows] = with_options(self.words, self.locations.all()[rows], big)
        return np.flatnonzero(found)

    def _stride(self) -> int | None:
        if len(self) < 2:
            return RECORD_SIZE
        locations = self.locations.all()
        stride = int(locations[1] - locations[0])
        return stride if bool((np.diff(locations) == stride).all()) else None

    def _copied(self) -> NDArray[np.void]:
        """Every record, read-only, in memory of its own."""
        from uvtrace.trace.kernels import gather

        records = np.empty(len(self), RECORD)
        gather(self.words, self.locations.all(), records.view(WORDS))
        return self._as_now(records)

    def gather(self, room: Room) -> Packets:
        """Copy every record into a room; the packets, as :meth:`told_by`."""
        from uvtrace.trace.kernels import gather

        if self.locations.gather(room):
            return self.told_by(room)
        gather(self.words, self.locations.all(), room.words()[: len(self)])
        room.take_apart(room.records[: len(self)])
        return self

    def told_by(self, room: Room) -> Packets:
        """The packets whose records were found while they were copied into a room.

        Nothing of them is looked for in the file again, for as long as they lie there.
        """
        return replace(self, locations=self.locations.told_by(room))

    def gathered(self, room: Room) -> NDArray[np.void]:
        """Every record, read-only, that was copied into a room; its fields become theirs."""
        records = self._as_now(room.records[: len(self)])
        if self.moved or self.version != FORMAT_VERSION:
            room.take_apart(records)
        return records

    def _as_now(self, records: NDArray[np.void]) -> NDArray[np.void]:
        """What was copied of the packets, as records of the current format, read-only."""
        if self.moved:
            records["function"] = self._functions(records["function"])
        records = upgrade(records, self.version).view()
        records.flags.writeable = False
        return records

    def _functions(self, recorded: NDArray[np.integer]) -> NDArray[np.integer]:
        """The interface of each packet, which tools that merge files keep up to date.

        They renumber interfaces and know nothing of what a record says.
        """
        numbers = self._section_numbers()
        first = np.array([section.first_interface for section in self.sections])[numbers]
        big = np.array([section.big_endian for section in self.sections])[numbers]
        locations = self.locations.all()
        headers = (locations & ~_SIMPLE) // 4
        simple = (locations & _SIMPLE).astype(bool)
        interface = self.words[headers - 5]
        interface = np.where(big, interface.byteswap(), interface)
        kind = self.words[np.where(simple, headers, headers - 7)]
        kind = np.where(big, kind.byteswap(), kind)
        half = np.where(big, interface >> 16, interface & 0xFFFF)
        interface = np.where(kind == pcapng.OBSOLETE_PACKET, half, interface)
        found = np.where(simple, 0, interface) + first
        return np.where(recorded == FUNCTION_NONE, FUNCTION_NONE, found).astype(np.uint16)

    def _section_numbers(self) -> NDArray[np.intp]:
        return np.searchsorted(self.section_offsets, self.locations.all(), "right") - 1

    def _section(self, at: int) -> Section:
        return self.sections[bisect_right(self.section_offsets, at) - 1]

    def _header_word(self, at: int, before: int) -> int:
        start = (at & ~_SIMPLE) - before
        order = "big" if self._section(at).big_endian else "little"
        return int.from_bytes(self.data[start : start + 4].tobytes(), order)  # type: ignore[arg-type]

    def _simple_length(self, at: int) -> int:
        return min(self._header_word(at, 4), self._header_word(at, 8) - 16)

    def _interface(self, at: int) -> int:
        section = self._section(at)
        interface = self._header_word(at, 20)
        if self._header_word(at, 28) == pcapng.OBSOLETE_PACKET:
            interface = interface >> 16 if section.big_endian else interface & 0xFFFF
        return section.first_interface + interface


def _empty_columns(n: int) -> dict[str, NDArray[np.integer]]:
    """Arrays for all common fields, in one piece of memory.

    Apart, most of them are too small or too unaligned for huge pages: twelve thousand page faults
    per million records instead of two thousand, and 61 ms instead of 38.
    """
    sizes = [n * RECORD[name].itemsize + _ALIGN - 1 & -_ALIGN for name in COMMON]
    slab = np.empty(sum(sizes), np.uint8)
    starts = np.cumsum([0, *sizes])
    return {
        name: slab[start : start + n * RECORD[name].itemsize].view(RECORD[name])
        for name, start in zip(COMMON, starts.tolist(), strict=False)
    }
