# SPDX-License-Identifier: Apache-2.0
"""Which records of a trace belong to a finding: its evidence, and what stands around it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.results import Finding
from uvtrace.trace.enums import Kind, Phase
from uvtrace.trace.layout import kinds_of
from uvtrace.trace.moments import rows_of
from uvtrace.trace.trace import Trace

HERE: Final = "here"
"""The role of the record that breaks the rule."""

_CALLS: Final = tuple(kind for kind in kinds_of("dma") if kind < Kind.MEMORY)
_SETTING: Final = (
    *(Kind.CONFIG_READ, Kind.CONFIG_WRITE),
    *kinds_of("life"),
    *(Kind.POOL_CREATE, Kind.POOL_DESTROY),
    *(Kind.VECTOR_ALLOC, Kind.VECTOR_FREE, Kind.IRQ_REQUEST, Kind.IRQ_FREE),
)
"""What decides in which state the function is: its driver's life, resources, config space."""
_LASTING: Final = (Kind.CONFIG_WRITE, Kind.POWER, Kind.RESET)
_WHOLE_TRACE: Final = (Kind.SNAPSHOT, Kind.LOSS)
_BEGIN: Final = (Kind.MAP, Kind.ALLOC, Kind.POOL_ALLOC)
_END: Final = (Kind.UNMAP, Kind.FREE, Kind.POOL_FREE)
_USES: Final = (Kind.DMA_READ, Kind.DMA_WRITE, Kind.MEMORY)
_PAIRED: Final = (
    *(Kind.MMIO_READ, Kind.MMIO_WRITE, Kind.PIO_READ, Kind.PIO_WRITE),
    *(Kind.CONFIG_READ, Kind.CONFIG_WRITE, Kind.DMA_READ),
)


@dataclass(frozen=True)
class Place:
    """Where the records of a finding are.

    Attributes:
        row: of the record that breaks the rule; -1 where the trace does not have it.
        roles: by row: what the records of the proof are.
        function: index of the function; -1 for all of them.
    """

    row: int
    roles: dict[int, str]
    function: int


