# SPDX-License-Identifier: Apache-2.0
"""The port ``user``: a process of its own that is the network, so that it never delays the model.

Run by :func:`open_user` as ``python -m uvtrace.device.ports.user FD NUMBER``.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Sequence

from uvtrace.device.ports import libslirp
from uvtrace.device.ports.frames import FRAME_MAX, FramePort

_BUFFER = 1 << 20
_BATCH = 64


def open_user(number: int) -> FramePort:
    """A port into a user network.

    Args:
        number: third byte of its addresses: the guest is 10.0.N.15, this machine 10.0.N.2.

    Raises:
        EnvironmentLacksError: libslirp is not installed.
    """
    libslirp.load()
    model, network = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (model, network):
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            end.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
    with network:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(network.fileno()), str(number)],
            stdin=subprocess.DEVNULL,
            pass_fds=[network.fileno()],
        )

    def release() -> None:
        model.close()  # the network ends by itself when its guest has gone
        process.wait()

    return FramePort(model.fileno(), release)


def serve(guest: socket.socket, number: int) -> None:
    """Be the network, until the guest's end is closed."""

    def send(frame: bytes) -> None:
        with contextlib.suppress(BlockingIOError, BrokenPipeError):  # a full wire drops
            guest.send(frame)

    guest.setblocking(False)
    network = libslirp.Network(number, send)
    try:
        while True:
            if network.step(guest.fileno()) and not _take(guest, network):
                return
    finally:
        network.close()


def _take(guest: socket.socket, network: libslirp.Network) -> bool:
    """Frames from the guest. False: it has gone."""
    with contextlib.suppress(BlockingIOError):
        for _ in range(_BATCH):
            frame = guest.recv(FRAME_MAX)
            if not frame:
                return False
            network.put(frame)
    return True


def main(argv: Sequence[str]) -> None:
    """The process."""
    with socket.socket(fileno=int(argv[0])) as guest, contextlib.suppress(KeyboardInterrupt):
        serve(guest, int(argv[1]))


if __name__ == "__main__":
    main(sys.argv[1:])
