# SPDX-License-Identifier: Apache-2.0
"""Nights on workers that are processes of their own: they die, hang, are stopped, are others.

In place of a VM's recorder runs a shell script, which copies a recording that is there.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

import uvtrace
from tests.cluster_of_processes import ROOT, Processes, processes, wait_until
from tests.nightly import workload
from tests.nightly.nights import at
from tests.nightly.test_result import a_job
from uvtrace.check.rules import Selection
from uvtrace.cluster import connection
from uvtrace.errors import EnvironmentLacksError, ExitCode, UsageError
from uvtrace.nightly import crew as crew_module
from uvtrace.nightly.crew import Crew, crew
from uvtrace.nightly.history import History
from uvtrace.nightly.job import Job
from uvtrace.nightly.matrix import Checks, Limits
from uvtrace.nightly.outcome import Ended, JobResult
from uvtrace.nightly.scheduler import NobodyWatches, run_jobs
from uvtrace.nightly.task import Task, site_of, with_its_files
from uvtrace.record import kernels

TRACES = Path(__file__).parents[2] / "traces"
RECORDING = TRACES / "faulty/e1000e-6.1.pcapng.zst"
COPY = f'echo "$JOB $$" >>"{{log}}"; cp "{RECORDING}" "$1"'
"""Notes down that it was begun, and records."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with processes(tmp_path_factory.mktemp("cluster"), {"UVTRACE_TEST": "yes"}) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def release() -> str:
    """Of a kernel that workers find on this machine."""
    there = [each.release for each in kernels.installed() if each.is_complete]
    if not there:
        pytest.skip("no kernel is installed with its headers")
    return there[0]


class Nights:
    """Nights of jobs that are shell scripts."""

    def __init__(self, cluster: Processes, folder: Path, release: str) -> None:
        self.cluster = cluster
        self.folder = folder
        self.log = folder / "begun"
        self._release = release

    def jobs(self, count: int, script: str = COPY) -> list[Job]:
        checks = Checks(selection=Selection(select=("TRC",)))
        job = a_job(device="e1000e", checks=checks, release=self._release)
        command = script.format(log=self.log, folder=self.folder)
        return [
            replace(job, command=command, repetition=number, digest=f"{number:064}")
            for number in range(1, count + 1)
        ]

    @contextmanager
    def crew(self, no_worker_s: float = 60.0, store: str = "") -> Iterator[Crew]:
        with crew(str(self.cluster.file), 1, store=store) as who:
            yield replace(who, no_worker_s=no_worker_s)

    def tasks(
        self, who: Crew, jobs: list[Job], *, store: str = "", limits: Limits | None = None
    ) -> list[Task]:
        site = site_of(self.folder / "night", "m/1", store)
        return list(who.tasks(jobs, limits or Limits(), site, workload.record))

    def run(self, jobs: list[Job], limits: Limits | None = None) -> tuple[JobResult, ...]:
        """What the jobs of a night come to."""
        with History(self.folder / "h.db") as history, self.crew() as who:
            night = history.unfinished("m") or history.begin("m", at(1))
            run_jobs(self.tasks(who, jobs, limits=limits), night, history, who)
            return history.results(night)

    def begun(self) -> list[tuple[str, int]]:
        """The jobs that were begun, each with its shell's process."""
        if not self.log.exists():
            return []
        lines = [line.split() for line in self.log.read_text().splitlines()]
        return [(key, int(pid)) for key, pid in lines]


@pytest.fixture
def nights(cluster: Processes, tmp_path: Path, release: str) -> Nights:
    return Nights(cluster, tmp_path, release)


@contextmanager
def workers(cluster: Processes, *threads: int) -> Iterator[list[int]]:
    """Workers, by their pids."""
    started = [cluster.worker(each) for each in threads]
    try:
        yield [each.pid for each in started]
    finally:
        for each in started:
            each.kill()
            each.wait()


def is_running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


SLOW_FIRST = (
    'echo "$JOB $$" >>"{log}"; '
    'case "$JOB" in */2) [ -e "{folder}/second" ] || {{ touch "{folder}/second"; '
    'trap "kill \\$!; exit 1" TERM; echo half >"$1"; sleep 300 & '
    'echo "sleep $!" >>"{log}"; wait; }};; esac; '
    f'cp "{RECORDING}" "$1"'
)
"""The second job hangs on its first try, with half of a recording and a child."""


