# SPDX-License-Identifier: Apache-2.0
"""The pass of windows that clash: BARs and ROMs, of all functions, as config space enables them.

Config writes are few, and most change no window, so that plain Python serves.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from uvtrace.check.chunk import Chunk
from uvtrace.check.columns import windows
from uvtrace.check.expression import Column
from uvtrace.check.passes.snapshots import snapshots
from uvtrace.check.rules import Sight
from uvtrace.trace.enums import Kind, Phase, Snapshot
from uvtrace.trace.layout import BAR, BAR_ROM, view_of
from uvtrace.trace.trace import Trace

_COMMAND, _BAR0, _ROM = 0x04, 0x10, 0x30
_IO_ENABLE, _MEMORY_ENABLE, _ROM_ENABLE = 1, 2, 1
_IORESOURCE_IO, _IORESOURCE_MEM_64 = 0x100, 0x100000
_HEADER_BYTES: Final = 64
_FILLS: Final = {"clash_bar": -1, "clash_other_since": -1}
_SNAPSHOT, _COMPLETION = int(Kind.SNAPSHOT), int(Phase.COMPLETION)
_KINDS: Final = frozenset({int(Kind.CONFIG_WRITE), int(Kind.SNAPSHOT)})
_NOTHING: Final = np.zeros(0, np.int64)
_CONFIG, _BARS = int(Snapshot.CONFIG), int(Snapshot.BARS)


class _Event(NamedTuple):
    """A config write or snapshot, by the columns that tell what it does."""

    row: int
    kind: int
    function: int
    phase: int
    offset: int
    length: int
    value: int


@dataclass(frozen=True)
class _Window:
    """An address range that a function decodes. ``io``: of I/O space."""

    function: int
    bar: int
    io: bool
    begin: int
    end: int
    since: int


@dataclass
class _Function:
    """A function's header, as far as it is known, and its BARs' sizes."""

    header: bytearray | None = None
    bars: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Length and IORESOURCE flags by index."""
    since: dict[int, int] = field(default_factory=dict)
    """The config write or snapshot that set each BAR."""
    windows: tuple[_Window, ...] | None = ()
    """Those that it decodes; None: what they follow from has changed."""

    def dword(self, offset: int) -> int:
        assert self.header is not None
        return int.from_bytes(self.header[offset : offset + 4], "little")


class WindowsPass:
    """Fills ``columns.windows``."""

    columns: tuple[Column, ...] = windows.COLUMNS

    def __init__(self, trace: Trace, wanted: AbstractSet[str]) -> None:
        self._wanted = wanted
        self._functions: dict[int, _Function] = {}

    def run(self, chunk: Chunk) -> None:
        """Fill the columns of one chunk."""
        lost = chunk.losses.of([Sight.CFG])[0].tolist()
        if chunk.kinds.isdisjoint(_KINDS) and not lost:
            for column in self.columns:
                chunk.put_rows(column.name, _NOTHING, _NOTHING, _FILLS.get(column.name, 0))
            return
        rows: list[int] = []
        told: dict[str, list[int]] = {column.name: [] for column in self.columns}
        for event in _events(chunk):
            if lost and lost[0] <= event.row:
                # What was written is not known until the next snapshot.
                self._functions.clear()
                lost = [each for each in lost if each > event.row]
            for name, value in self._see(chunk, event):
                if name == "clash_bar":
                    rows.append(event.row)
                told[name].append(value)
        if lost:
            self._functions.clear()
        for column in self.columns:
            values = np.array(told[column.name], np.dtype(column.dtype))
            fill = _FILLS.get(column.name, 0)
            chunk.put_rows(column.name, np.array(rows, np.int64), values, fill)

    def _see(self, chunk: Chunk, event: _Event) -> Iterator[tuple[str, int]]:
        of = self._functions.setdefault(event.function, _Function())
        if event.kind == _SNAPSHOT:
            _see_snapshot(of, chunk, event.row)
        elif _write(of, event, chunk.first + event.row):
            yield from self._clash(event.function)

    def _clash(self, function: int) -> Iterator[tuple[str, int]]:
        own = _windows(function, self._functions[function])
        if not own:
            return
        every = [w for f, of in self._functions.items() for w in _windows(f, of)]
        for one in own:
            for other in every:
                if other.begin >= one.end or one.begin >= other.end or other.io != one.io:
                    continue
                if (other.function, other.bar) != (one.function, one.bar):
                    yield "clash_bar", one.bar
                    yield "clash_other_bar", other.bar
                    yield "clash_other_function", other.function
                    yield "clash_address", max(one.begin, other.begin)
                    yield "clash_other_since", other.since
                    return


