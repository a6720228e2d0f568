# SPDX-License-Identifier: Apache-2.0
"""A part of a trace that is a trace itself: chosen records, with comments that say why.

What the chosen records cannot be understood without goes with them: the session, the modules and
the names of the sites that they refer to. It comes first, and bears the time of the first chosen
record, so that no time passes that did not. Records are numbered anew without gaps: what was not
chosen was not lost. Each packet says in a comment which packet of which file it was; a part of a
part goes on telling of the first file.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import IO, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uvtrace.trace import pcapng
from uvtrace.trace.enums import Kind, Topic
from uvtrace.trace.layout import RECORD, SITE_MODULE_SHIFT, kinds_of, view_of
from uvtrace.trace.sequence import renumber
from uvtrace.trace.texts import printable
from uvtrace.trace.trace import Trace, open_bytes
from uvtrace.trace.writer import PcapngWriter

Comments = Mapping[int, str | Sequence[str]]
"""One or several comments by position in the whole trace."""

SITES: Final = (("irq", "handler"), ("irq", "thread"))
"""Fields of the union that are sites, beside ``ip`` and ``caller``."""

_DOCUMENTS: Final = (Topic.SESSION, Topic.CONVERTED)
_ORIGIN: Final = re.compile(r"packet (?P<packet>\d{1,19}), #(?P<seq>\d{1,20}), of (?P<file>.+)")


@dataclass(frozen=True)
class Origin:
    """Which packet of which file a packet was.

    Attributes:
        packet: its number as Wireshark counts, from 1.
        seq: the number of its record, as findings name it.
        file: the file's name, without folders.
    """

    packet: int
    seq: int
    file: str

    def __str__(self) -> str:
        return f"packet {self.packet}, #{self.seq}, of {self.file}"


def parse_origin(comment: str) -> Origin | None:
    """The origin that a comment tells of; None if it tells of something else."""
    found = _ORIGIN.fullmatch(comment)
    if found is None:
        return None
    return Origin(int(found["packet"]), int(found["seq"]), found["file"])


def origins(trace: Trace) -> dict[int, Origin]:
    """Where the packets of a trace come from, by row, as far as their comments tell."""
    told = {}
    for row, text in trace.comments.items():
        for line in text.splitlines():
            if (origin := parse_origin(line)) is not None:
                told[row] = origin
    return told


@dataclass(frozen=True)
class Sliced:
    """What a slice holds.

    Attributes:
        positions: of its records in the whole trace, in the order of the slice, int64.
        texts: how many of them, the first ones, were added to explain the others.
    """

    positions: NDArray[np.int64]
    texts: int

    def __len__(self) -> int:
        return len(self.positions)


class Slicer:
    """Takes slices of a trace; what they share is looked up once.

    Args:
        trace: the whole.
        console: take the kernel's log and the command's result along, too.
    """

    def __init__(self, trace: Trace, *, console: bool = False) -> None:
        self._trace = trace
        self._console = console
        kinds = trace.column("kind")
        texts = np.flatnonzero((kinds == Kind.METADATA) | (kinds == Kind.MODULE_LOAD))
        self._texts = texts
        records = trace[texts].records
        is_module = records["kind"] == Kind.MODULE_LOAD
        topic = view_of(records, "meta")["topic"]
        wanted = [*_DOCUMENTS, *((Topic.CONSOLE, Topic.RESULT) if console else ())]
        self._is_document = ~is_module & np.isin(topic, wanted)
        self._is_symbol = ~is_module & (topic == Topic.SYMBOL)
        self._is_module = is_module
        self._site = records["address"].copy()
        self._module = view_of(records, "module")["index"].astype(np.uint64)
        self._file = printable(PurePath(trace.path).name or trace.path)

    def positions(self, chosen: ArrayLike) -> Sliced:
        """What a slice of the chosen positions holds, in order.

        Raises:
            IndexError: there is no such position.
        """
        wanted = np.unique(np.asarray(chosen, np.int64).reshape(-1))
        if len(wanted) and not 0 <= wanted[0] <= wanted[-1] < len(self._trace):
            raise IndexError(f"positions from 0 to {len(self._trace) - 1}, not {wanted[[0, -1]]}")
        wanted = wanted[~np.isin(wanted, self._texts)]
        texts = self._texts[self._referred(_sites(self._trace[wanted].records))]
        return Sliced(np.concatenate((texts, wanted)).astype(np.int64), len(texts))

    def trace(
        self,
        chosen: ArrayLike,
        comments: Comments | None = None,
        *,
        emptied: Collection[int] = (),
        silent: bool = False,
    ) -> Trace:
        """A slice as a trace in memory; see :meth:`write`. A ``silent`` one bears no comments."""
        file = io.BytesIO()
        noted = None if silent else comments or {}
        self._write(file, self.positions(chosen), noted, (), emptied)
        return open_bytes(file.getbuffer(), self._trace.path)

    def write(
        self,
        target: str | os.PathLike[str] | IO[bytes],
        chosen: ArrayLike,
        comments: Comments | None = None,
        *,
        emptied: Collection[int] = (),
        notes: Sequence[str] = (),
    ) -> Sliced:
        """Write a slice.

        Args:
            target: a path (``.gz`` and ``.zst`` compress), or an open binary file.
            chosen: positions of records in the whole trace, in any order; they keep its order.
            comments: by position. They come before what the packet's own comments said, and
                before where it comes from; control characters are escaped.
            emptied: positions of records that are written with a value of 0 and no payload.
            notes: comments on the file itself.

        Returns:
            What was written.

        Raises:
            IndexError: there is no such position.
            UvtraceError: the file cannot be written.
        """
        sliced = self.positions(chosen)
        self._write(target, sliced, comments or {}, notes, emptied)
        return sliced

    def _write(
        self,
        target: str | os.PathLike[str] | IO[bytes],
        sliced: Sliced,
        comments: Comments | None,
        notes: Sequence[str],
        emptied: Collection[int],
    ) -> None:
        records = self._records(sliced)
        if emptied:
            bare = np.isin(sliced.positions, np.fromiter(emptied, np.int64, len(emptied)))
            records["value"][bare] = records["payload"][bare] = 0
        held = np.flatnonzero(records["payload"]).tolist()
        payloads = {row: self._trace.payload(int(sliced.positions[row])) for row in held}
        noted = {} if comments is None else self._comments(sliced, records, comments)
        renumber(records, 0)
        with self._writer(target, sliced, notes) as writer:
            writer.write(records, payloads, noted)

    def _referred(self, sites: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Which of the texts explain records with these sites."""
        modules = np.unique(sites >> np.uint64(SITE_MODULE_SHIFT))
        named = self._is_symbol & np.isin(self._site, sites)
        loaded = self._is_module & np.isin(self._module, modules)
        referred: NDArray[np.bool_] = self._is_document | named | loaded
        return referred

    def _records(self, sliced: Sliced) -> NDArray[np.void]:
        part = self._trace[sliced.positions].records
        records = np.array(part, RECORD)
        texts, chosen = records[: sliced.texts], records[sliced.texts :]
        if len(chosen):
            texts["time_ns"] = chosen["time_ns"].min()
        return records

    def _comments(
        self, sliced: Sliced, records: NDArray[np.void], comments: Comments
    ) -> dict[int, tuple[str, ...]]:
        noted = {}
        for row, position in enumerate(sliced.positions.tolist()):
            given = comments.get(position, ())
            lines = [given] if isinstance(given, str) else [*given]
            lines += self._trace.comments.get(position, "").splitlines()
            if not any(parse_origin(line) for line in lines):
                lines.append(str(Origin(position + 1, int(records["seq"][row]), self._file)))
            noted[row] = tuple(_fitting(line) for line in lines)
        return noted

    def _writer(
        self, target: str | os.PathLike[str] | IO[bytes], sliced: Sliced, notes: Sequence[str]
    ) -> PcapngWriter:
        header = self._trace.sections[0]
        # The first is the format's, which the writer tells of itself.
        kept = [text for text in header.comments if not text.startswith("uvtrace format ")]
        part = f"{len(sliced) - sliced.texts} of {len(self._trace)} records of {self._file}"
        return PcapngWriter(
            target,
            functions=[(each.name, each.description) for each in self._trace.functions],
            os=header.os,
            hardware=header.hardware,
            notes=(*kept, part, *notes),
            clock_offset_ns=self._clock_offset_ns(sliced),
        )

    def _clock_offset_ns(self, sliced: Sliced) -> int:
        for position in sliced.positions[:1].tolist():
            wall_ns = self._trace.wall_time_ns(position)
            if wall_ns is not None:
                return wall_ns - int(self._trace[position]["time_ns"])
        return 0


def write_slice(
    trace: Trace,
    target: str | os.PathLike[str] | IO[bytes],
    chosen: ArrayLike,
    comments: Comments | None = None,
    *,
    notes: Sequence[str] = (),
    console: bool = False,
) -> Sliced:
    """Write a part of a trace as a trace; see :meth:`Slicer.write`."""
    return Slicer(trace, console=console).write(target, chosen, comments, notes=notes)


def slice_trace(trace: Trace, chosen: ArrayLike, comments: Comments | None = None) -> Trace:
    """A part of a trace as a trace, in memory; see :meth:`Slicer.write`."""
    return Slicer(trace).trace(chosen, comments)


def _sites(records: NDArray[np.void]) -> NDArray[np.uint64]:
    """The sites that records refer to, without 0."""
    parts = [records["ip"], records["caller"]]
    for member, field in SITES:
        own = np.isin(records["kind"], kinds_of(member))
        parts.append(view_of(records, member)[field][own])
    sites = np.unique(np.concatenate(parts))
    named: NDArray[np.uint64] = sites[sites != 0]
    return named


def _fitting(text: str) -> str:
    """A comment in one line that an option can hold."""
    return printable(text).encode()[: pcapng.OPTION_MAX].decode(errors="ignore")
