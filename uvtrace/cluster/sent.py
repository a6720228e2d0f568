# SPDX-License-Identifier: Apache-2.0
"""Files that a task names, sent along to workers that do not see them."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SentFile:
    """A file as it was where the task was made.

    Attributes:
        path: absolute.
        content: its bytes.
    """

    path: str
    content: bytes

    def placed(self, folder: Path) -> Path:
        """Where it is found on this machine: at its own path, if it is the same there.

        Args:
            folder: gets it otherwise, under its own name, which may tell what it is.
        """
        own = Path(self.path)
        if _is(own, self.content):
            return own
        place = folder / hashlib.sha256(self.content).hexdigest()[:12] / own.name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(self.content)
        return place


def sent_file(path: str | os.PathLike[str]) -> SentFile:
    """A file to be sent.

    Raises:
        OSError: it cannot be read.
    """
    absolute = Path(os.path.abspath(path))
    return SentFile(str(absolute), absolute.read_bytes())


def _is(path: Path, content: bytes) -> bool:
    try:
        return path.stat().st_size == len(content) and path.read_bytes() == content
    except OSError:
        return False
