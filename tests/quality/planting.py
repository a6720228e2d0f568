# SPDX-License-Identifier: Apache-2.0
"""Faults planted in real recordings: records changed, left out, or put in."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

import uvtrace
from uvtrace.trace.enums import Direction, Kind
from uvtrace.trace.layout import RECORD, make_records, view_of
from uvtrace.trace.sequence import renumber
from uvtrace.trace.trace import Trace, open_bytes
from uvtrace.trace.writer import PcapngWriter

TO_DEVICE, FROM_DEVICE = Direction.TO_DEVICE, Direction.FROM_DEVICE
TRACES = Path(__file__).parents[2] / "traces"


class Planting:
    """A recording with a fault in it. Positions are those of the recording as it was."""

    def __init__(self, recording: str) -> None:
        self.clean = uvtrace.open(TRACES / recording)
        self._records = np.array(self.clean.records, RECORD)
        self._left_out: set[int] = set()
        self._put_in: list[tuple[int, np.void]] = []

    def nth(self, kind: Kind, n: int, **fields: int) -> int:
        """The position of the nth record (from 0; -1 the last) of a kind with these fields."""
        chosen = self._records["kind"] == kind
        for name, value in fields.items():
            chosen &= self._records[name] == value
        return int(np.flatnonzero(chosen)[n])

    def before(self, position: int, kind: Kind, **fields: int) -> int:
        """The position of the last record of a kind before another."""
        chosen = self._records["kind"][:position] == kind
        for name, value in fields.items():
            chosen &= self._records[name][:position] == value
        return int(np.flatnonzero(chosen)[-1])

    def field(self, position: int, name: str) -> int:
        """A field of a record."""
        return int(self._records[name][position])

    def change(self, position: int, **fields: Any) -> Self:
        """A record says something else."""
        for name, value in fields.items():
            self._records[name][position] = value
        return self

    def map_other_way(self, n: int) -> int:
        """The nth mapping TO_DEVICE, and its unmap, are FROM_DEVICE; returns its position."""
        dma, kind = view_of(self._records, "dma"), self._records["kind"]
        made = int(np.flatnonzero((kind == Kind.MAP) & (dma["direction"] == TO_DEVICE))[n])
        same = (kind == Kind.UNMAP) & (self._records["address"] == self._records["address"][made])
        gone = int(np.flatnonzero(same[made:])[0]) + made
        dma["direction"][[made, gone]] = FROM_DEVICE
        return made

    def leave_out(self, position: int) -> Self:
        """Something does not happen."""
        self._left_out.add(position)
        return self

    def again(self, after: int, like: int, **fields: Any) -> Self:
        """What happened before happens again, with other fields."""
        record = self._records[like : like + 1].copy()
        return self._put(after, record, fields)

    def happens(self, after: int, kind: Kind, **fields: Any) -> Self:
        """Something happens that did not, to the only function."""
        return self._put(after, make_records(1, kind=kind, function=0), fields)

    def _put(self, after: int, record: NDArray[np.void], fields: dict[str, Any]) -> Self:
        record["time_ns"] = self._records["time_ns"][after]
        for name, value in fields.items():
            record[name] = value
        self._put_in.append((after, record[0]))
        return self

    def trace(self) -> Trace:
        """The recording with the fault, numbered without gaps."""
        order, records = [], []
        for position in range(len(self._records)):
            if position not in self._left_out:
                order.append(position)
                records.append(self._records[position])
            for after, record in self._put_in:
                if after == position:
                    order.append(-1)
                    records.append(record)
        told = np.array(records, RECORD)
        renumber(told, 0)
        payloads = {
            row: self.clean.payload(position)
            for row, position in enumerate(order)
            if position >= 0 and told["payload"][row]
        }
        file = io.BytesIO()
        functions = [(each.name, each.description) for each in self.clean.functions]
        with PcapngWriter(file, functions=functions, os=self.clean.sections[0].os) as writer:
            writer.write(told, payloads)
        return open_bytes(file.getvalue(), "planted.pcapng")
