# SPDX-License-Identifier: Apache-2.0
"""Whether there is what a command is given, seen before anything is imported that reads it."""

from __future__ import annotations

import os

from uvtrace.errors import unreadable


def require_there(run: str) -> None:
    """Raise unless a recording may be read; ``-`` and what a URL names are not looked at.

    Raises:
        InputError: there is no such file.
    """
    if run == "-" or "://" in run:
        return
    try:
        # Not opened: a pipe can be only once.
        os.stat(run)
    except OSError as error:
        raise unreadable(run, error) from error
