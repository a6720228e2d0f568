# SPDX-License-Identifier: Apache-2.0
"""Coroutines of a model, without an event loop: they go on when the bus has told them to.

A handler that awaits is suspended on a :class:`Future`; who resolves the future puts it into the
ready queue, and :meth:`Scheduler.run` goes on with everything that is ready. Nothing here looks
at a clock or blocks: time is what :meth:`Scheduler.advance` was told last.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")

Handler = Coroutine[Any, Any, Any]


class Future(Generic[T]):
    """Something that will be known later. Await it."""

    __slots__ = ("_error", "_scheduler", "_value", "_waiters", "done")

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._value: T | None = None
        self._error: Exception | None = None
        self._waiters: list[Task] = []
        self.done = False

    def resolve(self, value: T) -> None:
        """Make the value known; who waits goes on. A second call changes nothing."""
        if not self.done:
            self._value = value
            self._finish()

    def fail(self, error: Exception) -> None:
        """Make who waits raise ``error``."""
        if not self.done:
            self._error = error
            self._finish()

    def _finish(self) -> None:
        self.done = True
        for task in self._waiters:
            self._scheduler.ready.append(task)
        self._waiters.clear()

    def result(self) -> T:
        """The value, or what it failed with."""
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]  # None is a value when T allows it

    def __await__(self) -> Generator[Future[Any], None, T]:
        if not self.done:
            yield self
        return self.result()

    def wait_of(self, task: Task) -> None:
        self._waiters.append(task)


class Task:
    """A coroutine that runs.

    Attributes:
        cause: the event that it was started by; told when it raises.
    """

    __slots__ = ("_then", "cancelled", "cause", "coroutine")

    def __init__(
        self, coroutine: Handler, cause: object, then: Callable[[Any], None] | None
    ) -> None:
        self.coroutine = coroutine
        self.cause = cause
        self.cancelled = False
        self._then = then

    def finished(self, value: object) -> None:
        if self._then is not None:
            self._then(value)


class Timer:
    """Something that happens at a time. :meth:`cancel` it while it has not."""

    __slots__ = ("_call", "time_ns")

    def __init__(self, time_ns: int, call: Callable[[], None]) -> None:
        self.time_ns = time_ns
        self._call: Callable[[], None] | None = call

    def cancel(self) -> None:
        self._call = None

    @property
    def active(self) -> bool:
        """It was neither cancelled nor has it happened."""
        return self._call is not None

    def fire(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call()


class Scheduler:
    """The coroutines and timers of one model.

    Args:
        failed: told of a coroutine that raised, with the error and what had started it; it
            raises in turn, or lets the rest go on.
    """

    def __init__(self, failed: Callable[[Exception, object], None]) -> None:
        self.ready: deque[Task] = deque()
        self.now_ns = 0
        self.epoch = 0
        """Counts what :meth:`cancel_all` has ended."""
        self._failed = failed
        self._tasks: set[Task] = set()
        self._timers: list[tuple[int, int, Timer]] = []
        self._numbers = 0

    def start(
        self, coroutine: Handler, cause: object, then: Callable[[Any], None] | None = None
    ) -> Task:
        """Run a coroutine up to its first wait.

        Args:
            then: called with what it returns, or with None where it failed; not if it is cancelled.
        """
        task = Task(coroutine, cause, then)
        self._tasks.add(task)
        self._step(task)
        return task

    def run(self) -> None:
        """Go on with every coroutine whose wait is over."""
        while self.ready:
            self._step(self.ready.popleft())

    def _step(self, task: Task) -> None:
        if task.cancelled:
            return
        try:
            waited: Future[Any] = task.coroutine.send(None)
        except StopIteration as end:
            self._tasks.discard(task)
            if not task.cancelled:
                task.finished(end.value)
        except Exception as error:  # noqa: BLE001  # a model may raise whatever it likes
            self._tasks.discard(task)
            self._failed(error, task.cause)
            task.finished(None)
        else:
            waited.wait_of(task)

    def cancel_all(self) -> None:
        """End every coroutine where it waits, and every timer: what a reset does."""
        self.epoch += 1
        tasks, self._tasks = self._tasks, set()
        self._timers.clear()
        self.ready.clear()
        for task in tasks:
            task.cancelled = True
            if not getattr(task.coroutine, "cr_running", False):
                task.coroutine.close()

    def at(self, time_ns: int, call: Callable[[], None]) -> Timer:
        """Call something at a time."""
        timer = Timer(time_ns, call)
        self._numbers += 1
        heapq.heappush(self._timers, (time_ns, self._numbers, timer))
        return timer

    @property
    def idle(self) -> bool:
        """No coroutine waits, and no timer runs."""
        return not self._tasks and self.deadline_ns is None

    @property
    def deadline_ns(self) -> int | None:
        """When the next timer is due; None: there is none."""
        while self._timers and not self._timers[0][2].active:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def advance(self, now_ns: int) -> None:
        """It is ``now_ns``: run what is due, in order of time."""
        if now_ns > self.now_ns:
            self.now_ns = now_ns
        if not self._timers:
            return
        while (due := self.deadline_ns) is not None and due <= self.now_ns:
            heapq.heappop(self._timers)[2].fire()
            self.run()


class Flag:
    """Something that coroutines wait for until it is set; it stays set until it is cleared."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._future: Future[None] = Future(scheduler)

    @property
    def is_set(self) -> bool:
        return self._future.done

    def set(self) -> None:
        self._future.resolve(None)

    def clear(self) -> None:
        if self._future.done:
            self._future = Future(self._scheduler)

    async def wait(self) -> None:
        """Return when it is set."""
        while not self._future.done:
            await self._future


class Lock:
    """Lets one coroutine in at a time, in the order of their coming: ``async with lock:``."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._epoch = scheduler.epoch
        self._held = False
        self._queue: deque[Future[None]] = deque()

    async def __aenter__(self) -> None:
        if self._epoch != self._scheduler.epoch:
            # Whoever held it or waited for it was ended by a reset.
            self._epoch, self._held = self._scheduler.epoch, False
            self._queue.clear()
        if not self._held:
            self._held = True
            return
        turn: Future[None] = Future(self._scheduler)
        self._queue.append(turn)
        await turn

    async def __aexit__(self, *_: object) -> None:
        if self._epoch != self._scheduler.epoch:
            return
        if self._queue:
            self._queue.popleft().resolve(None)
        else:
            self._held = False
