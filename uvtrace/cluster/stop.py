# SPDX-License-Identifier: Apache-2.0
"""Whether what a task does is still wanted."""

from __future__ import annotations

import threading
from typing import Any, Protocol


class StoppedError(Exception):
    """A task was given up from outside: it has no result."""


class Stop(Protocol):
    """Asked again and again by who does something that takes long."""

    def is_set(self) -> bool:
        """Whether to give it up."""


class TaskStop:
    """The stop of the task that this thread of a Dask worker runs.

    A task is to be given up when the client has cancelled it or has gone away, when the scheduler
    has, and when the worker is told to end. Dask lets a thread that has begun go on; it only notes
    in the worker's state that nobody waits for it any more.
    """

    def __init__(self) -> None:
        from distributed import get_worker

        self._worker: Any = get_worker()
        self._key: Any = self._worker.get_current_task()

    def is_set(self) -> bool:
        """Whether to give it up."""
        from distributed import Status

        if self._worker.status not in (Status.running, Status.paused):
            return True
        task = self._worker.state.tasks.get(self._key)
        return task is None or task.state == "cancelled"


def never() -> Stop:
    """The stop of what nobody gives up."""
    return threading.Event()
