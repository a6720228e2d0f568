# SPDX-License-Identifier: Apache-2.0
"""The page of a night: one file that holds everything it shows."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Final

from uvtrace.nightly.overview.grid import grid
from uvtrace.nightly.overview.jobs import jobs
from uvtrace.nightly.overview.links import Links
from uvtrace.nightly.overview.news import news, numbers
from uvtrace.nightly.overview.rest import accepted, coverage, nights, trends
from uvtrace.nightly.overview.subject import Overview
from uvtrace.nightly.overview.words import headline, moment, outcome
from uvtrace.report.folder import PAGE
from uvtrace.report.frame import framed
from uvtrace.report.markup import text
from uvtrace.version import VERSION

_SHARED_STYLES: Final = ("base.css", "findings.css")


def page(overview: Overview, base: Path) -> str:
    """The page's text.

    Args:
        overview: what it tells.
        base: the folder that it will lie in, from which its links go.
    """
    links = Links(overview.folder, base)
    shared = resources.files("uvtrace.report") / "page"
    own = resources.files("uvtrace.nightly.overview") / "page"
    return framed(
        own / "page.html",
        {
            "matrix": text(overview.night.matrix),
            "headline": headline(overview),
            "grid": grid(overview.cells),
            "news": news(overview, links),
            "news_count": text(f"{len(overview.comparison.new_failures):,}"),
            "coverage": coverage(overview.comparison),
            "accepted": accepted(overview),
            "trends": trends(overview),
            "nights": nights(overview, links),
            "jobs": jobs(overview.cells, links, numbers(overview)),
            "made": text(moment(overview.made)),
        },
        title=text(f"{outcome(overview)}: {overview.night.matrix}, {overview.night.day}"),
        generator=f"uvtrace nightly {VERSION}",
        styles=[*(shared / name for name in _SHARED_STYLES), own / "overview.css"],
        scripts=[shared / "theme.js", own / "overview.js"],
    )


def write_pages(overview: Overview, *, newest: bool = True) -> None:
    """Write the page into the night's folder and, of the newest night, into the one around it.

    Each takes the place of an older one as a whole, so that a reader never sees half of it.
    """
    folder = overview.folder.path
    for base in (folder, folder.parent) if newest else (folder,):
        base.mkdir(parents=True, exist_ok=True)
        made = base / f".{PAGE}.new"
        made.write_text(page(overview, base), encoding="utf-8")
        made.replace(base / PAGE)
