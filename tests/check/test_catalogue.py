# SPDX-License-Identifier: Apache-2.0
"""Packs of rules: installed ones, and a user's own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.running import run
from tests.story import Story
from uvtrace.check.catalogue import all_rules, rules_of_path
from uvtrace.errors import InputError, UsageError

PAGE = Path(__file__).parents[2] / "docs/writing-rules.md"


def pack_of_the_page(folder: Path) -> Path:
    """The pack that docs/writing-rules.md shows."""
    found = re.search(r"```python\n(# mypack\.py.*?)```", PAGE.read_text(), re.S)
    assert found is not None
    path = folder / "mypack.py"
    path.write_text(found[1])
    return path


def test_the_pack_shown_in_the_documentation_works(tmp_path: Path) -> None:
    pack, trace = pack_of_the_page(tmp_path), tmp_path / "run.pcapng"
    Story().mmio_write(0x5B50, 7).mmio_write(0x5B54, 7).write(trace)
    outcome = run("check", trace, "--pack", pack, "--select", "ACME001")
    assert outcome.code == 1
    assert "write of 0x7 at BAR 0 + 0x5b50" in outcome.out
    assert "0x5b54" not in outcome.out


def test_a_pack_of_no_rules_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty.py"
    empty.write_text("X = 1\n")
    with pytest.raises(InputError, match="declares no RULES"):
        rules_of_path(empty)
    with pytest.raises(InputError, match="no such Python file"):
        rules_of_path(tmp_path / "missing.py")


def test_a_pack_that_fails_to_run_is_told_in_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("1 / 0\n")
    with pytest.raises(InputError, match=r"broken\.py:1: cannot be run: ZeroDivisionError"):
        rules_of_path(broken)


def test_a_rule_that_there_is_already_is_refused(tmp_path: Path) -> None:
    pack = pack_of_the_page(tmp_path)
    pack.write_text(pack.read_text().replace("ACME001", "CFG001"))
    with pytest.raises(UsageError, match="CFG001 is declared twice"):
        all_rules([pack])
