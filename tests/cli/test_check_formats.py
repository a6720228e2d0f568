# SPDX-License-Identifier: Apache-2.0
"""check: every format from the command line, suppressions, required rules."""

from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from lxml import etree

from tests.cli.running import Outcome, run
from tests.reports.ktap_parser import parse

SUPPRESSION = """\
[[suppression]]
rule = "DMA007"
site = "e1000_clean"
reason = "known since 2019"
"""


def _suppressions(tmp_path: Path, text: str = SUPPRESSION) -> Path:
    path = tmp_path / "known.toml"
    path.write_text(text)
    return path


def _sarif(run_of: dict[str, Any]) -> str:
    text: str = run_of["artifacts"][0]["location"]["uri"]
    return text


@pytest.mark.parametrize("name", ["text", "json", "junit", "ktap", "sarif", "kcidb"])
def test_every_format_goes_to_a_file_or_to_stdout_the_same(
    name: str, faulty: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    written = run("check", faulty, "--format", name, "-o", output)
    assert (written.code, written.out) == (1, "")
    told = [run("check", faulty, "--format", name, *to).out for to in ([], ["-o", "-"])]
    for text in told:
        assert _timeless(text) == _timeless(output.read_text())
        assert "DMA007" in text


def _timeless(text: str) -> str:
    return re.sub(r"in \d+\.\d+ s|\"seconds\": [\d.]+", "", text)


def test_every_format_says_which_trace(clean: Path, faulty: Path) -> None:
    def out(name: str) -> str:
        outcome = run("check", clean, faulty, "--format", name)
        assert outcome.code == 1
        return outcome.out

    assert [trace.name for trace in parse(out("ktap"))] == ["clean", "faulty"]
    assert [trace.ok for trace in parse(out("ktap"))] == [True, False]
    suites = etree.fromstring(out("junit").encode()).findall("testsuite")
    failed = [suite.get("name") for suite in suites if suite.get("failures") != "0"]
    assert failed == ["faulty 0000:00:03.0"]
    runs = json.loads(out("sarif"))["runs"]
    assert [Path(_sarif(each)).name for each in runs] == ["clean.pcapng", "faulty.pcapng"]
    tests = json.loads(out("kcidb"))["tests"]
    fails = [test["environment"]["misc"]["trace"] for test in tests if test["status"] == "FAIL"]
    assert fails == [str(faulty)]
    assert out("text").count(" transactions, checked in ") == 2


def test_the_text_shows_where_the_proof_and_why(faulty: Path) -> None:
    lines = run("check", faulty).out.splitlines()
    begin = next(n for n, line in enumerate(lines) if line.startswith("error[DMA007]: "))
    where, *rest = lines[begin + 1 : begin + 6]
    assert where == "  --> e1000_clean+0x5c [e1000]  0000:00:03.0  #2  t=0.000002"
    assert any(re.match(r"   \| mapped +#1  map 0x1000 \(2048\)", line) for line in rest)
    assert any(re.match(r"   \| here +#2  unmap 0x1000 \(1522\)", line) for line in rest)
    assert any(line.startswith("   = why: unmap or free with another size") for line in rest)
    assert "   = note: uvtrace rules DMA007" in rest


def _on_terminal(*arguments: object, columns: str = "60") -> str:
    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    with (
        mock.patch("tests.cli.running.io.StringIO", side_effect=[terminal, io.StringIO()]),
        mock.patch.dict("os.environ", {"COLUMNS": columns, "TERM": "xterm"}),
    ):
        run(*arguments)
    return terminal.getvalue()


def test_a_terminal_gets_colours_and_its_width(
    faulty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    text = _on_terminal("check", faulty)
    assert "\x1b[1;31merror[DMA007]: \x1b[0m" in text
    plain = re.sub(r"\x1b\[[\d;]*m", "", text)
    assert max(len(line) for line in plain.splitlines() if str(faulty) not in line) <= 60
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in _on_terminal("check", faulty)


def test_a_suppressed_finding_does_not_fail_the_run(faulty: Path, tmp_path: Path) -> None:
    outcome = run("check", faulty, "--suppressions", _suppressions(tmp_path))
    assert (outcome.code, outcome.err) == (0, "")
    assert "suppressed[DMA007]: " in outcome.out
    assert f"= reason: known since 2019 ({tmp_path}/known.toml:1)" in outcome.out
    assert "0 errors, 0 warnings, 0 notes, 1 suppressed" in outcome.out


def test_but_it_is_no_pass_for_require(faulty: Path, tmp_path: Path) -> None:
    known = _suppressions(tmp_path)
    outcome = run("check", faulty, "--suppressions", known, "--require", "DMA007")
    assert outcome.code == 1
    assert "required: DMA007 is fail for 0000:00:03.0" in outcome.err


def test_an_expired_suppression_counts_again_and_says_so(faulty: Path, tmp_path: Path) -> None:
    known = _suppressions(tmp_path, SUPPRESSION + "expires = 2001-01-01\n")
    outcome = run("check", faulty, "--suppressions", known)
    assert outcome.code == 1
    assert "warning:" in outcome.err
    assert "expired on 2001-01-01, its findings count again" in outcome.err


def test_an_idle_suppression_is_told(clean: Path, tmp_path: Path) -> None:
    outcome = run("check", clean, "--suppressions", _suppressions(tmp_path))
    assert outcome.code == 0
    assert (
        f"{tmp_path}/known.toml:1: the suppression of DMA007 at e1000_clean matches no finding"
        in (outcome.err)
    )


def test_a_bad_suppressions_file_is_one_line_and_2(faulty: Path, tmp_path: Path) -> None:
    known = _suppressions(tmp_path, "[[suppression]]\nrule = 5\n")
    outcome: Outcome = run("check", faulty, "--suppressions", known)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == f"uvtrace: {known}:2: rule is no text, or empty\n"


def test_a_recording_under_a_hostile_name_forges_nothing(faulty: Path, tmp_path: Path) -> None:
    name = tmp_path / "a\x1b[2J\nok 1 forged\udc80]]>.pcapng"
    shutil.copy(faulty, name)
    for form in ("text", "junit", "ktap", "sarif", "kcidb", "json"):
        outcome = run("check", name, "--format", form)
        assert outcome.code == 1, outcome.err
        assert all(char == "\n" or char.isprintable() for char in outcome.out)
        assert "\nok 1 forged" not in outcome.out
