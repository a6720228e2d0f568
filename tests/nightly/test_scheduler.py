# SPDX-License-Identifier: Apache-2.0
"""Jobs side by side, taken up again, and ended early; recordings come from a recorder in place."""

from __future__ import annotations

import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.nightly.nights import at
from tests.nightly.scenes import Stage, wait_for, wait_until
from tests.nightly.test_result import a_job
from uvtrace.check.rules import Selection
from uvtrace.cluster.stop import Stop, StoppedError
from uvtrace.errors import UsageError
from uvtrace.nightly import recorder
from uvtrace.nightly.history import History
from uvtrace.nightly.job import Job
from uvtrace.nightly.matrix import Checks, Limits
from uvtrace.nightly.outcome import Ended, JobResult
from uvtrace.nightly.recorder import command_of, record
from uvtrace.nightly.result import Course

TRACES = Path(__file__).parents[2] / "traces"
RECORDING = TRACES / "faulty/e1000e-6.1.pcapng.zst"
JOBS = [
    replace(
        a_job(device="e1000e", checks=Checks(selection=Selection(select=("TRC",)))),
        repetition=number,
        digest=str(number) * 64,
    )
    for number in (1, 2, 3, 4)
]
KEYS = [job.key for job in JOBS]


class Watched:
    """What was told of a night."""

    def __init__(self) -> None:
        self.skips: list[str] = []
        self.told: list[tuple[str, int, int]] = []

    def skipped(self, job: Job) -> None:
        self.skips.append(job.key)

    def finished(self, result: JobResult, done: int, of: int) -> None:
        self.told.append((result.key, done, of))


def at_once(job: Job, stop: Stop) -> tuple[Path, Course]:
    """A recorder that has its recording already."""
    return RECORDING, Course()


def test_every_job_is_done_and_told(tmp_path: Path, stage: Stage) -> None:
    watched = Watched()
    with History(tmp_path / "h.db") as history:
        night = history.begin("m", at(1))
        stage.run(JOBS, night, history, at_once, watcher=watched)
        assert [result.key for result in history.results(night)] == KEYS
    assert watched.told == [(key, number, 4) for number, key in enumerate(KEYS, start=1)]


def test_as_many_run_side_by_side_as_may(tmp_path: Path, stage: Stage) -> None:
    both = threading.Barrier(2, timeout=20)
    running, most = 0, 0

    def recorder(job: Job, stop: Stop) -> tuple[Path, Course]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        both.wait()
        running -= 1
        return at_once(job, stop)

    with History(tmp_path / "h.db") as history:
        night = history.begin("m", at(1))
        stage.run(JOBS, night, history, recorder, side_by_side=2)
        assert len(history.results(night)) == 4
    assert most == 2


def test_what_is_finished_when_ctrl_c_comes_is_kept_and_the_rest_done_later(
    tmp_path: Path, stage: Stage
) -> None:
    ended = []

    def recorder(job: Job, stop: Stop) -> tuple[Path, Course]:
        if job.repetition <= 2:
            return at_once(job, stop)
        wait_for(stop)
        ended.append(job.key)
        raise StoppedError(job.key)

    class Impatient(Watched):
        def finished(self, result: JobResult, done: int, of: int) -> None:
            super().finished(result, done, of)
            if done == 2:
                raise KeyboardInterrupt

    with History(tmp_path / "h.db") as history:
        night = history.begin("m", at(1))
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            stage.run(JOBS, night, history, recorder, side_by_side=2, watcher=Impatient())
        assert time.monotonic() - began < 25
        assert [result.key for result in history.results(night)] == KEYS[:2]
        assert KEYS[3] not in ended or KEYS[2] in ended
        watched = Watched()
        again = history.unfinished("m")
        assert again == night
        stage.run(JOBS, night, history, at_once, watcher=watched)
        assert watched.skips == KEYS[:2]
        assert [key for key, _, _ in watched.told] == KEYS[2:]


