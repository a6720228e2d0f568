# SPDX-License-Identifier: Apache-2.0
"""The contracts of our devices: stock drivers keep them, and each forbidden step is one."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

import uvtrace
from tests.graph.machine import CONTRACT as TOY
from tests.graph.machine import counts
from tests.story import Story
from uvtrace.check.automaton import FORBIDDEN, Automaton
from uvtrace.check.contract import (
    Contract,
    class_codes,
    contract_for,
    contract_named,
    installed_contracts,
)
from uvtrace.check.solver import Solver
from uvtrace.errors import InputError, UsageError
from uvtrace.graph import Coverage, cover
from uvtrace.registers import load
from uvtrace.trace.trace import Trace

TRACES = Path(__file__).parent.parent.parent / "traces"
E1000 = {
    "CTRL": 0x0,
    "STATUS": 0x8,
    "MDIC": 0x20,
    "ICR": 0xC0,
    "IMS": 0xD0,
    "IMC": 0xD8,
    "RCTL": 0x100,
    "TCTL": 0x400,
    "RDBAL": 0x2800,
    "RDT": 0x2818,
    "TDBAL": 0x3800,
    "TDT": 0x3818,
}
NVME = {"CC": 0x14, "CSTS": 0x1C, "AQA": 0x24, "ASQ": 0x28, "ACQ": 0x30, "SQ0": 0x1000}
READ_PHY = 2 << 26
EN, RST, SLU, LU = 2, 1 << 26, 1 << 6, 2


def recordings(device: str) -> list[Path]:
    found = sorted(TRACES.glob(f"{device}-*.pcapng.zst"))
    return found or [TRACES / f"{device}.missing"]


def covered(trace: Trace, name: str) -> Coverage:
    return cover(trace, contract_named(name))


def machine_counts(coverage: Coverage, automaton: str) -> dict[str, int]:
    (machine,) = (each for each in coverage.merged() if each.automaton.name == automaton)
    return counts(machine)


def forbidden(coverage: Coverage) -> list[str]:
    return [
        f"{machine.name}: {edge.edge.source}: {edge.edge.label}"
        for machine in coverage.machines
        for edge in machine.edges
        if edge.is_forbidden and edge.count
    ]


@pytest.mark.parametrize(
    "path", [*recordings("e1000"), *recordings("nvme")], ids=lambda path: path.name
)
def test_stock_drivers_keep_the_contract_that_their_function_is_given(path: Path) -> None:
    if not path.exists():
        pytest.skip("no such recording here: make traces")
    trace = uvtrace.open(path)
    name = path.name.split("-")[0]
    found = contract_for(trace.functions[0], class_codes(trace).get(0), installed_contracts())
    assert found is not None
    assert found.name == name
    coverage = cover(trace, found)
    assert forbidden(coverage) == []
    assert all(machine.violations == 0 for machine in coverage.machines)
    assert all(machine.taken for machine in coverage.machines)
    assert all(machine.unknown.visits == 0 for machine in coverage.machines)


@pytest.mark.parametrize("path", recordings("e1000"), ids=lambda path: path.name)
def test_a_recorded_e1000_runs_twice_and_is_reset_before_it_is_unbound(path: Path) -> None:
    if not path.exists():
        pytest.skip("no such recording here: make traces")
    coverage = covered(uvtrace.open(path), "e1000")
    device = machine_counts(coverage, "e1000.device")
    assert device["CTRL.RST = 1"] >= 4
    assert device["write TDBAL"] == device["write RDBAL"] == device["RCTL.EN = 1"] == 2
    finals = {machine.name: machine.final for machine in coverage.machines}
    assert finals["e1000.transmit"] == finals["e1000.receive"] == "no ring"
    assert finals["e1000.interrupts"] == "no handler"


@pytest.mark.parametrize("path", recordings("nvme"), ids=lambda path: path.name)
def test_a_recorded_nvme_is_enabled_twice_and_shut_down(path: Path) -> None:
    if not path.exists():
        pytest.skip("no such recording here: make traces")
    coverage = covered(uvtrace.open(path), "nvme")
    controller = machine_counts(coverage, "nvme.controller")
    assert controller["CC.EN = 1"] == controller["CSTS.RDY is 1"] == 2
    assert controller["CC.SHN"] == controller["CSTS.SHST is 2"] == 1
    names = [machine.name for machine in coverage.machines if machine.key]
    assert names[:2] == ["nvme.queue[0]", "nvme.queue[1]"]


def e1000() -> Story:
    return Story(registers=E1000).probe()


def configured() -> Story:
    return e1000().pio_write(0, 0).pio_write(4, RST).mmio_write("CTRL", SLU)


def test_an_e1000_comes_up_through_port_reset_link_and_rings() -> None:
    told = configured().mmio_read("STATUS", LU).mmio_write("TDBAL", 0x1000)
    told.mmio_write("RDBAL", 0x2000).mmio_write("RDT", 0).mmio_write("RCTL", EN)
    trace = told.mmio_write("TCTL", EN).mmio_write("TDT", 1).mmio_write("RCTL", 0).trace()
    coverage = covered(trace, "e1000")
    assert forbidden(coverage) == []
    assert machine_counts(coverage, "e1000.device") == {
        "CTRL.RST = 1": 1,
        "CTRL.SLU = 1": 1,
        "write TDBAL": 1,
        "write RDBAL": 1,
        "RCTL.EN = 1": 1,
        "TCTL.EN = 1": 1,
        "RCTL.EN = 0": 1,
    }
    assert machine_counts(coverage, "e1000.link") == {"CTRL.RST = 1": 1, "STATUS.LU is 1": 1}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (configured().mmio_write("TDT", 1), "e1000.transmit: no ring: TDT before TDBAL"),
        (configured().mmio_write("RDT", 1), "e1000.receive: no ring: RDT before RDBAL"),
        (configured().mmio_write("RCTL", EN), "e1000.receive: no ring: RCTL.EN = 1 before RDBAL"),
        (configured().mmio_write("TCTL", EN), "e1000.transmit: no ring: TCTL.EN = 1 before TDBAL"),
        (
            configured().mmio_write("RDBAL").mmio_write("RCTL", EN).mmio_write("RDBAL", 64),
            "e1000.receive: enabled: RDBAL while enabled",
        ),
        (
            configured().mmio_write("MDIC", READ_PHY).mmio_write("MDIC", READ_PHY),
            "e1000.phy: busy: MDIC while an access runs",
        ),
        (configured().mmio_write("IMS", 4), "e1000.interrupts: no handler: IMS without a handler"),
        (
            configured().irq_request(11).mmio_write("IMS", 4).irq_free(11),
            "e1000.interrupts: unmasked: free_irq while unmasked",
        ),
    ],
)
def test_each_forbidden_step_of_an_e1000_is_told_alone(told: Story, expected: str) -> None:
    assert forbidden(covered(told.trace(), "e1000")) == [expected]


@pytest.mark.parametrize(
    "told",
    [
        configured().mmio_write("TDT", 0).mmio_write("RDT", 0),
        configured().mmio_write("RDBAL").mmio_write("RDT", 7).mmio_write("RCTL", EN),
        configured()
        .irq_request(11)
        .mmio_write("IMS", 4)
        .mmio_write("IMC", 0xFFFFFFFF)
        .irq_free(11),
        configured().mmio_write("RDBAL").mmio_write("RCTL", EN).pio_write(4, RST).unbound(),
        configured()
        .mmio_write("MDIC", READ_PHY)
        .mmio_read("MDIC", 1 << 28)
        .mmio_write("MDIC", READ_PHY),
        configured().mmio_write("IMS", 0),
    ],
)
def test_near_misses_of_an_e1000_are_no_forbidden_steps(told: Story) -> None:
    assert forbidden(covered(told.trace(), "e1000")) == []


def nvme() -> Story:
    return Story(registers=NVME, driver="nvme", vendor=0x1B36, device=0x0010).probe()


def disabled() -> Story:
    return nvme().mmio_write("CC", 0).mmio_read("CSTS", 0)


def prepared() -> Story:
    return (
        disabled().mmio_write("AQA", 0x1F001F).mmio_write("ASQ", 0x1000).mmio_write("ACQ", 0x2000)
    )


def ready() -> Story:
    return prepared().mmio_write("CC", 1).mmio_read("CSTS", 1)


def test_an_nvme_controller_comes_up_and_shuts_down() -> None:
    told = ready().mmio_write("SQ0", 1).mmio_write("CC", 0x4001).mmio_read("CSTS", 9).unbound()
    coverage = covered(told.trace(), "nvme")
    assert forbidden(coverage) == []
    assert machine_counts(coverage, "nvme.controller") == {
        "CC.EN = 0": 1,
        "CSTS.RDY is 0": 1,
        "CC.EN = 1": 1,
        "CSTS.RDY is 1": 1,
        "submission doorbell": 1,
        "CC.SHN": 1,
        "CSTS.SHST is 2": 1,
    }


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (prepared().mmio_write("SQ0", 1), "nvme.controller: disabled: doorbell while disabled"),
        (
            prepared().mmio_write("CC", 1).mmio_write("SQ0", 1),
            "nvme.controller: enabling: doorbell before RDY was seen 1",
        ),
        (
            ready().mmio_write("CC", 0).mmio_write("CC", 1),
            "nvme.controller: disabling: CC.EN = 1 before RDY was seen 0",
        ),
        (
            disabled().mmio_write("AQA", 1).mmio_write("ASQ", 1).mmio_write("CC", 1),
            "nvme.ACQ: not set: CC.EN = 1 without ACQ",
        ),
    ],
)
def test_each_forbidden_step_of_an_nvme_is_told_alone(told: Story, expected: str) -> None:
    assert forbidden(covered(told.trace(), "nvme")) == [expected]


def test_the_admin_registers_keep_their_values_over_a_controller_reset() -> None:
    told = ready().mmio_write("CC", 0).mmio_read("CSTS", 0).mmio_write("CC", 1)
    assert forbidden(covered(told.trace(), "nvme")) == []


def test_a_controller_that_reads_as_all_ones_has_failed() -> None:
    coverage = covered(ready().mmio_read("CSTS", 0xFFFFFFFF).trace(), "nvme")
    (controller, *_) = coverage.machines
    assert controller.final == "failed"


AUTOMATA = [automaton for each in installed_contracts() for automaton in each.automata]


@pytest.mark.parametrize("automaton", AUTOMATA, ids=lambda automaton: automaton.name)
def test_no_event_meets_two_edges_out_of_one_state(automaton: Automaton) -> None:
    for state in automaton.states:
        own = [edge for edge in automaton.edges if edge.source == state]
        for one, two in combinations(own, 2):
            solver = Solver()
            both = solver.truth(one.guard & two.guard).certain
            z3 = solver.z3.Solver()
            z3.add(both, *solver.domain)
            assert z3.check() == solver.z3.unsat, (state, one.label, two.label)


@pytest.mark.parametrize("automaton", AUTOMATA, ids=lambda automaton: automaton.name)
def test_every_state_can_be_reached(automaton: Automaton) -> None:
    reached = {automaton.initial}
    while True:
        more = {
            edge.target
            for edge in automaton.edges
            if edge.source in (*reached, "*") and edge.target != FORBIDDEN
        }
        if more <= reached:
            break
        reached |= more
    assert reached == set(automaton.states)


@pytest.mark.parametrize("contract", installed_contracts(), ids=lambda contract: contract.name)
def test_a_contract_names_a_register_description_that_can_be_read(contract: Contract) -> None:
    assert contract.registers is not None
    assert load(contract.registers).registers


def test_a_contract_is_chosen_by_ids_before_class() -> None:
    by_class = Contract(name="class", automata=(), class_codes=frozenset({0x020000}))
    (function,) = Story().trace().functions
    assert contract_for(function, 0x020000, [by_class, TOY]) is TOY
    assert contract_for(function, 0x020000, [by_class]) is by_class
    assert contract_for(function, None, [by_class]) is None


def test_the_class_code_comes_from_the_snapshot_of_config_space() -> None:
    told = Story()
    space = bytearray(told.config_space())
    space[0x09:0x0C] = bytes([0x02, 0x08, 0x01])
    trace = told.begin(bytes(space)).trace()
    assert class_codes(trace) == {0: 0x010802}
    assert class_codes(Story().probe().trace()) == {}


def test_a_contract_is_found_by_name_or_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("from tests.graph.machine import CONTRACT\n")
    assert contract_named(str(path)).name == "toy"
    assert contract_named("nvme").name == "nvme"
    said = r"there is no contract 'no' \(installed: e1000, edu, nvme"
    with pytest.raises(UsageError, match=said):
        contract_named("no")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 1\n", "declares no CONTRACT"),
        ("CONTRACT = 5\n", "declares no CONTRACT"),
        ("def (\n", "mine.py:1: cannot be run: SyntaxError"),
        ("import nothing_of_that_name\n", "cannot be run: ModuleNotFoundError"),
        (None, "there is no such Python file"),
    ],
)
def test_a_file_that_is_no_contract_is_named(
    tmp_path: Path, text: str | None, expected: str
) -> None:
    path = tmp_path / "mine.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=expected):
        contract_named(str(path))
