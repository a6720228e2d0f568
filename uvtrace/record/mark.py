# SPDX-License-Identifier: Apache-2.0
"""Marks: texts that somebody writes into a recording while it runs."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
from pathlib import Path

from uvtrace.errors import EnvironmentLacksError, UsageError
from uvtrace.record import abi

DEVICE = Path("/dev/uvbus0")
MARK_MAX = 4096
"""Bytes of the longest mark."""


def write_mark(text: str, device: Path = DEVICE) -> None:
    """Write a mark into the recording that is running on this machine.

    Raises:
        UsageError: the text is empty or too long.
        EnvironmentLacksError: there is no kernel module, no right to use it, or no recording.
    """
    data = text.encode(errors="replace")
    if not 0 < len(data) <= MARK_MAX:
        raise UsageError(f"a mark has 1 to {MARK_MAX} bytes, not {len(data)}")
    buffer = ctypes.create_string_buffer(data, len(data))
    mark = abi.Mark(ctypes.addressof(buffer), len(data), 0)
    file = _open(device)
    try:
        fcntl.ioctl(file, abi.IOC_MARK, mark)
    except OSError as error:
        raise EnvironmentLacksError(
            f"the mark was refused: {(error.strerror or '').lower()}",
            where=str(device),
            hint="marks go into a running recording: start one with uvtrace record",
        ) from error
    finally:
        os.close(file)


def _open(device: Path) -> int:
    try:
        return os.open(device, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        hint = {
            errno.ENOENT: "the kernel module is not loaded: uvtrace record loads it",
            errno.EACCES: "only root may write marks",
            errno.EPERM: "only root may write marks",
        }.get(error.errno or 0, "uvtrace doctor looks for the reason")
        raise EnvironmentLacksError(
            (error.strerror or "cannot be opened").lower(), where=str(device), hint=hint
        ) from error
