# SPDX-License-Identifier: Apache-2.0
"""Ports: where a model's network link leads to, each a file descriptor that frames go through.

============  ==========================================================================
``user``      a network of its own, behind this machine's, without root: the guest is
              10.0.N.15, this machine 10.0.N.2
``tap:NAME``  a TAP interface of this machine (root), which is 10.0.N.2
``raw:NAME``  a real interface of this machine (root)
``none``      a wire that is not plugged in
============  ==========================================================================
"""

from __future__ import annotations

from uvtrace.device.ports.frames import FramePort
from uvtrace.device.ports.pipe import pipe
from uvtrace.device.ports.raw import open_raw
from uvtrace.device.ports.tap import open_tap
from uvtrace.device.ports.user import open_user
from uvtrace.errors import UsageError

__all__ = ["FramePort", "open_port", "pipe"]


def open_port(text: str, number: int = 0) -> FramePort | None:
    """The port that a text names; None for ``none``.

    Args:
        text: as in the table above.
        number: of the device in its recording: its network is 10.0.(2 + number).0/24.

    Raises:
        UsageError: it names none.
        EnvironmentLacksError: this machine, or this user, cannot have it.
    """
    kind, _, name = text.partition(":")
    if kind == "none":
        return None
    if kind == "user":
        return open_user(2 + number)
    if kind == "tap":
        return open_tap(name or f"uvtap{number}", f"10.0.{2 + number}.2")
    if kind == "raw" and name:
        return open_raw(name)
    raise UsageError("not a port", where=text, hint="user, tap, tap:NAME, raw:NAME or none")
