# SPDX-License-Identifier: Apache-2.0
"""Ports: a frame put in at one end comes out at the other, whatever lies between."""

from __future__ import annotations

import ctypes.util
import os
import socket
import struct
import threading
import time
from collections.abc import Callable

import pytest

from uvtrace.device.ports import FramePort, open_port, pipe
from uvtrace.device.ports.libslirp import LIBRARY
from uvtrace.errors import EnvironmentLacksError, UsageError

MAC, GATEWAY_MAC = b"\x52\x54\0\x12\x34\x56", b"\x52\x55\x0a\0\x02\x02"
GUEST, GATEWAY = socket.inet_aton("10.0.2.15"), socket.inet_aton("10.0.2.2")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="TAP interfaces need root")


def _has_slirp() -> bool:
    try:
        ctypes.CDLL(LIBRARY)
    except OSError:
        return False
    return True


needs_slirp = pytest.mark.skipif(not _has_slirp(), reason=f"needs {LIBRARY}")


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _ip(protocol: int, payload: bytes, target: bytes = GATEWAY) -> bytes:
    header = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0, GUEST, target
    )
    header = header[:10] + struct.pack("!H", _checksum(header)) + header[12:]
    return GATEWAY_MAC + MAC + b"\x08\0" + header + payload


def _ping(number: int) -> bytes:
    echo = struct.pack("!BBHHH8s", 8, 0, 0, 1, number, b"uvtrace!")
    return _ip(1, echo[:2] + struct.pack("!H", _checksum(echo)) + echo[4:])


def _arp_reply(mac: bytes) -> bytes:
    arp = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 2, mac, GUEST, b"\xff" * 6, GATEWAY)
    return b"\xff" * 6 + mac + b"\x08\x06" + arp


def _receive(port: FramePort, wanted: Callable[[bytes], bool]) -> bytes:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        for frame in port.receive():
            if wanted(frame):
                return frame
        time.sleep(0.005)
    raise AssertionError("no such frame has come")


def test_a_pipe_s_ends_are_each_other_s_wire() -> None:
    one, other = pipe()
    with one, other:
        one.send(b"first")
        one.send(b"second")
        other.send(b"back")
        assert other.receive() == [b"first", b"second"]
        assert one.receive() == [b"back"]
        assert one.receive() == []


def test_a_full_wire_drops_and_never_waits() -> None:
    one, other = pipe()
    with one, other:
        for _ in range(2000):
            one.send(bytes(1500))
        assert one.dropped > 0
        assert len(other.receive(5000)) == 2000 - one.dropped


def test_a_wire_whose_other_end_has_gone_drops() -> None:
    one, other = pipe()
    other.close()
    with one:
        one.send(b"into the void")
        assert one.dropped == 1


@needs_slirp
def test_the_user_network_s_gateway_answers_a_ping() -> None:
    port = open_port("user")
    assert port is not None
    with port:
        port.send(_arp_reply(MAC))
        port.send(_ping(7))
        answer = _receive(port, lambda frame: frame[12:14] == b"\x08\0" and frame[23] == 1)
    assert answer[:6] == MAC
    assert answer[26:34] == GATEWAY + GUEST
    assert answer[34] == 0
    assert answer[40:50] == b"\0\x07uvtrace!"


@needs_slirp
def test_the_user_network_reaches_this_machine_s_services() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        accepted: list[tuple[str, int]] = []
        thread = threading.Thread(target=lambda: accepted.append(server.accept()[1]))
        thread.start()
        port = open_port("user")
        assert port is not None
        with port:
            port.send(_arp_reply(MAC))
            port.send(_syn(server.getsockname()[1]))
            answer = _receive(port, lambda frame: frame[12:14] == b"\x08\0" and frame[23] == 6)
            thread.join(10)
    assert answer[47] & 0x12 == 0x12  # SYN and ACK
    assert len(accepted) == 1


def _syn(port: int) -> bytes:
    tcp = struct.pack("!HHIIBBHHH", 1234, port, 1, 0, 0x50, 2, 8192, 0, 0)
    pseudo = GUEST + GATEWAY + struct.pack("!HH", 6, len(tcp))
    return _ip(6, tcp[:16] + struct.pack("!H", _checksum(pseudo + tcp)) + tcp[18:])


@needs_root
def test_a_tap_interface_is_a_wire_to_this_machine() -> None:
    try:
        port = open_port("tap:uvtest0", number=97)
    except EnvironmentLacksError as error:
        pytest.skip(str(error))
    assert port is not None
    with port, socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as packets:
        packets.bind(("uvtest0", 0))
        packets.send(b"\xff" * 6 + MAC + b"\x88\xb5" + b"hello" * 20)
        frame = _receive(port, lambda frame: frame[12:14] == b"\x88\xb5")
        assert frame[14:] == b"hello" * 20
        with pytest.raises(EnvironmentLacksError, match="busy"):
            open_port("tap:uvtest0", number=97)
    assert "uvtest0" not in [name for _, name in socket.if_nameindex()]


@needs_root
def test_a_raw_port_hears_an_interface_but_not_itself() -> None:
    try:
        tap = open_port("tap:uvtest1", number=98)
    except EnvironmentLacksError as error:
        pytest.skip(str(error))
    assert tap is not None
    raw = open_port("raw:uvtest1")
    assert raw is not None
    with tap, raw:
        raw.send(b"\xff" * 6 + MAC + b"\x88\xb5" + b"out" * 20)
        _receive(tap, lambda frame: frame.endswith(b"out" * 20))
        tap.send(b"\xff" * 6 + MAC + b"\x88\xb5" + b"in_" * 20)
        heard = _receive(raw, lambda frame: frame[12:14] == b"\x88\xb5")
        assert heard.endswith(b"in_" * 20)


def test_what_is_no_port_is_refused() -> None:
    for text in ("", "wire", "raw", "tap:a_name_that_is_too_long"):
        with pytest.raises(UsageError):
            open_port(text)
    assert open_port("none") is None


@needs_root
def test_an_interface_that_is_not_there_is_said_to_be_missing() -> None:
    with pytest.raises(EnvironmentLacksError, match="raw:uvnothing"):
        open_port("raw:uvnothing")
