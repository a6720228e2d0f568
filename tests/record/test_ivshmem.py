# SPDX-License-Identifier: Apache-2.0
"""The server of a VM's links, spoken to as QEMU does."""

from __future__ import annotations

import mmap
import os
import re
import select
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from uvtrace.errors import UsageError, UvtraceError
from uvtrace.record.build import source_directory
from uvtrace.record.ivshmem import LinkServer

LINKS = 3


class Client:
    """QEMU's side of the protocol."""

    def __init__(self, server: LinkServer) -> None:
        found = re.search(r"path=(.*),id=", server.arguments[1])
        assert found
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(10)
        self._socket.connect(found[1].replace(",,", ","))
        self.fds: list[int] = []

    def receive(self) -> tuple[int, int | None]:
        data, fds, _, _ = socket.recv_fds(self._socket, 8, 1)
        self.fds += fds
        (value,) = struct.unpack("<q", data)
        return value, fds[0] if fds else None

    def close(self) -> None:
        self._socket.close()
        for fd in self.fds:
            os.close(fd)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LinkServer]:
    with LinkServer(tmp_path, LINKS) as made:
        yield made


@pytest.fixture
def client(server: LinkServer) -> Iterator[Client]:
    made = Client(server)
    yield made
    made.close()


def is_readable(fd: int) -> bool:
    return bool(select.select([fd], [], [], 1)[0])


def test_a_client_learns_its_number_the_memory_and_every_vector(client: Client) -> None:
    assert client.receive() == (0, None), "the protocol's version"
    assert client.receive() == (0, None), "the guest's number"
    assert client.receive()[0] == -1, "the memory"
    assert [client.receive()[0] for _ in range(2 * LINKS)] == [1] * LINKS + [0] * LINKS


def test_what_one_side_writes_to_a_link_the_other_one_reads(
    server: LinkServer, client: Client
) -> None:
    for _ in range(3):
        _, memory = client.receive()
    assert memory is not None
    link = server.links[2]
    host_fd = os.open(link.path, os.O_RDWR)
    client.fds.append(host_fd)
    with mmap.mmap(memory, 0) as guest, mmap.mmap(host_fd, 0) as host:
        assert len(guest) == len(host) == server.size
        host[link.offset + 4096 : link.offset + 4100] = b"ping"
        assert guest[link.offset + 4096 : link.offset + 4100] == b"ping"


def test_doorbells_reach_the_link_that_they_are_for(server: LinkServer, client: Client) -> None:
    received = [client.receive()[1] for _ in range(3 + 2 * LINKS)]
    to_host, to_guest = received[3 : 3 + LINKS], received[3 + LINKS :]
    for number, link in enumerate(server.links):
        bell, vector = to_host[number], to_guest[number]
        assert bell is not None
        assert vector is not None
        os.eventfd_write(bell, 1)
        assert is_readable(link.wake_fd)
        assert os.eventfd_read(link.wake_fd) == 1
        os.eventfd_write(link.kick_fd, 1)
        assert os.eventfd_read(vector) == 1
    with pytest.raises(BlockingIOError):
        os.eventfd_read(server.links[0].wake_fd)


def test_links_begin_with_a_header_and_do_not_overlap(server: LinkServer) -> None:
    header = (source_directory() / "include/uapi/uvbus_link.h").read_text()
    magic = re.search(r"UV_LINK_MAGIC\s+(0x[0-9a-f]+)ULL", header)
    assert magic
    memory = server.links[0].path.read_bytes()
    for link in server.links:
        fields = struct.unpack_from("<QIIIIIIQ", memory, link.offset)
        assert fields[0] == int(magic[1], 16)
        assert fields[1:] == (1, 1088, 256, 4096, 4096 + 256 * 1088, 0, link.length)
        assert link.offset % (1 << 20) == 0
    ends = [link.offset + link.length for link in server.links]
    begins = [link.offset for link in server.links]
    assert all(end <= begin for end, begin in zip(ends, [*begins[1:], server.size], strict=True))
    assert server.size & (server.size - 1) == 0, "the size of a BAR"


def test_a_second_vm_may_follow_the_first(server: LinkServer) -> None:
    for _ in range(2):
        client = Client(server)
        values = [client.receive()[0] for _ in range(3 + 2 * LINKS)]
        assert values[:3] == [0, 0, -1]
        client.close()


def test_leaving_closes_all_files_and_removes_them(tmp_path: Path) -> None:
    before = set(os.listdir("/proc/self/fd"))
    with LinkServer(tmp_path, 2) as server:
        client = Client(server)
        client.receive()
        client.close()
        assert set(os.listdir("/proc/self/fd")) > before
    assert list(tmp_path.iterdir()) == []
    assert set(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    ("links", "slots", "data_bytes"),
    [(0, 64, 128), (17, 64, 128), (1, 63, 128), (1, 32768, 128), (1, 64, 100), (1, 64, 8192)],
)
def test_impossible_numbers_are_refused(
    tmp_path: Path, links: int, slots: int, data_bytes: int
) -> None:
    with pytest.raises(UsageError):
        LinkServer(tmp_path, links, slots=slots, data_bytes=data_bytes)


def test_a_path_too_long_for_a_socket_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    with pytest.raises(UvtraceError, match="cannot make a socket"):
        LinkServer(folder, 1)
    assert list(folder.iterdir()) == []
