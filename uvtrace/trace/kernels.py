# SPDX-License-Identifier: Apache-2.0
"""The compiled loops of the reader.

Only the first use after an installation compiles them, see :mod:`uvtrace.loops`.

Every block of a pcapng file begins at a multiple of 4 bytes, so the file is seen as 32-bit words.
Headers are in the section's byte order; records are always little-endian.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from uvtrace.loops.loop import copy_element, fetch, loop, making_loop, step
from uvtrace.trace.enums import Kind
from uvtrace.trace.index import STEP_BYTES
from uvtrace.trace.stops import Stop

_SECTION = 0x0A0D0D0A
_MAGIC = 0x1A2B3C4D
_MAGIC_SWAPPED = 0x4D3C2B1A
_USER0 = 147
_RECORD_BYTES = 128
_FUNCTION_WORD = 7  # of a record: cpu below, function above
_NO_FUNCTION = 0xFFFF
_SNAPSHOT, _MODULE_LOAD = int(Kind.SNAPSHOT), int(Kind.MODULE_LOAD)
_STEP_BYTES = STEP_BYTES
_AHEAD = 1024
"""Bytes that are asked for before they are looked at."""

_CLEAN = int(Stop.CLEAN)
_CUT = int(Stop.CUT)
_BAD_LENGTH = int(Stop.BAD_LENGTH)
_BAD_TRAILER = int(Stop.BAD_TRAILER)
_BAD_MAGIC = int(Stop.BAD_MAGIC)
_BAD_CAPTURE = int(Stop.BAD_CAPTURE)
_BAD_VERSION = int(Stop.BAD_VERSION)
_NO_INTERFACE = int(Stop.NO_INTERFACE)
_SHORT_PACKET = int(Stop.SHORT_PACKET)
_TOO_MANY_INTERFACES = int(Stop.TOO_MANY_INTERFACES)
_TOO_MANY_SECTIONS = int(Stop.TOO_MANY_SECTIONS)

_compiled: Any = loop
_step: Any = step
_making: Any = making_loop


@_step
def _word(words, at, big):  # type: ignore[no-untyped-def]
    """The header word at byte ``at``, as a signed 64-bit number."""
    word = np.int64(words[at >> 2])
    if not big:
        return word
    return ((word & 0xFF) << 24) | ((word & 0xFF00) << 8) | ((word >> 8) & 0xFF00) | (word >> 24)


@_step
def _half(words, at, big):  # type: ignore[no-untyped-def]
    """The 16 bits at byte ``at`` (a multiple of 4) of a header."""
    word = _word(words, at, big)
    return word >> 16 if big else word & 0xFFFF


@_step
def _long(words, at):  # type: ignore[no-untyped-def]
    """The 64 bits from word ``at`` on, of a record."""
    return np.uint64(words[at]) | np.uint64(words[at + 1]) << np.uint64(32)


@_step
def _interface(words, at, big, kind):  # type: ignore[no-untyped-def]
    """The interface of a packet of some kind, counted from the section's first."""
    if kind == 3:
        return np.int64(0)
    return _half(words, at + 8, big) if kind == 2 else _word(words, at + 8, big)


@_step
def _has_options(total, captured):  # type: ignore[no-untyped-def]
    """Whether a packet's block is longer than its header, its data and its end."""
    return total > 32 + ((captured + 3) & ~3)


@_step
def _usual(words, at, left, known):  # type: ignore[no-untyped-def]
    """Of a packet as nearly all are how many bytes its block has, and how many are captured.

    It is an Enhanced Packet Block in little-endian order, whole, of an interface of the section
    that is known to be ours, and begins with a record. Of any other block, which is to be looked
    at part by part, both are 0.
    """
    if left < 32 + _RECORD_BYTES:
        return 0, 0
    total, captured = np.int64(words[(at + 4) >> 2]), np.int64(words[(at + 20) >> 2])
    other = (np.int64(words[at >> 2]) ^ 6) | (np.int64(words[(at + 8) >> 2]) ^ known) | (total & 3)
    # All at once: that one of them is negative cannot be predicted one by one any better.
    wrong = (captured - _RECORD_BYTES) | (total - 32 - captured) | (left - total)
    if other != 0 or wrong < 0 or np.int64(words[(at + total - 4) >> 2]) != total:
        return 0, 0
    return total, captured


@_step
def _note(state, n, n_sections, n_interfaces, foreign, noted, moved):  # type: ignore[no-untyped-def]
    """What a pass has counted."""
    state[0], state[1], state[2] = n, n_sections, n_interfaces
    state[3], state[4], state[5] = foreign, noted, moved


PACKETS, SECTIONS, INTERFACES, FOREIGN, NOTED, MOVED = range(6)
"""Where in the state of a pass it is counted what was found: packets, sections, interfaces;
packets of other link types, with options, and whose record names another function than their
interface."""
OFFSET = 8
"""Where in it lies the byte that the pass has come to."""
TOLD = 9
"""Where in it those are counted that :func:`locate` tells of."""
STATE = 10
"""Numbers of which the state consists; those between are the first interface and the byte order
of the section."""


