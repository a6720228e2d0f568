# SPDX-License-Identifier: Apache-2.0
"""The pass of transaction ordering: who passed whom, and who was held up."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk
from uvtrace.check.columns import ordering
from uvtrace.check.distinct import distinct
from uvtrace.check.expression import Column
from uvtrace.check.pcie.delivery import delivered
from uvtrace.check.pcie.messages import links_of
from uvtrace.check.pcie.passing import EventPassings, InFlight, passings
from uvtrace.check.pcie.passing_kernels import NOTHING
from uvtrace.check.rule import END
from uvtrace.check.rules import Sight
from uvtrace.trace.enums import Flag
from uvtrace.trace.trace import Trace

_NAMES: Final = {
    "passed_rule": "rule",
    "passed_clause": "order",
    "passed": "passed",
    "passed_count": "passed_count",
    "overtaken_by": "overtaken_by",
    "held_up": "held",
    "held_up_ns": "held_ns",
}
"""Column to attribute of :class:`EventPassings`."""
_SIGHTS: Final = (Sight.CPL, Sight.DMA, Sight.IRQ, Sight.MMIO)
"""What tells of messages: where it is lost, nothing is known to be under way."""

_APART: Final = Flag.APART | Flag.FAR


class OrderingPass:
    """Fills ``columns.ordering``."""

    columns: tuple[Column, ...] = ordering.COLUMNS

    def __init__(self, trace: Trace, wanted: AbstractSet[str]) -> None:
        self._wanted = wanted
        self._latest_ns = 0
        self._in_flight = InFlight(links_of([function.name for function in trace.functions]))

    def run(self, chunk: Chunk) -> None:
        """Fill the columns of one chunk."""
        if self._wanted & {"held_up_by", *_NAMES}:
            if len(chunk) and chunk.kind[0] != END:
                self._latest_ns = max(self._latest_ns, int(chunk.column("time_ns").max()))
            if len(self._in_flight) or chunk.flags_seen & _APART:
                self._tell_passings(chunk)
            else:
                # Every message arrived when it was issued: nothing can have been passed.
                nothing = np.zeros(0, np.int64)
                for column, untold in zip((*_NAMES, "held_up_by"), (*NOTHING, -1), strict=True):
                    chunk.put_rows(column, nothing, nothing, untold)
        chunk.put_lazily("is_delivery", lambda: _deliveries(chunk))

    def _tell_passings(self, chunk: Chunk) -> None:
        found = self._passings(chunk)
        held_by = np.where(found.held >= 0, chunk.column("position"), -1)
        if len(chunk) and chunk.kind[0] == END:
            self._tell_end(chunk, found, held_by)
        for column, attribute in _NAMES.items():
            chunk.put(column, getattr(found, attribute))
        chunk.put("held_up_by", held_by)

    def _tell_end(self, chunk: Chunk, found: EventPassings, held_by: NDArray[np.int64]) -> None:
        """The first message of each function that is held up when the trace ends."""
        for message, request, waited_ns, function in self._in_flight.held_at(self._latest_ns)[::-1]:
            rows = chunk.function == function
            found.held[rows], found.held_ns[rows], held_by[rows] = message, waited_ns, request

    def _passings(self, chunk: Chunk) -> EventPassings:
        """The chunk in pieces with no loss between them."""
        lost, _ = chunk.losses.of(_SIGHTS)
        bounds = distinct(np.concatenate((np.zeros(1, np.int64), lost, [len(chunk)])))
        parts = []
        for start, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
            if start in lost:
                self._in_flight.forget()
            positions = np.arange(chunk.first + start, chunk.first + stop, dtype=np.int64)
            parts.append(passings(chunk.records[start:stop], positions, self._in_flight))
        return EventPassings.joined(parts)


def _deliveries(chunk: Chunk) -> NDArray[np.int8]:
    return delivered(*(chunk.parts[name] for name in ("kind", "phase", "status", "flags")))
