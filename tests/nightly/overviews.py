# SPDX-License-Identifier: Apache-2.0
"""Nights to make pages of."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from pathlib import Path

from tests.nightly.nights import at
from uvtrace.nightly.history import History
from uvtrace.nightly.matrix import read_matrix
from uvtrace.nightly.outcome import JobResult, Night
from uvtrace.nightly.overview.document import write_pages
from uvtrace.nightly.overview.subject import Overview, overview_of

SMALL = """
[kernels]
"6.1" = "6.1"
"6.12" = "6.12"

[devices.e1000]
spec = "qemu:e1000"

[devices.nvme]
spec = "qemu:nvme"

[workloads.ping]
command = "true"
"""


class Nights:
    """Nights of a matrix, and their pages.

    Args:
        folder: gets matrix, history and pages.
        matrix: the text of the matrix file.
    """

    def __init__(self, folder: Path, matrix: str = SMALL) -> None:
        self.folder = folder
        self.history = History(folder / "history.db")
        (folder / "m.toml").write_text(matrix)
        self.matrix = read_matrix(folder / "m.toml")

    def night(self, day: int, results: Iterable[JobResult], *, finished: bool = True) -> Night:
        """A night."""
        night = self.history.begin("m", at(day))
        for result in results:
            self.history.store(night, result)
        if finished:
            self.history.finish(night, at(day) + datetime.timedelta(minutes=90))
        return self.history.nights("m", finished_only=False)[-1]

    def overview(self, night: Night, missing: Iterable[str] = ()) -> Overview:
        """What its page is about."""
        own = self.folder / "m" / str(night.number)
        return overview_of(self.matrix, self.history, night, own, missing=missing, made=at(20))

    def page(self, night: Night, missing: Iterable[str] = ()) -> Path:
        """Its page, written."""
        write_pages(self.overview(night, missing))
        return self.folder / "m/index.html"
