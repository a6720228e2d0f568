# SPDX-License-Identifier: Apache-2.0
"""The order of register writes, as counted from a trace."""

from __future__ import annotations

from typing import Any

import pytest

from tests.graph.machine import REGISTERS
from tests.story import Story
from uvtrace.graph import accesses as accesses_module
from uvtrace.graph import register_graph
from uvtrace.registers import AddressSpace, Dimension, Field, Register, RegisterMap
from uvtrace.trace.enums import Flag
from uvtrace.trace.trace import Trace

WHOLE = (Field("f", 0, 32),)
MAP = RegisterMap(
    "toy",
    (AddressSpace(0),),
    (
        Register("CONTROL", 0, 0x00, 32, (4,), WHOLE),
        Register("TABLE[]", 0, 0x10, 32, (4,), WHOLE, (Dimension(4, 4),)),
        Register("DOORBELL", 0, 0x20, 32, (4,), WHOLE),
    ),
)


def graph(trace: Trace, **given: Any) -> Any:
    (function, *_) = trace.functions
    return register_graph(trace, function, **given)


def steps(mined: Any) -> dict[tuple[str, str], int]:
    """Counts by the labels of an edge's ends, in the graph's order."""
    name = dict(mined.nodes(data="label"))
    return {(name[one], name[two]): n for one, two, n in mined.edges(data="count")}


def writes(mined: Any) -> dict[str, int]:
    return {facts["label"]: facts["count"] for _, facts in mined.nodes(data=True)}


def told() -> Story:
    story = Story(registers=REGISTERS).mmio_write("CONTROL", 1)
    story.mmio_write(0x10).mmio_write(0x14).mmio_read("CONTROL")
    return story.mmio_write("DOORBELL", 1).mmio_write("DOORBELL", 2).mmio_write("CONTROL", 0)


@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_each_step_from_one_written_register_to_the_next_is_counted(
    monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(accesses_module, "CHUNK", chunk)
    mined = graph(told().trace(), described=MAP)
    assert writes(mined) == {"CONTROL": 2, "TABLE[]": 2, "DOORBELL": 2}
    assert steps(mined) == {
        ("CONTROL", "TABLE[]"): 1,
        ("TABLE[]", "TABLE[]"): 1,
        ("TABLE[]", "DOORBELL"): 1,
        ("DOORBELL", "DOORBELL"): 1,
        ("DOORBELL", "CONTROL"): 1,
    }


def test_without_a_map_registers_are_called_by_bar_and_offset() -> None:
    mined = graph(told().trace())
    assert list(writes(mined)) == ["BAR0+0x0", "BAR0+0x10", "BAR0+0x14", "BAR0+0x20"]
    assert mined.graph["draft"] is True


def test_rare_registers_and_steps_are_left_out_and_the_note_says_so() -> None:
    story = Story(registers=REGISTERS)
    for _ in range(5):
        story.mmio_write("DOORBELL").mmio_write("CONTROL")
    story.mmio_write("BASE").mmio_write("CONTROL")
    mined = graph(story.trace(), described=MAP, max_registers=2, max_edges=1)
    assert writes(mined) == {"DOORBELL": 5, "CONTROL": 6}
    assert steps(mined) == {("DOORBELL", "CONTROL"): 5}
    assert mined.graph["note"] == "2 of 3 registers, 1 of 4 steps (45 % of all)"


def test_what_did_not_reach_the_device_is_no_step() -> None:
    story = Story(registers=REGISTERS).mmio_write("CONTROL")
    story.mmio_write("DOORBELL", flags=Flag.STALE | Flag.WRITE)
    story.mmio_write("BASE", string_index=0).mmio_write("BASE", string_index=1)
    assert steps(graph(story.trace())) == {("BAR0+0x0", "BAR0+0x10"): 1}


def test_another_functions_writes_come_not_between() -> None:
    story = Story(registers=REGISTERS).mmio_write("CONTROL")
    story.function("0000:00:04.0").mmio_write("BASE").function("0000:00:03.0")
    trace = story.mmio_write("DOORBELL").trace()
    assert steps(graph(trace, described=MAP)) == {("CONTROL", "DOORBELL"): 1}


def test_a_function_that_writes_nothing_has_an_empty_graph() -> None:
    mined = graph(Story().probe().trace())
    assert mined.number_of_nodes() == 0
    assert mined.graph["note"] == "0 of 0 registers, 0 of 0 steps (0 % of all)"
