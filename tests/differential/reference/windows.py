# SPDX-License-Identifier: Apache-2.0
"""The address windows that functions decode, as the reference follows them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from uvtrace.trace.enums import Kind, Snapshot

from .life import BAR_RECORD
from .records import Event, Lost
from .space import COMMAND, FIRST_BAR, HEADER_END, snapshot_of_config

ROM, _ROM_OFFSET = 6, 0x30
_IO, _MEMORY_64 = 0x100, 0x100000


@dataclass(frozen=True)
class Window:
    """Addresses that a BAR, or the ROM, decodes."""

    owner: tuple[int, int]
    io: bool
    begin: int
    end: int


class Windows:
    """The headers and BARs of all functions."""

    def __init__(self) -> None:
        self._headers: dict[int, bytearray] = {}
        self._bars: dict[int, dict[int, tuple[int, int]]] = {}

    def clash(self, event: Event) -> bool:
        """After the config write in hand, a window of its function overlaps another one."""
        header = self._headers.get(event.function)
        if header is None or event.kind != Kind.CONFIG_WRITE or not event.begins:
            return False
        if event.address + event.length > HEADER_END or not self._matters(event.address):
            return False
        self.follow(event)
        every = [window for function in self._headers for window in self._windows(function)]
        return any(
            one.owner != other.owner
            and one.io == other.io
            and max(one.begin, other.begin) < min(one.end, other.end)
            for one in every
            if one.owner[0] == event.function
            for other in every
        )

    @staticmethod
    def _matters(offset: int) -> bool:
        """A write here can move or enable a window."""
        in_bars = FIRST_BAR <= offset < FIRST_BAR + 24
        return in_bars or offset == COMMAND or _ROM_OFFSET <= offset < _ROM_OFFSET + 4

    def follow(self, event: Event) -> None:
        """An event has happened; a write that has been followed already changes nothing."""
        if snapshot_of_config(event):
            if len(event.payload) >= HEADER_END and event.payload[0x0E] & 0x7F == 0:
                self._headers[event.function] = bytearray(event.payload[:HEADER_END])
        elif event.kind == Kind.SNAPSHOT and event.topic == Snapshot.BARS:
            told = BAR_RECORD.iter_unpack(event.payload)
            self._bars[event.function] = {bar[4]: (bar[1], bar[3]) for bar in told}
        elif event.kind == Kind.CONFIG_WRITE and event.begins:
            header = self._headers.get(event.function)
            if header is not None and event.address + event.length <= HEADER_END:
                value = event.value & (1 << 8 * event.length) - 1
                written = value.to_bytes(event.length, "little")
                header[event.address : event.address + event.length] = written

    def _windows(self, function: int) -> Iterator[Window]:
        def dword(offset: int) -> int:
            return int.from_bytes(self._headers[function][offset : offset + 4], "little")

        for bar, (length, flags) in self._bars.get(function, {}).items():
            io = bool(flags & _IO)
            if length == 0 or length & (length - 1) or bar > ROM:
                continue
            if not dword(COMMAND) & (1 if io else 2):
                continue
            address = dword(_ROM_OFFSET if bar == ROM else FIRST_BAR + 4 * bar)
            if bar == ROM and not address & 1:
                continue
            sizing = {2**32 - length}
            if flags & _MEMORY_64 and bar < 5:
                address |= dword(FIRST_BAR + 4 * bar + 4) << 32
                sizing.add(2**64 - length)
            begin = address & ~(length - 1) & ~(0x3 if io else 0xF)
            # Nothing was given an address at 0; all ones is a BAR that is being sized.
            if begin and begin not in sizing:
                yield Window((function, bar), io, begin, begin + length)

    def lose(self, lost: Lost) -> None:
        """What was written is not known until the next snapshot."""
        if "cfg" in lost.sights:
            self._headers.clear()
            self._bars.clear()
