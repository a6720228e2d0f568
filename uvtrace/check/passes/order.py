# SPDX-License-Identifier: Apache-2.0
"""The pass of the trace's own order: gaps and clocks."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk
from uvtrace.check.columns import order
from uvtrace.check.compiled import loop
from uvtrace.check.expression import Column
from uvtrace.trace.events import is_event
from uvtrace.trace.trace import Trace

_CPUS = 1 << 16
_NEVER = np.iinfo(np.int64).min


class OrderPass:
    """Fills ``columns.order``."""

    columns: tuple[Column, ...] = order.COLUMNS

    def __init__(self, trace: Trace, wanted: AbstractSet[str]) -> None:
        self._trace = trace
        self._wanted = wanted
        self._latest_ns = np.full(_CPUS, _NEVER, np.int64)

    def run(self, chunk: Chunk) -> None:
        """Fill the columns of one chunk."""
        chunk.put("missing_before", chunk.losses.missing)
        chunk.put("lost_here", chunk.losses.lost)
        damaged = int(self._trace.damage is not None)
        chunk.put_filler("file_damaged", lambda rows: np.full(len(rows), damaged, np.int8))
        if "time_back_ns" in self._wanted:
            # What tells of the trace has the time at which it was told, or none.
            timed = is_event(chunk.kind)
            back = np.zeros(len(chunk), np.int64)
            _time_back(timed, chunk.column("time_ns"), chunk.column("cpu"), self._latest_ns, back)
            chunk.put("time_back_ns", back)


@loop
def _time_back(
    timed: NDArray[np.bool_],
    time_ns: NDArray[np.int64],
    cpu: NDArray[np.uint16],
    latest_ns: NDArray[np.int64],
    back: NDArray[np.int64],
) -> None:
    for row in range(len(time_ns)):
        if not timed[row]:
            continue
        latest = latest_ns[cpu[row]]
        if time_ns[row] >= latest:
            latest_ns[cpu[row]] = time_ns[row]
        else:
            back[row] = latest - time_ns[row]
