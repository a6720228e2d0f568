# SPDX-License-Identifier: Apache-2.0
"""Corrupt packets, and other people's packets on the same link type."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.wireshark.story import E1000, Story, tshark_rows, tshark_text
from uvtrace.trace import pcapng
from uvtrace.trace.enums import Kind
from uvtrace.trace.layout import make_records

_SEED = 20261120
_SHOWS = ["frame.number", "uvbus.version", "_ws.expert.message"]


def _packet(data: bytes, interface: int = 0) -> bytes:
    padded = data + bytes(-len(data) % 4)
    total = 32 + len(padded)
    head = struct.pack("<IIIIIII", 6, total, interface, 0, 0, len(data), len(data))
    return head + padded + struct.pack("<I", total)


def _capture(path: Path, packets: Sequence[bytes]) -> Path:
    """A file of packets that the writer would refuse to write."""
    blocks = [pcapng.section_header([]), pcapng.interface(*E1000)]
    path.write_bytes(b"".join(blocks + [_packet(data) for data in packets]))
    return path


def _record(**fields: int) -> bytes:
    return make_records(1, **({"kind": int(Kind.MMIO_WRITE), "function": 0} | fields)).tobytes()


def test_a_truncated_record_is_malformed_and_says_how_long_it_is(tmp_path: Path) -> None:
    path = _capture(tmp_path / "short.pcapng", [_record(), _record()[:77]])
    assert tshark_rows(path, ["frame.number"], "uvbus.expert.truncated") == [["2"]]
    assert "Malformed: 77 bytes, a record has 128" in tshark_text(path)


@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 31, 88, 127])
def test_no_length_is_too_short(tmp_path: Path, length: int) -> None:
    path = _capture(tmp_path / "short.pcapng", [_record(), _record()[:length], _record()])
    text = tshark_text(path, "-V")
    assert text.count("MMIO write (4)") == 2


def test_a_record_of_a_later_version_is_named_and_not_decoded(tmp_path: Path) -> None:
    path = _capture(tmp_path / "later.pcapng", [_record(version=2)])
    rows = tshark_rows(path, ["uvbus.version", "uvbus.kind"], "uvbus.expert.version")
    assert rows == [["2", ""]]
    assert "record version 2, this dissector reads version 1" in tshark_text(path)


def test_an_unknown_kind_among_records_shows_its_bytes(tmp_path: Path) -> None:
    path = _capture(tmp_path / "kind.pcapng", [_record(), _record(kind=200)])
    rows = tshark_rows(path, ["frame.number", "uvbus.raw"], "uvbus.expert.kind")
    assert rows == [["2", "00" * 40]]


def test_packets_of_other_users_of_the_link_type_are_left_alone(tmp_path: Path) -> None:
    ethernet = bytes(range(200, 240)) * 4
    text_like = b"GET / HTTP/1.1\r\n" * 10
    bad_phase = _record(phase=9)
    bad_flags = _record(flags=1 << 30)
    path = _capture(tmp_path / "foreign.pcapng", [ethernet, text_like, bad_phase, bad_flags])
    assert tshark_rows(path, ["frame.number"], "uvbus") == []
    text = tshark_text(path, "-V")
    assert "uvtrace bus record" not in text
    assert text.count("check your Preferences->Protocols->DLT_USER]") == 2 * 4


def test_the_table_of_user_link_types_still_decides_about_others_packets(tmp_path: Path) -> None:
    ping = bytes.fromhex("4500001400000000400100007f0000017f000001") + bytes(140)
    path = _capture(tmp_path / "foreign.pcapng", [ping])
    table = 'uat:user_dlts:"User 0 (DLT=147)","ip","0","","0",""'
    assert "127.0.0.1" in tshark_text(path, "-o", table)


def test_the_preference_switches_the_dissector_off(tmp_path: Path) -> None:
    path = _capture(tmp_path / "run.pcapng", [_record()])
    assert "MMIO write" in tshark_text(path)
    assert "MMIO write" not in tshark_text(path, "-o", "uvbus.decode:FALSE")


def test_a_cut_payload_is_told(tmp_path: Path) -> None:
    story = Story()
    story.add(Kind.MEMORY, length=4096, payload=bytes(64))
    records = tmp_path / "run.pcapng"
    story.write(records)
    assert tshark_rows(records, ["uvbus.payload_length", "uvbus.payload_cut"]) == [["64", ""]]
    cut = _capture(
        tmp_path / "cut.pcapng", [_record(kind=int(Kind.MEMORY), payload=100) + bytes(60)]
    )
    assert tshark_rows(cut, ["uvbus.payload_length", "uvbus.payload_cut"]) == [["100", "40"]]


def test_a_payload_longer_than_the_record_says_is_told(tmp_path: Path) -> None:
    path = _capture(tmp_path / "long.pcapng", [_record(payload=4) + bytes(60)])
    assert len(tshark_rows(path, ["frame.number"], "uvbus.expert.payload")) == 1


def test_a_capability_list_that_loops_ends(tmp_path: Path) -> None:
    space = bytearray(256)
    space[6], space[0x34] = 0x10, 0x40
    space[0x40:0x42], space[0x50:0x52] = bytes([1, 0x50]), bytes([5, 0x40])
    story = Story()
    story.config_snapshot(bytes(space))
    path = story.write(tmp_path / "loop.pcapng")
    assert tshark_rows(path, ["uvbus.config.capability"]) == [["0x01,0x05"]]


@pytest.mark.parametrize("length", [1, 3, 7, 52, 53, 64, 65, 255])
def test_a_config_snapshot_of_any_length_is_shown_as_far_as_it_goes(
    tmp_path: Path, length: int
) -> None:
    story = Story()
    story.config_snapshot((b"\x86\x80\x0e\x10\x07\x01\x10\x00" + b"\xfc" * 300)[:length])
    path = story.write(tmp_path / "short.pcapng")
    rows = tshark_rows(path, ["uvbus.config.vendor"])
    assert rows == [["0x8086" if length >= 2 else ""]]


def _mutated(generator: random.Random) -> bytes:
    """A record of a random kind with random content, some of it cut, lengthened or flipped."""
    kind = generator.choice([int(kind) for kind in Kind])
    data = bytearray(_record(kind=kind, payload=generator.choice([0, 5, 1 << 31])))
    for _ in range(generator.randrange(40)):
        data[generator.randrange(128)] = generator.choice([0, 1, 0x7F, 0x80, 0xFF])
    if generator.random() < 0.7:
        data[:4] = bytes([1, kind, generator.randrange(4), 0])
        data[4:8] = struct.pack("<I", generator.randrange(1 << 19))
    data += generator.randbytes(generator.choice([0, 0, 1, 31, 32, 33, 64, 300]))
    return bytes(data[: generator.choice([len(data), len(data), generator.randrange(len(data))])])


def test_mutated_records_never_raise_a_lua_error(tmp_path: Path) -> None:
    generator = random.Random(_SEED)
    packets = [_record()] + [_mutated(generator) for _ in range(4000)]
    path = _capture(tmp_path / "mutated.pcapng", packets)
    text = tshark_text(path, "-V")
    assert "Defect of the dissector" not in text
    rows = tshark_rows(path, ["frame.number"], "uvbus")
    assert len(rows) == len(packets)
    assert tshark_rows(path, _SHOWS, "uvbus.expert.dissector") == []


@pytest.mark.parametrize("byte", [0x00, 0x7F, 0x80, 0xFF])
def test_extreme_numbers_in_every_field_never_raise_a_lua_error(byte: int, tmp_path: Path) -> None:
    packets = [_record()]
    for kind in Kind:
        for phase in range(4):
            head = struct.pack("<BBBBI", 1, int(kind), phase, 0, (1 << 19) - 1 if byte else 0)
            packets.append(head + bytes([byte]) * 22 + bytes(2) + bytes([byte]) * 96)
            packets.append(packets[-1] + bytes([byte]) * 64)
    path = _capture(tmp_path / "extreme.pcapng", packets)
    assert "Defect of the dissector" not in tshark_text(path, "-V")
    assert tshark_rows(path, _SHOWS, "uvbus.expert.dissector") == []


def test_random_bits_in_every_field_never_raise_a_lua_error(tmp_path: Path) -> None:
    generator = np.random.default_rng(_SEED)
    raw = generator.integers(0, 256, (4000, 128), dtype=np.uint8)
    raw[:, 0] = 1
    raw[:, 1] = generator.choice([int(kind) for kind in Kind], len(raw))
    raw[:, 2] %= 4
    raw[:, 30:32] = 0
    path = _capture(tmp_path / "random.pcapng", [_record(), *(row.tobytes() for row in raw)])
    assert "Defect of the dissector" not in tshark_text(path, "-V")
    assert tshark_rows(path, _SHOWS, "uvbus.expert.dissector") == []
