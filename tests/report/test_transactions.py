# SPDX-License-Identifier: Apache-2.0
"""The table's columns tell what the recording holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import uvtrace
from tests.story import Story
from uvtrace.report.packing import unpack
from uvtrace.report.states import known_devices
from uvtrace.report.transactions import Table, rows_shown, table_of
from uvtrace.trace.moments import start_ns
from uvtrace.trace.texts import printable
from uvtrace.trace.trace import Trace

TRACES = Path(__file__).parents[2] / "traces"


def table(trace: Trace) -> Table:
    return table_of(trace, start_ns(trace), known_devices(trace).registers)


def cells(made: Table, name: str) -> list[str]:
    """The texts of a column, row by row."""
    numbers = unpack(made.columns[name], made.facts["rows"]).tolist()
    return [made.words[name][number] for number in numbers]


@pytest.mark.parametrize("name", ["e1000-6.12", "model-uvnic1-6.12", "nvme-6.1-rt"])
def test_numbers_and_sites_are_those_of_the_recording(name: str) -> None:
    trace = uvtrace.open(TRACES / f"{name}.pcapng.zst")
    made = table(trace)
    for column in ("seq", "kind", "cpu", "function", "address", "length", "value"):
        assert (unpack(made.columns[column], len(trace)) == trace.column(column)).all(), column
    assert (unpack(made.columns["duration"], len(trace)) == trace.column("duration_ns")).all()
    since = np.maximum(trace.column("time_ns").astype(np.int64) - start_ns(trace), 0)
    assert (unpack(made.columns["time"], len(trace)) == since).all()
    sites = cells(made, "site")
    for row in range(0, len(trace), 97):
        assert sites[row] == printable(trace.site(row))


def test_registers_are_named_where_a_contract_describes_them() -> None:
    trace = Story(registers={"TDT": 0x3818}).begin().mmio_write("TDT", 1).config_read(4, 6).trace()
    places = cells(table(trace), "place")
    assert "BAR0+0x3818 TDT" in places
    assert "0x04 Command" in places


def test_details_tell_direction_segments_failures_and_how_it_ended() -> None:
    story = Story("0000:00:03.0", device=1)
    story.map(0x1000, 64, "FROM_DEVICE", flavour="SG", entry=1, entries=3)
    story.map(0, 64, status="FAILED", result=-12)
    story.mmio_read(0x10, status="TIMEOUT").dma_write(0x5000, 8, requester=0x18).mark("here")
    made = table(story.trace())
    assert cells(made, "detail")[:5] == [
        "FROM_DEVICE, scatterlist, segment 2 of 3",
        "TO_DEVICE, failed: -12 ENOMEM",
        "",
        "by 00:03.0",
        "here",
    ]
    assert cells(made, "note")[2] == "completion timeout"


def test_a_table_that_is_limited_holds_the_first_rows_and_those_of_findings() -> None:
    assert rows_shown(10, [9], 10) is None
    shown = rows_shown(100, [2, 70, 90, 200], 6)
    assert shown is not None
    assert shown.tolist() == [0, 1, 2, 3, 70, 90]
    trace = Story().mmio_write(0, 1).mmio_write(4, 2).mmio_write(8, 3).trace()
    made = table_of(trace, 0, {}, np.array([0, 2]))
    assert unpack(made.columns["packet"], 2).tolist() == [0, 2]
    assert unpack(made.columns["value"], 2).tolist() == [1, 3]
