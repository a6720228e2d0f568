# SPDX-License-Identifier: Apache-2.0
"""The page on formats: its examples run, and its table is what the renderers do."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from uvtrace.reports.cases import Outcome, cases_of
from uvtrace.reports.kcidb import STATUSES

from tests.reports.samples import sample
from tests.story import Story
from uvtrace.check.suppression_file import read_suppressions

PAGE = (Path(__file__).parents[2] / "docs/formats.md").read_text()
ROWS = {
    Outcome.PASSED: "pass",
    Outcome.FAILED: "fail, an error",
    Outcome.WARNED: "fail, only warnings or notes",
    Outcome.SUPPRESSED: "fail, all suppressed",
    Outcome.UNKNOWN: "unknown",
    Outcome.VACUOUS: "vacuous",
}


def _block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.S)
    assert found
    return found[1]


def test_the_example_in_python_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Story().probe().map(0x1000, 2048).unmap(0x1000, 1522).write(tmp_path / "run.pcapng")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(_block("python"), "formats.md", "exec"), names)
    assert str(names["document"]).startswith("<?xml")
    out = capsys.readouterr().out
    assert "DMA007 e1000_unmap+0x10 [e1000] " in out
    assert "0000:00:03.0 DMA007 fail" in out


def test_the_example_of_suppressions_is_one(tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    path.write_text(_block("toml"))
    assert [each.rule for each in read_suppressions(path)] == ["DMA007"]


def test_the_table_says_what_kcidb_gets() -> None:
    assert {case.outcome for cases in cases_of(sample()).values() for case in cases} == set(Outcome)
    for outcome, row in ROWS.items():
        line = re.search(rf"^\| {re.escape(row)} \|.*\| (\w+) \|$", PAGE, re.M)
        assert line
        assert line[1] == STATUSES[outcome]


def test_every_installed_format_has_a_section() -> None:
    for entry in entry_points(group="uvtrace.reports"):
        if entry.value.startswith("uvtrace."):
            assert re.search(rf"^## {entry.name}$", PAGE, re.M), entry.name
