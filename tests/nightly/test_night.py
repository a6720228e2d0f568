# SPDX-License-Identifier: Apache-2.0
"""Whole nights, from a matrix file to the text in the morning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.nightly.nights import MATRIX, at, found, full_job, job, recorded
from tests.nightly.scenes import Stage
from tests.nightly.test_compare import broken
from uvtrace.check.rules import Severity
from uvtrace.cluster.stop import Stop
from uvtrace.errors import ExitCode
from uvtrace.nightly.acceptance import Acceptance
from uvtrace.nightly.compare import Earlier, compare
from uvtrace.nightly.history import History
from uvtrace.nightly.job import Job, jobs_of
from uvtrace.nightly.matrix import read_matrix
from uvtrace.nightly.night import Morning, run_night
from uvtrace.nightly.outcome import Ended, JobResult
from uvtrace.nightly.result import Course
from uvtrace.nightly.text import as_text


def a_night(
    stage: Stage, history: History, day: int, faulty: Sequence[str] = (), text: str = MATRIX
) -> Morning:
    """A night on which some kernels have the faulty module."""
    path = stage.folder / "matrix.toml"
    path.write_text(text)
    matrix = read_matrix(path)

    def recorder(job: Job, stop: Stop) -> tuple[Path, Course]:
        return recorded(job.place.kernel, faulty=faulty), Course()

    jobs = jobs_of(matrix, {"6.1": "6.1", "6.12": "6.12"})
    night = history.unfinished("m") or history.begin("m", at(day))
    with stage.crew(jobs, recorder) as who:
        return run_night(night, matrix, stage.tasks(who, jobs), history, who, now=at(day))


def test_a_faulty_module_on_one_kernel_is_told_in_the_morning_and_once(
    tmp_path: Path, stage: Stage
) -> None:
    with History(tmp_path / "h.db") as history:
        quiet = a_night(stage, history, 1)
        assert quiet.comparison.exit_code is ExitCode.OK
        text = as_text(quiet.comparison, quiet.results)
        assert text.startswith("uvtrace nightly: no new failure; 2 jobs: 2 done\n")
        bad = a_night(stage, history, 2, faulty=["6.12"])
        assert bad.comparison.exit_code is ExitCode.FAILED
        text = as_text(bad.comparison, bad.results)
        assert text.startswith("uvtrace nightly: 1 new failure, 1 accepted; 2 jobs: 2 done\n")
        assert "New (1):\n  ADR001: " in text
        assert "\n    on 6.12/e1000e (network)\n" in text
        assert "ADR002" not in text
        again = a_night(stage, history, 3, faulty=["6.12"])
        assert again.comparison.exit_code is ExitCode.OK
        assert "no new failure, 1 still there, 1 accepted" in as_text(
            again.comparison, again.results
        )


def test_a_night_that_was_broken_off_is_the_same_night(tmp_path: Path, stage: Stage) -> None:
    with History(tmp_path / "h.db") as history:
        night = history.begin("m", at(1))
        history.store(night, job(place="6.1/old/gone"))
        morning = a_night(stage, history, 2)
        assert morning.night == night
        assert [each.place.device for each in morning.results] == ["e1000e", "e1000e"]
        assert [each.number for each in history.nights("m")] == [night.number]


def morning_text(
    now: Sequence[JobResult], before: Sequence[JobResult] = (), *accepted: Acceptance
) -> str:
    earlier = [Earlier(at(9).date(), each) for each in before]
    comparison = compare(now, earlier, today=at(10).date(), acceptances=accepted)
    return as_text(comparison, now)


def test_all_that_somebody_may_have_to_do_is_told() -> None:
    now = [
        job("DMA007:x", found("IRQ001:y", severity=Severity.WARNING), repetition=1),
        job(repetition=2),
        broken(Ended.PANIC, place="6.12/e1000/ping"),
        replace(full_job(), states=(), edges=(), findings=(), release="6.1"),
    ]
    now[3] = replace(now[3], place=replace(now[3].place, workload="io"))
    before = [job("DMA099:z"), replace(full_job(), place=now[3].place)]
    lapsed = Acceptance(signature="DMA007:x", reason="for now", expires=at(8).date())
    idle = Acceptance(rule="PWR", reason="old board", origin="matrix.toml:3")
    text = morning_text(now, before, lapsed, idle)
    assert text.splitlines()[0].endswith("4 jobs: 3 done, 1 panic")
    assert "on 6.1/e1000 (ping, in 1 of 2 repetitions, accepted until 2027-01-08: for now)" in text
    assert "IRQ001 (warning): IRQ001:y happened" in text
    assert "JOB: it ended\n    on 6.12/e1000 (ping)" in text
    assert "6.1/e1000/io: e1000.transmit: on, e1000.transmit: off → on (start)" in text
    assert "Accepted, and not found (1):\n  PWR: old board (matrix.toml:3)" in text
    assert "Known, and not judged tonight (1):\n  DMA099: DMA099:z happened" in text


def test_a_flood_is_cut_and_hostile_words_are_harmless() -> None:
    text = morning_text([job(*(f"DMA007:{number}\x1b[2J" for number in range(50)))])
    assert "New (50):" in text
    assert "… and 30 more" in text
    assert "\x1b" not in text
