# SPDX-License-Identifier: Apache-2.0
"""Rules about contracts: what they accuse, what they leave alone, what they cannot judge."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import uvtrace
from tests.cli.running import run
from tests.graph import machine as toy
from tests.story import Story
from uvtrace.check.contract import Contract
from uvtrace.check.engine import check
from uvtrace.check.results import Verdict
from uvtrace.check.rules import Selection

RECORDINGS = sorted(
    path
    for device in ("e1000", "nvme")
    for path in (Path(__file__).parents[2] / "traces").glob(f"{device}-*.pcapng.zst")
)
E1000 = {"TDBAL": 0x3800, "TDT": 0x3818}
TOY = replace(toy.CONTRACT, devices=frozenset())


def judged(
    story: Story, rule: str, contract: Contract | None = None
) -> tuple[Verdict, str, list[str]]:
    """The verdict on the first function, its reason, and what was found."""
    results = check(story.trace(), selection=Selection(select=(rule,)), contract=contract)
    first = results.verdicts[0]
    return first.verdict, first.reason, [finding.message for finding in results.findings]


def test_a_doorbell_before_its_rings_base_is_a_forbidden_step() -> None:
    verdict, _, messages = judged(Story(registers=E1000).probe().mmio_write("TDT", 4), "FSM001")
    assert verdict is Verdict.FAIL
    assert messages == ["e1000.transmit: TDT before TDBAL in state no ring"]


def test_a_doorbell_behind_its_rings_base_is_none() -> None:
    story = Story(registers=E1000).probe().mmio_write("TDBAL", 0x1000).mmio_write("TDT", 4)
    assert judged(story, "FSM001") == (Verdict.PASS, "", [])


def test_a_device_without_a_contract_is_not_judged() -> None:
    story = Story(registers=E1000, device=0xFFFF).probe().mmio_write("TDT", 4).unbound()
    for rule in ("FSM001", "FSM004"):
        verdict, reason, messages = judged(story, rule)
        assert (verdict, messages) == (Verdict.UNKNOWN, [])
        assert reason == "no contract is known for the device"


def test_each_function_is_judged_by_its_own_contract_only() -> None:
    story = Story(registers=E1000).probe().mmio_write("TDBAL", 0x1000)
    story.function("0000:00:04.0", device=0xFFFF).probe().mmio_write("TDT", 4)
    results = check(story.trace(), selection=Selection(select=("FSM001",)))
    assert [v.verdict for v in results.verdicts] == [Verdict.PASS, Verdict.UNKNOWN]
    assert not results.findings


def test_after_loss_no_step_is_accused() -> None:
    story = Story(registers=E1000).probe().loss(3).mmio_write("TDT", 4)
    verdict, _, messages = judged(story, "FSM001")
    assert (verdict, messages) == (Verdict.UNKNOWN, [])


def running() -> Story:
    """The driver has set the device up and bound."""
    return toy.story().probe().mmio_write("BASE", 0x1000).mmio_write("CONTROL", 1).bind()


def test_a_state_that_is_not_accepting_is_told_once_where_the_driver_is_unbound() -> None:
    verdict, _, messages = judged(running().unbound(), "FSM004", TOY)
    assert (verdict, messages) == (Verdict.FAIL, ["toy.engine: unbound in state running"])


def test_a_state_that_is_not_accepting_is_told_at_the_end_of_the_trace() -> None:
    verdict, _, messages = judged(running(), "FSM004", TOY)
    assert (verdict, messages) == (Verdict.FAIL, ["toy.engine: the trace ends in state running"])


def test_an_accepting_state_is_a_good_end() -> None:
    stopped = running().mmio_write("CONTROL", toy.RESET)
    assert judged(stopped, "FSM004", TOY) == (Verdict.PASS, "", [])
    assert judged(stopped.unbound(), "FSM004", TOY) == (Verdict.PASS, "", [])


def test_a_forbidden_step_is_no_bad_end() -> None:
    story = toy.story().probe().mmio_write("DOORBELL", 1).unbound()
    assert judged(story, "FSM001", TOY)[0] is Verdict.FAIL
    assert judged(story, "FSM004", TOY) == (Verdict.PASS, "", [])


def test_where_every_state_is_accepting_no_end_is_judged() -> None:
    story = Story(registers=E1000).probe().mmio_write("TDBAL", 0x1000).unbound()
    assert judged(story, "FSM004")[0] is Verdict.VACUOUS


@pytest.mark.parametrize("path", RECORDINGS, ids=[path.name for path in RECORDINGS])
def test_stock_drivers_keep_their_contracts(path: Path) -> None:
    results = check(uvtrace.open(path), selection=Selection(select=("FSM",)))
    found = {(v.rule, v.verdict) for v in results.verdicts}
    assert found == {("FSM001", Verdict.PASS), ("FSM004", Verdict.VACUOUS)}


def test_the_command_judges_by_the_contract_that_it_is_given(tmp_path: Path) -> None:
    trace = tmp_path / "run.pcapng"
    Story(registers=E1000, device=0xFFFF).probe().mmio_write("TDT", 4).write(trace)
    assert run("check", trace, "--select", "FSM001").code == 0
    given = run("check", trace, "--select", "FSM001", "--contract", "e1000")
    assert given.code == 1
    assert "TDT before TDBAL" in given.out
    assert run("check", trace, "--contract", "none-such").code == 2
