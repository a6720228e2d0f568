# SPDX-License-Identifier: Apache-2.0
"""A trace: records as columns, with what the file says of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from operator import index as as_index
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, overload

import numpy as np
from numpy.typing import NDArray

from uvtrace.trace import pcapng, reader
from uvtrace.trace.enums import Kind
from uvtrace.trace.functions import Function
from uvtrace.trace.layout import COMMON, VIEWS, view_of
from uvtrace.trace.metadata import Metadata, assemble
from uvtrace.trace.packets import Packets, Section
from uvtrace.trace.reader import Reading
from uvtrace.trace.room import Room
from uvtrace.trace.sequence import lost_counts
from uvtrace.trace.source import forget_pages
from uvtrace.trace.stops import Damage

if TYPE_CHECKING:
    import pandas

CHUNK_RECORDS: Final = 1 << 20

Rows = slice | NDArray[np.integer] | NDArray[np.bool_] | list[int]


class Trace:
    """A recording, or a part of one. Made by :func:`open_trace`.

    ``trace[5]`` is a record (``numpy.void`` of dtype RECORD); ``trace[10:20]``, ``trace[mask]``
    and ``trace[rows]`` are traces of those records, with the metadata of the whole file.

    The file is mapped, not read: what is not asked for costs nothing. It must not be truncated
    while a trace of it is in use; a file that grows is seen as it was when it was opened.
    """

    def __init__(self, packets: Packets | Reading, whole: Trace | None = None) -> None:
        self._reading = packets if isinstance(packets, Reading) else None
        self._chosen = packets if isinstance(packets, Packets) else None
        # None for the whole itself: a cycle would keep its memory and mapping after it is dropped.
        self._whole = whole
        self._columns: dict[str, NDArray[Any]] = {}

    def __len__(self) -> int:
        return len(self._packets)

    @property
    def most(self) -> int:
        """So many records that there are not more, told without reading on."""
        return len(self) if self._reading is None else self._reading.index.most

    @property
    def beginning(self) -> Trace:
        """The trace, of which only that is told what its file has said so far: it is not read on.

        The trace itself where it was read to its end, as a file of some megabytes is when it is
        opened.
        """
        if self._reading is None or self._reading.finished:
            return self
        return _Beginning(self._reading)

    @overload
    def __getitem__(self, rows: int) -> np.void: ...
    @overload
    def __getitem__(self, rows: Rows) -> Trace: ...
    def __getitem__(self, rows: int | Rows) -> np.void | Trace:
        if isinstance(rows, slice):
            return Trace(self._until(rows).select(rows), self._root)
        if isinstance(rows, np.ndarray | list):
            selected = np.asarray(rows)
            if not len(selected):
                selected = selected.astype(np.intp)
            return Trace(self._packets.select(selected), self._root)
        record: np.void = self.records[self._row(rows)]
        return record

    def __iter__(self) -> Iterator[np.void]:
        return iter(self.records)

    def __repr__(self) -> str:
        functions = ", ".join(function.name for function in self.functions)
        return f"<Trace {self.path}: {len(self)} records of {functions or 'no function'}>"

    @property
    def path(self) -> str:
        """The file that the trace was read from."""
        return self._packets.name

    @property
    def functions(self) -> tuple[Function, ...]:
        """The PCI functions (interfaces) of the file; ``function`` of a record is the position."""
        return self._packets.functions

    @property
    def sections(self) -> tuple[Section, ...]:
        """Kernel, machine, writer and comments, as the file's headers say."""
        return self._packets.sections

    @property
    def damage(self) -> Damage | None:
        """Where and why the file ends early; None if it was read to its end."""
        return self._packets.damage

    @property
    def foreign_packets(self) -> int:
        """Packets of other link types in the file; they are not records."""
        return self._packets.foreign

    @cached_property
    def records(self) -> NDArray[np.void]:
        """The records, dtype RECORD, shape (n,), read-only.

        A view of the mapped file where its packets are equally spaced; else gathered, once, into
        128 bytes of memory per record.
        """
        return self._packets.records()

    def column(self, name: str) -> NDArray[Any]:
        """One field of every record, shape (n,), contiguous, read-only.

        Args:
            name: a common field (``kind``, ``address``, …), or a field of a union member as
                ``member.field`` (``access.bar``, ``dma.direction``, …). The latter is meaningful
                only in rows whose kind has that member (``layout.kinds_of``).

        Raises:
            KeyError: there is no such field.
        """
        if name not in self._columns:
            self._keep(name, self._field(name))
        return self._columns[name]

    def columns(self) -> MappingProxyType[str, NDArray[np.integer]]:
        """All common fields by name, in one pass over the file; see :meth:`column`."""
        if any(name not in self._columns for name in COMMON):
            for name, column in self._packets.columns().items():
                self._keep(name, column)
        return MappingProxyType({name: self._columns[name] for name in COMMON})

    def view(self, member: str) -> NDArray[np.void]:
        """The union of every record as ``member`` (``access``, ``dma``, …), shape (n,).

        Raises:
            KeyError: there is no such member.
        """
        return view_of(self.records, member)

    def snapshot_rows(self) -> NDArray[np.int64]:
        """Rows of the snapshots; of a whole file they are known without a walk over it."""
        if self._whole is None:
            return self._packets.telling_of(Kind.SNAPSHOT)
        return np.flatnonzero(self.column("kind") == Kind.SNAPSHOT).astype(np.int64)

    def payload(self, row: int) -> bytes:
        """What follows record ``row`` in its packet; may be cut, see :meth:`payload_length`.

        Raises:
            IndexError: there is no such row.
        """
        number = as_index(row)
        found = self._until(slice(number, number + 1))
        return bytes(found.payload(number if 0 <= number < len(found) else self._row(number)))

    def payload_length(self, row: int) -> int:
        """Bytes that the payload of record ``row`` had before it was cut."""
        return self._packets.original_length(self._row(row))

    def wall_time_ns(self, row: int) -> int | None:
        """Wall-clock time of record ``row`` in ns since 1970; None where the packet has none."""
        return self._packets.timestamp_ns(self._row(row))

    @cached_property
    def comments(self) -> dict[int, str]:
        """Packet comments by row; several on one packet are joined by line breaks."""
        comments = {}
        for row, options in self._options.items():
            texts = [v.decode(errors="replace") for c, v in options if c == pcapng.OPT_COMMENT]
            if texts:
                comments[row] = "\n".join(texts)
        return comments

    @cached_property
    def drops(self) -> dict[int, int]:
        """By row: how many packets were dropped before it, as its packet says."""
        return {
            row: int.from_bytes(value, "big" if self._big_endian(row) else "little")
            for row, options in self._options.items()
            for code, value in options
            if code == pcapng.EPB_DROPCOUNT and len(value) == 8
        }

    @property
    def lost(self) -> int:
        """Records that the LOSS records of this trace stand for."""
        return int(lost_counts(self.records).sum())

    @property
    def metadata(self) -> Metadata:
        """What the whole file says of itself; assembled when it is first asked for."""
        return self._root._metadata

    def symbol(self, site: int) -> str:
        """A code address (``ip``, ``caller``, a handler) as ``symbol+0x1c [module]``."""
        return self.metadata.symbol(int(site))

    def site(self, row: int) -> str:
        """Where in the driver record ``row`` comes from, as ``symbol+0x1c [module]``.

        The first frame inside the driver where the access itself lies elsewhere; empty where the
        record has no code address.
        """
        record = self[row]
        return self.symbol(int(record["caller"]) or int(record["ip"]))

    def chunks(self, n: int = CHUNK_RECORDS, room: Room | None = None) -> Iterator[Trace]:
        """The trace in parts of ``n`` records; what a part has gathered goes with it.

        So do the file's pages: memory does not grow with the trace.

        Args:
            n: how many.
            room: for ``n`` records at least, or as many as there are: where those of each part
                are gathered, in the place of those of the part before, which is no longer used.
                So a file that has not been read to its end is read on, and only once.

        Raises:
            ValueError: ``n`` is not positive.
        """
        if n < 1:
            raise ValueError(f"a chunk of {n} records")
        if room is not None:
            yield from self._gathered(n, room)
            return
        for start in range(0, len(self), n):
            yield self[start : start + n]
            forget_pages(self._packets.data)

    def to_pandas(self, *, details: bool = False) -> pandas.DataFrame:
        """The records as a data frame, one row each, columns named as the record's fields.

        Args:
            details: add the union's fields as ``access.bar``, ``dma.direction``, …; NA in rows
                whose kind has no such field.
        """
        from uvtrace.trace.frame import to_frame

        return to_frame(self, details=details)

    def _gathered(self, n: int, room: Room) -> Iterator[Trace]:
        """The trace in parts whose records are gathered; the file is read as far as they go."""
        start = 0
        while len(part := self._into(room, start, n)):
            trace = Trace(part, self._root)
            vars(trace)["records"] = part.gathered(room)
            for name, column in room.first(len(part)).items():
                trace._keep(name, column)
            yield trace
            forget_pages(part.data)
            start += len(part)

    def _into(self, room: Room, start: int, n: int) -> Packets:
        """The next packets, and their records in a room."""
        if self._reading is None:
            return self._packets.select(slice(start, start + n)).gather(room)
        count = self._reading.index.gather(start, n, room)
        return self._reading.known().select(slice(start, start + count)).told_by(room)

    @property
    def _packets(self) -> Packets:
        if self._chosen is None:
            assert self._reading is not None
            self._chosen = self._reading.whole()
        return self._chosen

    def _until(self, rows: slice) -> Packets:
        """All packets, or those up to the last of these rows, of which the numbers are the same."""
        reading, stop = self._reading, rows.stop
        counted = rows.step is None and stop is not None and min(rows.start or 0, stop) >= 0
        if self._chosen is not None or reading is None or not counted:
            return self._packets
        return reading.known() if reading.index.reach(stop) else self._packets

    @property
    def _root(self) -> Trace:
        # An empty trace is false, so that `or` would not do.
        return self if self._whole is None else self._whole

    def _field(self, name: str) -> NDArray[Any]:
        if len(self) > CHUNK_RECORDS and "records" not in vars(self):
            # For one column not all records of a long trace are gathered at the same time.
            return np.concatenate([part._field(name) for part in self.chunks(CHUNK_RECORDS)])
        member, dot, field = name.partition(".")
        if not dot:
            if name not in COMMON:
                raise KeyError(f"a record has no field {name!r}")
            return np.ascontiguousarray(self.records[name])
        if member not in VIEWS or field not in (VIEWS[member].names or ()):
            raise KeyError(f"a record has no field {name!r}")
        return np.ascontiguousarray(self.view(member)[field])

    def _keep(self, name: str, column: NDArray[Any]) -> None:
        column.flags.writeable = False
        self._columns[name] = column

    def _row(self, row: int) -> int:
        number = as_index(row)
        if not -len(self) <= number < len(self):
            raise IndexError(f"record {number} of {len(self)}")
        return number % len(self)

    @cached_property
    def _metadata(self) -> Metadata:
        return assemble(self._packets)

    @cached_property
    def _options(self) -> dict[int, list[tuple[int, bytes]]]:
        rows = self._packets.rows_with_options().tolist()
        return {row: self._packets.options(row) for row in rows}

    def _big_endian(self, row: int) -> bool:
        return self._packets.big_endian(row)


