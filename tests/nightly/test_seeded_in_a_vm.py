# SPDX-License-Identifier: Apache-2.0
"""A regression that was put in on purpose: a faulty module in the stock driver's place, in VMs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.running import run
from tests.nightly import scenes
from tests.nightly.nights import at
from traces.record_faulty import FAULTS, MODULE
from uvtrace.nightly.acceptance import Acceptance
from uvtrace.nightly.compare import Status
from uvtrace.nightly.crew import crew
from uvtrace.nightly.folder import NightFolder
from uvtrace.nightly.history import History
from uvtrace.nightly.job import jobs_of
from uvtrace.nightly.matrix import Matrix, read_matrix, releases_of
from uvtrace.nightly.night import Morning, run_night
from uvtrace.nightly.overview.document import write_pages
from uvtrace.nightly.overview.subject import overview_of
from uvtrace.nightly.proofs import prove
from uvtrace.nightly.recorder import record
from uvtrace.nightly.result import Course
from uvtrace.nightly.task import site_of
from uvtrace.record import build, kernels

SIGNATURE = "ADR001:access=faulty_adr001_past_end [uvfaulty]"
MATRIX = """
[kernels]
"6.1" = '6\\.1\\.\\d+-\\d+-amd64'
"6.12" = '6\\.12\\.\\d+.*-amd64'

[devices.e1000e]
spec = "qemu:e1000e"
driver = { "6.12" = "uvfaulty.ko" }
setup = false

[workloads.rebind]
command = '''
fault=/sys/module/uvfaulty/parameters/fault
if [ -e $fault ]; then echo faulty_adr001_past_end >$fault; fi
driver=$(readlink -f /sys/bus/pci/devices/$UVTRACE_FUNCTION/driver)
echo $UVTRACE_FUNCTION >$driver/unbind
echo $UVTRACE_FUNCTION >$driver/bind
'''

[[expected]]
rule = "ADR002"
reason = "the slot's firmware does that"

[limits]
jobs = 2
seconds = 400
"""


class Lab:
    """Nights of the matrix; some of them are recorded, the others judge what was recorded last.

    Args:
        folder: gets everything.
        matrix: with the faulty module beside it.
        history: of the nights.
    """

    def __init__(self, folder: Path, matrix: Matrix, history: History) -> None:
        self.folder = folder
        self.matrix = matrix
        self.history = history
        installed = [kernel.release for kernel in kernels.installed() if kernel.is_complete]
        releases, _ = releases_of(matrix.kernels, installed)
        self.jobs = jobs_of(matrix, releases)
        self._recorded: dict[str, tuple[Path, Course]] = {}

    def night(self, day: int, *, recording: bool = False) -> Morning:
        """A night, with reports and page."""
        own = NightFolder(self.folder / "lab" / str(day))
        limits = self.matrix.limits
        scenes.SCENES["now"] = lambda job, stop: self._recorded[job.key]
        with crew(None, limits.jobs) as who:
            site = site_of(own.path, f"lab/{day}")
            tasks = who.tasks(self.jobs, limits, site, record if recording else scenes.play)
            night = self.history.begin("lab", at(day))
            morning = run_night(night, self.matrix, tasks, self.history, who, now=at(day))
        if recording:
            self._recorded = {
                each.key: (own.recording(each.key), Course(ended=each.ended, reason=each.reason))
                for each in morning.results
            }
        prove(self.jobs, morning.results, morning.comparison, own, seconds=300)
        write_pages(overview_of(self.matrix, self.history, morning.night, own.path))
        return morning

    def page(self) -> str:
        """The page of the newest night."""
        return (self.folder / "lab/index.html").read_text()


def _release() -> str:
    """The kernel that gets the faulty module."""
    found = [
        each.release
        for each in kernels.installed()
        if each.is_complete and each.release.startswith("6.12.") and "-rt-" not in each.release
    ]
    if not found:
        pytest.skip("no kernel 6.12 is installed")
    return found[0]


def _told(morning: Morning, status: Status) -> list[tuple[str, tuple[str, ...]]]:
    """Signatures of errors, and the kernels that they are on."""
    return [
        (change.finding.signature, tuple(spot.kernel for spot in change.spots))
        for change in morning.comparison.of(status)
        if change.finding.is_failure and change.finding.rule != "ADR002"
    ]


@pytest.mark.vm
@pytest.mark.long
def test_a_faulty_module_is_news_once_and_again_when_its_acceptance_has_expired(
    tmp_path: Path,
) -> None:
    module = build.module_from(FAULTS.parent, MODULE, kernels.find(_release()))
    shutil.copy(module, tmp_path / "uvfaulty.ko")
    (tmp_path / "lab.toml").write_text(MATRIX)
    seeded = [(SIGNATURE, ("6.12",))]
    with History(tmp_path / "history.db") as history:
        lab = Lab(tmp_path, read_matrix(tmp_path / "lab.toml"), history)
        first = lab.night(1, recording=True)
        assert _told(first, Status.NEW) == seeded
        assert first.comparison.exit_code == 1
        _assert_minimised(lab, first)
        second = lab.night(2, recording=True)
        assert _told(second, Status.NEW) == []
        assert _told(second, Status.STILL) == seeded
        assert second.comparison.exit_code == 0
        history.accept(
            "lab",
            Acceptance(
                signature=SIGNATURE,
                reason="on purpose",
                since=at(2).date(),
                expires=at(3).date(),
            ),
        )
        third = lab.night(3)
        assert _told(third, Status.ACCEPTED) == seeded
        assert (third.comparison.exit_code, "today is its last day" in lab.page()) == (0, True)
        fourth = lab.night(4)
        assert _told(fourth, Status.NEW) == seeded
        assert (fourth.comparison.exit_code, "on purpose" in lab.page()) == (1, True)
        assert _told(lab.night(5), Status.NEW) == []


def _assert_minimised(lab: Lab, morning: Morning) -> None:
    """The page leads to a few records that prove the finding."""
    (change,) = morning.comparison.new_failures
    small = NightFolder(lab.folder / "lab/1").minimal(change.finding)
    assert f'href="1/new/{small.name}"' in lab.page()
    assert "breaks ADR001" in lab.page()
    assert SIGNATURE in run("check", small, "--format", "json", "--select", "ADR001").out
    assert int(run("info", small, "--json").out.split('"transactions": ')[1].split(",")[0]) < 10
