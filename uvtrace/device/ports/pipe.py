# SPDX-License-Identifier: Apache-2.0
"""A link with both ends in this machine's memory: two models, or a model and a test."""

from __future__ import annotations

import socket

from uvtrace.device.ports.frames import FramePort


def pipe() -> tuple[FramePort, FramePort]:
    """Both ends of a new link."""
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return FramePort(one.fileno(), one.close), FramePort(other.fileno(), other.close)
