# SPDX-License-Identifier: Apache-2.0
"""The 82540EM's model: rings, filters, checksums, segmentation, interrupts."""

from __future__ import annotations

import struct
import zlib

import pytest
from uvtrace.devices.e1000 import offload
from uvtrace.devices.e1000.model import E1000

from uvtrace.device import Intx, Playbook, ResetKind
from uvtrace.errors import UsageError

RING, BUFFERS = 0x10_0000, 0x20_0000
ENTRIES = 8
EN, MPE, BAM, SECRC = 1 << 1, 1 << 4, 1 << 15, 1 << 26
UPE = 1 << 3
TXDW, TXQE, LSC, RXT0 = 1 << 0, 1 << 1, 1 << 2, 1 << 7
EOP, IC_OR_TSE, RS, DEXT = 1, 4, 8, 0x20
DD = 1
OURS, OTHERS = bytes.fromhex("525400123456"), bytes.fromhex("525400123457")
GROUP = bytes.fromhex("01005e0000fb")
MS = 1_000_000


@pytest.fixture
def book() -> Playbook:
    """A card with a link, and with memory for rings and buffers."""
    book = Playbook(E1000())
    book.memory.map(RING, 16 * ENTRIES)
    book.memory.map(BUFFERS, ENTRIES * 4096)
    book.advance(100 * MS)
    book.read("ICR")
    return book.forget()


def prepare(book: Playbook, letter: str) -> Playbook:
    book.write(f"{letter}DBAL", RING).write(f"{letter}DBAH", 0).write(f"{letter}DLEN", 128)
    return book.write(f"{letter}DH", 0).write(f"{letter}DT", 0)


def describe(book: Playbook, number: int, address: int, low: int, high: int = 0) -> None:
    book.memory.write(RING + 16 * number, struct.pack("<QII", address, low, high))


def written_back(book: Playbook, number: int) -> tuple[int, int, int, int, int]:
    """Of a receive descriptor: length, checksum, status, errors, special."""
    told = book.memory.read(RING + 16 * number + 8, 8)
    found: tuple[int, int, int, int, int] = struct.unpack("<HHBBH", told)
    return found


def receiving(book: Playbook, control: int = EN | BAM, buffers: int = 4) -> Playbook:
    prepare(book, "R")
    for number in range(ENTRIES):
        describe(book, number, BUFFERS + 4096 * number, 0)
    return book.write("RCTL", control).write("RDT", buffers)


def sending(book: Playbook) -> Playbook:
    return prepare(book, "T").write("TCTL", EN)


def ipv4(payload: bytes, protocol: int = 6, destination: bytes = OURS) -> bytes:
    header = bytearray(struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 7, 0, 64, protocol, 0))
    header += bytes([10, 0, 2, 15, 10, 0, 2, 2])
    header[10:12] = offload.checksum(header).to_bytes(2, "big")
    return destination + OTHERS + b"\x08\x00" + bytes(header) + payload


def tcp(data: bytes, sequence: int = 1000, flags: int = 0x18) -> bytes:
    return struct.pack(">HHIIBBHHH", 80, 40000, sequence, 1, 5 << 4, flags, 100, 0, 0) + data


def with_tcp_checksum(frame: bytes) -> bytes:
    whole = bytearray(frame)
    pseudo = whole[26:34] + struct.pack(">HH", 6, len(whole) - 34)
    whole[50:52] = offload.checksum(pseudo + whole[34:]).to_bytes(2, "big")
    return bytes(whole)


def pseudo_header_sum(frame: bytes | bytearray) -> int:
    total: int = offload.ones_sum(frame[26:34] + struct.pack(">H", 6))
    return total


# ------------------------------------------------------------------ transmit


