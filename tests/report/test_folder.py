# SPDX-License-Identifier: Apache-2.0
"""The folder of a report: what is in it, what it replaces, and what an interruption leaves."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from unittest import mock

import pytest

import uvtrace
from tests.cli.running import run
from tests.report.conftest import FAULTY
from tests.story import Story


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A driver that unmaps with another size."""
    Story().begin().probe().map(0x1000, 2048).unmap(0x1000, 1522).write(tmp_path / "run.pcapng")
    return tmp_path / "run.pcapng"


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_report_holds_the_page_the_slices_and_what_machines_read(
    recording: Path, tmp_path: Path
) -> None:
    outcome = run("report", recording, "-o", tmp_path / "out")
    assert outcome.code == 1
    assert outcome.out == f"{tmp_path}/out/index.html: 1 error; 1 slice\n"
    assert outcome.err == ""
    assert names(tmp_path / "out") == [
        "findings/001-DMA007.pcapng",
        *("index.html", "junit.xml", "kcidb.json", "result.json", "result.ktap", "result.sarif"),
    ]
    result = json.loads((tmp_path / "out/result.json").read_text())
    assert [finding["rule"] for finding in result["findings"]] == ["DMA007"]


def test_a_recording_without_findings_passes_and_has_no_slices(tmp_path: Path) -> None:
    Story().begin().probe().map(0x1000, 64).unmap(0x1000, 64).write(tmp_path / "run.pcapng")
    outcome = run("report", tmp_path / "run.pcapng", "-o", tmp_path / "out")
    assert (outcome.code, outcome.out.split(": ")[1]) == (0, "nothing found; 0 slices\n")
    assert "Nothing was found." in (tmp_path / "out/index.html").read_text()
    assert not (tmp_path / "out/findings").exists()


def test_a_recording_without_a_record_is_told_of_too(tmp_path: Path) -> None:
    Story("").write(tmp_path / "run.pcapng")
    assert run("report", tmp_path / "run.pcapng", "-o", tmp_path / "out").code == 0
    assert "No PCI function was recorded." in (tmp_path / "out/index.html").read_text()


def test_a_damaged_recording_is_told_of_as_far_as_it_goes(recording: Path, tmp_path: Path) -> None:
    data = bytearray(recording.read_bytes())
    data[-200:] = b"\xff" * 200
    recording.write_bytes(data)
    outcome = run("report", recording, "-o", tmp_path / "out")
    assert outcome.code == 3
    assert "<dt>damage</dt>" in (tmp_path / "out/index.html").read_text()


def test_a_report_takes_the_place_of_an_older_one(recording: Path, tmp_path: Path) -> None:
    assert run("report", recording, "-o", tmp_path / "out").code == 1
    assert run("report", recording, "-o", tmp_path / "out", "--ignore", "DMA").code == 0
    assert "findings/001-DMA007.pcapng" not in names(tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "run.pcapng"]


@pytest.mark.parametrize("name", ["notes.txt", "index.html"])
def test_a_folder_of_somebody_else_is_refused(recording: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("mine")
    outcome = run("report", recording, "-o", tmp_path / "out")
    assert outcome.code == 2
    assert outcome.err.startswith(f"uvtrace: {tmp_path}/out: ")
    assert outcome.err.endswith("(give a new folder, or remove it first)\n")
    assert (tmp_path / "out" / name).read_text() == "mine"


def test_a_file_is_no_folder(recording: Path, tmp_path: Path) -> None:
    outcome = run("report", recording, "-o", recording)
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert "is no folder" in outcome.err


def test_a_place_that_cannot_be_written_is_named(recording: Path, tmp_path: Path) -> None:
    outcome = run("report", recording, "-o", recording / "below")
    assert outcome.code == 3
    assert "cannot write the report: file exists" in outcome.err


def test_an_empty_folder_is_taken(recording: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert run("report", recording, "-o", tmp_path / "out").code == 1


@pytest.mark.parametrize("before", [True, False])
def test_an_interruption_leaves_what_was_there(
    recording: Path, tmp_path: Path, before: bool
) -> None:
    if before:
        assert run("report", recording, "-o", tmp_path / "out", "--ignore", "DMA").code == 0
    there = names(tmp_path)
    with mock.patch("uvtrace.report.folder.page", side_effect=KeyboardInterrupt):
        outcome = run("report", recording, "-o", tmp_path / "out")
    assert (outcome.code, outcome.err) == (130, "uvtrace: interrupted\n")
    assert names(tmp_path) == there


def test_only_some_transactions_are_held_where_asked_for_and_the_page_says_so(
    tmp_path: Path,
) -> None:
    assert run("report", FAULTY, "-o", tmp_path / "out", "--rows", 100).code == 1
    page = (tmp_path / "out/index.html").read_text()
    whole = len(uvtrace.open(FAULTY))
    assert f"100 of {whole} transactions: the first ones, and those of findings." in page


def test_the_page_alone_is_a_format_of_check(recording: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert run("check", recording, "--format", "html", "-o", page).code == 1
    assert "DMA007" in page.read_text()
    again = run("check", recording, recording, "--format", "html")
    assert (again.code, again.err.count("\n")) == (2, 1)
    assert "a page is about one recording" in again.err


def test_without_graphviz_the_page_says_so(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_args, **_named: None)
    assert run("report", recording, "-o", tmp_path / "out").code == 1
    assert "Not drawn:" in (tmp_path / "out/index.html").read_text()
