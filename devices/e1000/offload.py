# SPDX-License-Identifier: Apache-2.0
"""What the 8254x does to frames on their way: checksums and TCP segmentation.

Sources: Intel, *PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual*,
3.3.5 (contexts), 3.5 (segmentation), 3.6 (transmit checksums), chapter 3 (receive checksums); RFC
1071 (the sum).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

ETHERNET = 14
_IPV4 = b"\x08\x00"
_TCP, _UDP = 6, 17
_FIN_AND_PSH = 0x09


def ones_sum(data: bytes | bytearray | memoryview) -> int:
    """The one's complement sum of big-endian words; an odd byte at the end counts as high one.

    2**16 is 1 modulo 65535, so that the sum is the remainder of the whole as one number.
    """
    number = int.from_bytes(data, "big")
    if len(data) % 2:
        number <<= 8
    return number % 0xFFFF


def checksum(data: bytes | bytearray | memoryview) -> int:
    """RFC 1071's checksum; 0xFFFF stands for 0, as UDP wants it."""
    return 0xFFFF - ones_sum(data)


@dataclass(frozen=True, slots=True)
class Insertion:
    """A checksum to be put in: over ``start`` to ``end`` (inclusive; 0: to the end), at ``at``."""

    start: int
    at: int
    end: int

    def insert(self, frame: bytearray) -> None:
        """Put it in; what stands there (a pseudo-header's sum) counts, as in hardware."""
        end = self.end + 1 if self.end else len(frame)
        if self.start < end <= len(frame) and self.at + 2 <= len(frame):
            value = checksum(memoryview(frame)[self.start : end])
            frame[self.at : self.at + 2] = value.to_bytes(2, "big")


@dataclass(frozen=True, slots=True)
class Context:
    """A context descriptor: where headers and checksums lie, and how to segment.

    Attributes:
        ip, transport: the two checksums.
        payload_length, header_length, segment_size: bytes.
        tcp, ipv4: which headers there are; else UDP, IPv6.
    """

    ip: Insertion
    transport: Insertion
    payload_length: int = 0
    header_length: int = 0
    segment_size: int = 0
    tcp: bool = True
    ipv4: bool = True

    @classmethod
    def of(cls, descriptor: bytes) -> Context:
        """From its 16 bytes in memory."""
        word = int.from_bytes(descriptor[8:16], "little")
        return cls(
            ip=Insertion(descriptor[0], descriptor[1], int.from_bytes(descriptor[2:4], "little")),
            transport=Insertion(
                descriptor[4], descriptor[5], int.from_bytes(descriptor[6:8], "little")
            ),
            payload_length=word & 0xFFFFF,
            tcp=bool(word >> 24 & 1),
            ipv4=bool(word >> 25 & 1),
            header_length=word >> 40 & 0xFF,
            segment_size=word >> 48,
        )


NO_CONTEXT = Context(Insertion(0, 0, 0), Insertion(0, 0, 0))


def segments(
    packet: bytearray, context: Context, insert_ip: bool, insert_transport: bool
) -> Iterator[bytes]:
    """Cut a packet into frames with headers of their own.

    The transport checksum's place holds the sum of the pseudo header without the length.
    """
    header = packet[: context.header_length]
    payload = memoryview(packet)[context.header_length :]
    size = max(1, context.segment_size)
    for number, at in enumerate(range(0, max(1, len(payload)), size)):
        part = payload[at : at + size]
        frame = bytearray(header)
        frame += part
        _fix_headers(frame, context, number, at, at + size >= len(payload))
        if insert_ip:
            context.ip.insert(frame)
        if insert_transport:
            _add(frame, context.transport.at, len(frame) - context.transport.start)
            context.transport.insert(frame)
        yield bytes(frame)


def _fix_headers(frame: bytearray, context: Context, number: int, at: int, last: bool) -> None:
    ip, transport = context.ip.start, context.transport.start
    if context.ipv4:
        _put(frame, ip + 2, len(frame) - ip)
        _put(frame, ip + 4, int.from_bytes(frame[ip + 4 : ip + 6], "big") + number)
    else:
        _put(frame, ip + 4, len(frame) - ip - 40)
    if context.tcp:
        sequence = int.from_bytes(frame[transport + 4 : transport + 8], "big") + at
        frame[transport + 4 : transport + 8] = (sequence & 0xFFFFFFFF).to_bytes(4, "big")
        if not last:
            frame[transport + 13] &= ~_FIN_AND_PSH
    else:
        _put(frame, transport + 4, len(frame) - transport)


def _put(frame: bytearray, at: int, value: int) -> None:
    frame[at : at + 2] = (value & 0xFFFF).to_bytes(2, "big")


def _add(frame: bytearray, at: int, value: int) -> None:
    total = int.from_bytes(frame[at : at + 2], "big") + value
    _put(frame, at, total % 0xFFFF)


@dataclass(frozen=True, slots=True)
class Checked:
    """What a receiver has found: None where there was nothing to check."""

    ip: bool | None = None
    transport: bool | None = None


def check_received(frame: bytes) -> Checked:
    """Check the checksums of an IPv4 packet, and of the TCP or UDP in it."""
    if frame[12:14] != _IPV4 or len(frame) < ETHERNET + 20:
        return Checked()
    header = (frame[ETHERNET] & 0xF) * 4
    total = int.from_bytes(frame[16:18], "big")
    start, end = ETHERNET + header, ETHERNET + total
    if header < 20 or end > len(frame) or start > end:
        return Checked()
    ip = ones_sum(frame[ETHERNET:start]) == 0
    fragment = int.from_bytes(frame[20:22], "big") & 0x3FFF
    protocol = frame[23]
    if fragment or protocol not in (_TCP, _UDP) or end - start < 8:
        return Checked(ip)
    if protocol == _UDP and frame[start + 6 : start + 8] == b"\0\0":
        return Checked(ip)
    pseudo = ones_sum(frame[26:34]) + protocol + end - start
    return Checked(ip, (pseudo + ones_sum(frame[start:end])) % 0xFFFF == 0)
