# SPDX-License-Identifier: Apache-2.0
"""Links from the page to what lies beside it: only to files that are there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from uvtrace.nightly.folder import NightFolder
from uvtrace.nightly.outcome import JobResult, KeptFinding
from uvtrace.report.folder import PAGE
from uvtrace.report.markup import Markup, joined, tag

_CONSOLE_LINES: Final = 40
_WRONG: Final = re.compile(r"Kernel panic|BUG: |Oops: |WARNING: CPU|sysrq: Trigger")
_MINIMAL_BYTES: Final = 12_000


@dataclass(frozen=True)
class Links:
    """Makes links.

    Args:
        folder: of the night.
        base: the folder that the page is in.
    """

    folder: NightFolder
    base: Path

    def to(self, path: Path, words: str) -> Markup | None:
        """A link to a file, or None where there is none."""
        if not path.exists():
            return None
        return tag("a", words, href=self.address(path), class_="file")

    def address(self, path: Path) -> str:
        """A file's address, relative to the page."""
        return quote(os.path.relpath(path, self.base))

    def of_job(self, result: JobResult) -> Iterator[Markup]:
        """To all that there is of a job."""
        key = result.key
        recording = self.folder.recording(key)
        yield from _there(
            self.to(self.folder.report(key) / PAGE, "report"),
            self.to(recording, "recording") or _elsewhere(result),
            self.to(self.folder.log(key), "log"),
            self.to(self.folder.console(key), "guest's console"),
        )

    def report(self, result: JobResult) -> Markup | None:
        """To a job's report."""
        return self.to(self.folder.report(result.key) / PAGE, f"report of {result.key}")

    def minimal(self, finding: KeptFinding) -> Markup | None:
        """To the minimised trace of a new finding."""
        path = self.folder.minimal(finding)
        return self.to(path, path.name)

    def minimal_told(self, finding: KeptFinding) -> Markup:
        """What the minimised trace holds, or why there is none; empty if nobody has tried."""
        return _lines(_text(self.folder.minimal_told(finding))[:_MINIMAL_BYTES].splitlines())

    def console(self, result: JobResult) -> Markup:
        """What a guest said where it went wrong, else its last lines."""
        lines = _text(self.folder.console(result.key)).splitlines()
        wrong = (index for index, line in enumerate(lines) if _WRONG.search(line))
        begin = next(wrong, len(lines) - _CONSOLE_LINES)
        return _lines(lines[max(begin - 2, 0) :][:_CONSOLE_LINES])


def _elsewhere(result: JobResult) -> Markup | None:
    """Where a recording is that does not lie in the night's folder."""
    if result.trace is None:
        return None
    location = result.trace.location
    if location.startswith(("https://", "http://")):
        return tag("a", "recording", href=location, class_="file")
    # An address that no browser opens, or a file of another machine.
    return tag("code", location) if re.match(r"\w+://|[^/]+:/", location) else None


def _there(*links: Markup | None) -> Iterator[Markup]:
    return (link for link in links if link is not None)


def _lines(lines: Iterable[str]) -> Markup:
    """Lines that stay lines."""
    return joined(lines, Markup("\n"))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
