# SPDX-License-Identifier: Apache-2.0
"""Who does the jobs of a night: the workers of a Dask cluster, by default one in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from uvtrace.cluster.connection import connected, within
from uvtrace.cluster.work import NO_WORKER_S, Work
from uvtrace.cluster.workplace import Workplace, Workplaces
from uvtrace.nightly.job import Job
from uvtrace.nightly.matrix import Limits
from uvtrace.nightly.outcome import JobResult
from uvtrace.nightly.recorder import record
from uvtrace.nightly.task import Recorder, Site, Task, do, with_its_files
from uvtrace.record import vm
from uvtrace.trace import remote

if TYPE_CHECKING:
    from distributed import Client


@dataclass(frozen=True, kw_only=True)
class Crew:
    """Who does the jobs of a night.

    Attributes:
        client: of the cluster.
        workplaces: its workers.
        is_here: all of it is in this process.
        no_worker_s: so long nobody may be there who can do what is left.
    """

    client: Client
    workplaces: Workplaces
    is_here: bool
    no_worker_s: float = NO_WORKER_S

    def kernels(self) -> tuple[str, ...]:
        """The releases that any worker has, those first that the workers put first.

        Raises:
            EnvironmentLacksError: there is no worker.
        """
        places = self.workplaces.awaited(self.no_worker_s)
        return tuple(dict.fromkeys(release for place in places for release in place.kernels))

    def tasks(
        self, jobs: Sequence[Job], limits: Limits, site: Site, recorder: Recorder = record
    ) -> tuple[Task, ...]:
        """What the workers are told of each job."""
        tasks = [Task(job=job, limits=limits, site=site, recorder=recorder) for job in jobs]
        return tuple(tasks if self.is_here else map(with_its_files, tasks))

    def work(self, tasks: Sequence[Task]) -> Work[Task, JobResult]:
        """The tasks, to be done by the workers that have the kernel of each."""
        return Work(
            client=self.client,
            workplaces=self.workplaces,
            function=do,
            tasks=tasks,
            suits=_suits,
            lacking=lambda task: f"that has kernel {task.job.release}",
            no_worker_s=self.no_worker_s,
        )


def _suits(task: Task, place: Workplace) -> bool:
    return task.job.release in place.kernels


@contextmanager
def crew(
    scheduler: str | None,
    jobs: int,
    *,
    store: str = "",
    warn: Callable[[str], None] = lambda line: None,
) -> Iterator[Crew]:
    """Who does the jobs of a night, while the context lasts.

    Args:
        scheduler: address of a Dask scheduler, or its file; None for this process alone.
        jobs: how many this process does at a time; a worker does as many as it has threads.
        store: URL that every worker must be able to write to.
        warn: told in one line of each worker that is not used.

    Raises:
        UvtraceError: the scheduler does not answer, or this machine cannot reach the store.
    """
    if store:
        remote.require_store(store)
    with within(jobs) if scheduler is None else connected(scheduler) as client:
        need = partial(_require, store)
        places = Workplaces(client, need=need, warn=warn)
        yield Crew(client=client, workplaces=places, is_here=scheduler is None)


def _require(store: str) -> None:
    """What every worker must have."""
    vm.require_linux_x86()
    if store:
        remote.require_store(store)
