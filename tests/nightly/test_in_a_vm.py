# SPDX-License-Identifier: Apache-2.0
"""A night in real VMs: whatever becomes of a guest, it is a result, and the night goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.nightly.nights import at
from uvtrace.nightly.crew import crew
from uvtrace.nightly.history import History
from uvtrace.nightly.job import jobs_of
from uvtrace.nightly.matrix import read_matrix, releases_of
from uvtrace.nightly.outcome import Ended
from uvtrace.nightly.scheduler import run_jobs
from uvtrace.nightly.task import site_of
from uvtrace.record import kernels

MATRIX = """
[kernels]
"6.12" = '6\\.12\\.\\d+.*-amd64'

[devices.e1000]
spec = "qemu:e1000"

[workloads.a-panic]
command = "echo c >/proc/sysrq-trigger"

[workloads.hang]
command = "sleep 1000"
timeout_s = 3

[workloads.ping]
command = "ping -c 2 10.0.2.2"

[limits]
jobs = 2
seconds = 300
"""


@pytest.mark.vm
@pytest.mark.long
def test_a_night_goes_on_when_a_guest_panics_and_another_hangs(tmp_path: Path) -> None:
    (tmp_path / "matrix.toml").write_text(MATRIX)
    matrix = read_matrix(tmp_path / "matrix.toml")
    installed = [kernel.release for kernel in kernels.installed() if kernel.is_complete]
    releases, missing = releases_of(matrix.kernels, installed)
    if missing:
        pytest.skip("no kernel 6.12 is installed")

    with (
        History(tmp_path / "history.db") as history,
        crew(None, matrix.limits.jobs) as who,
    ):
        night = history.begin("m", at(1))
        site = site_of(tmp_path / "m/1", "m/1")
        tasks = who.tasks(jobs_of(matrix, releases), matrix.limits, site)
        run_jobs(tasks, night, history, who)
        results = {each.place.workload: each for each in history.results(night)}
    assert {name: each.ended for name, each in results.items()} == {
        "a-panic": Ended.PANIC,
        "hang": Ended.TIMEOUT,
        "ping": Ended.DONE,
    }
    assert results["ping"].findings == ()
    assert all(each.trace is not None and each.trace.records for each in results.values())
    (panic,) = results["a-panic"].findings
    assert panic.signature.startswith("JOB:panic:")