def test_a_frame_in_two_pieces_leaves_as_one_and_is_reported_where_asked(book: Playbook) -> None:
    sending(book)
    frame = OTHERS + OURS + bytes(range(100))
    book.memory.write(BUFFERS, frame)
    describe(book, 0, BUFFERS, 50)
    describe(book, 1, BUFFERS + 50, (len(frame) - 50) | (EOP | RS) << 24)
    book.write("TDT", 2)
    assert book.frames == [frame]
    assert book.memory.read(RING + 12, 1)[0] & DD == 0
    assert book.memory.read(RING + 28, 1)[0] & DD == 1
    assert book.read("TDH") == 2
    assert book.read("ICR") == TXDW | TXQE
    assert book.read("ICR") == 0, "a read has cleared it"


def test_the_ring_goes_round(book: Playbook) -> None:
    sending(book)
    for number in range(ENTRIES):
        book.memory.write(BUFFERS + 4096 * number, bytes([number]) * 60)
        describe(book, number, BUFFERS + 4096 * number, 60 | EOP << 24)
    for tail in (6, 2, 7):
        book.write("TDT", tail)
    numbers = [frame[0] for frame in book.frames]
    assert numbers == [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6]


def test_nothing_leaves_before_transmission_is_enabled(book: Playbook) -> None:
    prepare(book, "T")
    book.memory.write(BUFFERS, bytes(60))
    describe(book, 0, BUFFERS, 60 | EOP << 24)
    assert book.write("TDT", 1).frames == []
    assert len(book.write("TCTL", EN).frames) == 1


def test_a_short_frame_is_padded(book: Playbook) -> None:
    sending(book)
    book.memory.write(BUFFERS, b"\xaa" * 20)
    describe(book, 0, BUFFERS, 20 | EOP << 24)
    assert book.write("TDT", 1).frames == [b"\xaa" * 20 + bytes(40)]


def context(frame: bytes | bytearray, header: int = 0, size: int = 0) -> bytes:
    command = 0x20 | 1 | 2 | (IC_OR_TSE if header else 0)
    payload = len(frame) - header if header else 0
    low = struct.pack("<BBHBBH", 14, 24, 33, 34, 50, 0)
    return low + struct.pack("<IBBH", payload | command << 24, 0, header, size)


def test_a_data_descriptors_checksums_are_those_of_the_context(book: Playbook) -> None:
    sending(book)
    right = with_tcp_checksum(ipv4(tcp(b"hello, world")))
    frame = bytearray(right)
    frame[24:26] = b"\0\0"
    length = len(right) - 34
    frame[50:52] = ((pseudo_header_sum(right) + length) % 0xFFFF).to_bytes(2, "big")
    book.memory.write(BUFFERS, bytes(frame))
    book.memory.write(RING, context(right))
    describe(book, 1, BUFFERS, len(frame) | 1 << 20 | (DEXT | EOP) << 24, 3 << 8)
    assert book.write("TDT", 2).frames == [right]


def test_segmentation_makes_frames_that_a_receiver_finds_right(book: Playbook) -> None:
    sending(book)
    data = bytes(number % 251 for number in range(3500))
    packet = bytearray(ipv4(tcp(data, flags=0x19)))
    packet[24:26] = b"\0\0"
    packet[50:52] = pseudo_header_sum(packet).to_bytes(2, "big")
    book.memory.write(BUFFERS, bytes(packet))
    book.memory.write(RING, context(packet, header=54, size=1460))
    describe(book, 1, BUFFERS, len(packet) | 1 << 20 | (DEXT | EOP | IC_OR_TSE) << 24, 3 << 8)
    frames = book.write("TDT", 2).frames
    assert [len(frame) - 54 for frame in frames] == [1460, 1460, 580]
    assert b"".join(frame[54:] for frame in frames) == data
    assert all(offload.check_received(frame) == offload.Checked(True, True) for frame in frames)
    assert [int.from_bytes(frame[38:42], "big") for frame in frames] == [1000, 2460, 3920]
    assert [int.from_bytes(frame[18:20], "big") for frame in frames] == [7, 8, 9]
    assert [frame[47] for frame in frames] == [0x10, 0x10, 0x19], "FIN and PSH come last"
    assert book.read("TSCTC") == 1


# ------------------------------------------------------------------- receive


