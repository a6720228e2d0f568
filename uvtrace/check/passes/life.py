# SPDX-License-Identifier: Apache-2.0
"""The pass of a function's life: driver, resets, power, vectors, handlers."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk, Rows
from uvtrace.check.columns import life
from uvtrace.check.expression import Column
from uvtrace.check.passes import life_kernel as kernel
from uvtrace.check.passes.versions import Versions
from uvtrace.check.rules import Sight
from uvtrace.trace.enums import Kind, Snapshot
from uvtrace.trace.layout import view_of
from uvtrace.trace.trace import Trace

_CHANGES: Final = (
    *(Kind.PROBE, Kind.BIND, Kind.UNBIND, Kind.POWER, Kind.RESET, Kind.ENABLE_DEVICE),
    *(Kind.DISABLE_DEVICE, Kind.VECTOR_ALLOC, Kind.VECTOR_FREE, Kind.IRQ_REQUEST),
    *(Kind.IRQ_FREE, Kind.SNAPSHOT),
)
_TOLD: Final = (
    *(Kind.HANDLER_ENTER, Kind.HANDLER_EXIT, Kind.MSI, Kind.MSIX, Kind.INTX_ASSERT),
    *(Kind.INTX_DEASSERT,),
)
_OF_INTERRUPTS: Final = ("handler_registered", "handler_since", "handler_entered")


class LifePass:
    """Fills ``columns.life``."""

    columns: tuple[Column, ...] = life.COLUMNS

    def __init__(self, trace: Trace, wanted: AbstractSet[str]) -> None:
        functions = max(len(trace.functions), 1)
        self._wanted = wanted
        self._state = kernel.new_state(functions)
        self._running = np.zeros((kernel.CPUS, functions + 1), np.int32)

    def run(self, chunk: Chunk) -> None:
        """Fill the columns of one chunk."""
        with_interrupts = any(name in self._wanted for name in _OF_INTERRUPTS)
        rows = chunk.rows((*_CHANGES, *_TOLD) if with_interrupts else _CHANGES)
        events = self._events(chunk, rows)
        told = np.full((len(events), 3), -1, np.int64)
        table, effective, changed = kernel.follow(self._state, events, told)
        versions = Versions(chunk, table, effective, changed)
        versions.tell(chunk, kernel.FIELDS)
        self._tell_times(chunk, versions)
        if with_interrupts:
            own: slice | NDArray[np.bool_] = slice(None)
            if len(events) > len(rows):
                own = events["kind"] != kernel.LOSS
            for name, values in zip(_OF_INTERRUPTS, told.T, strict=True):
                chunk.put_rows(name, events["row"][own], values[own], -1)
        if "in_handler" in self._wanted:
            told_running = np.zeros(len(chunk), np.int8)
            kernel.in_handler(
                chunk.kind,
                chunk.column("flags"),
                chunk.column("cpu"),
                chunk.function,
                self._running,
                told_running,
            )
            chunk.put("in_handler", told_running)

    def _tell_times(self, chunk: Chunk, versions: Versions) -> None:
        for name, field in (
            ("since_reset_ns", kernel.RESET_NS),
            ("since_power_ns", kernel.POWER_NS),
        ):
            versions.tell_since(chunk, name, field, clamped=True)

    def _events(self, chunk: Chunk, rows: Rows) -> NDArray[np.void]:
        lost, lost_of = chunk.losses.of([Sight.LIFE])
        at = rows
        is_loss: slice | NDArray[np.bool_] = slice(0)
        if len(lost):
            merged = np.concatenate((lost, rows))
            order = np.argsort(merged, kind="stable")
            at, is_loss = merged[order], (np.arange(len(merged)) < len(lost))[order]
        events = np.zeros(len(at), kernel.EVENT)
        records = chunk.records[at]
        for name in ("kind", "phase", "status", "flags", "function", "tag", "value", "address"):
            events[name] = records[name]
        events["row"], events["position"] = at, at + chunk.first
        events["time_ns"] = records["time_ns"]
        states, irq = view_of(records, "life"), view_of(records, "irq")
        events["old_state"], events["new_state"] = states["old_state"], states["new_state"]
        events["irq"], events["type"], events["count"] = irq["irq"], irq["type"], irq["count"]
        of_bus = np.isin(records["kind"], (Kind.MSI, Kind.MSIX))
        events["vector"] = np.where(of_bus, view_of(records, "bus")["vector"], irq["vector"])
        events["kind"][is_loss] = kernel.LOSS
        events["function"][is_loss] = lost_of
        for event in np.flatnonzero(events["kind"] == Kind.SNAPSHOT).tolist():
            events["kind"][event] = self._snapshot(chunk, int(at[event]))
        return events

    def _snapshot(self, chunk: Chunk, row: int) -> int:
        topic = view_of(chunk.records[row : row + 1], "meta")["topic"][0]
        if topic == Snapshot.DELAYS:
            return kernel.DELAYS
        if topic == Snapshot.DRIVER:
            return kernel.DRIVER if chunk.payload(row).strip(b"\0") else kernel.NO_DRIVER
        return kernel.NOTHING
