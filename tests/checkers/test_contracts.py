# SPDX-License-Identifier: Apache-2.0
"""Rules about contracts: what they accuse, what they leave alone, what they cannot judge."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

import uvtrace
from tests.cli.running import run
from tests.graph import machine as toy
from tests.story import Story
from uvtrace.check import engine
from uvtrace.check.baseline import Baseline, read_baseline
from uvtrace.check.catalogue import all_rules
from uvtrace.check.contract import Contract, contract_named
from uvtrace.check.engine import check
from uvtrace.check.results import Verdict
from uvtrace.check.rules import Selection
from uvtrace.errors import InputError
from uvtrace.graph import contract_graph, cover, write_graph

RECORDINGS = sorted(
    path
    for device in ("e1000", "nvme")
    for path in (Path(__file__).parents[2] / "traces").glob(f"{device}-*.pcapng.zst")
)
E1000 = {"MDIC": 0x20, "RCTL": 0x100, "RDBAL": 0x2800, "TDBAL": 0x3800, "TDT": 0x3818}
NVME = {"CAP": 0x00, "CC": 0x14, "CSTS": 0x1C, "AQA": 0x24, "ASQ": 0x28, "ACQ": 0x30}
MS = 1_000_000
ENGINE = replace(toy.ENGINE, accepting_bound=frozenset({"reset"}), time_limits_ns={"ring": 5 * MS})
TOY = replace(toy.CONTRACT, devices=frozenset(), automata=(ENGINE,))


def judged(
    story: Story, rule: str, contract: Contract | None = None, baseline: Baseline | None = None
) -> tuple[Verdict, str, list[str]]:
    """The verdict on the first function, its reason, and what was found."""
    selection = Selection(select=(rule,))
    results = check(story.trace(), selection=selection, contract=contract, baseline=baseline)
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
    free = replace(TOY, automata=(replace(ENGINE, accepting=frozenset()),))
    assert judged(running().unbound(), "FSM004", free)[0] is Verdict.VACUOUS


def test_a_recording_may_end_in_any_state_where_nothing_is_said_of_its_end() -> None:
    free = replace(TOY, automata=(replace(ENGINE, accepting_bound=frozenset()),))
    assert judged(running(), "FSM004", free)[0] is Verdict.VACUOUS


def test_a_driver_whose_probe_failed_must_have_left_the_device_in_an_accepting_state() -> None:
    begun = toy.story().probe().mmio_write("BASE", 0x1000)
    _, _, messages = judged(begun.probe_failed(), "FSM004", TOY)
    assert messages == ["toy.engine: the probe has failed in state ring"]
    begun = toy.story().probe().mmio_write("BASE", 0x1000).mmio_write("CONTROL", toy.RESET)
    assert judged(begun.probe_failed(), "FSM004", TOY)[0] is Verdict.PASS


def test_an_e1000_whose_receiver_is_enabled_must_not_be_left() -> None:
    story = Story(registers=E1000).probe().mmio_write("RDBAL", 0x1000).mmio_write("RCTL", 2)
    _, _, messages = judged(story.unbound(), "FSM004")
    assert messages == ["e1000.receive: unbound in state enabled"]
    story = Story(registers=E1000).probe().mmio_write("RDBAL", 0x1000).mmio_write("RCTL", 2)
    assert judged(story.mmio_write("RCTL", 0).unbound(), "FSM004")[0] is Verdict.PASS


def test_a_finding_shows_what_led_to_the_state() -> None:
    for rule in ("FSM001", "FSM004"):
        told = running().mmio_write("CONTROL", toy.RESET).mmio_write("DOORBELL", 1)
        told.mmio_write("BASE", 0x1000).unbound()
        (finding,) = check(told.trace(), selection=Selection(select=(rule,)), contract=TOY).findings
        entered = {"FSM001": 4, "FSM004": 6}[rule]
        assert [(each.seq, each.role) for each in finding.evidence] == [(entered, "entered")]


# ------------------------------------------------------------------------ FSM002


def test_a_state_that_lasts_longer_than_allowed_is_told_where_it_ends() -> None:
    story = toy.story().probe().mmio_write("BASE", 0x1000).wait(6 * MS).mmio_write("CONTROL", 1)
    results = check(story.trace(), selection=Selection(select=("FSM002",)), contract=TOY)
    (finding,) = results.findings
    assert finding.message == (
        "toy.engine: 6001000 ns in state ring, which must be left within 5000000 ns"
    )
    assert finding.seq == 2
    assert [(each.seq, each.role) for each in finding.evidence] == [(1, "entered")]


def test_a_state_that_lasts_as_long_as_it_may_is_no_finding() -> None:
    story = toy.story().probe().mmio_write("BASE", 0x1000).wait(4 * MS).mmio_write("CONTROL", 1)
    assert judged(story.wait(50 * MS).mmio_write("DOORBELL", 1), "FSM002", TOY) == (
        *(Verdict.PASS, "", []),
    )


def test_a_state_that_is_never_left_is_told_at_the_end() -> None:
    story = toy.story().probe().mmio_write("BASE", 0x1000).wait(50 * MS).mark("nothing happens")
    verdict, _, messages = judged(story, "FSM002", TOY)
    assert verdict is Verdict.FAIL
    assert messages == [
        "toy.engine: 50002000 ns in state ring, which must be left within 5000000 ns"
    ]


def test_a_trace_that_ends_before_the_limit_is_no_finding() -> None:
    story = toy.story().probe().mmio_write("BASE", 0x1000).wait(4 * MS).mark("nothing happens")
    assert judged(story, "FSM002", TOY)[2] == []


def test_a_reset_and_an_unbinding_end_a_stay() -> None:
    for ends in ("reset", "unbound"):
        story = toy.story().probe().mmio_write("BASE", 0x1000).wait(MS)
        getattr(story, ends)().wait(50 * MS).mark("nothing happens")
        assert judged(story, "FSM002", TOY)[2] == []
        story = toy.story().probe().mmio_write("BASE", 0x1000).wait(6 * MS)
        getattr(story, ends)()
        assert len(judged(story, "FSM002", TOY)[2]) == 1


def test_after_loss_no_stay_is_accused() -> None:
    story = toy.story().probe().mmio_write("BASE", 0x1000).loss(2).wait(50 * MS)
    verdict, _, messages = judged(story.mmio_write("CONTROL", 1), "FSM002", TOY)
    assert (verdict, messages) == (Verdict.UNKNOWN, [])


def test_a_function_is_not_timed_by_anothers_events() -> None:
    story = toy.story().probe().mmio_write("BASE", 0x1000).wait(MS).mmio_write("CONTROL", 1)
    story.function("0000:00:04.0").probe().mmio_write("BASE", 0x1000).wait(6 * MS).mark("end")
    results = check(story.trace(), selection=Selection(select=("FSM002",)), contract=TOY)
    assert [finding.function for finding in results.findings] == ["0000:00:04.0"]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_stays_are_the_same_in_chunks_of_any_size(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = toy.story().probe().mmio_write("BASE", 0x1000).wait(6 * MS).mmio_write("CONTROL", 1)
    story.mmio_write("CONTROL", 0).mark("waiting").wait(9 * MS).mark("the end")
    whole = judged(story, "FSM002", TOY)
    monkeypatch.setattr(engine, "CHUNK", size)
    assert judged(story, "FSM002", TOY) == whole
    assert len(whole[2]) == 2


def enabled(timeout: int) -> Story:
    """An nvme controller whose CAP.TO is given is enabled, and becomes ready after 2 s."""
    story = Story(registers=NVME, driver="nvme", vendor=0x1B36, device=0x0010).probe()
    story.mmio_read("CAP", timeout << 24).mmio_write("CC", 0).mmio_read("CSTS", 0)
    for name in ("AQA", "ASQ", "ACQ"):
        story.mmio_write(name, 1)
    return story.mmio_write("CC", 1).wait(2000 * MS).mmio_read("CSTS", 1)


def test_an_nvme_controller_must_become_ready_in_the_time_that_cap_tells() -> None:
    nvme = contract_named("nvme")
    _, _, messages = judged(enabled(timeout=3), "FSM002", nvme)
    assert messages == [
        "nvme.controller: 2000001000 ns in state enabling, which must be left within 1500000000 ns"
    ]
    assert judged(enabled(timeout=5), "FSM002", nvme)[0] is Verdict.PASS


def test_a_timeout_of_all_ones_is_no_limit() -> None:
    story = enabled(timeout=0xFF).mmio_write("CC", 0).wait(200_000 * MS).mmio_read("CSTS", 0)
    assert judged(story, "FSM002", contract_named("nvme"))[0] is Verdict.PASS


def test_an_access_to_the_phy_that_never_ends_is_told() -> None:
    story = Story(registers=E1000).probe().mmio_write("MDIC", 2 << 26).wait(1500 * MS)
    assert len(judged(story.mark("the driver gave up"), "FSM002")[2]) == 1
    story = Story(registers=E1000).probe().mmio_write("MDIC", 2 << 26).mmio_read("MDIC", 1 << 28)
    assert judged(story.wait(1500 * MS).mark("later"), "FSM002") == (Verdict.PASS, "", [])


# ------------------------------------------------------------------------ FSM003


def baseline_of(story: Story, path: Path) -> Baseline:
    """What a run did, through the file that ``uvtrace graph`` writes of it."""
    write_graph(contract_graph(cover(story.trace(), TOY)), path)
    return read_baseline([path])


def test_without_a_baseline_nothing_is_known_to_be_new() -> None:
    verdict, reason, _ = judged(running(), "FSM003", TOY)
    assert verdict is Verdict.UNKNOWN
    assert "--baseline FILE.json" in reason


def test_what_an_accepted_run_did_is_not_new(tmp_path: Path) -> None:
    accepted = baseline_of(running().mmio_write("CONTROL", toy.RESET), tmp_path / "a.json")
    again = running().mmio_write("CONTROL", toy.RESET).mmio_write("BASE", 0x2000)
    assert judged(again, "FSM003", TOY, accepted) == (Verdict.PASS, "", [])


def test_a_step_that_no_accepted_run_made_is_told(tmp_path: Path) -> None:
    accepted = baseline_of(running(), tmp_path / "a.json")
    verdict, _, messages = judged(running().mmio_write("DOORBELL", 1), "FSM003", TOY, accepted)
    assert verdict is Verdict.FAIL
    assert messages == ["toy.engine: doorbell in state running, to running, is in no accepted run"]


def test_a_step_from_any_state_is_new_from_a_state_that_it_was_not_made_from(
    tmp_path: Path,
) -> None:
    accepted = baseline_of(running().mmio_write("CONTROL", toy.RESET), tmp_path / "a.json")
    new = toy.story().probe().mmio_write("BASE", 0x1000).mmio_write("CONTROL", toy.RESET)
    _, _, messages = judged(new, "FSM003", TOY, accepted)
    assert messages == ["toy.engine: RESET in state ring, to reset, is in no accepted run"]


def test_several_accepted_runs_add_up(tmp_path: Path) -> None:
    rung = running().mmio_write("DOORBELL", 1)
    baseline_of(running(), tmp_path / "a.json")
    baseline_of(rung, tmp_path / "b.json")
    both = read_baseline([tmp_path / "a.json", tmp_path / "b.json"])
    assert judged(rung, "FSM003", TOY, both)[0] is Verdict.PASS


def test_a_baseline_of_another_device_says_nothing(tmp_path: Path) -> None:
    accepted = baseline_of(running(), tmp_path / "a.json")
    story = Story(registers=E1000).probe().mmio_write("TDBAL", 0x1000)
    assert judged(story, "FSM003", None, accepted)[0] is Verdict.UNKNOWN


def test_a_recording_is_no_news_to_itself_and_the_same_driver_on_another_kernel(
    tmp_path: Path,
) -> None:
    paths = [path for path in RECORDINGS if path.name.startswith("nvme-6.1")]
    for number, path in enumerate(paths):
        done = run("graph", path, "-o", tmp_path / f"{number}.json")
        assert done.code == 0
    given = [part for n in range(len(paths)) for part in ("--baseline", tmp_path / f"{n}.json")]
    told = run("check", paths[0], "--select", "FSM003", "--require", "FSM003", *given)
    assert (told.code, told.err) == (0, "")


@pytest.mark.parametrize("text", ["", "[]", '{"format": "uvtrace-graph", "machines": [{}]}'])
def test_a_file_that_is_no_baseline_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"bad\.json"):
        read_baseline([path])


@pytest.mark.parametrize("path", RECORDINGS, ids=[path.name for path in RECORDINGS])
def test_stock_drivers_keep_their_contracts(path: Path) -> None:
    results = check(uvtrace.open(path), selection=Selection(select=("FSM",)))
    found = {(v.rule, v.verdict) for v in results.verdicts}
    assert found == {
        ("FSM001", Verdict.PASS),
        ("FSM002", Verdict.PASS),
        ("FSM003", Verdict.UNKNOWN),
        ("FSM004", Verdict.PASS),
    }


def test_the_command_judges_by_the_contract_that_it_is_given(tmp_path: Path) -> None:
    trace = tmp_path / "run.pcapng"
    Story(registers=E1000, device=0xFFFF).probe().mmio_write("TDT", 4).write(trace)
    assert run("check", trace, "--select", "FSM001").code == 0
    given = run("check", trace, "--select", "FSM001", "--contract", "e1000")
    assert given.code == 1
    assert "TDT before TDBAL" in given.out
    assert run("check", trace, "--contract", "none-such").code == 2


def test_the_rule_about_contracts_that_the_documentation_shows_judges(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/writing-rules.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.S)
    (shown,) = (block for block in blocks if "MY002" in block)
    pack = tmp_path / "pack.py"
    pack.write_text(shown)
    rules = all_rules([pack])
    story = running().mmio_write("CONTROL", toy.RESET).mmio_write("CONTROL", toy.RESET)
    selection = Selection(select=("MY002",))
    found = check(story.trace(), selection=selection, rules=rules, contract=TOY).findings
    assert [finding.message for finding in found] == ["toy.engine: RESET in state running"]
