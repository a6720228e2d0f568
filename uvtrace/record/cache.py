# SPDX-License-Identifier: Apache-2.0
"""Where things are kept between runs, and the lock against two runs making the same thing."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from uvtrace.errors import EnvironmentLacksError


def cache_directory(*parts: str) -> Path:
    """A folder below ``$XDG_CACHE_HOME/uvtrace`` (``~/.cache/uvtrace``), created when missing.

    Raises:
        EnvironmentLacksError: it cannot be created.
    """
    root = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = Path(root, "uvtrace", *parts)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentLacksError(
            f"cannot create the cache folder: {error.strerror}",
            where=str(path),
            hint="set XDG_CACHE_HOME to a folder that you may write to",
        ) from error
    return path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file ``path``; waits for whoever has it. A dead holder holds nothing."""
    with open(path, "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
