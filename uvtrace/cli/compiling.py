# SPDX-License-Identifier: Apache-2.0
"""The line that tells why the first check after an installation takes so long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click
from numba.core.event import Event, Listener, install_listener

TEXT: Final = "uvtrace: compiling the checks: about a minute, once"
_COMPILES: Final = "numba:compile"
"""The event at which numba compiles what it does not find among what is kept on disk."""


class _Once(Listener):
    """Writes the line to stderr when something is compiled for the first time."""

    def __init__(self) -> None:
        self._told = False

    def on_start(self, event: Event) -> None:
        """Something is going to be compiled."""
        if not self._told:
            self._told = True
            click.echo(TEXT, err=True)

    def on_end(self, event: Event) -> None:
        """It is compiled."""


@contextmanager
def compiling_told() -> Iterator[None]:
    """Say so once if loops are compiled meanwhile, and nothing if all of them are there."""
    with install_listener(_COMPILES, _Once()):
        yield