def test_a_job_whose_worker_is_killed_is_done_elsewhere_and_no_other_is_done_twice(
    nights: Nights,
) -> None:
    def kill() -> None:
        wait_until(lambda: any(key == "sleep" for key, _ in nights.begun()))
        pids = dict(nights.begun())
        os.kill(parent(pids["6.1/e1000e/network/2"]), signal.SIGKILL)

    with workers(nights.cluster, 1, 1):
        killer = threading.Thread(target=kill)
        killer.start()
        results = nights.run(nights.jobs(5, SLOW_FIRST))
        killer.join()
    assert [each.ended for each in results] == [Ended.DONE] * 5
    began = [key for key, _ in nights.begun() if key != "sleep"]
    assert sorted(began) == sorted([*(job.key for job in nights.jobs(5)), "6.1/e1000e/network/2"])
    # Who was ended with its worker has gone with its child, and with what it had written.
    wait_until(lambda: not any(is_running(pid) for _, pid in nights.begun()), 30)
    night = nights.folder / "night"
    assert all((night / f"{job.key}.pcapng.zst").stat().st_size > 5 for job in nights.jobs(5))
    assert list(night.glob(".job-*")) == []


def test_a_job_over_which_workers_die_is_a_result(nights: Nights) -> None:
    deadly = nights.jobs(1, "kill -9 $(ps -o ppid= -p $$)")
    with workers(nights.cluster, 1, 1, 1):
        (result,) = nights.run(deadly)
    assert result.ended is Ended.WORKER_DIED
    assert [each.signature for each in result.findings] == ["JOB:worker-died"]
    assert "3 workers" in result.reason


def test_a_job_that_hangs_on_a_worker_is_bounded(nights: Nights) -> None:
    job = nights.jobs(1, "exec sleep 300")
    with workers(nights.cluster, 1):
        (result,) = nights.run(job, Limits(seconds=1.0))
    assert (result.ended, result.reason) == (Ended.BOUNDS, "more than 1 s")


HANGING = 'echo "$JOB $$" >>"{log}"; exec sleep 300'


def test_who_waits_no_longer_ends_what_workers_do(nights: Nights) -> None:
    jobs = [*nights.jobs(1), *(replace(job, repetition=2) for job in nights.jobs(1, HANGING))]
    with History(nights.folder / "h.db") as history, workers(nights.cluster, 2):
        night = history.begin("m", at(1))

        class Impatient(NobodyWatches):
            def finished(self, result: JobResult, done: int, of: int) -> None:
                wait_until(lambda: len(nights.begun()) == 2)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt), nights.crew() as who:
            run_jobs(nights.tasks(who, jobs), night, history, who, watcher=Impatient())
        wait_until(lambda: not any(is_running(pid) for _, pid in nights.begun()), 30)
        assert [each.key for each in history.results(night)] == [jobs[0].key]


def test_a_worker_that_is_told_to_end_ends_its_job_which_is_done_elsewhere(nights: Nights) -> None:
    once = 'echo "$JOB $$" >>"{log}"; mkdir "{folder}/once" && exec sleep 300; ' + (
        f'cp "{RECORDING}" "$1"'
    )

    def end() -> None:
        wait_until(lambda: bool(nights.begun()))
        os.kill(parent(nights.begun()[0][1]), signal.SIGTERM)

    with workers(nights.cluster, 1, 1):
        ender = threading.Thread(target=end)
        ender.start()
        (result,) = nights.run(nights.jobs(1, once))
        ender.join()
    assert result.ended is Ended.DONE
    assert len(nights.begun()) == 2
    assert not is_running(nights.begun()[0][1])


def test_a_store_gets_recordings_and_logs(nights: Nights) -> None:
    store = (nights.folder / "store").as_uri()
    jobs = nights.jobs(1, f'echo recorded; cp "{RECORDING}" "$1"')
    with (
        workers(nights.cluster, 1),
        History(nights.folder / "h.db") as history,
        nights.crew(store=store) as who,
    ):
        night = history.begin("m", at(1))
        run_jobs(nights.tasks(who, jobs, store=store), night, history, who)
        (result,) = history.results(night)
    assert result.trace is not None
    assert result.trace.location == f"{store}/m/1/{jobs[0].key}.pcapng.zst"
    assert len(uvtrace.open(result.trace.location)) == len(uvtrace.open(RECORDING))
    assert (nights.folder / f"store/m/1/{jobs[0].key}.log").read_text() == "recorded\n"
    assert list((nights.folder / "night").rglob("*.pcapng.zst")) == []


