# SPDX-License-Identifier: Apache-2.0
"""Fills in what the pages under docs/ say of the code, the commands, the tests.

usage: python -m tools.pages [--check]
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from tools.column_tables import column_table
from tools.command_tables import command_section
from tools.format_tables import format_table
from tools.ordering_table import ordering_table
from tools.rule_pages import catalogue, family_page
from tools.rules_table import rules_table

DOCS = Path(__file__).resolve().parent.parent / "docs"
MAKERS: dict[str, Callable[[str], str]] = {
    "catalogue": catalogue,
    "columns": column_table,
    "command": command_section,
    "family": family_page,
    "ordering": ordering_table,
    "rules": rules_table,
    "table": format_table,
}

_MARKER = re.compile(
    r"(?P<begin><!-- (?P<maker>\w+) (?P<name>\w+) -->\n).*?(?P<end><!-- end -->)", re.S
)


def filled(page: str) -> str:
    """The page with everything between markers made anew."""

    def make(match: re.Match[str]) -> str:
        return match["begin"] + MAKERS[match["maker"]](match["name"]) + match["end"]

    return _MARKER.sub(make, page)


def stale() -> list[Path]:
    """The pages that are not as they should be."""
    pages = sorted(DOCS.rglob("*.md"))
    return [page for page in pages if filled(text := page.read_text(encoding="utf-8")) != text]


def main() -> int:
    """Rewrite the pages, or with --check only name those that are stale."""
    pages = stale()
    for page in pages:
        if "--check" in sys.argv[1:]:
            print(f"{page.relative_to(DOCS)} is stale: python -m tools.pages")
        else:
            page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
    return int(bool(pages) and "--check" in sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
