# SPDX-License-Identifier: Apache-2.0
"""Reading a pcapng file: a compiled pass finds every packet, the rest is looked up on demand."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.errors import InputError
from uvtrace.trace import pcapng
from uvtrace.trace.functions import Function, parse_function
from uvtrace.trace.index import BLOCK_MAX, Found, Index
from uvtrace.trace.locations import Locations
from uvtrace.trace.migrate import format_version, require_known
from uvtrace.trace.packets import Packets, Section
from uvtrace.trace.source import Source, as_words, bytes_source, open_source
from uvtrace.trace.stops import REASONS, Damage, Stop

_CAPTURES: Final = {
    bytes.fromhex(magic): name
    for magic, name in (
        ("d4c3b2a1", "a classic pcap file"),
        ("a1b2c3d4", "a classic pcap file"),
        ("4d3cb2a1", "a classic pcap file"),
        ("a1b23c4d", "a classic pcap file"),
    )
}
_HINT: Final = "a trace is what `uvtrace record` writes"


def read(path: str | os.PathLike[str], *, name: str | None = None) -> Reading:
    """Begin to read a file; ``name`` is what to call it in messages.

    Raises:
        InputError: it cannot be read, or is not a trace.
    """
    source = open_source(path)
    return Reading(source if name is None else replace(source, name=name))


def read_bytes(data: bytes | bytearray | memoryview, name: str = "memory") -> Reading:
    """Begin to read a file that is in memory; see :func:`read`."""
    return Reading(bytes_source(data, name))


class Reading:
    """A file that is read no further than it was asked for.

    Args:
        source: the file.

    Raises:
        InputError: it is not a trace, as far as it was looked at.
    """

    def __init__(self, source: Source) -> None:
        _require_pcapng(source)
        self._source = source
        self.index = Index(source)
        self.index.go_on()
        if not self.index.found.packets:
            # What it is full of is told when all of it has been seen.
            self.index.finish()
        self._known = self._described(self.index.found)
        self._until = self.index.count, self.finished

    @property
    def finished(self) -> bool:
        """Whether it was read to its end."""
        return self.index.finished

    def known(self) -> Packets:
        """The packets that were found so far, and what the file has said until then.

        Raises:
            InputError: it is of a newer format.
        """
        until = self.index.count, self.finished
        if self._until != until:
            self._known = self._described(self.index.found)
            self._until = until
        return self._known

    def whole(self) -> Packets:
        """All packets.

        Raises:
            InputError: as :meth:`known`.
        """
        self.index.finish()
        return self.known()

    def _described(self, found: Found) -> Packets:
        source, links = self._source, found.interfaces
        described = _sections(source, found.sections)
        if not described:
            reason = f"pcapng, but {REASONS[found.stop]}"
            raise InputError(reason, path=source.name, offset=found.offset, hint=_HINT)
        _require_user0(source, links, found.foreign, found.packets)
        functions, resolution = _functions(source, described, links)
        damage = None
        if self.finished:
            damage = _damage(source, found.stop, found.offset, found.packets, described)
        return Packets(
            name=source.name,
            data=source.data,
            locations=Locations(self.index, 0, found.packets),
            functions=functions,
            sections=described,
            section_offsets=tuple(section.offset for section in described),
            resolution=resolution,
            damage=damage,
            foreign=found.foreign,
            noted=found.noted,
            moved=bool(found.moved),
            telling=found.telling,
            version=format_version(described[0].comments),
        )


def _require_pcapng(source: Source) -> None:
    head = source.data[:12].tobytes()
    if int.from_bytes(head[:4], "little") == pcapng.SECTION_HEADER and len(head) == 12:
        return
    if not head:
        reason = source.broken or "it is empty"
    else:
        kind = _CAPTURES.get(head[:4])
        reason = f"{kind}, not a trace" if kind else "not a pcapng file"
    raise InputError(reason, path=source.name, offset=0, hint=_HINT)


def _require_user0(source: Source, links: NDArray[np.int64], foreign: int, ours: int) -> None:
    others = links[links[:, 1] != pcapng.LINKTYPE_USER0]
    if ours or len(others) == 0 or (len(others) < len(links) and not foreign):
        return
    link = int(others[0, 1])
    raise InputError(
        f"pcapng, but of link type {link}, not {pcapng.LINKTYPE_USER0} (USER0)",
        path=source.name,
        offset=int(others[0, 0]),
        hint=_HINT,
    )


def _options(source: Source, offset: int, fixed: int, big: bool) -> list[tuple[int, bytes]]:
    order = ">u4" if big else "<u4"
    total = int(source.data[offset + 4 : offset + 8].view(order)[0])
    body = source.data.data[offset + 8 + fixed : offset + total - 4]
    return list(pcapng.decode_options(body, big=big))


def _text(options: list[tuple[int, bytes]], code: int) -> str:
    return next((value.decode(errors="replace") for c, value in options if c == code), "")


def _sections(source: Source, found: NDArray[np.int64]) -> tuple[Section, ...]:
    sections = []
    for offset, big, first, _ in found.tolist():
        options = _options(source, offset, 16, bool(big))
        comments = tuple(
            value.decode(errors="replace") for code, value in options if code == pcapng.OPT_COMMENT
        )
        require_known(format_version(comments), source.name, offset)
        texts = (
            _text(options, code)
            for code in (pcapng.SHB_HARDWARE, pcapng.SHB_OS, pcapng.SHB_USERAPPL)
        )
        hardware, release, application = texts
        sections.append(Section(offset, bool(big), first, hardware, release, application, comments))
    return tuple(sections)


def _functions(
    source: Source, sections: tuple[Section, ...], interfaces: NDArray[np.int64]
) -> tuple[tuple[Function, ...], tuple[float, ...]]:
    functions: list[Function] = []
    resolution: list[float] = []
    starts = [section.offset for section in sections]
    orders = [section.big_endian for section in sections]
    numbers = np.searchsorted(starts, interfaces[:, 0], "right") - 1
    for index, offset in enumerate(interfaces[:, 0].tolist()):
        options = _options(source, offset, 8, orders[numbers[index]])
        resolution.append(_unit_ns(options))
        name, text = _text(options, pcapng.IF_NAME), _text(options, pcapng.IF_DESCRIPTION)
        functions.append(parse_function(index, name, text))
    return tuple(functions), tuple(resolution)


def _unit_ns(options: list[tuple[int, bytes]]) -> float:
    """Nanoseconds of a timestamp unit: if_tsresol, section 4.2; microseconds without it."""
    value = next((value for code, value in options if code == pcapng.IF_TSRESOL and value), b"\x06")
    exponent = value[0] & 0x7F
    unit_s = 2.0**-exponent if value[0] & 0x80 else 10.0**-exponent
    return 1.0 if value[0] == 9 else unit_s * 1e9


def _damage(
    source: Source, stop: Stop, offset: int, records: int, sections: tuple[Section, ...]
) -> Damage | None:
    if stop == Stop.CLEAN:
        if source.broken is None or source.cut:
            # A compressed stream that was cut between two blocks lacks nothing that was flushed.
            return _tail(source, offset, records) if source.cut else None
        return Damage(source.name, offset, source.broken, False, records)
    if stop == Stop.CUT and source.broken is not None and not source.cut:
        return Damage(source.name, offset, source.broken, False, records)
    reason = REASONS[stop]
    partial = False
    if stop == Stop.CUT:
        reason, partial = _judge_tail(source, offset, sections[-1].big_endian)
    elif not source.data[offset:].any():
        reason = "nothing but zeros from here on"
    return Damage(source.name, offset, reason, partial, records)


def _tail(source: Source, offset: int, records: int) -> Damage:
    return Damage(source.name, offset, source.broken or "", True, records)


def _judge_tail(source: Source, offset: int, big: bool) -> tuple[str, bool]:
    """Whether a block that runs past the end was cut, or lies about its length."""
    from uvtrace.trace.kernels import find_packet

    order = ">u4" if big else "<u4"
    head = source.data[offset : offset + 24]
    words = head[: len(head) & ~3].view(order)
    if len(words) >= 2 and int(words[1]) > BLOCK_MAX:
        return f"a block that claims {int(words[1])} bytes", False
    is_packet = len(words) == 6 and int(words[0]) == pcapng.ENHANCED_PACKET
    if is_packet and pcapng.padded(int(words[5])) + pcapng.EPB_OVERHEAD > int(words[1]):
        return REASONS[Stop.BAD_CAPTURE], False
    later = find_packet(as_words(source.data), len(source.data), offset + 4, big)
    if later >= 0:
        return f"a block that runs past the end, with packets from byte {later} on", False
    return REASONS[Stop.CUT], True