@_compiled
def locate(  # type: ignore[no-untyped-def]
    words, size, until, kept, first, last, packets, sections, interfaces, told, states
):  # fmt: skip
    """Find every packet, section and interface of a file in one pass, or go on with it.

    Lengths are believed only after they have been compared with what is left of the file, so a
    hostile one ends the pass and does nothing else.

    Args:
        words: the file as little-endian uint32, shape (size // 4,).
        size: bytes of the file.
        until: no block is looked at that begins here or later.
        kept: shape (STATE,), int64: zeros to begin with; how far a call came, for the next one.
        first, last: numbers of the first packet whose place is told, and of that which ends the
            pass.
        packets: out, int64: byte offset of each record; 1 more for a Simple Packet Block. As many
            are told as there is room for.
        sections: out, int64 (n, 4): offset, big-endian?, first interface, first packet.
        interfaces: out, int64 (n, 2): offset of the block, link type.
        told: out, int64: of each packet that tells of the trace itself or of a module its number,
            times 256, and its kind; ``kept[TOLD]`` of them, as many as there is room for.
        states: out, int64 (n, STATE): what ``kept`` is where the first block begins at or behind
            each multiple of STEP_BYTES.

    Returns:
        Why the pass stopped; what it has found, and where it stopped, is in ``kept``.
    """
    n, n_sections, n_interfaces = kept[PACKETS], kept[SECTIONS], kept[INTERFACES]
    foreign, noted, moved, first_interface = kept[FOREIGN], kept[NOTED], kept[MOVED], kept[6]
    big = kept[7] != 0
    at, top = kept[OFFSET], len(words) - 1
    stop, known = _CLEAN, np.int64(-1)
    step = (at + _STEP_BYTES - 1) // _STEP_BYTES
    while at < min(size, until) and n < last:
        while step < len(states) and at >= step * _STEP_BYTES:
            _note(states[step], n, n_sections, n_interfaces, foreign, noted, moved)
            states[step, 6], states[step, 7], states[step, 8] = first_interface, big, at
            step += 1
        # The next header's place is known when this one has come from memory: it would wait for it.
        fetch(words, min((at + _AHEAD) >> 2, top))
        fetch(words, min((at + _AHEAD + 64) >> 2, top))
        fetch(words, min((at + _AHEAD + 128) >> 2, top))
        left = size - at
        total, captured = _usual(words, at, left, known)
        data, interface, ours = at + 28, first_interface + known, total != 0
        noted += ours and _has_options(total, captured)
        if not ours:
            if left < 12:
                stop = _CUT
                break
            kind = _word(words, at, big)
            if kind == _SECTION:
                magic = np.int64(words[(at + 8) >> 2])
                if magic != _MAGIC and magic != _MAGIC_SWAPPED:
                    stop = _BAD_MAGIC
                    break
                big = magic == _MAGIC_SWAPPED
            total = _word(words, at + 4, big)
            if total < 12 or total & 3:
                stop = _BAD_LENGTH
                break
            if total > left:
                stop = _CUT
                break
            if _word(words, at + total - 4, big) != total:
                stop = _BAD_TRAILER
                break
            if kind == _SECTION:
                if total < 28:
                    stop = _BAD_LENGTH
                    break
                if _half(words, at + 12, big) != 1:
                    stop = _BAD_VERSION
                    break
                if n_sections == len(sections):
                    stop = _TOO_MANY_SECTIONS
                    break
                first_interface, known = n_interfaces, np.int64(-1)
                sections[n_sections, 0] = at
                sections[n_sections, 1] = big
                sections[n_sections, 2] = first_interface
                sections[n_sections, 3] = n
                n_sections += 1
            elif kind == 1:
                if total < 20:
                    stop = _BAD_LENGTH
                    break
                if n_interfaces == len(interfaces):
                    stop = _TOO_MANY_INTERFACES
                    break
                interfaces[n_interfaces, 0] = at
                interfaces[n_interfaces, 1] = _half(words, at + 8, big)
                n_interfaces += 1
            elif kind == 6 or kind == 2 or kind == 3:
                simple = kind == 3
                if total < (16 if simple else 32):
                    stop = _BAD_LENGTH
                    break
                if simple:
                    captured = min(_word(words, at + 8, big), total - 16)
                else:
                    captured = _word(words, at + 20, big)
                    if captured > total - 32:
                        stop = _BAD_CAPTURE
                        break
                interface = first_interface + _interface(words, at, big, kind)
                if interface >= n_interfaces:
                    stop = _NO_INTERFACE
                    break
                if interfaces[interface, 1] != _USER0:
                    foreign += 1
                elif captured < _RECORD_BYTES:
                    stop = _SHORT_PACKET
                    break
                else:
                    ours = True
                    if simple:
                        data = (at + 12) | 1
                    else:
                        noted += _has_options(total, captured)
                    if kind == 6 and not big:
                        known = interface - first_interface
        if ours:
            record = data >> 2
            function = np.int64(words[record + _FUNCTION_WORD]) >> 16
            if function != interface and function != _NO_FUNCTION:
                moved += 1
            of = (words[record] >> 8) & 0xFF
            if (of >= _SNAPSHOT or of == _MODULE_LOAD) and kept[TOLD] < len(told):
                # Noted at once: what was told counts also where the file ends inside a block.
                told[kept[TOLD]] = n << 8 | of
                kept[TOLD] += 1
            if first <= n < first + len(packets):
                packets[n - first] = data
            n += 1
        at += total
    while step < len(states) and at >= step * _STEP_BYTES:
        _note(states[step], n, n_sections, n_interfaces, foreign, noted, moved)
        states[step, 6], states[step, 7], states[step, 8] = first_interface, big, at
        step += 1
    _note(kept, n, n_sections, n_interfaces, foreign, noted, moved)
    kept[6], kept[7], kept[OFFSET] = first_interface, big, at
    return stop


