# SPDX-License-Identifier: Apache-2.0
"""A Dask scheduler and workers, each a process of its own, as somebody starts them in a shell."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
START_S = 120.0


def wait_until(happened: Callable[[], bool], seconds: float = START_S) -> None:
    """Until something has happened.

    Raises:
        AssertionError: it does not.
    """
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, "it has not happened in time"
        time.sleep(0.05)


class Processes:
    """A scheduler and its workers; all that is started here ends with it.

    Args:
        folder: for logs and the scheduler's file.
        environment: of all of them, beside this process's own.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._environment = dict(environment or {})
        self._started: list[subprocess.Popen[bytes]] = []
        self.file = folder / "scheduler.json"
        options = ("--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0")
        self.scheduler = self.start("scheduler", *options, "--scheduler-file", str(self.file))
        # It is made, then written at once.
        wait_until(lambda: self.file.exists() and self.file.stat().st_size > 0)

    def start(
        self, kind: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start one of Dask's commands."""
        code = "import sys; from dask.__main__ import main; sys.exit(main())"
        with (self._folder / f"{kind}-{len(self._started)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", code, kind, *arguments],
                cwd=self._folder,
                env={
                    **os.environ,
                    "PYTHONPATH": str(ROOT),
                    **self._environment,
                    **(environment or {}),
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def worker(
        self, threads: int = 1, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a worker; without a nanny, so that who kills it kills the process that works."""
        options = ("--nthreads", str(threads), "--no-nanny", "--no-dashboard")
        return self.start(
            "worker",
            *("--scheduler-file", str(self.file), "--host", "127.0.0.1"),
            *options,
            environment=environment,
        )

    def end(self) -> None:
        """End all that still run."""
        # Asked to, a worker takes its time when its scheduler goes as well.
        for process in self._started:
            process.kill()
            process.wait()


@contextmanager
def processes(folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[Processes]:
    """A scheduler; workers are added to it."""
    cluster = Processes(folder, environment)
    try:
        yield cluster
    finally:
        cluster.end()
