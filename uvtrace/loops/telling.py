# SPDX-License-Identifier: Apache-2.0
"""Who wants to know that loops are compiled, which takes long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_TOLD: Final[list[Callable[[], None]]] = []


def compiles() -> None:
    """A loop is going to be compiled."""
    for tell in _TOLD:
        tell()


@contextmanager
def told(tell: Callable[[], None]) -> Iterator[None]:
    """Call a function before every loop that is compiled meanwhile."""
    _TOLD.append(tell)
    try:
        yield
    finally:
        _TOLD.remove(tell)