def test_who_sees_another_folder_keeps_recordings_and_says_where(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew_module, "with_its_files", of_another_machine)
    home = nights.folder / "home"
    worker = nights.cluster.worker(environment={"XDG_DATA_HOME": str(home)})
    driver = nights.folder / "own.ko"
    driver.write_bytes(b"a module")
    jobs = [replace(job, driver=str(driver)) for job in nights.jobs(1)]
    try:
        (result,) = nights.run(jobs)
    finally:
        worker.kill()
        worker.wait()
    assert result.trace is not None
    host, _, path = result.trace.location.partition(":")
    assert (host, Path(path).is_relative_to(home)) == (socket.gethostname(), True)
    assert Path(path).read_bytes() == RECORDING.read_bytes()


def of_another_machine(task: Task) -> Task:
    """A task with its files, as if the night's folder were on a machine that shares none."""
    return with_its_files(replace(task, site=replace(task.site, token="another")))


def test_a_worker_of_another_version_is_told_and_not_used(nights: Nights, tmp_path: Path) -> None:
    told = tmp_path / "other/uvtrace-99.0.dist-info"
    told.mkdir(parents=True)
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: uvtrace\nVersion: 99.0\n")
    path = f"{tmp_path / 'other'}:{ROOT}"
    worker = nights.cluster.worker(environment={"PYTHONPATH": path})
    lines: list[str] = []
    try:
        with crew(str(nights.cluster.file), 1, warn=lines.append) as who:
            wait_until(lambda: bool(who.client.nthreads()))
            with pytest.raises(EnvironmentLacksError, match="no worker to use"):
                replace(who, no_worker_s=0.1).kernels()
    finally:
        worker.kill()
        worker.wait()
    (line,) = lines
    assert "is not used: it has uvtrace 99.0, this is" in line


def test_nobody_who_has_the_kernel_is_one_line(nights: Nights) -> None:
    jobs = [replace(job, release="9.9.9-none") for job in nights.jobs(1)]
    with (
        workers(nights.cluster, 1),
        History(nights.folder / "h.db") as history,
        nights.crew(no_worker_s=10.0) as who,
    ):
        night = history.begin("m", at(1))
        who.kernels()
        with pytest.raises(EnvironmentLacksError, match=r"no worker that has kernel 9\.9\.9-none"):
            run_jobs(nights.tasks(who, jobs), night, history, who)


def test_a_scheduler_that_goes_away_is_one_line_and_what_is_finished_is_kept(
    tmp_path: Path, release: str
) -> None:
    with processes(tmp_path / "own", {"UVTRACE_TEST": "yes"}) as own:
        nights = Nights(own, tmp_path, release)
        own.worker(2)
        jobs = [*nights.jobs(1), *(replace(job, repetition=2) for job in nights.jobs(1, HANGING))]

        class Deadly(NobodyWatches):
            def finished(self, result: JobResult, done: int, of: int) -> None:
                wait_until(lambda: len(nights.begun()) == 2)
                own.scheduler.kill()

        with History(tmp_path / "h.db") as history, nights.crew() as who:
            night = history.begin("m", at(1))
            with pytest.raises(EnvironmentLacksError, match="the scheduler went away"):
                run_jobs(nights.tasks(who, jobs), night, history, who, watcher=Deadly())
            assert [each.key for each in history.results(night)] == [jobs[0].key]
        # The worker has nobody to work for.
        wait_until(lambda: not any(is_running(pid) for _, pid in nights.begun()), 60)


@pytest.mark.parametrize("says", [b"", b"SSH-2.0-OpenSSH_9.2\r\n" * 9])
def test_who_is_no_scheduler_is_told_within_some_seconds(
    says: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CONNECT_S", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    held.append(server.accept()[0])
                    held[-1].sendall(says)
                except OSError:
                    return

        held: list[socket.socket] = []
        threading.Thread(target=answer, daemon=True).start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        began = time.monotonic()
        with (
            pytest.raises(EnvironmentLacksError, match="no Dask scheduler answers") as caught,
            crew(address, 1),
        ):
            pass
        assert time.monotonic() - began < 30
        assert caught.value.exit_code is ExitCode.ENVIRONMENT
        server.shutdown(socket.SHUT_RDWR)
        for each in held:
            each.close()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"type": "Scheduler"}'])
def test_what_is_no_file_of_a_scheduler_is_told(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "scheduler.json"
    with pytest.raises(UsageError, match="neither a scheduler's address nor its file"):
        crew(str(file), 1).__enter__()
    file.write_bytes(content)
    with pytest.raises(UsageError, match="no file of a scheduler"):
        crew(str(file), 1).__enter__()
