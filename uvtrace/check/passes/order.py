# SPDX-License-Identifier: Apache-2.0
"""The pass of the trace's own order: gaps and clocks."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk
from uvtrace.check.columns import order
from uvtrace.check.compiled import loop
from uvtrace.check.expression import Column
from uvtrace.check.rule import END
from uvtrace.trace.events import is_event
from uvtrace.trace.trace import Trace

_CPUS = 1 << 16
_NEVER = np.iinfo(np.int64).min
_NOTHING: Final = np.zeros(0, np.int64)
_TIMED: Final = is_event(np.arange(256))


class OrderPass:
    """Fills ``columns.order``."""

    columns: tuple[Column, ...] = order.COLUMNS

    def __init__(self, trace: Trace, wanted: AbstractSet[str]) -> None:
        self._trace = trace
        self._wanted = wanted
        self._latest_ns = np.full(_CPUS, _NEVER, np.int64)

    def run(self, chunk: Chunk) -> None:
        """Fill the columns of one chunk."""
        for name, told in (
            ("missing_before", chunk.losses.missing),
            ("lost_here", chunk.losses.lost),
        ):
            if told is None:
                chunk.put_rows(name, _NOTHING, _NOTHING)
            else:
                chunk.put(name, told)
        # Before the end it is not known: the file is read no further than it is judged.
        damaged = int(END in chunk.kinds and self._trace.damage is not None)
        chunk.put_rows("file_damaged", _NOTHING, _NOTHING, damaged)
        if "time_back_ns" in self._wanted:
            self._tell_times(chunk)

    def _tell_times(self, chunk: Chunk) -> None:
        # What tells of the trace has the time at which it was told, or none.
        time_ns, cpu = chunk.column("time_ns"), chunk.column("cpu")
        first = _first_back(chunk.kind, time_ns, cpu, self._latest_ns, _TIMED)
        if first == len(chunk):
            chunk.put_rows("time_back_ns", _NOTHING, _NOTHING)
            return
        back = np.zeros(len(chunk), np.int64)
        _time_back(chunk.kind, time_ns, cpu, self._latest_ns, _TIMED, first, back)
        chunk.put("time_back_ns", back)


@loop
def _first_back(
    kind: NDArray[np.uint8],
    time_ns: NDArray[np.int64],
    cpu: NDArray[np.uint16],
    latest_ns: NDArray[np.int64],
    timed: NDArray[np.bool_],
) -> int:
    """The first row at which a clock runs back; take note of the latest times before it."""
    for row in range(len(time_ns)):
        if timed[kind[row]]:
            if time_ns[row] < latest_ns[cpu[row]]:
                return row
            latest_ns[cpu[row]] = time_ns[row]
    return len(time_ns)


@loop
def _time_back(
    kind: NDArray[np.uint8],
    time_ns: NDArray[np.int64],
    cpu: NDArray[np.uint16],
    latest_ns: NDArray[np.int64],
    timed: NDArray[np.bool_],
    first: int,
    back: NDArray[np.int64],
) -> None:
    for row in range(first, len(time_ns)):
        if not timed[kind[row]]:
            continue
        latest = latest_ns[cpu[row]]
        if time_ns[row] >= latest:
            latest_ns[cpu[row]] = time_ns[row]
        else:
            back[row] = latest - time_ns[row]
