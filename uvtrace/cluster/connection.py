# SPDX-License-Identifier: Apache-2.0
"""The cluster that work is given to.

Both are Dask clusters, so that a night on this machine goes the same way as one on twenty. That
within this process speaks through memory: nobody else can reach it, and it starts in a tenth of
a second.
"""

from __future__ import annotations

import asyncio
import json
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
    place = _place(address)
    import distributed

    _be_quiet()
    try:
        # The client itself waits for ever for who takes a call and says nothing.
        asyncio.run(asyncio.wait_for(_identity(place), CONNECT_S))
        with warnings.catch_warnings():
            # Of versions that differ only those of uvtrace matter, and they are looked at.
            warnings.simplefilter("ignore")
            client = distributed.Client(
                place, timeout=CONNECT_S, set_as_default=False, name="uvtrace"
            )
    except (OSError, ValueError, RuntimeError, TypeError, KeyError, MemoryError) as error:
        raise EnvironmentLacksError(
            f"no Dask scheduler answers within {CONNECT_S:g} s",
            where=address,
            hint="start one: dask scheduler",
        ) from error
    try:
        yield client
    finally:
        client.close(timeout=CONNECT_S)


async def _identity(address: str) -> object:
    """What a scheduler tells of itself."""
    from distributed import Security
    from distributed.comm import connect

    arguments = Security().get_connection_args("client")
    comm = await connect(address, timeout=CONNECT_S, **arguments)
    try:
        await comm.write({"op": "identity", "reply": True})
        return await comm.read()
    finally:
        comm.abort()


def _place(address: str) -> str:
    """The address of a scheduler, which may be told by its file."""
    if _ADDRESS.fullmatch(address):
        return address
    try:
        return str(json.loads(Path(address).read_bytes())["address"])
    except FileNotFoundError:
        message = "neither a scheduler's address nor its file"
    except (OSError, ValueError, LookupError, TypeError):
        message = "no file of a scheduler"
    raise UsageError(message, where=address, hint=_HINT)


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
