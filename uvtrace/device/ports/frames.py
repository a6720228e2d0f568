# SPDX-License-Identifier: Apache-2.0
"""Frames through a file descriptor, one for each read and write, without waiting."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

FRAME_MAX = 65536

log = logging.getLogger(__name__)


class FramePort:
    """One end of a network link.

    Args:
        fd: reads and writes are whole frames; made non-blocking.
        release: closes it, and what stands behind it.

    Attributes:
        dropped: frames that could not be sent, as the other end was full or down.
    """

    def __init__(self, fd: int, release: Callable[[], None]) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._release = release
        self.dropped = 0

    def fileno(self) -> int:
        return self._fd

    def send(self, frame: bytes) -> None:
        """Send a frame, or drop it: a wire does not wait."""
        try:
            os.write(self._fd, frame)
        except OSError as error:
            if not self.dropped:
                log.warning("the port drops frames: %s", error)
            self.dropped += 1

    def receive(self, most: int = 64) -> list[bytes]:
        """The frames that have come, at most so many."""
        frames: list[bytes] = []
        try:
            while len(frames) < most:
                frame = os.read(self._fd, FRAME_MAX)
                if not frame:
                    break
                frames.append(frame)
        except BlockingIOError:
            pass
        except OSError as error:
            log.warning("the port is down: %s", error)
        return frames

    def close(self) -> None:
        """Release it."""
        self._release()

    def __enter__(self) -> FramePort:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
