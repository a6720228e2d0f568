# SPDX-License-Identifier: Apache-2.0
"""The pass of config state: what snapshots, reads and writes of config space tell."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk
from uvtrace.check.columns import config
from uvtrace.check.expression import Column
from uvtrace.check.passes import config_kernel as kernel
from uvtrace.check.passes.config_layout import Layout, Place, layout_of, unknown_layout
from uvtrace.check.passes.snapshots import config_snapshots
from uvtrace.check.passes.versions import Versions
from uvtrace.trace.enums import Kind
from uvtrace.trace.trace import Trace

_KINDS: Final = (*(Kind.CONFIG_READ, Kind.CONFIG_WRITE, Kind.POWER, Kind.RESET, Kind.SNAPSHOT),)
_ACCESSES: Final = (Kind.CONFIG_READ, Kind.CONFIG_WRITE)
_PER_ACCESS: Final = (
    *(
        "capability",
        "capability_offset",
        "old_value",
        "read_only_bits",
        "reserved_bits",
    ),
    *("clear_bits", "last_config_read", "last_config_read_value"),
)
_UNTOLD: Final = {"capability": -1, "capability_offset": -1, "old_value": -1}


class ConfigPass:
    """Fills ``columns.config``."""

    columns: tuple[Column, ...] = config.COLUMNS

    def __init__(self, trace: Trace, wanted: AbstractSet[str]) -> None:
        self._wanted = wanted
        self._state = kernel.new_state([unknown_layout() for _ in range(len(trace.functions))])
        self._functions = len(trace.functions)

    def run(self, chunk: Chunk) -> None:
        """Fill the columns of one chunk."""
        rows = chunk.rows(_KINDS)
        layouts = self._layouts(chunk)
        events = kernel.events_of(chunk, rows, layouts, self._functions)
        per_access = np.full((len(_PER_ACCESS), len(events)), -1, np.int64)
        table, effective, changed = kernel.follow(
            self._state,
            events,
            kernel.spaces_of(layouts.values()),
            per_access,
            chunk.first,
        )
        Versions(chunk, table, effective, changed).tell(chunk, kernel.FIELDS)
        self._tell_accesses(chunk, events, per_access)
        self._tell_faults(chunk, layouts)

    def _layouts(self, chunk: Chunk) -> dict[int, Layout]:
        """The layouts that the snapshots of a chunk tell, by row."""
        return {row: layout_of(chunk.payload(row), total) for row, total in config_snapshots(chunk)}

    def _tell_accesses(
        self, chunk: Chunk, events: NDArray[np.void], per_access: kernel.Numbers
    ) -> None:
        chosen = np.flatnonzero(events["code"] <= kernel.WRITE)
        for name, values in zip(_PER_ACCESS, per_access, strict=True):
            if name in self._wanted:
                of_rows = values[chosen].astype(np.dtype(_dtype(name)))
                chunk.put_rows(name, events["row"][chosen], of_rows, _UNTOLD.get(name, 0))

    def _tell_faults(self, chunk: Chunk, layouts: dict[int, Layout]) -> None:
        if "capability_fault" in self._wanted:
            rows = np.array(list(layouts), np.int64)
            faults = [layout.places[Place.FAULT] for layout in layouts.values()]
            chunk.put_rows("capability_fault", rows, np.array(faults, np.int8))


def _dtype(name: str) -> np.dtype[np.generic]:
    return np.dtype(next(column.dtype for column in config.COLUMNS if column.name == name))
