# SPDX-License-Identifier: Apache-2.0
"""``uvtrace nightly page``, and the page while a night runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from uvtrace.cli.nightly_common import HISTORY, OUTPUT, history_of, name_of
from uvtrace.errors import UsageError
from uvtrace.nightly.history import History
from uvtrace.nightly.job import Job
from uvtrace.nightly.matrix import Matrix, read_matrix
from uvtrace.nightly.outcome import JobResult, Night
from uvtrace.nightly.overview.document import write_pages
from uvtrace.nightly.overview.subject import overview_of
from uvtrace.nightly.scheduler import Watcher
from uvtrace.trace.texts import printable

_EVERY_S: Final = 60.0
_SHARE: Final = 30
"""The page takes at most this part of the night, however much there is to tell."""


@click.command(name="page")
@click.argument("matrix_path", metavar="MATRIX.toml")
@click.option("-o", "--output", metavar="DIR", required=True, help=OUTPUT)
@click.option("--history", "history_url", metavar="URL", help=HISTORY)
@click.option("--night", "number", type=int, metavar="N", help="Which night.  [the newest]")
def command(matrix_path: str, output: str, history_url: str | None, number: int | None) -> int:
    """Write the page of a night once more.

    That is DIR/MATRIX/index.html, which every night writes by itself: what has been accepted
    since then is told, too. With --night, it is only the page in that night's own folder.

    \b
    Example:
      uvtrace nightly page matrix.toml -o nightly
      uvtrace nightly page matrix.toml -o nightly --night 12
    """
    matrix = read_matrix(matrix_path)
    name = name_of(matrix_path)
    with History(history_of(output, history_url)) as history:
        night = _night(history, name, number)
        page = Page(matrix, history, night, Path(output) / name / str(night.number))
        page.write(newest=number is None)
    click.echo(f"{printable(str(page.path if number is None else page.folder))}")
    return 0


def _night(history: History, name: str, number: int | None) -> Night:
    nights = history.nights(name, finished_only=False)
    if not nights:
        raise UsageError(f"there is no night of {name}", hint="run one first")
    if number is None:
        return nights[-1]
    found = [each for each in nights if each.number == number]
    if not found:
        known = ", ".join(str(each.number) for each in nights[-5:])
        raise UsageError(f"there is no night {number} of {name}", hint=f"the last are {known}")
    return found[0]


@dataclass
class Page:
    """The page of a night, written again as the night goes on.

    Attributes:
        matrix: of the night.
        history: that has it.
        night: it.
        folder: of the night.
        missing: names of kernels that are not installed.
        watcher: told of each job, too.
    """

    matrix: Matrix
    history: History
    night: Night
    folder: Path
    missing: Sequence[str] = ()
    watcher: Watcher | None = None
    _next: float = 0.0

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.folder.parent / "index.html"

    def write(self, *, newest: bool = True) -> None:
        """Write it from what the history has."""
        begun = time.monotonic()
        night = next(
            each
            for each in self.history.nights(self.night.matrix, finished_only=False)
            if each.number == self.night.number
        )
        told = overview_of(self.matrix, self.history, night, self.folder, missing=self.missing)
        write_pages(told, newest=newest)
        ended = time.monotonic()
        self._next = ended + max(_EVERY_S, _SHARE * (ended - begun))

    def skipped(self, job: Job) -> None:
        """A job has been done already."""
        if self.watcher is not None:
            self.watcher.skipped(job)

    def finished(self, result: JobResult, done: int, of: int) -> None:
        """A job has been done: the page tells of it soon, also if we should be killed."""
        if self.watcher is not None:
            self.watcher.finished(result, done, of)
        if time.monotonic() > self._next:
            self.write()
