# SPDX-License-Identifier: Apache-2.0
"""``uvtrace nightly``, with recordings that are there already in place of VMs."""

from __future__ import annotations

import fcntl
import json
import os
import signal
from functools import partialmethod
from pathlib import Path

import pytest

from tests.cli.running import Outcome, run
from tests.nightly import scenes
from tests.nightly.nights import MATRIX, recorded
from tests.nightly.scenes import play, wait_for
from uvtrace.cluster.stop import Stop, StoppedError
from uvtrace.nightly.crew import Crew
from uvtrace.nightly.job import Job
from uvtrace.nightly.result import Course
from uvtrace.record import kernels
from uvtrace.record.kernels import Kernel

WITHOUT_REPORTS = f"{MATRIX}\n[limits]\nreports = 0\n"


class Nights:
    """Nights in a folder; on some kernels the faulty module has the stock one's place."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.matrix = folder / "matrix.toml"
        self.matrix.write_text(WITHOUT_REPORTS)
        self.output = folder / "out"
        self.faulty: set[str] = set()
        self.interrupted: set[str] = set()
        there = [Kernel(release, folder, folder) for release in ("6.12.9-amd64", "6.1.0-1-amd64")]
        monkeypatch.setattr(Crew, "tasks", partialmethod(Crew.tasks, recorder=play))
        monkeypatch.setitem(scenes.SCENES, "now", self._record)
        monkeypatch.setattr(kernels, "installed", lambda: there)

    def _record(self, job: Job, stop: Stop) -> tuple[Path, Course]:
        kernel = job.place.kernel
        if kernel in self.interrupted:
            os.kill(os.getpid(), signal.SIGINT)
            wait_for(stop)
            raise StoppedError(job.key)
        return recorded(kernel, faulty=self.faulty), Course(seconds=7.0)

    def run(self, *arguments: object) -> Outcome:
        """A night."""
        return run("nightly", self.matrix, "-o", self.output, *arguments)


@pytest.fixture
def nights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nights:
    return Nights(tmp_path, monkeypatch)


def test_a_regression_exits_with_1_once_and_is_accepted_by_command(nights: Nights) -> None:
    first = nights.run()
    assert (first.code, first.out.splitlines()[0]) == (
        0,
        "uvtrace nightly: no new failure; 2 jobs: 2 done",
    )
    assert "kernel 7.0 is not installed" in first.err
    assert "[2/2] 6.12/e1000e/network/1: done, 7 s" in first.err
    nights.faulty = {"6.12"}
    second = nights.run()
    assert second.code == 1
    assert "New (1):\n  ADR001: " in second.out
    signature = second.out.split("on 6.12/e1000e (network)\n")[1].splitlines()[0].strip()
    told = ("--reason", "an erratum", "--expires", "2999-01-01")
    done = run("nightly", "accept", nights.matrix, signature, "-o", nights.output, *told)
    assert (done.code, done.err) == (0, f"uvtrace: {signature} is accepted until 2999-01-01\n")
    third = nights.run()
    assert third.code == 0
    assert third.out.startswith("uvtrace nightly: no new failure, 2 accepted; 2 jobs: 2 done")


def test_every_format_lies_beside_the_recordings(nights: Nights) -> None:
    nights.faulty = {"6.1"}
    outcome = nights.run()
    own = nights.output / "matrix/1"
    assert (own / "night.txt").read_text() == outcome.out
    assert '<testsuite name="6.1/e1000e/network"' in (own / "junit.xml").read_text()
    assert (own / "night.ktap").read_text().startswith("KTAP version 1\n1..2\n")
    assert (
        json.loads((own / "kcidb.json").read_text())["builds"][0]["id"] == "uvtrace:6.1.0-1-amd64"
    )


def test_a_night_that_was_interrupted_is_taken_up(nights: Nights) -> None:
    nights.interrupted = {"6.12"}
    assert nights.run().code == 130
    nights.interrupted = set()
    again = nights.run()
    assert again.code == 0
    assert "6.1/e1000e/network/1: done before" in again.err
    assert not (nights.output / "matrix/2").exists()


def test_two_nights_at_once_in_a_folder_are_refused(nights: Nights) -> None:
    nights.output.mkdir()
    with (nights.output / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        outcome = nights.run()
    assert outcome.code == 2
    assert "another night runs in this folder" in outcome.err


def test_what_is_wrong_is_one_line(nights: Nights, tmp_path: Path) -> None:
    nights.matrix.write_text(MATRIX.replace("ADR002", "ADX"))
    wrong = nights.run()
    assert wrong.code == 2
    assert "matrix.toml:17: 'ADX' names no rule" in wrong.err
    accept = ("nightly", "accept", nights.matrix, "X", "--reason", "r")
    assert "there is no history" in run(*accept, "-o", tmp_path / "none").err
    nights.matrix.write_text(WITHOUT_REPORTS)
    nights.run()
    passed = run(*accept, "-o", nights.output, "--expires", "2020-01-01")
    assert (passed.code, "that day has passed" in passed.err) == (2, True)
    blank = run(*accept[:-1], " ", "-o", nights.output)
    assert (blank.code, "needs a reason" in blank.err) == (2, True)
    assert run("nightly", nights.matrix, "-o", nights.output, "--history", "x://y").code == 2
    assert "Example:" in run("nightly", "--help").out


def test_the_page_leads_to_reports_and_to_the_minimised_trace_of_what_is_new(
    nights: Nights,
) -> None:
    nights.matrix.write_text(MATRIX)
    nights.faulty = {"6.12"}
    assert nights.run().code == 1
    own = nights.output / "matrix/1"
    page = (own / "index.html").read_text()
    (small,) = (own / "new").glob("ADR001-*.pcapng")
    assert f'href="new/{small.name}"' in page
    assert "breaks ADR001" in page
    assert run("check", small, "--select", "ADR001").code == 1
    report = "6.12/e1000e/network/1.report/index.html"
    assert f'href="{report}"' in page
    assert f'href="1/{report}"' in (nights.output / "matrix/index.html").read_text()
    assert "ADR001" in (own / report).read_text()
    made = (own / report).stat().st_mtime_ns
    told = run("nightly", "page", nights.matrix, "-o", nights.output)
    assert (told.code, told.out) == (0, f"{nights.output}/matrix/index.html\n")
    assert (own / report).stat().st_mtime_ns == made


def test_a_night_that_was_interrupted_has_its_page(nights: Nights) -> None:
    nights.interrupted = {"6.12"}
    assert nights.run().code == 130
    page = (nights.output / "matrix/index.html").read_text()
    assert "This night is not finished: 1 of 3 jobs are done." in page
    assert "the kernel is not installed" in page


def test_the_history_tells_when_and_where_a_finding_was_seen(nights: Nights) -> None:
    history = ("nightly", "history", nights.matrix, "-o", nights.output)
    assert "there is no history" in run(*history).err
    for faulty in (set(), {"6.12"}, {"6.12"}):
        nights.faulty = faulty
        nights.run()
    told = run(*history, "--signature", "ADR001:*")
    assert told.code == 0
    assert told.out.startswith("ADR001: read of 4 bytes at ")
    assert "    6.12/e1000e (network): first 20" in told.out
    assert "2 of 3 nights\n1 finding in 3 nights\n" in told.out
    document = json.loads(run(*history, "--format", "json", "--kernel", "6.12").out)
    assert (document["format"], document["nights"]) == (1, 3)
    assert [each["rule"] for each in document["findings"]] == ["ADR001", "ADR002"]
    assert document["findings"][0]["places"][0]["nights"] == 2
    assert run(*history, "--flaky").out == "0 findings in 3 nights\n"
    nameless = run("nightly", "history", "other.toml", "-o", nights.output)
    assert (nameless.code, "no finished night of other" in nameless.err) == (2, True)


def test_pages_of_older_nights_are_written_again(nights: Nights) -> None:
    page = ("nightly", "page", nights.matrix, "-o", nights.output)
    nights.run()
    nights.run()
    assert run(*page, "--night", 1).out == f"{nights.output}/matrix/1\n"
    assert "night 2 of" not in (nights.output / "matrix/1/index.html").read_text()
    assert 'href="../1/index.html"' in (nights.output / "matrix/2/index.html").read_text()
    wrong = run(*page, "--night", 9)
    assert (wrong.code, "there is no night 9 of matrix (the last are 1, 2)" in wrong.err) == (
        2,
        True,
    )
