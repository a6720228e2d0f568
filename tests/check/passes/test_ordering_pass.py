# SPDX-License-Identifier: Apache-2.0
"""What the engine's columns tell of ordering."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.check.pcie.bus_story import BusStory
from uvtrace.check.chunk import Chunk
from uvtrace.check.columns.ordering import COLUMNS, Clause
from uvtrace.check.loss import Losses, LossFollower
from uvtrace.check.passes.ordering import OrderingPass
from uvtrace.check.rule import END
from uvtrace.trace.layout import FUNCTION_NONE, make_records
from uvtrace.trace.trace import Trace

_ALL = frozenset(column.name for column in COLUMNS)


def _columns(trace: Trace, size: int) -> dict[str, NDArray[Any]]:
    """Every ordering column of a trace, seen in chunks."""
    ordering, losses = OrderingPass(trace, _ALL), LossFollower(trace)
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in _ALL}
    first = 0
    for piece in trace.chunks(size):
        chunk = Chunk(piece.records, first, losses.take(first, piece.records), lambda row: b"")
        ordering.run(chunk)
        for name in _ALL:
            parts[name].append(chunk.column(name))
        first += len(chunk)
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def test_the_columns_name_the_message_passed_and_the_clause_whatever_the_chunks() -> None:
    bus = BusStory()
    data, interrupt = bus.sends("dma_write"), bus.sends("msi")
    at, late = bus.arrives(interrupt), bus.arrives(data)
    for size in (1, 3, 100):
        told = _columns(bus.story.trace(), size)
        assert (told["passed_rule"][at], told["passed"][at]) == (5, 0)
        assert Clause(int(told["passed_clause"][at])).name == "A2a"
        assert told["overtaken_by"][late] == at
        assert told["is_delivery"][: bus.count].tolist() == [0, 0, 1, 1]


def test_nothing_is_under_way_after_a_loss() -> None:
    bus = BusStory()
    data, interrupt = bus.sends("dma_write"), bus.sends("msi")
    bus.story.loss(3)
    bus.count += 1
    at, late = bus.arrives(interrupt), bus.arrives(data)
    told = _columns(bus.story.trace(), 100)
    assert told["passed_rule"][[at, late]].tolist() == [-1, -1]
    assert (told["passed"] == -1).all()


def test_who_is_held_up_at_the_end_is_told_behind_the_last_event() -> None:
    bus = BusStory()
    bus.sends("mmio_read")
    bus.sends("mmio_write")
    bus.at_once("dma_write")
    bus.waits(60_000_000)
    bus.story.mark("still waiting")
    trace = bus.story.trace()
    ordering, losses = OrderingPass(trace, _ALL), LossFollower(trace)
    ordering.run(Chunk(trace.records, 0, losses.take(0, trace.records), lambda row: b""))
    end = make_records(2, kind=END)
    end["function"] = [0, FUNCTION_NONE]
    chunk = Chunk(end, len(trace), Losses.none(), lambda row: b"")
    ordering.run(chunk)
    told = [chunk.column(name).tolist() for name in ("held_up", "held_up_by")]
    assert told == [[1, -1], [0, -1]]
    assert chunk.column("held_up_ns")[0] > 60_000_000


def test_every_column_has_the_type_that_it_is_declared_with() -> None:
    bus = BusStory()
    bus.arrives(bus.sends("dma_write"))
    told = _columns(bus.story.trace(), 100)
    for column in COLUMNS:
        found = told[column.name].dtype
        assert np.can_cast(found, np.dtype(column.dtype)), column.name
