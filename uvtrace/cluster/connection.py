# SPDX-License-Identifier: Apache-2.0
"""The cluster that work is given to.

Both are Dask clusters, so that a night on this machine goes the same way as one on twenty. That
within this process speaks through memory: nobody else can reach it, and it starts in a tenth of
a second.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from uvtrace.errors import EnvironmentLacksError, UsageError

if TYPE_CHECKING:
    from distributed import Client

CONNECT_S: Final = 10.0
"""So long a scheduler may take to answer."""
CLOSE_S: Final = 40.0
"""So long a cluster within this process may take to end what it runs."""

_ADDRESS = re.compile(r"(?:[a-z]+://)?[^/\s]+:\d+")
_HINT = "as in tcp://host:8786, or the file that dask scheduler --scheduler-file writes"


@contextmanager
def connected(address: str) -> Iterator[Client]:
    """A cluster that runs already.

    Args:
        address: of its scheduler, ``tcp://host:8786``, or the file that this writes.

    Raises:
        UsageError: it is neither an address nor a file.
        EnvironmentLacksError: nobody answers there, or who does is no Dask scheduler.
    """
    where = _where(address)
    import distributed

    _be_quiet()
    try:
        with warnings.catch_warnings():
            # Of versions that differ only those of uvtrace matter, and they are looked at.
            warnings.simplefilter("ignore")
            client = distributed.Client(
                **where, timeout=CONNECT_S, set_as_default=False, name="uvtrace"
            )
    except (OSError, ValueError, RuntimeError, TypeError, KeyError) as error:
        raise EnvironmentLacksError(
            f"no Dask scheduler answers within {CONNECT_S:g} s",
            where=address,
            hint="start one: dask scheduler",
        ) from error
    try:
        yield client
    finally:
        client.close(timeout=CONNECT_S)


def _where(address: str) -> dict[str, str]:
    if _ADDRESS.fullmatch(address):
        return {"address": address}
    if not Path(address).is_file():
        raise UsageError("neither a scheduler's address nor its file", where=address, hint=_HINT)
    return {"scheduler_file": address}


@contextmanager
def within(jobs: int) -> Iterator[Client]:
    """A cluster within this process, of one worker that does so many jobs at a time.

    What it still runs when the context ends is told to end, and waited for.
    """
    import dask
    import distributed

    _be_quiet()
    # Its pages of figures are for nobody; the socket that they need is left to this machine.
    settings: dict[str, list[str]] = {
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
    }
    with (
        dask.config.set(settings),
        distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=jobs,
            processes=False,
            protocol="inproc://",
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
            memory_limit=0,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        distributed.Client(cluster, set_as_default=False, name="uvtrace") as client,
    ):
        yield client


def _be_quiet() -> None:
    """What Dask has to say is for who looks for a defect in it."""
    if logging.getLogger().isEnabledFor(logging.DEBUG):
        return
    for name in tuple(logging.root.manager.loggerDict):
        if name.partition(".")[0] in ("distributed", "tornado", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
