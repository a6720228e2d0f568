# SPDX-License-Identifier: Apache-2.0
"""What two runs have not in common, and what must not be told of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import uvtrace
from tests.story import Story
from uvtrace.diff.difference import Difference, difference
from uvtrace.diff.latency import distributions
from uvtrace.diff.run import function_names, run_of
from uvtrace.diff.text import as_json, as_text

TRACES = Path(__file__).parents[2] / "traces"
REGISTERS = {"RCTL": 0x100, "TCTL": 0x400, "TDBAL": 0x3800, "TDT": 0x3818, "STATUS": 0x8}


def card(function: str = "0000:00:03.0", **options: Any) -> Story:
    """An e1000 that sends."""
    story = Story(function, registers=REGISTERS, **options).begin().probe().config_write(4, 0x6)
    return story.mmio_write("TDBAL", 0x1000).mmio_write("TCTL", 2).mmio_write("TDT", 1)


def compared(old: Story, new: Story) -> Difference:
    return difference(run_of(old.trace()), run_of(new.trace()))


def test_the_same_run_elsewhere_and_later_is_no_difference() -> None:
    new = card("0000:05:00.0", start_ns=9_000_000_000, bars={0: (0xD0000000, 0x20000)})
    found = compared(card(), new)
    assert not found.is_regression
    for changes in (found.states, found.steps, found.accesses, found.functions, found.machines):
        assert (changes.new, changes.gone) == ((), ())


def test_a_new_error_is_a_regression_and_its_end_is_none() -> None:
    wrong = card().map(0x7000, 256).unmap(0x7000, 128)
    worse, better = compared(card(), wrong), compared(wrong, card())
    assert worse.is_regression
    assert [each.finding.rule for each in worse.found] == ["DMA007"]
    assert not better.is_regression
    assert [each.finding.rule for each in better.fixed] == ["DMA007"]


def test_a_finding_of_both_is_kept_wherever_it_lies() -> None:
    wrong = card().map(0x7000, 256).unmap(0x7000, 128)
    later = card().map(0x8000, 256).map(0x5000, 64).unmap(0x5000, 32)
    found = compared(wrong, later)
    assert (found.found, found.fixed) == ((), ())
    assert len(found.kept) == 1


def test_a_finding_is_not_gone_without_saying_that_nobody_looked() -> None:
    wrong = card().map(0x7000, 256).unmap(0x7000, 128)
    text = as_text(compared(wrong, card()))
    assert "findings, gone" in text
    assert "the new run did not judge it: vacuous" in text


def test_steps_and_states_of_a_contract_are_compared() -> None:
    stopped = card().mmio_write("TCTL", 0)
    found = compared(card(), stopped)
    steps = [step for step, _ in found.steps.new]
    assert ("e1000.transmit", "enabled", "ring", "TCTL.EN = 0") in steps
    assert [step for step, _ in compared(stopped, card()).steps.gone] == steps


def test_registers_are_named_by_the_contracts_description() -> None:
    found = compared(card(), card().mmio_read("STATUS", 0x80080783))
    assert found.accesses.new == ((("e1000 8086:100e", "read", "STATUS"), 1),)


def test_registers_without_a_description_are_places() -> None:
    old = Story(driver="acme", vendor=0x1234, device=1).probe()
    new = Story(driver="acme", vendor=0x1234, device=1).probe().mmio_write(0x20, 1)
    found = difference(run_of(old.mmio_write(0, 1).trace()), run_of(new.mmio_write(0, 1).trace()))
    assert found.accesses.new == ((("acme 1234:0001", "write", "BAR0+0x20"), 1),)


def test_another_function_is_told_once_not_register_by_register() -> None:
    both = card().function("0000:00:04.0", driver="acme", vendor=0x1234, device=1)
    both.probe().mmio_write(0, 1).mmio_write(8, 1)
    found = compared(card(), both)
    assert found.functions.new == (("acme 1234:0001", 2),)
    assert found.accesses.new == ()


def test_two_functions_of_a_kind_have_names_of_their_own() -> None:
    story = card().function("0000:00:04.0")
    names = function_names(story.trace().functions)
    assert list(names.values()) == ["e1000 8086:100e", "e1000 8086:100e #2"]


def reading(durations_ns: list[int]) -> Story:
    story = card()
    for duration_ns in durations_ns:
        story.mmio_read("STATUS", 0x80080783, duration_ns=duration_ns)
    return story


def test_times_are_told_only_beyond_the_ratio_and_of_enough_measurements() -> None:
    usual = reading([1000] * 30)
    assert compared(usual, reading([1900] * 30)).slower == ()
    assert compared(usual, reading([9000] * 10)).slower == ()
    slower = compared(usual, reading([2500] * 30)).slower
    assert [(each.what, each.ratio) for each in slower] == [("MMIO read", 2.5)]
    assert len(compared(reading([2500] * 30), usual).faster) == 1


def test_a_tail_that_grows_is_told_though_the_median_stays() -> None:
    found = compared(reading([1000] * 40), reading([1000] * 36 + [8000] * 4))
    assert [each.new.median_ns for each in found.slower] == [1000]


def test_nanoseconds_are_noise() -> None:
    assert compared(reading([40] * 30), reading([140] * 30)).slower == ()


def test_an_interrupt_waits_for_its_handler() -> None:
    story = card().irq_request(20)
    for _ in range(3):
        story.intx_assert().wait(4_000).handler_enter(20).wait(1_000).handler_exit(20)
        story.intx_deassert()
    times = {what: each for (_, what), each in distributions(story.trace()).items()}
    assert times["interrupt to handler"].count == 3
    assert times["interrupt to handler"].median_ns == 5_000
    assert times["in the handler"].median_ns == 2_000


def test_a_request_waits_for_its_completion() -> None:
    story = card().mmio_read("STATUS", phase="REQUEST", tag=9).wait(6_000)
    story.mmio_read("STATUS", 1, phase="COMPLETION", tag=9)
    times = {what: each for (_, what), each in distributions(story.trace()).items()}
    assert times["MMIO read"].count == 1
    assert times["MMIO read"].median_ns == 7_000


def test_json_tells_what_the_text_tells() -> None:
    found = compared(card(), card().mmio_read("STATUS", 1).map(0x7000, 256).unmap(0x7000, 128))
    told = json.loads(as_json(found))
    assert told["regression"] is True
    assert [each["rule"] for each in told["findings"]["new"]] == ["DMA007"]
    assert told["registers"]["new"] == [
        {"function": "e1000 8086:100e", "access": "read", "register": "STATUS", "count": 1}
    ]
    assert set(told) == {
        *("format", "old", "new", "regression", "findings", "functions", "machines", "states"),
        *("edges", "registers", "times"),
    }


@pytest.mark.parametrize("driver", ["e1000", "nvme"])
def test_a_recording_differs_from_itself_in_nothing(driver: str) -> None:
    run = run_of(uvtrace.open(TRACES / f"{driver}-6.12.pcapng.zst"))
    found = difference(run, run)
    assert "0 new, 0 gone, 0 as before; states, edges and registers: 0 new, 0 gone" in as_text(
        found
    )
    assert (found.slower, found.faster) == ((), ())
    assert found.compared >= 1


def test_medians_are_those_that_numpy_finds_in_the_records() -> None:
    trace = uvtrace.open(TRACES / "e1000-6.12.pcapng.zst")
    reads = trace.column("kind") == uvtrace.trace.enums.Kind.MMIO_READ
    measured = distributions(trace)[0, "MMIO read"]
    assert measured.count == int(reads.sum())
    assert measured.median_ns == np.median(trace.column("duration_ns")[reads])
