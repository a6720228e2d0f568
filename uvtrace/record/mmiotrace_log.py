# SPDX-License-Identifier: Apache-2.0
"""The text log of the kernel's mmiotrace, line by line.

The format is that of Linux Documentation/trace/mmiotrace.rst, version 20070824, as
kernel/trace/trace_mmiotrace.c prints it; loss also comes as trace_pipe's ``CPU:n [LOST m EVENTS]``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from uvtrace.errors import InputError

VERSION = "20070824"
_WORD = 1 << 64


@dataclass(frozen=True, slots=True)
class Resource:
    """One of the six BARs, or the ROM (index 6), of a function."""

    index: int
    start: int
    length: int
    flags: int
    """The low four bits of the BAR: I/O space, 64-bit, prefetchable."""

    def holds(self, address: int) -> bool:
        """Whether a memory address lies in it."""
        return not self.flags & 1 and self.start <= address < self.start + self.length


@dataclass(frozen=True, slots=True)
class PciDevice:
    """A PCIDEV line."""

    bus: int
    devfn: int
    vendor: int
    device: int
    driver: str
    resources: tuple[Resource, ...]

    @property
    def name(self) -> str:
        """The function's name; the log knows no domains."""
        return f"0000:{self.bus:02x}:{self.devfn >> 3:02x}.{self.devfn & 7}"


@dataclass(frozen=True, slots=True)
class Map:
    """A MAP line: ioremap."""

    time_ns: int
    mapping: int
    address: int
    length: int


@dataclass(frozen=True, slots=True)
class Unmap:
    """An UNMAP line: iounmap."""

    time_ns: int
    mapping: int


@dataclass(frozen=True, slots=True)
class Access:
    """An R, W or UNKNOWN line; of the last, ``opcode`` has three bytes and width is 0."""

    is_write: bool
    width: int
    time_ns: int
    mapping: int
    address: int
    value: int
    pc: int
    opcode: bytes = b""


@dataclass(frozen=True, slots=True)
class Mark:
    """A MARK line."""

    time_ns: int
    text: str


@dataclass(frozen=True, slots=True)
class Lost:
    """Events that mmiotrace lost before this line; 0 where it does not say how many."""

    count: int


Line = PciDevice | Map | Unmap | Access | Mark | Lost


def parse(lines: Iterable[str], path: str | os.PathLike[str]) -> Iterator[tuple[int, Line]]:
    """The lines of a log with their numbers, counted from 1; VERSION and LSPCI yield nothing.

    Raises:
        InputError: a line is not what its keyword promises; names the file and the line.
    """
    begun = False
    for number, text in enumerate(lines, start=1):
        text = text.rstrip("\n")
        if not text.strip():
            continue
        try:
            line = _parse_line(text, begun)
        except ValueError as error:
            reason = str(error) if begun else f"not a log of mmiotrace: {error}"
            raise InputError(reason, path=path, line=number) from error
        begun = True
        if line is not None:
            yield number, line


_LOST_IN_PIPE = re.compile(r"CPU:\d+ \[LOST(?: (\d+))? EVENTS\]\Z")
_LOST_MARK = re.compile(r"Lost (\d+) events\.\Z")


def _parse_line(text: str, begun: bool) -> Line | None:
    keyword, _, rest = text.partition(" ")
    if (lost := _LOST_IN_PIPE.match(text)) is not None:
        return Lost(_count(lost[1] or "0"))
    reader = _READERS.get(keyword)
    if reader is None:
        raise ValueError(f"the line begins with {keyword[:20]!r}, which is no keyword of mmiotrace")
    return reader(rest)


def _version(rest: str) -> None:
    if rest.strip() != VERSION:
        raise ValueError(
            f"version {rest.strip()[:20]!r} of the format is not known, only {VERSION}"
        )


def _lspci(rest: str) -> None:
    del rest


