# SPDX-License-Identifier: Apache-2.0
"""How long things took in a recording, as distributions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk
from uvtrace.check.columns.requests import latency_ns
from uvtrace.check.loss import LossFollower
from uvtrace.check.passes import maker_of
from uvtrace.trace.enums import Flag, Kind, Phase
from uvtrace.trace.layout import view_of
from uvtrace.trace.texts import kind_text
from uvtrace.trace.trace import Trace

CHUNK: Final = 1 << 17
REQUESTS: Final = (
    *(Kind.CONFIG_READ, Kind.CONFIG_WRITE, Kind.MMIO_READ),
    *(Kind.PIO_READ, Kind.PIO_WRITE, Kind.DMA_READ),
)
INTERRUPTS: Final = (Kind.MSI, Kind.MSIX, Kind.INTX_ASSERT)
TO_HANDLER: Final = "interrupt to handler"
IN_HANDLER: Final = "in the handler"

Times = dict[tuple[int, str], list[NDArray[np.int64]]]


@dataclass(frozen=True)
class Distribution:
    """How long something took.

    Attributes:
        count: how often it was seen.
        median_ns, p95_ns: in ns.
    """

    count: int
    median_ns: float
    p95_ns: float


def distributions(trace: Trace) -> dict[tuple[int, str], Distribution]:
    """How long things took, by index of the function and by what took so long.

    What is measured: request to completion of each kind of request that waits for an answer (a
    read that is recorded as a whole has the duration that the recorder measured), an interrupt
    message to the handler's beginning, and the handler itself.
    """
    times: Times = defaultdict(list)
    requests = maker_of("requests")(trace, {latency_ns.name}, None)
    losses, first = LossFollower(trace), 0
    handlers = _Handlers()
    for part in trace.chunks(CHUNK):
        records = part.records
        chunk = Chunk(records, first, losses.take(first, records), part.payload)
        requests.run(chunk)
        _take_requests(chunk, times)
        handlers.take(records)
        chunk.release()
        first += len(records)
    for key, measured in handlers.times():
        times[key].append(measured)
    return {key: _distribution(parts) for key, parts in sorted(times.items())}


def _take_requests(chunk: Chunk, times: Times) -> None:
    for kind in REQUESTS:
        rows = chunk.rows((kind,))
        if not len(rows):
            continue
        measured = chunk.take(latency_ns.name, rows)
        # A request is not answered yet: its completion tells.
        known = (measured >= 0) & (chunk.take("phase", rows) != Phase.REQUEST)
        functions = chunk.function[rows]
        for function in np.unique(functions[known]).tolist():
            own = known & (functions == function)
            times[function, kind_text(kind)].append(measured[own].astype(np.int64))


class _Handlers:
    """Interrupts and handlers of the whole trace: few, so that they are kept."""

    def __init__(self) -> None:
        self._parts: list[NDArray[np.void]] = []

    def take(self, records: NDArray[np.void]) -> None:
        kinds = (*INTERRUPTS, Kind.HANDLER_ENTER, Kind.HANDLER_EXIT)
        chosen = np.isin(records["kind"], kinds)
        # A message that has a record at each end counts where it starts.
        chosen &= (records["flags"] & np.uint32(Flag.FAR)) == 0
        self._parts.append(np.array(records[chosen]))

    def times(self) -> Iterator[tuple[tuple[int, str], NDArray[np.int64]]]:
        """Function and what was measured, and the times, ns."""
        if not self._parts:
            return
        records = np.concatenate(self._parts)
        for function in np.unique(records["function"]).tolist():
            own = records[records["function"] == function]
            for what, measured in ((TO_HANDLER, _waits(own)), (IN_HANDLER, _stays(own))):
                if len(measured):
                    yield (function, what), measured


def _waits(records: NDArray[np.void]) -> NDArray[np.int64]:
    """From the first interrupt that no handler had seen to the next handler's beginning."""
    waits, since_ns = [], -1
    kinds, times = records["kind"].tolist(), records["time_ns"].tolist()
    for kind, time_ns in zip(kinds, times, strict=True):
        if kind in INTERRUPTS:
            since_ns = time_ns if since_ns < 0 else since_ns
        elif kind == Kind.HANDLER_ENTER and since_ns >= 0:
            waits.append(time_ns - since_ns)
            since_ns = -1
    return np.array(waits, np.int64)


def _stays(records: NDArray[np.void]) -> NDArray[np.int64]:
    """From a handler's beginning to its end, on the same CPU."""
    stays: list[int] = []
    entered: dict[tuple[int, int], int] = {}
    columns = (records[name].tolist() for name in ("kind", "cpu", "time_ns"))
    irq = view_of(records, "irq")["irq"].tolist()
    for kind, cpu, time_ns, number in zip(*columns, irq, strict=True):
        if kind == Kind.HANDLER_ENTER:
            entered[cpu, number] = time_ns
        elif kind == Kind.HANDLER_EXIT and (cpu, number) in entered:
            stays.append(time_ns - entered.pop((cpu, number)))
    return np.array(stays, np.int64)


def _distribution(parts: Sequence[NDArray[np.int64]]) -> Distribution:
    values = np.concatenate(parts)
    median, p95 = np.percentile(values, (50, 95)).tolist()
    return Distribution(len(values), median, p95)
