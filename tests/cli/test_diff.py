# SPDX-License-Identifier: Apache-2.0
"""``uvtrace diff``."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.running import run


def test_a_new_error_makes_it_fail_and_an_old_one_does_not(clean: Path, faulty: Path) -> None:
    worse = run("diff", clean, faulty)
    assert worse.code == 1
    assert "findings, new\n  error[DMA007]: " in worse.out
    assert "a regression: the new run has errors that the old one had not" in worse.out
    assert run("diff", faulty, clean).code == 0
    assert run("diff", faulty, faulty).code == 0


def test_json_is_written_where_it_is_wanted(clean: Path, faulty: Path, tmp_path: Path) -> None:
    outcome = run("diff", clean, faulty, "--format", "json", "-o", tmp_path / "diff.json")
    assert (outcome.code, outcome.out) == (1, "")
    told = json.loads((tmp_path / "diff.json").read_text())
    assert told["regression"] is True
    assert told["old"]["file"] == str(clean)


def test_a_file_that_is_none_is_told_in_one_line(clean: Path, tmp_path: Path) -> None:
    (tmp_path / "text.pcapng").write_text("nothing")
    outcome = run("diff", clean, tmp_path / "text.pcapng")
    assert (outcome.code, outcome.out) == (3, "")
    assert outcome.err.count("\n") == 1
    assert "text.pcapng" in outcome.err


def test_a_ratio_of_one_would_tell_of_every_nanosecond(clean: Path) -> None:
    outcome = run("diff", clean, clean, "--ratio", "1")
    assert outcome.code == 2
    assert "--ratio" in outcome.err


def test_text_from_a_recording_cannot_steer_the_terminal(tmp_path: Path) -> None:
    from tests.story import Story

    hostile = Story(driver="ev\x1b[2Jil").probe().map(0x1000, 256).unmap(0x1000, 128)
    hostile.write(tmp_path / "hostile.pcapng")
    Story(driver="good").probe().write(tmp_path / "good.pcapng")
    outcome = run("diff", tmp_path / "good.pcapng", tmp_path / "hostile.pcapng")
    assert "\x1b" not in outcome.out