_AT_ONCE = 256
"""Packets that are located before their records are copied: they are still in the caches."""
_WRITTEN_AHEAD = 16
"""Records after which one is written that is asked for: memory is read before it is written."""


@_compiled
def locate_and_gather(  # type: ignore[no-untyped-def]
    words, size, kept, first, last, packets, sections, interfaces, told, states, out, fields
):  # fmt: skip
    """Find packets, and copy their records.

    Args:
        out: for the records, :data:`uvtrace.trace.room.WORDS`.
        fields: :class:`uvtrace.trace.room.Fields`: filled with those of each record.

    Returns:
        Why the pass stopped; other arguments are those of :func:`locate`.
    """
    copied, stop = 0, _CLEAN
    while kept[PACKETS] < last and kept[OFFSET] < size and stop == _CLEAN:
        until = min(kept[PACKETS] + _AT_ONCE, last)
        stop = locate(
            words, size, size, kept, first, until, packets, sections, interfaces, told, states
        )
        found = kept[PACKETS] - first
        for i in range(copied, found):
            base = packets[i] >> 2
            _take_apart(words, base, fields, i)
            copy_element(words, base, out, i)
            fetch(out, min(i + _WRITTEN_AHEAD, len(out) - 1))
        copied = max(copied, found)
    return stop


@_step
def _take_apart(words, base, fields, i):  # type: ignore[no-untyped-def]
    """The fields of a record, whose first word is the ``base``-th, become the ``i``-th."""
    word = words[base]
    fields.kind[i] = (word >> 8) & 0xFF
    fields.phase[i] = (word >> 16) & 0xFF
    fields.status[i] = word >> 24
    fields.flags[i] = words[base + 1]
    fields.seq[i] = _long(words, base + 2)
    fields.time_ns[i] = _long(words, base + 4)
    word = words[base + _FUNCTION_WORD]
    fields.cpu[i] = word & 0xFFFF
    fields.function[i] = word >> 16


@_compiled
def find_packet(words, size, start, big):  # type: ignore[no-untyped-def]
    """Where, from byte ``start`` on, a whole Enhanced Packet Block lies; -1 if nowhere."""
    for at in range(start, size - 31, 4):
        if _word(words, at, big) != 6:
            continue
        total = _word(words, at + 4, big)
        if total < 32 or total & 3 or total > size - at:
            continue
        if _word(words, at + total - 4, big) == total:
            return at
    return -1


@_compiled
def gather(words, packets, out):  # type: ignore[no-untyped-def]
    """Copy the records at ``packets`` into ``out``, :data:`uvtrace.trace.room.WORDS`."""
    for i in range(len(packets)):
        copy_element(words, packets[i] >> 2, out, i)


@_compiled
def split(  # type: ignore[no-untyped-def]
    words, packets, version, kind, phase, status, flags, seq, time_ns, tid, cpu, function, address,
    length, value, tag, ip, caller, payload, duration_ns,
):  # fmt: skip
    """Fill one array per common field, reading every record once."""
    for i in range(len(packets)):
        at = packets[i] >> 2
        word = words[at]
        version[i] = word & 0xFF
        kind[i] = (word >> 8) & 0xFF
        phase[i] = (word >> 16) & 0xFF
        status[i] = word >> 24
        flags[i] = words[at + 1]
        seq[i] = _long(words, at + 2)
        time_ns[i] = _long(words, at + 4)
        tid[i] = words[at + 6]
        word = words[at + 7]
        cpu[i] = word & 0xFFFF
        function[i] = word >> 16
        address[i] = _long(words, at + 8)
        length[i] = _long(words, at + 10)
        value[i] = _long(words, at + 12)
        tag[i] = _long(words, at + 14)
        ip[i] = _long(words, at + 16)
        caller[i] = _long(words, at + 18)
        payload[i] = words[at + 20]
        duration_ns[i] = words[at + 21]


@_making
def with_options(words, packets, big):  # type: ignore[no-untyped-def]
    """Which of ``packets`` (all of one byte order) carry options."""
    found = np.zeros(len(packets), np.bool_)
    for i in range(len(packets)):
        if packets[i] & 1:
            continue
        start = packets[i] - 28
        captured = _word(words, start + 20, big)
        found[i] = _word(words, start + 4, big) > 32 + ((captured + 3) & ~3)
    return found
