# SPDX-License-Identifier: Apache-2.0
"""Memory for links, shared with a VM, and the doorbells that wake either side.

QEMU's ``ivshmem-doorbell`` device asks a server for the memory and for its peers' eventfds
(QEMU, docs/specs/ivshmem-spec.rst, "Client-Server protocol"). Here that server is a thread,
and the only peer of the guest is this process, with one vector for every link. What a link
holds is defined in ``kmod/include/uapi/uvbus_link.h``.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from uvtrace.errors import UsageError, UvtraceError

log = logging.getLogger(__name__)

LINKS_ADDRESS = 0x1D
"""Of the device on the root bus."""
LINKS_MAX = 16
SLOTS = 256
"""Messages that fit in each direction of a link."""
DATA_BYTES = 1024
"""That one message carries at most."""

_HEADER = struct.Struct("<QIIIIIIQ")
_MAGIC = 0x314B4E494C565555
_VERSION = 1
_HEADER_BYTES = 4096
_MESSAGE_BYTES = 64
_ALIGN = 1 << 20

_PROTOCOL = 0
_GUEST = 0
_HOST = 1
_MEMORY = -1


@dataclass(frozen=True)
class LinkFiles:
    """What a model's process needs of a link.

    Attributes:
        path: the file that holds the memory.
        offset: where in it the link begins, in bytes.
        length: of the link, in bytes.
        wake_fd: an eventfd that becomes readable when the guest rings.
        kick_fd: an eventfd; writing to it interrupts the guest.
    """

    path: Path
    offset: int
    length: int
    wake_fd: int
    kick_fd: int


class LinkServer:
    """Links for a VM's models. A context: leaving it closes and removes all files.

    Args:
        folder: private to this run; gets the memory and the socket.
        links: how many; 1 to :data:`LINKS_MAX`.
        slots: messages in each direction of each link; a power of two, 64 to 16384.
        data_bytes: that one message carries at most; a multiple of 64, 128 to 4096.

    Raises:
        UsageError: a number is out of its range.
        UvtraceError: the socket cannot be made.
    """

    def __init__(
        self, folder: Path, links: int, *, slots: int = SLOTS, data_bytes: int = DATA_BYTES
    ) -> None:
        _check(links, slots, data_bytes)
        self._memory_path = folder / "links"
        self._socket_path = folder / "links.socket"
        self._fds = contextlib.ExitStack()
        ring_bytes = slots * (_MESSAGE_BYTES + data_bytes)
        length = _HEADER_BYTES + 2 * ring_bytes
        stride = -(-length // _ALIGN) * _ALIGN
        self.size = 1 << (links * stride - 1).bit_length()
        header = _HEADER.pack(
            *(_MAGIC, _VERSION, _MESSAGE_BYTES + data_bytes, slots),
            *(_HEADER_BYTES, _HEADER_BYTES + ring_bytes, 0, length),
        )
        with self._fds as undo:
            self._memory = self._make_memory([number * stride for number in range(links)], header)
            self.links: Sequence[LinkFiles] = tuple(
                LinkFiles(
                    self._memory_path, number * stride, length, self._eventfd(), self._eventfd()
                )
                for number in range(links)
            )
            self._listener = self._listen()
            self._fds = undo.pop_all()
        self._thread = threading.Thread(target=self._serve, name="ivshmem", daemon=True)
        self._thread.start()

    @property
    def arguments(self) -> list[str]:
        """QEMU's, for the device."""
        path = str(self._socket_path).replace(",", ",,")
        return [
            *("-chardev", f"socket,path={path},id=uvlinks"),
            "-device",
            f"ivshmem-doorbell,vectors={len(self.links)},chardev=uvlinks,addr={LINKS_ADDRESS:#x}",
        ]

    def close(self) -> None:
        """Stop serving; close and remove all files."""
        with contextlib.suppress(OSError):  # wakes the thread
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._fds.close()

    def __enter__(self) -> LinkServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------ making

    def _make_memory(self, offsets: Sequence[int], header: bytes) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        fd = os.open(self._memory_path, flags, 0o600)
        self._fds.callback(self._memory_path.unlink, missing_ok=True)
        self._fds.callback(os.close, fd)
        os.ftruncate(fd, self.size)
        for offset in offsets:
            os.pwrite(fd, header, offset)
        return fd

    def _eventfd(self) -> int:
        fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._fds.callback(os.close, fd)
        return fd

    def _listen(self) -> socket.socket:
        listener = self._fds.enter_context(socket.socket(socket.AF_UNIX))
        try:
            listener.bind(str(self._socket_path))
        except OSError as error:
            raise UvtraceError(
                f"cannot make a socket: {error}",
                where=str(self._socket_path),
                hint="a socket's path has at most 107 bytes: set TMPDIR to a shorter one",
            ) from error
        self._fds.callback(self._socket_path.unlink, missing_ok=True)
        listener.listen(1)
        return listener

    # ------------------------------------------------------------ serving

    def _serve(self) -> None:
        """One client after the other; each stays connected as long as its VM runs."""
        connected: list[socket.socket] = []
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                break
            connected.append(client)
            try:
                self._introduce(client)
            except OSError as error:
                log.debug("an ivshmem client went away: %s", error)
        for client in connected:
            client.close()

    def _introduce(self, client: socket.socket) -> None:
        _send(client, _PROTOCOL)
        _send(client, _GUEST)
        _send(client, _MEMORY, self._memory)
        for link in self.links:
            _send(client, _HOST, link.wake_fd)
        for link in self.links:
            _send(client, _GUEST, link.kick_fd)


def _send(client: socket.socket, value: int, fd: int | None = None) -> None:
    """One message of the protocol: a number, perhaps with a file."""
    socket.send_fds(client, [struct.pack("<q", value)], [] if fd is None else [fd])


def _check(links: int, slots: int, data_bytes: int) -> None:
    if not 1 <= links <= LINKS_MAX:
        raise UsageError(f"a VM has 1 to {LINKS_MAX} links, not {links}")
    if not 64 <= slots <= 16384 or slots & (slots - 1):
        raise UsageError(f"a link's slots are a power of two from 64 to 16384, not {slots}")
    if not 128 <= data_bytes <= 4096 or data_bytes % 64:
        raise UsageError(f"a message's data is a multiple of 64 from 128 to 4096, not {data_bytes}")
