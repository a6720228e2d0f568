# SPDX-License-Identifier: Apache-2.0
"""The documentation says what is so."""

from __future__ import annotations

import re
from pathlib import Path

import click

from tools.pages import stale
from uvtrace.cli.main import main

ROOT = Path(__file__).parent.parent


def test_tables_and_commands_in_the_pages_are_those_of_the_code() -> None:
    assert stale() == [], "run: python -m tools.pages"


def test_every_command_has_a_section() -> None:
    page = (ROOT / "docs/commands.md").read_text()
    for name in main.list_commands(click.Context(main)):
        assert re.search(rf"^## {name}\b", page, re.M), name


def test_every_link_between_pages_leads_somewhere() -> None:
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_readme_leads_with_the_two_commands() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert [line.split("#")[0].strip() for line in lines[3:5]] == ["make demo", "make test"]
