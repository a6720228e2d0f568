# SPDX-License-Identifier: Apache-2.0
"""What the commands of ``uvtrace nightly`` share: options, and where the history is."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Final

from uvtrace.errors import UsageError

OUTPUT: Final = "The folder of recordings, reports and, by default, the history."
HISTORY: Final = "The history: a file, or postgresql://USER@HOST/NAME.  [DIR/history.db]"
SCHEDULER: Final = (
    "Give the work to the workers of this Dask scheduler: tcp://HOST:8786, or its file."
    "  [this machine]"
)


def name_of(matrix_path: str) -> str:
    """What a matrix is called in the history."""
    return Path(matrix_path).stem


def history_of(output: str, history_url: str | None) -> str | Path:
    """Where a history is that must be there already.

    Raises:
        UsageError: there is none.
    """
    where = history_url or Path(output) / "history.db"
    if isinstance(where, Path) and not where.is_file():
        raise UsageError("there is no history", where=str(where), hint="run a night first")
    return where


def now() -> datetime.datetime:
    """This moment."""
    return datetime.datetime.now(datetime.UTC)
