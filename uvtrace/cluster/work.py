# SPDX-License-Identifier: Apache-2.0
"""Tasks on the workers of a cluster: each at a place that suits it, and again where one dies.

A worker is given no more than it does at once, so that the death of one touches only what it was
doing, and who comes later finds something to do. Dask carries tasks and results, and notices
who has gone.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from uvtrace.cluster.workplace import Workplace, Workplaces, gone, scheduler_there
from uvtrace.errors import EnvironmentLacksError

if TYPE_CHECKING:
    from distributed import Client, Future

T = TypeVar("T")
R = TypeVar("R")

DEATHS_MAX: Final = 3
"""So many workers may die while they do a task; then it is given up."""
NO_WORKER_S: Final = 60.0
"""So long nobody may be there who can do what is left."""
FETCH_S: Final = 20.0
"""So long a result may take from the worker that has it."""
_INTERVAL_S: Final = 0.5


@dataclass(frozen=True)
class Done(Generic[T, R]):
    """A task that has come to its end.

    Attributes:
        task: it.
        result: what it came to; None where every worker that tried it died.
        died: those workers.
    """

    task: T
    result: R | None
    died: tuple[str, ...] = ()


@dataclass(eq=False)
class _Running(Generic[T]):
    """A task at a worker."""

    task: T
    address: str
    future: Future


@dataclass(kw_only=True)
class Work(Generic[T, R]):
    """Tasks that are done by the workers of a cluster; iterating gives each as it is done.

    Attributes:
        client: of the cluster.
        workplaces: its workers.
        function: does a task, on a worker; it and the tasks must be picklable.
        tasks: begun in this order.
        prepare: completes a task when it is given to a worker, here.
        suits: whether a worker has what a task needs.
        lacking: what a worker would need to do a task that none can do, for a message.
        no_worker_s: so long nobody may be there who can do what is left.
    """

    client: Client
    workplaces: Workplaces
    function: Callable[[T], R]
    tasks: Iterable[T]
    prepare: Callable[[T], T] = lambda task: task
    suits: Callable[[T, Workplace], bool] = lambda task, place: True
    lacking: Callable[[T], str] = lambda task: ""
    no_worker_s: float = NO_WORKER_S
    _left: deque[T] = field(default_factory=deque)
    _running: list[_Running[T]] = field(default_factory=list)
    _died: dict[int, list[str]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Done[T, R]]:
        """Each task as it is done.

        Raises:
            EnvironmentLacksError: the scheduler has gone, or for some time no worker was there
                that could do what is left.
            Exception: what ``function`` raises.
        """
        self._left = deque(self.tasks)
        idle_since = time.monotonic()
        while self._left or self._running:
            places = self.workplaces.now()
            yield from self._bury({place.address for place in places})
            self._begin(places)
            if self._running:
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > self.no_worker_s:
                raise self._nobody(places)
            yield from self._finished(_INTERVAL_S)

    def end(self) -> Iterator[Done[T, R]]:
        """Give up what is running, and give what was finished but not yet looked at."""
        finished = [each for each in self._running if each.future.status == "finished"]
        others = [each.future for each in self._running if each not in finished]
        try:
            if others:
                self.client.cancel(others, force=True)
            for each in finished:
                yield from self._fetched(each)
        except (OSError, CancelledError, EnvironmentLacksError):
            # With the scheduler went what it held, and who worked for it ends by himself.
            return
        finally:
            self._running = []

    def _begin(self, places: Iterable[Workplace]) -> None:
        """Give every worker as much as it does at once."""
        busy = Counter(each.address for each in self._running)
        for place in places:
            for _ in range(place.threads - busy[place.address]):
                task = next((each for each in self._left if self.suits(each, place)), None)
                if task is None:
                    break
                self._left.remove(task)
                self._running.append(_Running(task, place.address, self._submitted(task, place)))

    def _submitted(self, task: T, place: Workplace) -> Future:
        with scheduler_there():
            return self.client.submit(
                self.function,
                self.prepare(task),
                # Never the key of an earlier try, which may still be ending on a worker.
                key=f"uvtrace-{uuid.uuid4().hex}",
                workers=[place.address],
                allow_other_workers=False,
                pure=False,
            )

    def _bury(self, there: set[str]) -> Iterator[Done[T, R]]:
        """What was at a worker that has gone is to be done again, but not for ever."""
        for each in [one for one in self._running if one.address not in there]:
            # Its result may have come just before.
            if each.future.status != "finished":
                self._running.remove(each)
                with scheduler_there():
                    each.future.cancel(force=True)
                yield from self._again(each)

    def _again(self, gone: _Running[T]) -> Iterator[Done[T, R]]:
        died = self._died.setdefault(id(gone.task), [])
        died.append(gone.address)
        if len(died) >= DEATHS_MAX:
            yield Done(gone.task, None, tuple(died))
        else:
            self._left.appendleft(gone.task)

    def _finished(self, seconds: float) -> Iterator[Done[T, R]]:
        from distributed import KilledWorker

        self._wait(seconds)
        for each in [one for one in self._running if one.future.done()]:
            if each.future.status == "finished":
                yield from self._fetched(each)
                continue
            self._running.remove(each)
            if each.future.status != "error":
                raise gone()
            error: BaseException = each.future.exception()
            if not isinstance(error, KilledWorker):
                raise error
            # The scheduler was told to allow even fewer deaths.
            yield from self._again(each)

    def _fetched(self, each: _Running[T]) -> Iterator[Done[T, R]]:
        try:
            result: R = each.future.result(timeout=FETCH_S)
        except TimeoutError:
            # It was on a worker that has died since: that is found out in the next round.
            return
        except (OSError, CancelledError) as error:
            raise gone() from error
        self._running.remove(each)
        yield Done(each.task, result)

    def _wait(self, seconds: float) -> None:
        """Until a task is done, or some time has passed."""
        from distributed import wait

        futures = [each.future for each in self._running]
        if not futures:
            time.sleep(seconds)
            return
        try:
            with self.client.as_current():
                wait(futures, timeout=seconds, return_when="FIRST_COMPLETED")
        except (TimeoutError, CancelledError):
            return

    def _nobody(self, places: Iterable[Workplace]) -> EnvironmentLacksError:
        lacking = self.lacking(self._left[0]) if tuple(places) else ""
        return EnvironmentLacksError(
            f"the scheduler has no worker {lacking}".rstrip() + f" for {self.no_worker_s:g} s now",
            hint="start one: dask worker ADDRESS; what is finished is kept",
        )
