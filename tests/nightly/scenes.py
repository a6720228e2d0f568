# SPDX-License-Identifier: Apache-2.0
"""Recorders in place of VMs: a worker in this process calls what a test has put in place."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from uvtrace.cluster.stop import Stop
from uvtrace.nightly.crew import Crew, crew
from uvtrace.nightly.history import History
from uvtrace.nightly.job import Job
from uvtrace.nightly.matrix import Limits
from uvtrace.nightly.outcome import Night
from uvtrace.nightly.result import Course
from uvtrace.nightly.scheduler import Watcher, run_jobs
from uvtrace.nightly.task import Task, site_of
from uvtrace.record import kernels
from uvtrace.record.kernels import Kernel

Scene = Callable[[Job, Stop], tuple[Path | None, Course]]
"""Makes a recording, or gives one that is there."""

SCENES: dict[str, Scene] = {}


def play(job: Job, folder: Path, limits: Limits, stop: Stop) -> tuple[Path | None, Course]:
    """A recorder: what is in place makes the recording. Workers find it by its name."""
    return SCENES["now"](job, stop)


class Stage:
    """A crew of this process that records by a scene.

    Args:
        folder: for what a test writes.
        monkeypatch: gives this machine the kernels.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._crew: Crew | None = None

    @contextmanager
    def crew(self, jobs: Sequence[Job], scene: Scene, at_once: int = 1) -> Iterator[Crew]:
        """Who does jobs, on a machine that has their kernels."""
        releases = sorted({job.release for job in jobs})
        there = [Kernel(release, self.folder, self.folder) for release in releases]
        self._monkeypatch.setattr(kernels, "installed", lambda: there)
        SCENES["now"] = scene
        with crew(None, at_once) as who:
            self._crew = who
            yield who

    def states(self) -> list[str]:
        """Of what the crew has been given and has not handed back, as Dask calls them."""
        assert self._crew is not None
        return [each.status for each in self._crew.client.futures.values()]

    def tasks(self, who: Crew, jobs: Sequence[Job]) -> tuple[Task, ...]:
        """What these are told of the jobs."""
        site = site_of(self.folder / "night", "m/1")
        return who.tasks(jobs, Limits(), site, play)

    def run(
        self,
        jobs: Sequence[Job],
        night: Night,
        history: History,
        scene: Scene,
        *,
        side_by_side: int = 1,
        watcher: Watcher | None = None,
    ) -> None:
        """Do the jobs of a night."""
        with self.crew(jobs, scene, side_by_side) as who:
            run_jobs(self.tasks(who, jobs), night, history, who, watcher=watcher)


def wait_for(stop: Stop) -> None:
    """Until a job is given up, but not for ever."""
    wait_until(stop.is_set)


def wait_until(happened: Callable[[], bool], seconds: float = 30.0) -> None:
    """Until something has happened, but not for ever."""
    until = time.monotonic() + seconds
    while not happened() and time.monotonic() < until:
        time.sleep(0.05)
