# SPDX-License-Identifier: Apache-2.0
"""Many recordings: in processes and on a cluster comes out what one after the other gives."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.running import Outcome, run
from tests.cluster_of_processes import Processes, processes
from uvtrace.cli.compiling import TEXT
from uvtrace.cluster import judging
from uvtrace.cluster.judge import Case, Judged, Rulebook, with_state
from uvtrace.cluster.judging import in_processes
from uvtrace.errors import ExitCode

TRACES = Path(__file__).parents[2] / "traces"


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Good ones, one with errors, one that is cut, one that is none, one that is not there."""
    shutil.copy(TRACES / "faulty/e1000e-6.1.pcapng.zst", tmp_path / "faulty.pcapng.zst")
    (tmp_path / "cut.pcapng.zst").write_bytes(
        (TRACES / "nvme-6.1.pcapng.zst").read_bytes()[:20_000]
    )
    (tmp_path / "none.pcapng").write_bytes(b"not a trace at all")
    names = ("faulty.pcapng.zst", "none.pcapng", "cut.pcapng.zst", "gone.pcapng")
    good = [TRACES / f"{name}.pcapng.zst" for name in ("nvme-6.1", "pcnet32-6.1", "8139cp-6.12")]
    return [*(tmp_path / name for name in names), *good]


def judged(*arguments: object) -> Outcome:
    """What a check says, but for how long it took, and that it compiled, if it was the first."""
    outcome = run("check", *arguments, "--format", "json")
    out = re.sub(r'"seconds": [0-9.e-]+', '"seconds": 0', outcome.out)
    return Outcome(outcome.code, out, outcome.err.replace(f"{TEXT}\n", ""))


def test_several_processes_say_what_one_says(runs: list[Path]) -> None:
    alone = judged(*runs, "--jobs", "1")
    assert judged(*runs, "--jobs", "3") == alone
    assert alone.code == ExitCode.INPUT
    lines = alone.err.splitlines()
    begun = (f"uvtrace: {runs[1]}, byte 0:", "uvtrace: warning: ", f"uvtrace: {runs[3]}:")
    assert all(line.startswith(words) for line, words in zip(lines, begun, strict=True))
    assert alone.out.count('"file"') == 5


def test_one_recording_that_cannot_be_read_is_the_commands_error(runs: list[Path]) -> None:
    assert (judged(runs[3]).code, judged(runs[3]).out) == (ExitCode.INPUT, "")
    assert judged(runs[0]).code == ExitCode.FAILED


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """A scheduler with two workers, in another folder than the tests."""
    with processes(tmp_path_factory.mktemp("cluster")) as cluster:
        cluster.worker()
        cluster.worker()
        yield cluster


def test_a_cluster_says_what_one_process_says(runs: list[Path], cluster: Processes) -> None:
    assert judged(*runs, "--scheduler", cluster.file) == judged(*runs, "--jobs", "1")


def test_a_cluster_is_sent_what_its_workers_do_not_see(
    runs: list[Path], cluster: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    alone = judged("faulty.pcapng.zst", "none.pcapng", "cut.pcapng.zst", "--jobs", "1")
    # As on another machine: for the workers, the file of this path is another one.
    monkeypatch.setattr(judging, "with_state", lambda case: replace(with_state(case), time_ns=1))
    sent = judged(
        *("faulty.pcapng.zst", "none.pcapng", "cut.pcapng.zst"), "--scheduler", cluster.file
    )
    assert sent == alone


def test_a_recording_that_kills_its_process_is_told_and_the_others_are_judged(
    runs: list[Path],
) -> None:
    deadly = Deadly(run=str(runs[0]), book=Rulebook())
    cases = [
        Case(run=str(runs[4]), book=Rulebook()),
        deadly,
        Case(run=str(runs[5]), book=Rulebook()),
    ]
    first, second, third = in_processes(cases, 2)
    assert first.results is not None
    assert third.results is not None
    assert second == Judged(
        line=f"{runs[0]}: the process that judged it was killed (was there too little memory?)",
        code=ExitCode.ENVIRONMENT,
    )


class Deadly(Case):
    """A recording over which a process is killed, as the kernel does when memory is short."""

    def __setstate__(self, state: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_scheduler_that_is_none_is_one_line(runs: list[Path], tmp_path: Path) -> None:
    nobody = run("check", *runs[:2], "--scheduler", "tcp://127.0.0.1:1")
    assert (nobody.code, nobody.err.count("\n")) == (ExitCode.ENVIRONMENT, 1)
    assert "tcp://127.0.0.1:1: no Dask scheduler answers" in nobody.err
    wrong = run("check", *runs[:2], "--scheduler", tmp_path / "none.json")
    assert (wrong.code, "neither a scheduler's address nor its file" in wrong.err) == (2, True)