def test_what_was_finished_but_not_yet_looked_at_when_ctrl_c_comes_is_kept(
    tmp_path: Path, stage: Stage
) -> None:
    first_is_told = threading.Event()

    def recorder(job: Job, stop: Stop) -> tuple[Path, Course]:
        if job.repetition == 2:
            assert first_is_told.wait(30)
        return at_once(job, stop)

    class Busy(Watched):
        def finished(self, result: JobResult, done: int, of: int) -> None:
            first_is_told.set()
            wait_until(lambda: "pending" not in stage.states())
            raise KeyboardInterrupt

    with History(tmp_path / "h.db") as history:
        night = history.begin("m", at(1))
        with pytest.raises(KeyboardInterrupt):
            stage.run(JOBS[:2], night, history, recorder, side_by_side=2, watcher=Busy())
        assert [result.key for result in history.results(night)] == KEYS[:2]


def test_a_job_that_has_changed_since_is_done_again(tmp_path: Path, stage: Stage) -> None:
    watched = Watched()
    with History(tmp_path / "h.db") as history:
        night = history.begin("m", at(1))
        stage.run(JOBS, night, history, at_once)
        changed = [replace(JOBS[0], digest="f" * 64), *JOBS[1:]]
        stage.run(changed, night, history, at_once, watcher=watched)
    assert watched.skips == KEYS[1:]
    assert watched.told == [(KEYS[0], 4, 4)]


def test_checks_that_cannot_be_used_end_the_night_without_waiting_for_the_others(
    tmp_path: Path, stage: Stage
) -> None:
    def recorder(job: Job, stop: Stop) -> tuple[Path, Course]:
        if job.contract:
            return at_once(job, stop)
        wait_for(stop)
        raise StoppedError(job.key)

    jobs = [replace(JOBS[0], contract="none"), *JOBS[1:]]
    with History(tmp_path / "h.db") as history:
        night = history.begin("m", at(1))
        with pytest.raises(UsageError, match="no contract"):
            stage.run(jobs, night, history, recorder, side_by_side=2)
        assert history.results(night) == ()


def test_a_job_is_a_command_of_uvtrace() -> None:
    job = a_job(driver="my/e1000.ko", memory=True, setup=False, command="ping -c 1 10.0.2.2")
    words = command_of(job, Path("x.pcapng.zst"))
    assert words[words.index("record") :] == [
        *("record", "--vm", "--quiet", "-o", "x.pcapng.zst"),
        *("--kernel", "6.1.0", "--device", "qemu:e1000", "--driver", "my/e1000.ko"),
        *("--cpus", "2", "--ram", "1024M", "--timeout", "60", "--memory", "--no-setup"),
        *("--", "sh", "-c", "ping -c 1 10.0.2.2"),
    ]


def recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: str, **limits: float
) -> tuple[Path | None, Course]:
    """What a recording comes to whose recorder is a shell script."""
    shutil.copy(TRACES / "e1000-6.1.pcapng.zst", tmp_path / "given")

    def command(job: Job, recording: Path) -> list[str]:
        return ["sh", "-c", shell, "sh", str(tmp_path / "given"), str(recording)]

    monkeypatch.setattr(recorder, "command_of", command)
    bounds = replace(Limits(), **limits)  # type: ignore[arg-type]
    return record(a_job(), tmp_path / "out", bounds, threading.Event())


def test_a_recording_lies_where_its_job_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, course = recorded(tmp_path, monkeypatch, 'cp "$1" "$2"')
    assert path == tmp_path / "out/6.1/e1000/network/1.pcapng.zst"
    assert (course.ended, course.exit_code) == (Ended.DONE, 0)


def test_a_recorder_that_records_nothing_is_told_by_its_last_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, course = recorded(tmp_path, monkeypatch, "echo 'uvtrace: no QEMU' >&2; exit 5")
    assert path is None
    assert (course.ended, course.reason) == (Ended.FAILED, "no QEMU")


def test_a_recorder_that_takes_too_long_leaves_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = 'cp "$1" "$2"; exec sleep 100'
    path, course = recorded(tmp_path, monkeypatch, shell, seconds=2.0)
    assert path is not None
    assert (course.ended, course.reason) == (Ended.BOUNDS, "more than 2 s")


def test_a_recording_of_an_earlier_try_is_not_taken_for_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(tmp_path, monkeypatch, 'cp "$1" "$2"')
    path, course = recorded(tmp_path, monkeypatch, "exit 1")
    assert (path, course.ended) == (None, Ended.FAILED)
