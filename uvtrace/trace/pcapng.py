# SPDX-License-Identifier: Apache-2.0
"""The part of pcapng that a trace uses: numbers, block headers, options.

Source: draft-ietf-opsawg-pcapng, sections 3 (block format), 3.5 (options), 4.1 to 4.4 (blocks).
Blocks are written little-endian; reading detects each section's byte order.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final

SECTION_HEADER: Final = 0x0A0D0D0A
INTERFACE: Final = 1
OBSOLETE_PACKET: Final = 2
SIMPLE_PACKET: Final = 3
ENHANCED_PACKET: Final = 6

BYTE_ORDER_MAGIC: Final = 0x1A2B3C4D
BYTE_ORDER_SWAPPED: Final = 0x4D3C2B1A
LINKTYPE_USER0: Final = 147

OPT_END: Final = 0
OPT_COMMENT: Final = 1
SHB_HARDWARE: Final = 2
SHB_OS: Final = 3
SHB_USERAPPL: Final = 4
IF_NAME: Final = 2
IF_DESCRIPTION: Final = 3
IF_TSRESOL: Final = 9
EPB_DROPCOUNT: Final = 4

EPB_OVERHEAD: Final = 32
"""Bytes of an Enhanced Packet Block besides its data and options."""
EPB_DATA: Final = 28
"""Where the packet data of an Enhanced Packet Block begins."""
SPB_DATA: Final = 12
OPTION_MAX: Final = 0xFFFF


def padded(length: int) -> int:
    """``length`` rounded up to a whole number of 32-bit words."""
    return length + 3 & ~3


def encode_options(options: Iterable[tuple[int, bytes]]) -> bytes:
    """Options in little-endian order, with their end mark; nothing if there are none.

    Raises:
        ValueError: a value is longer than the 65,535 bytes an option can hold.
    """
    encoded = bytearray()
    for code, value in options:
        if len(value) > OPTION_MAX:
            raise ValueError(f"an option of {len(value)} bytes does not fit: {OPTION_MAX} at most")
        encoded += struct.pack("<HH", code, len(value)) + value
        encoded += bytes(padded(len(value)) - len(value))
    if encoded:
        encoded += struct.pack("<HH", OPT_END, 0)
    return bytes(encoded)


def decode_options(data: bytes | memoryview, *, big: bool) -> Iterator[tuple[int, bytes]]:
    """Code and value of each option in ``data``, up to the end mark or to the first that is cut."""
    header = struct.Struct(">HH" if big else "<HH")
    at = 0
    while at + header.size <= len(data):
        code, length = header.unpack_from(data, at)
        at += header.size
        if code == OPT_END or at + length > len(data):
            return
        yield code, bytes(data[at : at + length])
        at += padded(length)


def encode_block(block_type: int, body: bytes) -> bytes:
    """A whole little-endian block; ``body`` must be a multiple of 4 bytes long."""
    total = len(body) + 12
    return struct.pack("<II", block_type, total) + body + struct.pack("<I", total)


def section_header(options: Iterable[tuple[int, bytes]]) -> bytes:
    """A Section Header Block of unspecified section length (it is still being written)."""
    fixed = struct.pack("<IHHq", BYTE_ORDER_MAGIC, 1, 0, -1)
    return encode_block(SECTION_HEADER, fixed + encode_options(options))


def interface(name: str, description: str) -> bytes:
    """An Interface Description Block of USER0 packets with nanosecond timestamps."""
    options = [(IF_NAME, name.encode())]
    if description:
        options.append((IF_DESCRIPTION, description.encode()))
    options.append((IF_TSRESOL, b"\x09"))
    fixed = struct.pack("<HHI", LINKTYPE_USER0, 0, 0)
    return encode_block(INTERFACE, fixed + encode_options(options))
