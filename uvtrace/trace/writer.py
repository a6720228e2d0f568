# SPDX-License-Identifier: Apache-2.0
"""Writing a trace as pcapng, so that it is valid after ``kill -9`` at any moment."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Final, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from uvtrace.trace import pcapng
from uvtrace.trace.blocks import Payloads, by_row, encode_packets
from uvtrace.trace.functions import NO_FUNCTION
from uvtrace.trace.layout import FUNCTION_NONE, RECORD_SIZE
from uvtrace.trace.migrate import FORMAT_VERSION, format_comment
from uvtrace.trace.sequence import lost_counts
from uvtrace.trace.sink import open_sink
from uvtrace.version import VERSION

T = TypeVar("T")

BATCH: Final = 1 << 16
"""Records that are encoded at once; bounds the memory a large write needs."""


class PcapngWriter:
    """A pcapng file that records are appended to.

    Only whole blocks reach the file, a batch in one write. ``.gz`` and ``.zst`` compress.

    Args:
        target: a path, or an open binary file (which stays open).
        functions: name and description of each PCI function, in the order of their index.
        os: the recorded kernel's release.
        command: what ran while recording; kept in the section header as a comment.
        notes: further comments of the section header.
        hardware: the recorded machine.
        clock_offset_ns: wall clock minus the monotonic clock of the records (``start_real_ns -
            start_mono_ns`` of the ring).
        snaplen: payload bytes kept of each record; None keeps all.

    Raises:
        UvtraceError: the file cannot be created or written.
    """

    def __init__(
        self,
        target: str | os.PathLike[str] | IO[bytes],
        *,
        functions: Iterable[tuple[str, str]] = (),
        os: str = "",
        command: str = "",
        hardware: str = "",
        notes: Iterable[str] = (),
        clock_offset_ns: int = 0,
        snaplen: int | None = None,
    ) -> None:
        self._interfaces = 0
        self._undelivered_loss = 0
        self._clock_offset = np.uint64(clock_offset_ns % (1 << 64))
        self._snaplen = snaplen
        header = [pcapng.section_header(_section_options(os, command, hardware, notes))]
        for name, description in functions:
            header.append(pcapng.interface(name, description))
            self._interfaces += 1
        self._sink = open_sink(target)
        self._sink.write(b"".join(header))

    def add_function(self, name: str, description: str = "") -> int:
        """Declare a PCI function; returns the index that its records carry."""
        self._sink.write(pcapng.interface(name, description))
        self._interfaces += 1
        return self._interfaces - 1

    def write(
        self,
        records: NDArray[np.void],
        payloads: Payloads | None = None,
        comments: Mapping[int, str | Sequence[str]] | None = None,
    ) -> None:
        """Append records.

        A record's ``payload`` that is smaller than the payload given is raised to its length, so
        that the packet's original length tells of what was cut, here or before. The packet after
        a LOSS record carries the count as ``epb_dropcount``.

        Args:
            records: shape (n,), dtype RECORD, numbered (see ``sequence.renumber``).
            payloads: by row of this batch, or one (or None) for every row.
            comments: packet comments by row of this batch, one or several.

        Raises:
            ValueError: a record names a function that is not declared, the payloads do not fit
                the records, or a comment is longer than 65,535 bytes.
            UvtraceError: the file cannot be written.
        """
        kept = by_row(payloads, len(records))
        noted = {row: _several(texts) for row, texts in (comments or {}).items() if texts}
        interfaces = self._interfaces_of(records)
        for start in range(0, len(records), BATCH):
            rows = slice(start, min(start + BATCH, len(records)))
            self._write_batch(
                records[rows], interfaces[rows], _part(kept, rows), _part(noted, rows)
            )

    def flush(self) -> None:
        """See to it that everything written so far can be read from the file."""
        self._sink.flush()

    def close(self) -> None:
        """Finish the file."""
        self._sink.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _interfaces_of(self, records: NDArray[np.void]) -> NDArray[np.integer]:
        functions = np.asarray(records["function"])
        if self._interfaces == 0 and len(records):
            self.add_function(NO_FUNCTION)
        interfaces = np.where(functions == FUNCTION_NONE, 0, functions)
        if len(records) and int(interfaces.max()) >= self._interfaces:
            unknown = int(interfaces.max())
            raise ValueError(f"a record names function {unknown}; {self._interfaces} are declared")
        return interfaces

    def _write_batch(
        self,
        records: NDArray[np.void],
        interfaces: NDArray[np.integer],
        payloads: dict[int, bytes],
        comments: dict[int, tuple[str, ...]],
    ) -> None:
        lengths = np.asarray(records["payload"]).astype(np.int64)
        if payloads:
            records = records.copy()
            for row, payload in payloads.items():
                lengths[row] = max(int(lengths[row]), len(payload))
            records["payload"] = lengths
        if self._snaplen is not None:
            payloads = {row: payload[: self._snaplen] for row, payload in payloads.items()}
        times = np.asarray(records["time_ns"]) + self._clock_offset
        original = np.minimum(lengths + RECORD_SIZE, 0xFFFFFFFF)
        options = self._options(records, comments)
        self._sink.write(encode_packets(records, interfaces, times, payloads, original, options))

    def _options(
        self, records: NDArray[np.void], comments: dict[int, tuple[str, ...]]
    ) -> dict[int, bytes]:
        values: dict[int, list[tuple[int, bytes]]] = {}
        for row, texts in comments.items():
            values[row] = [(pcapng.OPT_COMMENT, text.encode()) for text in texts]
        for row, count in self._drops(records).items():
            drop = (pcapng.EPB_DROPCOUNT, count.to_bytes(8, "little"))
            values.setdefault(row, []).append(drop)
        return {row: pcapng.encode_options(pairs) for row, pairs in values.items()}

    def _drops(self, records: NDArray[np.void]) -> dict[int, int]:
        lost = lost_counts(records)
        drops = {0: self._undelivered_loss} if self._undelivered_loss else {}
        self._undelivered_loss = 0
        for row in np.flatnonzero(lost):
            if row + 1 < len(records):
                drops[int(row) + 1] = int(lost[row])
            else:
                self._undelivered_loss = int(lost[row])
        return drops


def _part(by_row: Mapping[int, T], rows: slice) -> dict[int, T]:
    return {
        row - rows.start: value for row, value in by_row.items() if rows.start <= row < rows.stop
    }


def _several(texts: str | Sequence[str]) -> tuple[str, ...]:
    return (texts,) if isinstance(texts, str) else tuple(text for text in texts if text)


def _section_options(
    release: str, command: str, hardware: str, notes: Iterable[str]
) -> list[tuple[int, bytes]]:
    options = [(pcapng.OPT_COMMENT, format_comment(FORMAT_VERSION).encode())]
    if command:
        options.append((pcapng.OPT_COMMENT, f"command: {command}".encode()[: pcapng.OPTION_MAX]))
    options += [(pcapng.OPT_COMMENT, note.encode()[: pcapng.OPTION_MAX]) for note in notes]
    if hardware:
        options.append((pcapng.SHB_HARDWARE, hardware.encode()))
    if release:
        options.append((pcapng.SHB_OS, release.encode()))
    options.append((pcapng.SHB_USERAPPL, f"uvtrace {VERSION}".encode()))
    return options
