# SPDX-License-Identifier: Apache-2.0
"""What the workers of a cluster have, and whether they can be used."""

from __future__ import annotations

import importlib.metadata
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from uvtrace.errors import EnvironmentLacksError, UvtraceError
from uvtrace.record import kernels
from uvtrace.trace.texts import printable
from uvtrace.version import VERSION

if TYPE_CHECKING:
    from distributed import Client

_INTERVAL_S: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """A worker.

    Attributes:
        address: of the worker.
        host: the name of its machine.
        threads: tasks that it does at a time.
        kernels: releases that it can boot and build a module for, newest first.
        lacks: why it cannot be used, in one line; empty where it can.
    """

    address: str
    host: str = ""
    threads: int = 1
    kernels: tuple[str, ...] = ()
    lacks: str = ""


@dataclass(frozen=True)
class _Seen:
    """What a worker tells of itself."""

    host: str
    kernels: tuple[str, ...]
    lacks: str


def look(need: Callable[[], None] | None = None) -> _Seen:
    """What this machine has; run on a worker.

    Args:
        need: raises what the work to come would fail of.
    """
    lacks = ""
    try:
        if need is not None:
            need()
    except UvtraceError as error:
        lacks = str(error)
    complete = tuple(each.release for each in kernels.installed() if each.is_complete)
    return _Seen(host=socket.gethostname(), kernels=complete, lacks=lacks)


@dataclass
class Workplaces:
    """The workers of a cluster as they come and go; each is looked at once.

    Attributes:
        client: of the cluster.
        need: see :func:`look`.
        warn: told in one line of each worker that cannot be used.
    """

    client: Client
    need: Callable[[], None] | None = None
    warn: Callable[[str], None] = lambda line: None
    _known: dict[str, Workplace] = field(default_factory=dict)

    def now(self) -> tuple[Workplace, ...]:
        """Those that are there now and can be used.

        Raises:
            EnvironmentLacksError: the scheduler has gone.
        """
        with scheduler_there():
            # Not scheduler_info: that is at times what was asked in passing, without workers.
            there: Mapping[str, int] = self.client.nthreads()
            unknown = [address for address in there if address not in self._known]
            if unknown:
                self._look_at(unknown, there)
        return tuple(
            place for address, place in self._known.items() if address in there and not place.lacks
        )

    def awaited(self, seconds: float) -> tuple[Workplace, ...]:
        """Those that can be used, as soon as there are any.

        Raises:
            EnvironmentLacksError: within this time there are none, or the scheduler has gone.
        """
        until = time.monotonic() + seconds
        while not (places := self.now()):
            if time.monotonic() > until:
                hint = "start one: dask worker ADDRESS"
                raise EnvironmentLacksError("the scheduler has no worker to use", hint=hint)
            time.sleep(_INTERVAL_S)
        return places

    def _look_at(self, addresses: Iterable[str], threads: Mapping[str, int]) -> None:
        """Versions first: what is ours may not even be known where another version is."""
        versions = self._ask(importlib.metadata.version, "uvtrace", addresses=addresses)
        same = [address for address, version in versions.items() if version == VERSION]
        seen = self._ask(look, self.need, addresses=same) if same else {}
        for address, version in versions.items():
            answer = seen.get(address)
            if isinstance(answer, _Seen):
                place = Workplace(
                    address=address,
                    host=answer.host,
                    threads=threads[address],
                    kernels=answer.kernels,
                    lacks=answer.lacks,
                )
            elif version == VERSION and answer is None:
                continue  # It has gone meanwhile.
            else:
                place = Workplace(address=address, lacks=_difference(version, answer))
            self._known[address] = place
            if place.lacks:
                self.warn(f"worker {printable(address)} is not used: {printable(place.lacks)}")

    def _ask(
        self, function: Callable[..., object], *arguments: object, addresses: Iterable[str]
    ) -> dict[str, object]:
        """Each worker's answer, or the error it made; none of who has gone."""
        answers: dict[str, object] = self.client.run(
            function, *arguments, workers=list(addresses), on_error="return"
        )
        return {
            address: answer
            for address, answer in answers.items()
            if not isinstance(answer, OSError)
        }


def _difference(version: object, answer: object) -> str:
    if isinstance(version, importlib.metadata.PackageNotFoundError):
        return f"uvtrace is not installed there (pip install uvtrace=={VERSION})"
    if version != VERSION:
        return f"it has uvtrace {version}, this is {VERSION} (pip install uvtrace=={VERSION})"
    return f"it cannot be asked: {type(answer).__name__}: {answer}"


@contextmanager
def scheduler_there() -> Iterator[None]:
    """Turns what Dask raises when the scheduler has gone into one line.

    Raises:
        EnvironmentLacksError: it has.
    """
    try:
        yield
    except (OSError, CancelledError) as error:
        raise gone() from error


def gone() -> EnvironmentLacksError:
    """What is told when the scheduler has gone."""
    hint = "what is finished is kept; run it again to do the rest"
    return EnvironmentLacksError("the scheduler went away", hint=hint)
