# SPDX-License-Identifier: Apache-2.0
"""Entries in words, as a contract declares them."""

from __future__ import annotations

import struct

import pytest

from devices.e1000.layouts import RECEIVE, TRANSMIT
from devices.nvme.layouts import ADMIN, COMPLETION, IO
from uvtrace.errors import UvtraceError
from uvtrace.layouts import Field, Form, Layout, Match

EOP, IFCS, RS, DEXT = 1 << 0, 1 << 1, 1 << 3, 1 << 5


def test_a_legacy_descriptor_names_its_buffer_and_its_command_bits() -> None:
    entry = struct.pack("<QHBBBBH", 0x29DA802, 90, 0, EOP | IFCS | RS, 0, 0, 0)
    assert TRANSMIT.text(entry) == "legacy buffer 0x29da802, length 90, EOP|IFCS|RS"


def test_the_device_s_write_back_is_told() -> None:
    entry = struct.pack("<QHBBBBH", 0x1000, 60, 0, EOP, 1, 0, 0)
    assert TRANSMIT.text(entry).endswith("EOP, DD")


def test_extended_descriptors_are_told_apart_by_their_kind() -> None:
    context = struct.pack("<BBHBBHIBBH", 14, 24, 33, 34, 50, 0, DEXT << 24, 0, 54, 1448)
    data = struct.pack("<QIBBH", 0x2000, 1 << 20 | (DEXT | EOP) << 24 | 1514, 0, 3, 0)
    assert TRANSMIT.text(context).startswith("context IPCSS 14, IPCSO 24, IPCSE 33")
    assert "HDRLEN 54, MSS 1448" in TRANSMIT.text(context)
    assert TRANSMIT.text(data) == "data buffer 0x2000, length 1514, EOP|DEXT, IXSM|TXSM"


def test_a_received_frame_tells_its_length_only_once_the_device_is_done() -> None:
    free = struct.pack("<QHHBBH", 0x3000, 0, 0, 0, 0, 0)
    done = struct.pack("<QHHBBH", 0x3000, 68, 0, 3, 0x81, 0)
    assert RECEIVE.text(free) == "free buffer 0x3000"
    assert RECEIVE.text(done) == "received buffer 0x3000, length 68, DD|EOP, CE|RXE"


def test_commands_of_the_admin_queue_are_not_those_of_an_io_queue() -> None:
    entry = struct.pack(
        "<BBHI4QIIIIII", 1, 0, 0x1018, 0, 0, 0, 0x2F80000, 0, 0x3FF0001, 1, 0, 0, 0, 0
    )
    assert ADMIN.text(entry) == (
        "Create I/O Submission Queue CID 0x1018, PRP1 0x2f80000, QID 1, last entry 1023"
    )
    assert IO.text(entry).startswith("Write CID 0x1018, PRP1 0x2f80000, SLBA 0x103ff0001")


def test_a_command_that_is_not_known_is_told_by_its_number() -> None:
    entry = bytes([0xC1]) + bytes(63)
    assert ADMIN.text(entry) == "command opcode 0xc1, CID 0x0"


def test_a_completion_tells_whether_it_went_well() -> None:
    good = struct.pack("<IIHHHH", 0, 0, 5, 0, 0x19, 1)
    bad = struct.pack("<IIHHHH", 0, 0, 5, 0, 0x19, 1 | 0x02 << 1 | 1 << 15)
    assert COMPLETION.text(good).endswith("phase 1, success")
    assert COMPLETION.text(bad).endswith("phase 1, status 0x2, do not retry")


def test_a_reserved_bit_is_told_by_its_number() -> None:
    layout = Layout(
        entry_bytes=1,
        forms=(Form(name="one", fields=(Field(name="f", first=0, count=8, flags=("A", "")),)),),
    )
    assert layout.text(b"\x83") == "one A|f[1]|f[7]"


def test_an_entry_of_no_declared_form_is_told_in_hexadecimal() -> None:
    layout = Layout(entry_bytes=2, forms=(Form(name="one", fields=(), when=(Match(0, 8, 1),)),))
    assert layout.text(b"\x02\xff") == "02 ff"


def test_a_field_that_reaches_out_of_its_entry_is_refused() -> None:
    with pytest.raises(UvtraceError, match="outside its entry"):
        Layout(
            entry_bytes=4,
            forms=(Form(name="one", fields=(Field(name="f", first=30, count=4),)),),
        )


def test_flags_are_bits_by_their_names() -> None:
    status = Field(name="status", first=96, count=8, flags=("DD", "EOP", "", "VP"))
    assert status.bits("EOP", "VP") == 0b1010
    with pytest.raises(UvtraceError, match="no such flag") as raised:
        status.bits("DONE")
    assert "status.DONE" in str(raised.value)


@pytest.mark.parametrize(
    ("first", "count", "octets"), [(0, 64, (0, 8)), (94, 2, (11, 12)), (64, 20, (8, 11))]
)
def test_a_field_lies_in_whole_bytes(first: int, count: int, octets: tuple[int, int]) -> None:
    assert Field(name="any", first=first, count=count).span == slice(*octets)
