# SPDX-License-Identifier: Apache-2.0
"""A TAP interface: the model's wire ends in this machine's network stack.

Kernel: Documentation/networking/tuntap.rst; addresses are set as in netdevice(7).
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct

from uvtrace.device.ports.frames import FramePort
from uvtrace.errors import EnvironmentLacksError, UsageError

TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
IFF_UP = 0x1
SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8913, 0x8914
SIOCSIFADDR, SIOCSIFNETMASK = 0x8916, 0x891C
_NAME_MAX = 15


def open_tap(name: str, address: str | None, netmask: str = "255.255.255.0") -> FramePort:
    """A TAP interface that is up; it goes when the port is closed.

    Args:
        name: of the interface; made if it is not there.
        address: of this machine on it; None leaves the interface as it is.

    Raises:
        UsageError: no possible name.
        EnvironmentLacksError: no TUN/TAP in this kernel, or no permission.
    """
    if not 0 < len(name.encode()) <= _NAME_MAX:
        raise UsageError("no possible name of an interface", where=f"tap:{name}")
    try:
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise EnvironmentLacksError(
            f"/dev/net/tun: {error.strerror}",
            where=f"tap:{name}",
            hint="modprobe tun, run as root, or use port=user",
        ) from error
    try:
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
        if address is not None:
            _bring_up(name, address, netmask)
    except OSError as error:
        os.close(fd)
        raise EnvironmentLacksError(
            f"{error.strerror}", where=f"tap:{name}", hint="run as root, or use port=user"
        ) from error
    return FramePort(fd, lambda: os.close(fd))


def _bring_up(name: str, address: str, netmask: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for request, value in ((SIOCSIFADDR, address), (SIOCSIFNETMASK, netmask)):
            packed = socket.inet_aton(value)
            fcntl.ioctl(
                control,
                request,
                struct.pack("16sHH4s16x", name.encode(), socket.AF_INET, 0, packed),
            )
        answer = fcntl.ioctl(control, SIOCGIFFLAGS, struct.pack("16sH22x", name.encode(), 0))
        flags = struct.unpack("16sH22x", answer)[1] | IFF_UP
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH22x", name.encode(), flags))
