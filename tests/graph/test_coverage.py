# SPDX-License-Identifier: Apache-2.0
"""What a run covered of an automaton, to the last count and nanosecond."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.graph.machine import (
    BASE,
    CONTRACT,
    CONTROL,
    ENABLE,
    ENGINE,
    RESET,
    counts,
    only_machine,
    story,
    visits,
    writes,
)
from uvtrace.check.automaton import ANY, Automaton, Edge
from uvtrace.check.columns import config, record
from uvtrace.check.contract import Contract
from uvtrace.check.expression import FALSE
from uvtrace.errors import UvtraceError
from uvtrace.graph import cover
from uvtrace.graph import sweep as sweep_module
from uvtrace.graph.coverage import EdgeCoverage
from uvtrace.trace.trace import Trace

CLEAN = (
    story()
    .probe()  # 0
    .mmio_write("BASE", 0x1000)  # 1
    .mmio_write("CONTROL", ENABLE)
    .mmio_write("DOORBELL", 1)
    .mmio_write("DOORBELL", 2)
    .mmio_write("CONTROL", 0)  # 5
    .mmio_write("CONTROL", ENABLE)
    .mmio_write("CONTROL", RESET)
    .mmio_write("BASE", 0x2000)  # 8
    .unbound()
    .trace()
)


def edge(trace: Trace, label: str) -> EdgeCoverage:
    machine = only_machine(cover(trace, CONTRACT))
    (found,) = (each for each in machine.edges if each.edge.label == label)
    return found


def test_every_edge_is_counted_with_its_source_and_first_event() -> None:
    machine = only_machine(cover(CLEAN, CONTRACT))
    assert counts(machine) == {
        "write BASE": 2,
        "ENABLE = 1": 2,
        "doorbell": 2,
        "ENABLE = 0": 1,
        "RESET": 1,
    }
    assert edge(CLEAN, "doorbell").first == 3
    assert edge(CLEAN, "RESET").by_source == (("running", 1),)
    assert edge(CLEAN, "doorbell before BASE").first == -1


def test_states_tell_visits_and_time_up_to_the_last_event() -> None:
    machine = only_machine(cover(CLEAN, CONTRACT))
    assert visits(machine) == {"reset": (2, 2_000), "ring": (3, 3_000), "running": (2, 4_000)}
    assert machine.final == "ring"
    assert machine.unknown.visits == 0


def test_the_share_of_edges_leaves_the_forbidden_ones_out() -> None:
    machine = only_machine(cover(CLEAN, CONTRACT))
    assert (machine.taken, len(machine.allowed), machine.visited) == (5, 5, 3)
    assert machine.violations == 0


def test_a_forbidden_step_is_told_and_leaves_the_state_as_it_is() -> None:
    trace = story().probe().mmio_write("DOORBELL", 1).mmio_write("BASE", 1).trace()
    machine = only_machine(cover(trace, CONTRACT))
    assert counts(machine) == {"doorbell before BASE": 1, "write BASE": 1}
    assert edge(trace, "doorbell before BASE").first == 1
    assert machine.violations == 1


@pytest.mark.parametrize("chunk", [1, 2, 3, 5])
def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    whole = cover(CLEAN, CONTRACT)
    monkeypatch.setattr(sweep_module, "CHUNK", chunk)
    assert cover(CLEAN, CONTRACT) == whole


def test_nothing_is_claimed_before_the_driver_probes() -> None:
    trace = story().mmio_write("BASE", 1).mmio_write("DOORBELL", 1).trace()
    machine = only_machine(cover(trace, CONTRACT))
    assert counts(machine) == {}
    assert machine.final == ""


def test_an_edge_from_every_state_tells_the_state_whatever_it_was() -> None:
    trace = story().mmio_write("CONTROL", RESET).mmio_write("BASE", 1).trace()
    machine = only_machine(cover(trace, CONTRACT))
    assert counts(machine) == {"RESET": 1, "write BASE": 1}
    assert machine.final == "ring"


def test_after_loss_the_state_is_not_known_until_a_reset() -> None:
    told = story().probe().mmio_write("BASE", 1).loss(5).mmio_write("DOORBELL", 1)
    trace = told.mmio_write("DOORBELL", 2).reset().mmio_write("BASE", 1).trace()
    machine = only_machine(cover(trace, CONTRACT))
    assert counts(machine) == {"write BASE": 2}
    assert (machine.unknown.visits, machine.unknown.time_ns) == (1, 3_000)
    assert machine.final == "ring"


@pytest.mark.parametrize(
    ("hook", "expected"), [(b"dma_map_sgtable", {"write BASE": 1}), (b"ioread32", {})]
)
def test_only_a_missing_hook_that_hides_registers_makes_states_unknown(
    hook: bytes, expected: dict[str, int]
) -> None:
    told = story().probe().loss(0, "NOT_HOOKED", payload=hook).mmio_write("BASE", 1)
    assert counts(only_machine(cover(told.trace(), CONTRACT))) == expected


def test_functions_have_machines_of_their_own() -> None:
    told = story().probe().mmio_write("BASE", 1)
    told.function("0000:00:04.0").probe().mmio_write("DOORBELL", 1)
    coverage = cover(told.trace(), CONTRACT)
    by_name = {machine.function.name: counts(machine) for machine in coverage.machines}
    assert by_name == {
        "0000:00:03.0": {"write BASE": 1},
        "0000:00:04.0": {"doorbell before BASE": 1},
    }


def test_only_the_functions_that_are_asked_for_are_covered() -> None:
    told = story().probe().mmio_write("BASE", 1)
    trace = told.function("0000:00:04.0").probe().trace()
    coverage = cover(trace, CONTRACT, trace.functions[1:])
    assert [machine.function.name for machine in coverage.machines] == ["0000:00:04.0"]


QUEUES = Automaton(
    name="toy.queue",
    states=("idle", "used"),
    initial="idle",
    key=((record.offset - 0x100) >> 3,),
    relevant=(record.offset >= 0x100) | writes(CONTROL),
    starts_over=writes(CONTROL),
    edges=(
        Edge("idle", "used", writes(0x100) | writes(0x108), "first"),
        Edge("used", "used", writes(0x100) | writes(0x108), "again"),
    ),
)


def test_every_key_has_a_machine_and_starting_over_reaches_all_of_them() -> None:
    told = story().probe().mmio_write(0x100).mmio_write(0x108).mmio_write(0x108)
    trace = told.mmio_write("CONTROL", 1).mmio_write(0x100).mmio_write(0x100).trace()
    coverage = cover(trace, Contract(name="queues", automata=(QUEUES,)))
    assert {machine.name: counts(machine) for machine in coverage.machines} == {
        "toy.queue[0]": {"first": 2, "again": 1},
        "toy.queue[1]": {"first": 1, "again": 1},
    }
    assert [machine.final for machine in coverage.machines] == ["used", "idle"]
    (merged,) = coverage.merged()
    assert counts(merged) == {"first": 3, "again": 2}
    assert visits(merged) == {"idle": (4, 3_000), "used": (3, 6_000)}


def test_a_strict_automaton_counts_events_that_fit_another_state() -> None:
    trace = story().probe().mmio_write("CONTROL", ENABLE).trace()
    strict = replace(CONTRACT, automata=(replace(ENGINE, strict=True),))
    (reset, *_) = only_machine(cover(trace, strict)).states
    assert (reset.state, reset.misfits) == ("reset", 1)
    (reset, *_) = only_machine(cover(trace, CONTRACT)).states
    assert reset.misfits == 0


def test_of_several_edges_the_states_own_and_first_is_taken() -> None:
    automaton = Automaton(
        name="order",
        states=("a", "b", "c"),
        initial="a",
        edges=(
            Edge(ANY, "c", writes(BASE), "any"),
            Edge("a", "b", writes(BASE), "own"),
            Edge("a", "c", writes(BASE), "own, later"),
        ),
    )
    trace = story().probe().mmio_write("BASE", 1).mmio_write("BASE", 1).trace()
    machine = only_machine(cover(trace, Contract(name="order", automata=(automaton,))))
    assert counts(machine) == {"any": 1, "own": 1}


def test_more_edges_than_a_word_has_bits_are_told_apart() -> None:
    edges = tuple(Edge("on", "on", writes(4 * n), f"write {n}") for n in range(100))
    automaton = Automaton(name="wide", states=("on",), initial="on", edges=edges)
    told = story().probe()
    for number in (0, 57, 99, 57):
        told.mmio_write(4 * number)
    machine = only_machine(cover(told.trace(), Contract(name="wide", automata=(automaton,))))
    assert counts(machine) == {"write 0": 1, "write 57": 2, "write 99": 1}


def test_an_empty_trace_and_an_edge_that_cannot_be_taken_are_covered_by_nothing() -> None:
    never = Automaton(name="never", states=("a",), initial="a", edges=(Edge("a", "a", FALSE, "x"),))
    coverage = cover(story().trace(), Contract(name="never", automata=(never,)))
    assert [counts(machine) for machine in coverage.machines] in ([], [{}])


DECODING = Automaton(
    name="decoding",
    states=("a",),
    initial="a",
    edges=(
        Edge("a", "a", writes(BASE) & config.memory_enable, "decode on"),
        Edge("a", "a", writes(BASE) & ~config.memory_enable, "decode off"),
    ),
)


@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_guards_may_look_at_what_passes_derive(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(sweep_module, "CHUNK", chunk)
    told = story().begin().probe().mmio_write("BASE", 1).config_write(0x04, 0x2)
    trace = told.mmio_write("BASE", 1).mmio_write("BASE", 2).trace()
    machine = only_machine(cover(trace, Contract(name="derived", automata=(DECODING,))))
    assert counts(machine) == {"decode on": 2, "decode off": 1}


def test_a_guard_that_is_unknown_makes_the_state_unknown() -> None:
    trace = story().probe().mmio_write("BASE", 1).trace()
    machine = only_machine(cover(trace, Contract(name="derived", automata=(DECODING,))))
    assert counts(machine) == {}
    assert (machine.final, machine.unknown.visits) == ("", 1)


def test_a_gap_in_the_numbers_loses_every_state_before_the_event_behind_it() -> None:
    told = story().probe().mmio_write("BASE", 1).mmio_write("CONTROL", RESET, seq=9)
    machine = only_machine(cover(told.mmio_write("BASE", 1, seq=10).trace(), CONTRACT))
    assert counts(machine) == {"write BASE": 2, "RESET": 1}
    assert machine.unknown.visits == 1
    told = story().probe().mmio_write("BASE", 1).mmio_write("CONTROL", ENABLE, seq=9)
    assert counts(only_machine(cover(told.trace(), CONTRACT))) == {"write BASE": 1}


def test_the_loss_of_one_function_leaves_the_others_known() -> None:
    told = story().probe().function("0000:00:04.0").probe().loss(3, function=1)
    told.mmio_write("BASE", 1).function("0000:00:03.0").mmio_write("BASE", 1)
    coverage = cover(told.trace(), CONTRACT)
    assert [counts(machine) for machine in coverage.machines] == [{"write BASE": 1}, {}]


def test_a_contract_names_no_automaton_twice() -> None:
    with pytest.raises(UvtraceError, match="contract toy: an automaton is named twice"):
        replace(CONTRACT, automata=(ENGINE, ENGINE))
