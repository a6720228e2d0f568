# SPDX-License-Identifier: Apache-2.0
"""check and rules: formats, selections and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.running import run
from tests.story import Story


def test_a_clean_recording_gives_0_and_a_faulty_one_1(clean: Path, faulty: Path) -> None:
    assert run("check", clean).code == 0
    outcome = run("check", faulty)
    assert outcome.code == 1
    assert "error[DMA007]: " in outcome.out
    assert "--> e1000_clean+0x5c [e1000]  0000:00:03.0  #2  t=0.000002" in outcome.out
    assert "1 error, 0 warnings, 0 notes" in outcome.out


def test_a_warning_does_not_fail_the_run(clean: Path) -> None:
    clean.write_bytes(clean.read_bytes()[:-20])
    outcome = run("check", clean)
    assert outcome.code == 0
    assert "warning[TRC003]: " in outcome.out


def test_select_and_ignore_choose_rules(faulty: Path) -> None:
    assert run("check", faulty, "--select", "CFG,ADR").code == 0
    assert run("check", faulty, "--ignore", "DMA007").code == 0
    assert run("check", faulty, "--select", "DMA", "--ignore", "DMA006").code == 1


def test_require_fails_a_rule_that_is_not_a_pass(clean: Path) -> None:
    assert run("check", clean, "--require", "DMA006,TRC001").code == 0
    clean_but_blind = run("check", clean, "--require", "CFG001", "--ignore", "CFG001")
    assert clean_but_blind.code == 1
    assert "required: CFG001 was not judged" in clean_but_blind.err


def test_require_counts_unknown_and_vacuous_as_not_passed(tmp_path: Path) -> None:
    Story().mmio_read(0).write(tmp_path / "run.pcapng")
    outcome = run("check", tmp_path / "run.pcapng", "--require", "CFG001,CFG007")
    assert outcome.code == 1
    assert "CFG001 is unknown for 0000:00:03.0" in outcome.err
    assert "CFG007 is vacuous for 0000:00:03.0" in outcome.err


def test_several_recordings_are_one_document(clean: Path, faulty: Path, tmp_path: Path) -> None:
    output = tmp_path / "result.json"
    outcome = run("check", clean, faulty, "--format", "json", "-o", output)
    assert (outcome.code, outcome.out) == (1, "")
    document = json.loads(output.read_text())
    assert [trace["file"] for trace in document["traces"]] == [str(clean), str(faulty)]
    errors = {f["trace"] for f in document["findings"] if f["severity"] == "error"}
    assert errors == {1}


def test_one_unreadable_recording_does_not_hide_the_others(faulty: Path, tmp_path: Path) -> None:
    outcome = run("check", tmp_path / "missing", faulty, "--format", "json")
    assert outcome.code == 3
    assert str(tmp_path / "missing") in outcome.err
    assert [f["rule"] for f in json.loads(outcome.out)["findings"]] == ["DMA007"]


def test_a_format_that_is_not_installed_is_refused_with_those_that_are(clean: Path) -> None:
    outcome = run("check", clean, "--format", "pdf")
    assert outcome.code == 2
    assert "html, json, junit, kcidb, ktap, sarif, text" in outcome.err


def test_rules_lists_and_explains() -> None:
    listed = run("rules")
    assert listed.code == 0
    assert "DMA007" in listed.out
    explained = run("rules", "dma007")
    assert "kernel/dma/debug.c" in explained.out
    assert "DMA-API calls" in explained.out
