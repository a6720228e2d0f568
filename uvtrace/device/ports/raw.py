# SPDX-License-Identifier: Apache-2.0
"""A real interface of this machine as the model's wire: packet(7)."""

from __future__ import annotations

import os
import socket
import struct

from uvtrace.device.ports.frames import FramePort
from uvtrace.errors import EnvironmentLacksError

ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_ADD_MEMBERSHIP = 1
PACKET_IGNORE_OUTGOING = 23
PACKET_MR_PROMISC = 1


def open_raw(name: str) -> FramePort:
    """Every frame of an interface, as the model's.

    Raises:
        EnvironmentLacksError: no such interface, or not allowed.
    """
    try:
        packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    except PermissionError as error:
        raise EnvironmentLacksError(
            "a raw socket needs root", where=f"raw:{name}", hint="run as root, or use port=user"
        ) from error
    try:
        packets.bind((name, ETH_P_ALL))
        # Or the model would hear what it says.
        packets.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        everything = struct.pack("iHH8s", socket.if_nametoindex(name), PACKET_MR_PROMISC, 0, b"")
        packets.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, everything)
    except OSError as error:
        packets.close()
        reason = os.strerror(error.errno or 0)
        raise EnvironmentLacksError(reason, where=f"raw:{name}", hint="see ip link") from error
    return FramePort(packets.fileno(), packets.close)