class _Beginning(Trace):
    """A trace that tells of itself what its file had said when this was made."""

    def __init__(self, reading: Reading) -> None:
        super().__init__(reading)
        self._known = reading.known()

    @property
    def functions(self) -> tuple[Function, ...]:
        return self._known.functions

    @property
    def sections(self) -> tuple[Section, ...]:
        return self._known.sections

    def snapshot_rows(self) -> NDArray[np.int64]:
        return self._known.telling_of(Kind.SNAPSHOT)

    @cached_property
    def _metadata(self) -> Metadata:
        return assemble(self._known)


def open_trace(path: str | os.PathLike[str], *, name: str | None = None) -> Trace:
    """Open a recording; ``.gz`` and ``.zst`` are decompressed, ``-`` is standard input.

    A URL is fetched: see :mod:`uvtrace.trace.remote`. ``name`` is what to call it in messages.

    Raises:
        InputError: the file cannot be read, is not a trace, or is of a newer format. A file that
            is merely damaged is opened up to there: see :attr:`Trace.damage`.
    """
    return Trace(reader.read(path, name=name))


def open_bytes(data: bytes | bytearray | memoryview, name: str = "memory") -> Trace:
    """A recording that is in memory; see :func:`open_trace`. ``name`` is for messages."""
    return Trace(reader.read_bytes(data, name))
