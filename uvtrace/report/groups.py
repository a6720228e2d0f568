# SPDX-License-Identifier: Apache-2.0
"""Kinds of records in the groups that a reader thinks in; each has a colour in the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.trace.enums import Kind


@dataclass(frozen=True)
class Group:
    """Kinds that are drawn alike.

    Attributes:
        name: of the colour in the style sheet.
        title: what readers call it.
        kinds: ascending.
    """

    name: str
    title: str
    kinds: tuple[Kind, ...]


def _kinds(first: Kind, last: Kind) -> tuple[Kind, ...]:
    return tuple(kind for kind in Kind if first <= kind <= last)


GROUPS: Final = (
    Group("config", "Config space", _kinds(Kind.CONFIG_READ, Kind.CONFIG_WRITE)),
    Group("mmio", "MMIO", _kinds(Kind.MMIO_READ, Kind.MMIO_WRITE)),
    Group("port", "Port I/O", _kinds(Kind.PIO_READ, Kind.PIO_WRITE)),
    Group("mapping", "DMA mappings", _kinds(Kind.MAP, Kind.POOL_FREE)),
    Group("memory", "Memory contents", (Kind.MEMORY,)),
    Group("device", "Device DMA", _kinds(Kind.DMA_READ, Kind.DMA_WRITE)),
    Group("interrupt", "Interrupts", _kinds(Kind.MSI, Kind.HANDLER_EXIT)),
    Group("life", "Driver, resources", _kinds(Kind.IOMAP, Kind.ERROR)),
    Group("trace", "The trace itself", _kinds(Kind.SNAPSHOT, Kind.LOSS)),
)

UNKNOWN: Final = len(GROUPS) - 1
"""Kinds that this version does not know tell of the trace."""


def group_of_kind() -> NDArray[np.uint8]:
    """Index into :data:`GROUPS` by kind number, shape (256,)."""
    table = np.full(256, UNKNOWN, np.uint8)
    for index, group in enumerate(GROUPS):
        table[[int(kind) for kind in group.kinds]] = index
    return table
