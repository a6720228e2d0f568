# SPDX-License-Identifier: Apache-2.0
"""The pass that pairs requests with their completions."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk
from uvtrace.check.columns import requests
from uvtrace.check.compiled import loop, step
from uvtrace.check.expression import Column, EventColumn
from uvtrace.check.keys import keys_of
from uvtrace.check.rules import Sight
from uvtrace.trace.enums import Flag, Kind, Phase, Status
from uvtrace.trace.trace import Trace

_KINDS: Final = (
    *(Kind.CONFIG_READ, Kind.CONFIG_WRITE, Kind.MMIO_READ, Kind.PIO_READ, Kind.PIO_WRITE),
    *(Kind.DMA_READ, Kind.RESET, Kind.PROBE, Kind.POWER),
)
_SLOTS: Final = 1 << 14
"""Requests that can be outstanding at once; PCIe has 2^10 tags for each requester."""
_WAYS: Final = 8

_SLOT: Final = np.dtype(
    [
        ("key", np.uint64),
        ("length", np.uint64),
        ("address", np.uint64),
        ("completed", np.uint64),
        ("last_address", np.uint64),
        ("position", np.int64),
        ("time_ns", np.int64),
        ("function", np.int64),
        ("is_dma", np.uint8),
        ("used", np.uint8),
    ]
)
_TOLD: Final = np.dtype([(column.name, column.dtype) for column in requests.COLUMNS])

_DMA_READ, _RESET = int(Kind.DMA_READ), int(Kind.RESET)
_REQUEST, _COMPLETION, _WHOLE = int(Phase.REQUEST), int(Phase.COMPLETION), int(Phase.WHOLE)
_OK: Final = int(Status.OK)
_FAR: Final = np.uint32(Flag.FAR)
_LOSS: Final = 254


class _Events(NamedTuple):
    row: NDArray[np.int64]
    kind: NDArray[np.int64]
    phase: NDArray[np.int64]
    status: NDArray[np.int64]
    function: NDArray[np.int64]
    key: NDArray[np.uint64]
    tag: NDArray[np.uint64]
    address: NDArray[np.uint64]
    length: NDArray[np.uint64]
    time_ns: NDArray[np.int64]
    duration_ns: NDArray[np.int64]


class RequestsPass:
    """Fills ``columns.requests``."""

    columns: tuple[Column, ...] = requests.COLUMNS

    def __init__(self, trace: Trace, wanted: AbstractSet[str]) -> None:
        self._wanted = wanted
        self._slots = np.zeros(_SLOTS, _SLOT)
        self._counts = np.zeros((max(len(trace.functions), 1) + 1, 2), np.int64)

    def run(self, chunk: Chunk) -> None:
        """Fill the columns of one chunk."""
        events = self._events(chunk)
        told = np.zeros(len(events.row), _TOLD)
        _follow(self._slots, self._counts, events, chunk.first, told)
        own = events.kind != _LOSS
        for column in self.columns:
            if column.name in self._wanted:
                fill = -1 if isinstance(column, EventColumn) else 0
                chunk.put_rows(column.name, events.row[own], told[column.name][own], fill)

    def _events(self, chunk: Chunk) -> _Events:
        rows = chunk.rows(_KINDS)
        # A message that has a record at each end is paired where it starts: at the host.
        rows = rows[(chunk.column("flags")[rows] & _FAR) == 0]
        lost, lost_of = chunk.losses.of([Sight.CPL])
        merged = np.concatenate((lost, rows))
        order = np.argsort(merged, kind="stable")
        at, is_loss = merged[order], (np.arange(len(merged)) < len(lost))[order]
        kind = chunk.kind[at].astype(np.int64)
        kind[is_loss] = _LOSS
        function = chunk.function[at].astype(np.int64)
        function[is_loss] = lost_of
        tag = chunk.column("tag")[at]
        return _Events(
            row=at,
            kind=kind,
            phase=chunk.column("phase")[at].astype(np.int64),
            status=chunk.column("status")[at].astype(np.int64),
            function=function,
            key=keys_of(function, (kind, tag)),
            tag=tag,
            address=chunk.column("address")[at],
            length=chunk.column("length")[at],
            time_ns=chunk.column("time_ns")[at],
            duration_ns=chunk.column("duration_ns")[at].astype(np.int64),
        )


@loop
def _follow(
    slots: NDArray[np.void],
    counts: NDArray[np.int64],
    events: _Events,
    first: int,
    told: NDArray[np.void],
) -> None:
    last = len(counts) - 1
    for i in range(len(events.row)):
        one = told[i]
        one.request, one.latency_ns = -1, -1
        f = events.function[i]
        if events.kind[i] == _LOSS:
            _forget(slots, counts, f)
            continue
        f = min(f, last)
        one.outstanding, one.outstanding_dma = counts[f, 0], counts[f, 1]
        if events.kind[i] == _RESET:
            if events.phase[i] != _REQUEST:
                _forget(slots, counts, f)
        elif events.phase[i] == _WHOLE:
            one.latency_ns = events.duration_ns[i]
            one.request = first + events.row[i]
            one.request_length, one.request_address = events.length[i], events.address[i]
        elif events.tag[i] != 0:
            _pair(slots, counts, events, i, f, first, one)


@step
def _pair(
    slots: NDArray[np.void],
    counts: NDArray[np.int64],
    events: _Events,
    i: int,
    f: int,
    first: int,
    one: Any,
) -> None:
    found = _find(slots, events.key[i])
    if found >= 0:
        slot = slots[found]
        one.request = slot.position
        one.request_length, one.request_address = slot.length, slot.address
        one.completed_bytes = slot.completed
        one.last_completion_address = slot.last_address
        one.latency_ns = events.time_ns[i] - slot.time_ns
    if events.phase[i] == _REQUEST:
        if found >= 0:
            _release(slots, counts, found)
        _open(slots, counts, events, i, f, first)
    elif events.phase[i] == _COMPLETION and found >= 0:
        slot = slots[found]
        slot.completed += events.length[i]
        slot.last_address = events.address[i]
        whole = slot.completed >= slot.length or events.kind[i] != _DMA_READ
        if whole or events.status[i] != _OK:
            _release(slots, counts, found)


@step
def _find(slots: NDArray[np.void], key: np.uint64) -> int:
    base = np.int64(key >> np.uint64(20)) & (len(slots) - 1)
    for way in range(_WAYS):
        place = (base + way) & (len(slots) - 1)
        if slots[place].used and slots[place].key == key:
            return int(place)
    return -1


@step
def _open(
    slots: NDArray[np.void],
    counts: NDArray[np.int64],
    events: _Events,
    i: int,
    f: int,
    first: int,
) -> None:
    base = np.int64(events.key[i] >> np.uint64(20)) & (len(slots) - 1)
    chosen = base
    for way in range(_WAYS):
        place = (base + way) & (len(slots) - 1)
        if not slots[place].used:
            chosen = place
            break
        if slots[place].position < slots[chosen].position:
            chosen = place
    if slots[chosen].used:
        # The oldest makes room: what completes it later is taken for unexpected.
        _release(slots, counts, chosen)
    slot = slots[chosen]
    slot.key, slot.length, slot.address = events.key[i], events.length[i], events.address[i]
    slot.completed, slot.last_address = np.uint64(0), np.uint64(0)
    slot.position, slot.time_ns = first + events.row[i], events.time_ns[i]
    slot.function, slot.is_dma, slot.used = f, events.kind[i] == _DMA_READ, 1
    counts[f, 0] += 1
    counts[f, 1] += slot.is_dma


@step
def _release(slots: NDArray[np.void], counts: NDArray[np.int64], place: Any) -> None:
    slot = slots[place]
    slot.used = 0
    counts[slot.function, 0] -= 1
    counts[slot.function, 1] -= slot.is_dma


@step
def _forget(slots: NDArray[np.void], counts: NDArray[np.int64], f: int) -> None:
    for place in range(len(slots)):
        if slots[place].used and (f < 0 or slots[place].function == f):
            _release(slots, counts, place)