def test_a_frame_arrives_with_its_checksum_behind_it(book: Playbook) -> None:
    receiving(book)
    frame = OURS + OTHERS + bytes(range(86))
    book.frame(frame)
    whole = frame + zlib.crc32(frame).to_bytes(4, "little")
    assert book.memory.read(BUFFERS, len(whole)) == whole
    length, _, status, errors, _ = written_back(book, 0)
    assert (length, status & 3, errors) == (len(whole), 3, 0)
    assert book.read("RDH") == 1
    assert book.read("ICR") & RXT0


def test_the_driver_can_have_the_checksum_stripped(book: Playbook) -> None:
    receiving(book, EN | BAM | SECRC).frame(OURS + OTHERS + bytes(88))
    assert written_back(book, 0)[0] == 100


def test_a_frame_longer_than_a_buffer_goes_to_several(book: Playbook) -> None:
    receiving(book, EN | BAM | SECRC | 3 << 16)  # 256 bytes
    book.frame(OURS + bytes(594))
    told = [written_back(book, number) for number in range(3)]
    assert [length for length, *_ in told] == [256, 256, 88]
    assert [status & 3 for _, _, status, *_ in told] == [1, 1, 3], "only the last one ends it"


def test_frames_wait_for_descriptors(book: Playbook) -> None:
    receiving(book, buffers=1)
    book.frame(OURS + bytes([1]) * 60).frame(OURS + bytes([2]) * 60)
    assert book.read("RDH") == 1
    book.write("RDT", 2)
    assert book.read("RDH") == 2
    assert book.memory.read(BUFFERS + 4096 + 6, 1) == bytes([2])


def test_a_frame_that_waits_is_lost_when_reception_is_stopped(book: Playbook) -> None:
    receiving(book, buffers=0).frame(OURS + bytes(60)).write("RCTL", 0)
    book.write("RCTL", EN | BAM).write("RDT", 4)
    assert book.read("RDH") == 0


@pytest.mark.parametrize(
    ("destination", "control", "taken"),
    [
        (OURS, EN, True),
        (OTHERS, EN, False),
        (OTHERS, EN | UPE, True),
        (b"\xff" * 6, EN, False),
        (b"\xff" * 6, EN | BAM, True),
        (GROUP, EN, False),
        (GROUP, EN | MPE, True),
        (OURS, 0, False),
    ],
)
def test_filters_take_what_they_should(
    book: Playbook, destination: bytes, control: int, taken: bool
) -> None:
    receiving(book, control).frame(destination + bytes(60))
    assert book.read("RDH") == taken


@pytest.mark.parametrize(("offset", "shift"), list(enumerate((4, 3, 2, 0))))
def test_the_multicast_table_is_looked_up_by_the_addresss_upper_bits(
    book: Playbook, offset: int, shift: int
) -> None:
    place = (GROUP[5] << 8 | GROUP[4]) >> shift & 0xFFF
    book.write(f"MTA[{place >> 5}]", 1 << (place & 31))
    receiving(book, EN | offset << 12).frame(GROUP + bytes(60))
    assert book.read("RDH") == 1
    assert written_back(book, 0)[2] & 0x80, "not an exact filter: PIF"


@pytest.mark.parametrize(("spoilt", "status", "errors"), [(None, 0x60, 0), (60, 0x60, 0x20)])
def test_checksums_are_judged_when_the_driver_wants_it(
    book: Playbook, spoilt: int | None, status: int, errors: int
) -> None:
    frame = bytearray(with_tcp_checksum(ipv4(tcp(b"some data of odd length"))))
    if spoilt is not None:
        frame[spoilt] ^= 1
    book.write("RXCSUM", 0x300)
    receiving(book).frame(bytes(frame))
    assert written_back(book, 0)[2] & 0x64 == status
    assert written_back(book, 0)[3] == errors


def test_without_offloads_the_checksum_bits_are_to_be_ignored(book: Playbook) -> None:
    receiving(book).frame(with_tcp_checksum(ipv4(tcp(b"data"))))
    assert written_back(book, 0)[2] & 0x64 == 0x04


