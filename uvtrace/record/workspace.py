# SPDX-License-Identifier: Apache-2.0
"""The private folder of one run in a VM: ring, disk images, what the guest shares."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
ROOMY_BYTES = 512 << 20
_PREFIX = "uvtrace-"
_LOCK = "lock"


@contextmanager
def private_folder(needed_bytes: int = 0) -> Iterator[Path]:
    """A folder for one run, in memory when there is room for ``needed_bytes`` and some more.

    What a run that was killed has left behind is removed first.
    """
    parent = _parent(needed_bytes)
    _sweep(parent)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    with open(folder / _LOCK, "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _parent(needed_bytes: int) -> Path:
    usable = SHARED_MEMORY.is_dir() and os.access(SHARED_MEMORY, os.W_OK)
    if usable and shutil.disk_usage(SHARED_MEMORY).free > needed_bytes + ROOMY_BYTES:
        return SHARED_MEMORY
    return Path(tempfile.gettempdir())


def _sweep(parent: Path) -> None:
    """Remove folders of this user that no living process holds the lock of."""
    for lock_path in parent.glob(f"{_PREFIX}*/{_LOCK}"):
        with contextlib.suppress(OSError):
            if lock_path.stat().st_uid != os.geteuid():
                continue
            with open(lock_path, encoding="ascii") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock_path.parent, ignore_errors=True)
