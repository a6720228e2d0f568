# SPDX-License-Identifier: Apache-2.0
"""The pass that pairs requests with their completions."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk
from uvtrace.check.columns import requests
from uvtrace.check.compiled import fetch_ahead, loop, rare_step, step
from uvtrace.check.expression import Column, EventColumn
from uvtrace.check.record_view import record_view
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
_TOLD: Final = np.dtype([(column.name, column.dtype) for column in requests.COLUMNS], align=True)
_RECORD: Final = record_view(
    (
        *("kind", "phase", "status", "flags", "function", "time_ns", "duration_ns"),
        *("address", "length", "tag"),
    )
)

_DMA_READ, _RESET = int(Kind.DMA_READ), int(Kind.RESET)
_REQUEST, _COMPLETION, _WHOLE = int(Phase.REQUEST), int(Phase.COMPLETION), int(Phase.WHOLE)
_OK: Final = int(Status.OK)
_FAR: Final = np.uint32(Flag.FAR)
_MIX, _SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(29)


class _Events(NamedTuple):
    """The records of a chunk, dtype _RECORD, and what to look at.

    ``rows``: the events, ascending. ``lost``, ``lost_of``: rows before which something was lost,
    and of which function (-1: of all). ``first``: the position of the first record.
    """

    records: NDArray[np.void]
    rows: NDArray[np.int64]
    lost: NDArray[np.int64]
    lost_of: NDArray[np.int64]
    first: int


class RequestsPass:
    """Fills ``columns.requests``."""

    columns: tuple[Column, ...] = requests.COLUMNS

    def __init__(self, trace: Trace, wanted: AbstractSet[str]) -> None:
        self._wanted = wanted
        self._slots = np.zeros(_SLOTS, _SLOT)
        self._counts = np.zeros((max(len(trace.functions), 1) + 1, 2), np.int64)

    def run(self, chunk: Chunk) -> None:
        """Fill the columns of one chunk."""
        rows = chunk.rows(_KINDS)
        told = np.empty(len(rows), _TOLD)
        lost, lost_of = chunk.losses.of([Sight.CPL])
        events = _Events(chunk.records.view(_RECORD), rows, lost, lost_of, chunk.first)
        if len(rows) or len(lost):
            _follow(self._slots, self._counts, events, told)
        for column in self.columns:
            if column.name in self._wanted:
                fill = -1 if isinstance(column, EventColumn) else 0
                chunk.put_rows(column.name, rows, told[column.name], fill)


@loop
def _follow(
    slots: NDArray[np.void],
    counts: NDArray[np.int64],
    events: _Events,
    told: NDArray[np.void],
) -> None:
    last, following = len(counts) - 1, 0
    for i in range(len(events.rows)):
        fetch_ahead(events.records, events.rows, i)
        row, one = events.rows[i], told[i]
        while following < len(events.lost) and events.lost[following] <= row:
            _forget(slots, counts, events.lost_of[following])
            following += 1
        record, position = events.records[row], events.first + row
        _untold(one)
        # A message that has a record at each end is paired where it starts: at the host.
        if record.flags & _FAR:
            continue
        one.latency_ns = -1
        f: Any = min(np.int64(record.function), last)
        one.outstanding, one.outstanding_dma = counts[f, 0], counts[f, 1]
        if record.kind == _RESET:
            if record.phase != _REQUEST:
                _forget(slots, counts, f)
        elif record.phase == _WHOLE:
            one.latency_ns = record.duration_ns
            one.request = position
            one.request_length, one.request_address = record.length, record.address
        elif record.tag != 0:
            _pair(slots, counts, record, f, position, one)
    for each in range(following, len(events.lost)):
        _forget(slots, counts, events.lost_of[each])


@step
def _untold(one: Any) -> None:
    one.request, one.latency_ns, one.outstanding, one.outstanding_dma = -1, 0, 0, 0
    one.request_length, one.request_address = np.uint64(0), np.uint64(0)
    one.completed_bytes, one.last_completion_address = np.uint64(0), np.uint64(0)


@step
def _key(record: Any) -> Any:
    """A number that stands for function, kind and tag."""
    key = (np.uint64(record.function) + np.uint64(1)) * _MIX
    key = (key ^ (key >> _SHIFT)) * _MIX + np.uint64(record.kind)
    key = (key ^ (key >> _SHIFT)) * _MIX + np.uint64(record.tag)
    return (key ^ (key >> _SHIFT)) * _MIX


@step
def _pair(
    slots: NDArray[np.void],
    counts: NDArray[np.int64],
    record: Any,
    f: int,
    position: int,
    one: Any,
) -> None:
    key, time_ns = _key(record), np.int64(record.time_ns)
    found = _find(slots, key)
    if found >= 0:
        slot = slots[found]
        one.request = slot.position
        one.request_length, one.request_address = slot.length, slot.address
        one.completed_bytes = slot.completed
        one.last_completion_address = slot.last_address
        one.latency_ns = time_ns - slot.time_ns
    if record.phase == _REQUEST:
        if found >= 0:
            _release(slots, counts, found)
        _open(slots, counts, record, key, f, position)
    elif record.phase == _COMPLETION and found >= 0:
        slot = slots[found]
        slot.completed += record.length
        slot.last_address = record.address
        whole = slot.completed >= slot.length or record.kind != _DMA_READ
        if whole or record.status != _OK:
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
    record: Any,
    key: Any,
    f: int,
    position: int,
) -> None:
    base = np.int64(key >> np.uint64(20)) & (len(slots) - 1)
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
    slot.key, slot.length, slot.address = key, record.length, record.address
    slot.completed, slot.last_address = np.uint64(0), np.uint64(0)
    slot.position, slot.time_ns = position, np.int64(record.time_ns)
    slot.function, slot.is_dma, slot.used = f, record.kind == _DMA_READ, 1
    counts[f, 0] += 1
    counts[f, 1] += slot.is_dma


@step
def _release(slots: NDArray[np.void], counts: NDArray[np.int64], place: Any) -> None:
    slot = slots[place]
    slot.used = 0
    counts[slot.function, 0] -= 1
    counts[slot.function, 1] -= slot.is_dma


@rare_step
def _forget(slots: NDArray[np.void], counts: NDArray[np.int64], f: int) -> None:
    for place in range(len(slots)):
        if slots[place].used and (f < 0 or slots[place].function == f):
            _release(slots, counts, place)