class Surroundings:
    """Looks up what stands around findings; what they share is looked up once."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._index = {function.name: function.index for function in trace.functions}
        self._own: dict[int, NDArray[np.int64]] = {}

    @cached_property
    def _kind(self) -> NDArray[np.integer]:
        return self._trace.column("kind")

    @cached_property
    def _address(self) -> NDArray[np.uint64]:
        return self._trace.column("address")

    @cached_property
    def _ends(self) -> NDArray[np.uint64]:
        length = self._trace.column("length")
        room = np.uint64(0xFFFFFFFFFFFFFFFF) - self._address
        ends: NDArray[np.uint64] = self._address + np.minimum(length, room)
        return ends

    def places(self, findings: Iterable[Finding]) -> list[Place]:
        """Where findings are, one for each."""
        chosen = list(findings)
        numbers = {number for each in chosen for number in _numbers(each)}
        rows = rows_of(self._trace, numbers)
        return [self._place(each, rows) for each in chosen]

    def _place(self, finding: Finding, rows: dict[int, int]) -> Place:
        roles = {rows[each.seq]: each.role for each in finding.evidence if each.seq in rows}
        row = rows.get(finding.seq, -1)
        if row >= 0:
            roles[row] = f"{roles[row]}, {HERE}" if row in roles else HERE
        return Place(row, dict(sorted(roles.items())), self._index.get(finding.function, -1))

    def own(self, function: int) -> NDArray[np.int64]:
        """The rows of a function, of all functions if it is -1; ascending."""
        if function not in self._own:
            of = self._trace.column("function")
            rows = np.arange(len(of)) if function < 0 else np.flatnonzero(of == function)
            self._own[function] = rows.astype(np.int64)
        return self._own[function]

    def neighbours(self, place: Place, reach: int) -> NDArray[np.int64]:
        """The proof, and ``reach`` records of the same function before and after each of it."""
        own = self.own(place.function)
        chosen = [np.array(list(place.roles), np.int64)]
        for row in place.roles:
            middle = int(np.searchsorted(own, row))
            chosen.append(own[max(middle - reach, 0) : middle + reach + 1])
        return np.unique(np.concatenate(chosen))

    def setting(self, place: Place, *, whole: bool) -> NDArray[np.int64]:
        """What a reader must know before the finding: snapshots, loss, and the driver's life.

        Args:
            place: of the finding.
            whole: all lives of the driver; else the one that the finding is in, and of what came
                before only what changed config space or the function's power.
        """
        own = self.own(place.function)
        kind = self._kind[own]
        chosen = np.isin(kind, _SETTING)
        if not whole:
            first, last = self._life(place)
            inside = (own >= first) & (own <= last)
            chosen &= inside | ((own < first) & np.isin(kind, _LASTING))
        told = np.flatnonzero(np.isin(self._kind, _WHOLE_TRACE))
        return np.union1d(told, own[chosen]).astype(np.int64)

    def _life(self, place: Place) -> tuple[int, int]:
        """The first and the last row of the driver's lives that the proof lies in."""
        own = self.own(place.function)
        lives = own[np.isin(self._kind[own], (Kind.PROBE, Kind.UNBIND))]
        records = self._trace[lives].records
        ends = records["phase"] == Phase.COMPLETION
        begins = lives[(records["kind"] == Kind.PROBE) & ~ends]
        unbound = lives[(records["kind"] == Kind.UNBIND) & ends]
        before = begins[begins <= min(place.roles)]
        after = unbound[unbound >= max(place.roles)]
        return (
            int(before[-1]) if len(before) else 0,
            int(after[0]) if len(after) else len(self._trace),
        )

    def lives(self, place: Place, rows: NDArray[np.int64], *, whole: bool) -> NDArray[np.int64]:
        """The lives of the memory that some rows touch: a map goes with its unmap.

        Args:
            place: of the finding.
            rows: ascending.
            whole: everything that ever was at these addresses; else only the lives that the rows
                lie in, as an address is used again and again.
        """
        own = self.own(place.function)
        calls = own[np.isin(self._kind[own], _CALLS)]
        touched = rows[np.isin(self._kind[rows], (*_CALLS, *_USES))]
        if not len(calls) or not len(touched):
            return np.zeros(0, np.int64)
        begins, ends = _joined(self._address[touched], self._ends[touched])
        met, at = _meets(self._address[calls], self._ends[calls], begins, ends)
        if whole:
            return calls[met]
        where = np.searchsorted(begins, self._address[touched], "right") - 1
        lives = [
            self._around(calls[met & (at == range_)], touched[where == range_])
            for range_ in np.unique(where).tolist()
        ]
        return np.unique(np.concatenate(lives))

    def _around(self, calls: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Calls from the last beginning before some rows to the first end after them."""
        kind = self._kind[calls]
        begun = calls[np.isin(kind, _BEGIN) & (calls <= rows.min())]
        ended = calls[np.isin(kind, _END) & (calls >= rows.max())]
        first = int(begun.max()) if len(begun) else int(rows.min())
        last = int(ended.min()) if len(ended) else len(self._trace)
        return calls[(calls >= first) & (calls <= last)]

    def pairs(self, place: Place, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Requests and completions that belong to some rows, and handlers' ends."""
        own = self.own(place.function)
        tags = self._trace.column("tag")
        paired = own[np.isin(self._kind[own], _PAIRED) & (tags[own] != 0)]
        wanted = np.unique(tags[rows[np.isin(self._kind[rows], _PAIRED)]])
        found: NDArray[np.int64] = paired[np.isin(tags[paired], wanted[wanted != 0])]
        return found


def _numbers(finding: Finding) -> Iterable[int]:
    yield finding.seq
    yield from (each.seq for each in finding.evidence)


def _joined(
    begins: NDArray[np.uint64], ends: NDArray[np.uint64]
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Ranges as ranges that do not meet, ascending."""
    order = np.argsort(begins, kind="stable")
    begins, ends = begins[order], np.maximum.accumulate(ends[order])
    first = np.ones(len(begins), bool)
    first[1:] = begins[1:] > ends[:-1]
    last = np.append(np.flatnonzero(first)[1:] - 1, len(begins) - 1)
    return begins[first], ends[last]


def _meets(
    low: NDArray[np.uint64],
    high: NDArray[np.uint64],
    begins: NDArray[np.uint64],
    ends: NDArray[np.uint64],
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which ranges meet one of some ranges that are joined, and which one that is.

    An empty range meets another one where it begins.
    """
    at = np.maximum(np.searchsorted(begins, np.maximum(high, low + np.uint64(1)), "left") - 1, 0)
    meets = (begins[at] <= low) | (begins[at] < high)
    meets &= (ends[at] > low) | (begins[at] == low)
    return meets, at