def test_statistics_count_with_the_checksum_and_clear_on_reads(book: Playbook) -> None:
    receiving(book).frame(OURS + bytes(94)).frame(b"\xff" * 6 + bytes(54))
    assert [book.read(name) for name in ("GPRC", "BPRC", "PRC64", "PRC127")] == [2, 1, 1, 1]
    assert book.read("GORC") == 104 + 64
    assert book.read("GPRC") == 0


# ---------------------------------------------------------------- interrupts


def test_the_line_follows_causes_and_mask(book: Playbook) -> None:
    book.write("ICS", RXT0).done()
    book.write("IMS", RXT0).expect(Intx(True)).done()
    book.write("IMC", RXT0).expect(Intx(False)).done()
    book.write("IMS", RXT0).expect(Intx(True)).done()
    assert book.read("ICR") == RXT0
    book.expect(Intx(False)).done()


def test_interrupts_come_no_closer_than_itr_says(book: Playbook) -> None:
    book.write("ITR", 1000).write("IMS", RXT0).write("ICS", RXT0).expect(Intx(True))
    book.read("ICR")
    book.expect(Intx(False)).write("ICS", RXT0).done()
    book.advance(1000 * 256 - 1).done()
    book.advance(1).expect(Intx(True)).done()


def test_what_was_read_while_it_was_held_back_interrupts_no_more(book: Playbook) -> None:
    book.write("ITR", 1000).write("IMS", RXT0).write("ICS", RXT0).expect(Intx(True))
    book.read("ICR")
    book.expect(Intx(False)).write("ICS", RXT0)
    assert book.read("ICR") == RXT0
    book.advance(1 * MS).done()


# ------------------------------------------------------------- link and resets


def test_the_link_comes_up_after_negotiation_with_a_cause(book: Playbook) -> None:
    book.write("MDIC", 1 << 26 | 1 << 21 | 0x1340)  # restart auto-negotiation
    assert book.read("STATUS") & 2 == 0
    assert book.read("ICR") & LSC
    book.advance(20 * MS)
    assert book.read("STATUS") & 2
    assert book.read("ICR") & LSC


def test_a_software_reset_leaves_phy_and_packet_buffer_alone(book: Playbook) -> None:
    book.write("PBA", 0x28).write("RCTL", EN)
    book.write("ports.IOADDR", 0).write("ports.IODATA", 1 << 26)
    assert book.read("STATUS") & 2
    assert book.read("PBA") == 0x18_0028
    assert book.read("RCTL") == 0


def test_a_negotiation_goes_on_over_a_software_reset() -> None:
    book = Playbook(E1000())
    book.advance(10 * MS).write("CTRL", 1 << 26).advance(9 * MS)
    assert book.read("STATUS") & 2 == 0
    assert book.advance(1 * MS).read("STATUS") & 2


def test_a_reset_by_the_bus_begins_the_negotiation_again(book: Playbook) -> None:
    book.reset(ResetKind.BUS)
    assert book.read("STATUS") & 2 == 0
    assert book.advance(20 * MS).read("STATUS") & 2


def test_only_the_phys_own_address_answers(book: Playbook) -> None:
    ready, error = 1 << 28, 1 << 30
    book.write("MDIC", 2 << 26 | 1 << 21 | 2 << 16)
    assert book.read("MDIC") & 0xFFFF == 0x0141
    book.write("MDIC", 2 << 26 | 2 << 21 | 2 << 16)
    assert book.read("MDIC") & (ready | error) == ready | error


def test_the_eeproms_checksum_is_right_and_eerd_reads_it_too(book: Playbook) -> None:
    words = []
    for number in range(64):
        book.write("EERD", number << 8 | 1)
        words.append(book.read("EERD") >> 16)
    assert sum(words) & 0xFFFF == 0xBABA
    assert struct.pack("<HHH", *words[:3]) == OURS


def test_a_group_address_is_refused() -> None:
    with pytest.raises(UsageError, match="no station"):
        E1000(mac="01:00:00:00:00:01")
