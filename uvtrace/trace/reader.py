# SPDX-License-Identifier: Apache-2.0
"""Reading a pcapng file: one compiled pass finds every packet, the rest is looked up on demand."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uvtrace.errors import InputError
from uvtrace.trace import pcapng
from uvtrace.trace.functions import Function, parse_function
from uvtrace.trace.layout import FUNCTION_NONE
from uvtrace.trace.locations import STEP_BYTES, Index, Locations, Numbers
from uvtrace.trace.migrate import format_version, require_known
from uvtrace.trace.packets import Packets, Section, as_words
from uvtrace.trace.source import Source, bytes_source, forget_pages, open_source
from uvtrace.trace.stops import REASONS, Damage, Stop

SECTIONS_MAX: Final = 4096
INTERFACES_MAX: Final = FUNCTION_NONE
BLOCK_MAX: Final = 16 << 20
"""No block of ours is longer: one that says so and is cut is corrupt, not merely cut."""
_SMALLEST_PACKET: Final = 144
_STEP_BYTES: Final = 64 << 20
"""A file is gone through in steps, and the pages of each are given back."""
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


def read(path: str | os.PathLike[str], *, name: str | None = None) -> Packets:
    """Find the packets of a file; ``name`` is what to call it in messages.

    Raises:
        InputError: it cannot be read, or is not a trace.
    """
    source = open_source(path)
    return _read(source if name is None else replace(source, name=name))


def read_bytes(data: bytes | bytearray | memoryview, name: str = "memory") -> Packets:
    """Find the packets of a file that is in memory; see :func:`read`."""
    return _read(bytes_source(data, name))


class _Found(NamedTuple):
    """What a pass over a file has found; see :func:`uvtrace.trace.kernels.locate`."""

    packets: int
    sections: Numbers
    interfaces: Numbers
    foreign: int
    noted: int
    moved: int
    stop: Stop
    offset: int
    telling: Numbers
    finder: Index


def _located(source: Source) -> _Found:
    """Go through a file; memory does not grow with it, but for a state of every megabyte."""
    from uvtrace.trace.kernels import STATE, TOLD, locate

    words, size, kept = as_words(source.data), len(source.data), np.zeros(STATE, np.int64)
    sections = np.empty((min(size // 28, SECTIONS_MAX), 4), np.int64)
    interfaces = np.empty((min(size // 20, INTERFACES_MAX), 2), np.int64)
    states = np.zeros((size // STEP_BYTES + 1, STATE), np.int64)
    told = np.empty(min(size, _STEP_BYTES + BLOCK_MAX) // _SMALLEST_PACKET + 1, np.int64)
    nothing, telling = np.zeros(0, np.int64), []
    for until in range(_STEP_BYTES, size + _STEP_BYTES, _STEP_BYTES):
        kept[TOLD] = 0
        out = (nothing, sections, interfaces, told, states)
        found = locate(words, size, until, kept, 0, size, *out)
        telling.append(told[: kept[TOLD]].copy())
        forget_pages(source.data)
        if found[6] != Stop.CLEAN:
            break
    n, n_sections, n_interfaces, foreign, noted, moved, stop, offset = found
    # Where nothing was come to any more there is nothing to go on from.
    states = states[: offset // STEP_BYTES + 1]
    finder = Index(source.name, words, size, states, sections, interfaces, n)
    return _Found(
        *(n, sections[:n_sections], interfaces[:n_interfaces], foreign, noted, moved, Stop(stop)),
        *(offset, np.concatenate(telling), finder),
    )


def _read(source: Source) -> Packets:
    _require_pcapng(source)
    found = _located(source)
    described, links = _sections(source, found.sections), found.interfaces
    if not described:
        reason = f"pcapng, but {REASONS[found.stop]}"
        raise InputError(reason, path=source.name, offset=found.offset, hint=_HINT)
    _require_user0(source, links, found.foreign, found.packets)
    functions, resolution = _functions(source, described, links)
    return Packets(
        name=source.name,
        data=source.data,
        locations=Locations(found.finder, 0, found.packets),
        functions=functions,
        sections=described,
        section_offsets=tuple(section.offset for section in described),
        resolution=resolution,
        damage=_damage(source, found.stop, found.offset, found.packets, described),
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
