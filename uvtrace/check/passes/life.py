# SPDX-License-Identifier: Apache-2.0
"""The pass of a function's life: driver, resets, power, vectors, handlers."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Final

import numpy as np

from uvtrace.check.chunk import Chunk, Rows
from uvtrace.check.columns import life
from uvtrace.check.expression import Column
from uvtrace.check.passes import life_kernel as kernel
from uvtrace.check.passes.snapshots import snapshots
from uvtrace.check.passes.versions import Versions
from uvtrace.check.rules import Sight
from uvtrace.trace.enums import Kind, Snapshot
from uvtrace.trace.trace import Trace

_CHANGES: Final = (
    *(Kind.PROBE, Kind.BIND, Kind.UNBIND, Kind.POWER, Kind.RESET, Kind.ENABLE_DEVICE),
    *(Kind.DISABLE_DEVICE, Kind.VECTOR_ALLOC, Kind.VECTOR_FREE, Kind.IRQ_REQUEST),
    *(Kind.IRQ_FREE, Kind.SNAPSHOT),
)
_HANDLERS: Final = (Kind.HANDLER_ENTER, Kind.HANDLER_EXIT)
_TOLD: Final = (*_HANDLERS, Kind.MSI, Kind.MSIX, Kind.INTX_ASSERT, Kind.INTX_DEASSERT)
_OF_INTERRUPTS: Final = ("handler_registered", "handler_since", "handler_entered")


class LifePass:
    """Fills ``columns.life``."""

    columns: tuple[Column, ...] = life.COLUMNS

    def __init__(self, trace: Trace, wanted: AbstractSet[str]) -> None:
        functions = max(len(trace.functions), 1)
        self._wanted = wanted
        self._state = kernel.new_state(functions)
        self._running = np.zeros((kernel.CPUS, functions + 1), np.int32)
        self._running_some = False

    def run(self, chunk: Chunk) -> None:
        """Fill the columns of one chunk."""
        with_interrupts = any(name in self._wanted for name in _OF_INTERRUPTS)
        rows = chunk.rows((*_CHANGES, *_TOLD) if with_interrupts else _CHANGES)
        told = np.empty((len(rows), len(_OF_INTERRUPTS)), np.int64)
        changes = len(chunk.rows(_CHANGES))
        table, effective, changed = kernel.follow(
            self._state, self._events(chunk, rows), told, changes
        )
        versions = Versions(chunk, table, effective, changed)
        versions.tell(chunk, kernel.FIELDS)
        self._tell_times(chunk, versions)
        if with_interrupts:
            for name, values in zip(_OF_INTERRUPTS, told.T, strict=True):
                chunk.put_rows(name, rows, values, -1)
        if "in_handler" in self._wanted:
            self._tell_handlers(chunk)

    def _tell_handlers(self, chunk: Chunk) -> None:
        if not self._running_some and not len(chunk.rows(_HANDLERS)):
            nothing = np.zeros(0, np.int64)
            chunk.put_rows("in_handler", nothing, nothing.astype(np.int8))
            return
        told = np.empty(len(chunk), np.int8)
        flags, cpu = chunk.column("flags"), chunk.column("cpu")
        kernel.in_handler(chunk.kind, flags, cpu, chunk.function, self._running, told)
        self._running_some = bool(self._running.any())
        chunk.put("in_handler", told)

    def _tell_times(self, chunk: Chunk, versions: Versions) -> None:
        for name, field in (
            ("since_reset_ns", kernel.RESET_NS),
            ("since_power_ns", kernel.POWER_NS),
        ):
            versions.tell_since(chunk, name, field, clamped=True)

    def _events(self, chunk: Chunk, rows: Rows) -> kernel.Events:
        lost, lost_of = chunk.losses.of([Sight.LIFE])
        told = snapshots(chunk, Snapshot.DELAYS, Snapshot.DRIVER)
        return kernel.Events(
            records=chunk.records.view(kernel.RECORD),
            rows=rows,
            lost=lost,
            lost_of=lost_of,
            told=np.array([row for row, _ in told], np.int64),
            codes=np.array([_code(chunk, row, topic) for row, topic in told], np.int64),
            first=chunk.first,
        )


def _code(chunk: Chunk, row: int, topic: Snapshot) -> int:
    if topic == Snapshot.DELAYS:
        return kernel.DELAYS
    return kernel.DRIVER if chunk.payload(row).strip(b"\0") else kernel.NO_DRIVER