def _pcidev(rest: str) -> PciDevice:
    fields = rest.split(" ")
    if len(fields) < 17:
        raise ValueError(f"PCIDEV has {len(fields)} fields, not 17 or 18")
    place, ids = _hex(fields[0], 1 << 16), _hex(fields[1], 1 << 32)
    starts = [_hex(field) for field in fields[3:10]]
    lengths = [_hex(field) for field in fields[10:17]]
    resources = tuple(
        Resource(index, start & ~0xF, length, start & 0xF)
        for index, (start, length) in enumerate(zip(starts, lengths, strict=True))
    )
    driver = " ".join(fields[17:]).strip()
    return PciDevice(place >> 8, place & 0xFF, ids >> 16, ids & 0xFFFF, driver, resources)


def _map(rest: str) -> Map:
    time, mapping, address, _virtual, length, _pc, _pid = _split(rest, 7)
    return Map(_time(time), _decimal(mapping), _hex(address), _hex(length))


def _unmap(rest: str) -> Unmap:
    time, mapping, _pc, _pid = _split(rest, 4)
    return Unmap(_time(time), _decimal(mapping))


def _access(is_write: bool) -> Callable[[str], Access]:
    def read(rest: str) -> Access:
        width, time, mapping, address, value, pc, _pid = _split(rest, 7)
        if width not in ("1", "2", "4", "8"):
            raise ValueError(f"an access is 1, 2, 4 or 8 bytes wide, not {width[:20]!r}")
        return Access(
            is_write,
            int(width),
            _time(time),
            _decimal(mapping),
            _hex(address),
            _hex(value, 1 << 8 * int(width)),
            _hex(pc),
        )

    return read


def _unknown(rest: str) -> Access:
    time, mapping, address, data, pc, _pid = _split(rest, 6)
    opcode = bytes(_hex(byte, 1 << 8) for byte in data.split(","))
    if len(opcode) != 3:
        raise ValueError(f"UNKNOWN has {len(opcode)} bytes of the instruction, not 3")
    return Access(False, 0, _time(time), _decimal(mapping), _hex(address), 0, _hex(pc), opcode)


def _mark(rest: str) -> Mark | Lost:
    time, _, text = rest.partition(" ")
    lost = _LOST_MARK.match(text)
    return Mark(_time(time), text) if lost is None else Lost(_count(lost[1]))


_READERS: dict[str, Callable[[str], Line | None]] = {
    "R": _access(is_write=False),
    "W": _access(is_write=True),
    "MAP": _map,
    "UNMAP": _unmap,
    "UNKNOWN": _unknown,
    "MARK": _mark,
    "PCIDEV": _pcidev,
    "VERSION": _version,
    "LSPCI": _lspci,
}


def _split(rest: str, count: int) -> list[str]:
    fields = rest.split()
    if len(fields) != count:
        raise ValueError(f"{len(fields)} fields after the keyword, not {count}")
    return fields


_HEX = re.compile(r"(?:0x)?[0-9a-fA-F]+\Z")
_DECIMAL = re.compile(r"-?[0-9]{1,10}\Z")
_TIME = re.compile(r"([0-9]{1,10})\.([0-9]{1,9})\Z")


def _hex(text: str, limit: int = _WORD) -> int:
    if not _HEX.match(text) or (value := int(text, 16)) >= limit:
        raise ValueError(f"{text[:30]!r} is no hexadecimal number below {limit:#x}")
    return value


def _decimal(text: str) -> int:
    if not _DECIMAL.match(text) or not 0 <= (value := int(text)) < 1 << 32:
        raise ValueError(f"{text[:30]!r} is no mapping's number")
    return value


def _count(text: str) -> int:
    if len(text) > 12:
        raise ValueError(f"{text[:30]!r} events cannot have been lost")
    return int(text)


def _time(text: str) -> int:
    match = _TIME.match(text)
    if match is None:
        raise ValueError(f"{text[:30]!r} is no time in seconds with decimals")
    return int(match[1]) * 1_000_000_000 + int(match[2].ljust(9, "0"))
