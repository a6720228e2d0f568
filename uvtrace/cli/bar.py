# SPDX-License-Identifier: Apache-2.0
"""A bar for work whose extent is known, on stderr; nothing where that is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Moved(Protocol):
    """Told how far the work is, and what else is worth knowing."""

    def __call__(self, done: int, text: str = "") -> None: ...


@contextmanager
def bar(title: str, total: int) -> Iterator[Moved]:
    """A bar that vanishes when its context ends.

    Args:
        title: what is being done.
        total: what ``done`` will be at the end.
    """
    if not sys.stderr.isatty():
        yield lambda done, text="": None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    told = TextColumn("{task.completed}/{task.total} {task.fields[text]}")
    with Progress(*columns, told, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=total, text="")
        yield lambda done, text="": progress.update(task, completed=done, text=text)
