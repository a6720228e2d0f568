# SPDX-License-Identifier: Apache-2.0
"""A function's register accesses, by the names of its registers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uvtrace.registers import RegisterMap
from uvtrace.trace.enums import Flag, Kind, Phase, Status
from uvtrace.trace.functions import Function
from uvtrace.trace.layout import view_of
from uvtrace.trace.texts import bar_text
from uvtrace.trace.trace import Trace

CHUNK = 1 << 18
WRITES = (Kind.MMIO_WRITE, Kind.PIO_WRITE)
READS = (Kind.MMIO_READ, Kind.PIO_READ)
_BAR_SHIFT = 56


@dataclass(frozen=True)
class Accesses:
    """Some accesses of one function, in the order of the trace.

    Attributes:
        place: BAR and offset in one number, shape (n,); see :class:`RegisterNames`.
        write: whether it is a write, shape (n,).
        value: shape (n,).
        epoch: how often the driver had begun to probe, or the function was reset, before it.
    """

    place: NDArray[np.uint64]
    write: NDArray[np.bool_]
    value: NDArray[np.uint64]
    epoch: NDArray[np.int64]


def accesses(trace: Trace, function: Function, *, reads: bool) -> Iterator[Accesses]:
    """The accesses that reached the device, chunk by chunk.

    Of a string instruction only the first access counts; a read counts when it returns.
    """
    epochs = 0
    for chunk in trace.chunks(CHUNK):
        records = chunk.records[chunk.column("function") == function.index]
        kind, phase = records["kind"], records["phase"]
        begins = (kind == Kind.PROBE) & (phase != Phase.COMPLETION)
        begins |= (kind == Kind.RESET) & (phase != Phase.REQUEST)
        epoch = epochs + np.cumsum(begins)
        epochs = int(epoch[-1]) if len(epoch) else epochs
        write = np.isin(kind, WRITES) & (phase != Phase.COMPLETION)
        wanted = write
        if reads:
            answered = (phase != Phase.REQUEST) & (records["status"] == Status.OK)
            wanted = write | (np.isin(kind, READS) & answered)
        view = view_of(records, "access")
        refused = records["flags"] & np.uint32(Flag.OUTSIDE | Flag.STALE)
        rows = np.flatnonzero(wanted & (view["string_index"] == 0) & (refused == 0))
        place = view["bar"][rows].astype(np.uint64) << np.uint64(_BAR_SHIFT)
        place |= view["offset"][rows]
        yield Accesses(place, write[rows], records["value"][rows], epoch[rows].astype(np.int64))


class RegisterNames:
    """What registers are called: by a map, else by BAR and offset.

    Elements of an array share its name, so that a filter table is one register.
    """

    def __init__(self, described: RegisterMap | None) -> None:
        self._map = described
        self._names: dict[tuple[int, bool], str] = {}

    def name(self, place: int, *, write: bool) -> str:
        """The register at a place: ``RCTL``, ``MTA[]``, ``BAR0+0x2818``."""
        found = self._names.get((place, write))
        if found is None:
            found = self._look_up(place, write)
            self._names[place, write] = found
        return found

    def of(self, places: NDArray[np.uint64], write: NDArray[np.bool_]) -> NDArray[Any]:
        """The names of many accesses, shape (n,)."""
        key = np.stack([places, write.astype(np.uint64)], axis=1)
        unique, inverse = np.unique(key, axis=0, return_inverse=True)
        names = [self.name(place, write=bool(writes)) for place, writes in unique.tolist()]
        return np.array(names, object)[inverse.reshape(-1)] if names else np.zeros(0, object)

    def _look_up(self, place: int, write: bool) -> str:
        bar, offset = place >> _BAR_SHIFT, place & (1 << _BAR_SHIFT) - 1
        if self._map is not None:
            element = int(self._map.lookup([bar], [offset], [write])[0])
            if element >= 0:
                return self._map.declaration(element).name
        return f"{bar_text(bar)}+{offset & ~3:#x}"


def counted(items: Iterable[tuple[Any, int]]) -> dict[Any, int]:
    """Counts added up by key, in the order in which keys were first seen."""
    counts: dict[Any, int] = {}
    for key, count in items:
        counts[key] = counts.get(key, 0) + count
    return counts