def _events(chunk: Chunk) -> Iterator[_Event]:
    """Writes to the header, and snapshots of config space and BARs."""
    rows = chunk.rows((Kind.CONFIG_WRITE,))
    records = chunk.records[rows]
    begins, length = records["address"], records["length"]
    inside = (begins < _HEADER_BYTES) & (length <= _HEADER_BYTES)
    inside &= begins + length <= _HEADER_BYTES
    rows = rows[inside & (records["phase"] != _COMPLETION)]
    told = [row for row, _ in snapshots(chunk, Snapshot.CONFIG, Snapshot.BARS)]
    rows = np.sort(np.concatenate((rows, np.array(told, np.int64))))
    records = chunk.records[rows]
    names = ("kind", "function", "phase", "address", "length", "value")
    return map(_Event, rows.tolist(), *(records[name].tolist() for name in names))


def _see_snapshot(of: _Function, chunk: Chunk, row: int) -> None:
    meta = view_of(chunk.records[row : row + 1], "meta")[0]
    topic = int(meta["topic"])
    if topic not in (_CONFIG, _BARS):
        return
    payload = chunk.payload(row)
    of.windows = None
    if topic == _BARS:
        bars = np.frombuffer(payload, BAR, len(payload) // BAR.itemsize)
        of.bars = {int(b["index"]): (int(b["length"]), int(b["flags"])) for b in bars}
    elif meta["offset"] == 0 and len(payload) >= _HEADER_BYTES and payload[0x0E] & 0x7F == 0:
        of.header = bytearray(payload[:_HEADER_BYTES])
        of.since = dict.fromkeys(range(BAR_ROM + 1), chunk.first + row)


def _write(of: _Function, event: _Event, position: int) -> bool:
    """Carry out a config write; whether it can have moved or enabled a window."""
    offset, length = event.offset, event.length
    if of.header is None:
        return False
    value = event.value & ((1 << 8 * length) - 1)
    told = value.to_bytes(length, "little")
    # Of BARs it matters who wrote them last, too.
    if offset >= _BAR0 or of.header[offset : offset + length] != told:
        of.windows = None
    of.header[offset : offset + length] = told
    if _BAR0 <= offset < _BAR0 + 24:
        of.since[(offset - _BAR0) // 4] = position
        return True
    if offset & ~3 == _ROM:
        of.since[BAR_ROM] = position
        return True
    return offset == _COMMAND


def _windows(function: int, of: _Function) -> tuple[_Window, ...]:
    """The windows that a function decodes."""
    if of.windows is None:
        of.windows = tuple(_decoded(function, of))
    return of.windows


def _decoded(function: int, of: _Function) -> Iterator[_Window]:
    if of.header is None:
        return
    command = of.dword(_COMMAND)
    if not command & (_IO_ENABLE | _MEMORY_ENABLE):
        return
    for bar, (length, flags) in of.bars.items():
        if not length or length & (length - 1) or bar > BAR_ROM:
            continue
        io = bool(flags & _IORESOURCE_IO)
        if not command & (_IO_ENABLE if io else _MEMORY_ENABLE):
            continue
        raw = of.dword(_ROM if bar == BAR_ROM else _BAR0 + 4 * bar)
        if bar == BAR_ROM and not raw & _ROM_ENABLE:
            continue
        bits = 32
        if flags & _IORESOURCE_MEM_64 and bar < 5:
            raw |= of.dword(_BAR0 + 4 * bar + 4) << 32
            bits = 64
        begin = raw & ~(length - 1) & ~0xF if not io else raw & ~(length - 1) & ~0x3
        sizing = {((1 << width) - 1) & ~(length - 1) for width in (32, bits)}
        # All ones is a BAR that is being sized, 0 one that was never given an address.
        if begin and begin not in sizing:
            yield _Window(function, bar, io, begin, begin + length, of.since.get(bar, -1))
