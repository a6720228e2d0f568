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
    with owned_folder(_parent(needed_bytes), _PREFIX) as folder:
        yield folder


@contextmanager
def owned_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder in ``parent`` that is this process's until the context ends.

    Those of the same prefix whose owner was killed are removed first.
    """
    _sweep(parent, prefix)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    taken = folder / f"{_LOCK}.new"
    with open(taken, "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Seen by others only now that it is held.
        taken.rename(folder / _LOCK)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _parent(needed_bytes: int) -> Path:
    usable = SHARED_MEMORY.is_dir() and os.access(SHARED_MEMORY, os.W_OK)
    if usable and shutil.disk_usage(SHARED_MEMORY).free > needed_bytes + ROOMY_BYTES:
        return SHARED_MEMORY
    return Path(tempfile.gettempdir())


def _sweep(parent: Path, prefix: str) -> None:
    """Remove folders of this user that no living process holds the lock of."""
    for lock_path in parent.glob(f"{prefix}*/{_LOCK}"):
        with contextlib.suppress(OSError):
            if lock_path.stat().st_uid != os.geteuid():
                continue
            with open(lock_path, encoding="ascii") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock_path.parent, ignore_errors=True)
