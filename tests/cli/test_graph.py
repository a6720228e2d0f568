# SPDX-License-Identifier: Apache-2.0
"""``uvtrace graph``."""

from __future__ import annotations

import json
from pathlib import Path
from unittest import mock

import pytest

from tests.cli.running import run
from tests.story import Story

REGISTERS = {"RCTL": 0x100, "TCTL": 0x400, "RDBAL": 0x2800, "TDBAL": 0x3800, "TDT": 0x3818}
MINE = "from tests.graph.machine import CONTRACT\n"


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """An e1000 that is reset, and rings its doorbell too early."""
    story = Story(registers=REGISTERS).probe().pio_write(4, 1 << 26)
    story.mmio_write("TDT", 1).mmio_write("TDBAL", 0x1000).mmio_write("TCTL", 2)
    story.mmio_write("TDT", 2).write(tmp_path / "card.pcapng")
    return tmp_path / "card.pcapng"


@pytest.fixture
def unknown(tmp_path: Path) -> Path:
    """A device that no contract is about."""
    story = Story(driver="acme", vendor=0x1234, device=1).probe()
    story.mmio_write(0, 1).mmio_write(8, 1).mmio_read(4, 1).write(tmp_path / "unknown.pcapng")
    return tmp_path / "unknown.pcapng"


def test_the_contract_for_the_device_is_covered_and_told_in_words(card: Path) -> None:
    outcome = run("graph", card)
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    place = lines.index(
        "0000:00:03.0 e1000.transmit: 4 of 7 edges, 3 of 3 states, ends in 'enabled'"
    )
    assert lines[place + 1] == "  forbidden, 1 time, first at #2: no ring: TDT before TDBAL"
    assert "never: 0000:00:03.0 e1000.transmit: enabled -> ring (TCTL.EN = 0)" in lines
    assert "never: 0000:00:03.0 e1000.link: down -> up (STATUS.LU is 1)" in lines


@pytest.mark.parametrize("suffix", ["svg", "dot", "graphml", "json"])
def test_the_suffix_chooses_the_format(card: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"graph.{suffix}"
    assert run("graph", card, "-o", out).code == 0
    assert "e1000.transmit" in out.read_text(encoding="utf-8")


def test_a_contract_of_ones_own_is_given_by_path(card: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    outcome = run("graph", card, "--contract", tmp_path / "mine.py")
    assert outcome.out.startswith("0000:00:03.0 toy.engine: ")


def test_a_device_without_a_contract_gets_a_draft(unknown: Path, tmp_path: Path) -> None:
    outcome = run("graph", unknown, "-o", tmp_path / "graph.json")
    assert outcome.out == (
        "draft: order of register writes of 0000:00:03.0: 2 nodes, 1 edges;"
        " 2 of 2 registers, 1 of 1 steps (100 % of all)\n"
    )
    assert json.loads((tmp_path / "graph.json").read_text())["draft"] is True


def test_mined_graphs_are_named_by_the_contracts_registers(card: Path, tmp_path: Path) -> None:
    out = tmp_path / "graph.json"
    assert run("graph", card, "--mine", "registers", "-o", out).code == 0
    nodes = json.loads(out.read_text())["nodes"]
    assert [node["label"] for node in nodes] == ["ports.IODATA", "TDT", "TDBAL", "TCTL"]


def test_a_machine_is_learned_from_named_registers(card: Path, tmp_path: Path) -> None:
    out = tmp_path / "graph.json"
    outcome = run("graph", card, "--mine", "learned", "--only", "TDT,TCTL", "-o", out)
    assert outcome.code == 0
    assert "learned by RPNI from 3 of 5 accesses" in outcome.out
    labels = {edge["label"] for edge in json.loads(out.read_text())["edges"]}
    assert labels == {"TDT = 0x1", "TCTL = 0x2", "TDT = 0x2"}


def test_registers_are_named_by_a_file(unknown: Path, tmp_path: Path) -> None:
    (tmp_path / "acme.rdl").write_text(
        "addrmap acme { default regwidth = 32; reg { field {} v[31:0]; } GO @0x0; };\n"
    )
    out = tmp_path / "graph.json"
    assert run("graph", unknown, "--registers", tmp_path / "acme.rdl", "-o", out).code == 0
    labels = [node["label"] for node in json.loads(out.read_text())["nodes"]]
    assert labels == ["GO", "BAR0+0x8"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-o", "graph.png"], "graph.png: no graph format has the suffix '.png'"),
        (["--contract", "acme"], "there is no contract 'acme'"),
        (["--contract", "e1000", "--mine", "learned"], "exclude each other"),
        (["--only", "TDT"], "--only is for --mine learned"),
    ],
)
def test_wrong_usage_is_one_line_and_2(card: Path, arguments: list[str], expected: str) -> None:
    outcome = run("graph", card, *arguments)
    assert outcome.code == 2
    assert expected in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_an_svg_without_graphviz_is_5_and_names_the_package(card: Path, tmp_path: Path) -> None:
    with mock.patch("shutil.which", return_value=None):
        outcome = run("graph", card, "-o", tmp_path / "graph.svg")
    assert outcome.code == 5
    assert "apt install graphviz" in outcome.err


def test_a_recording_of_no_function_is_refused(tmp_path: Path) -> None:
    Story("").mark("x").write(tmp_path / "none.pcapng")
    outcome = run("graph", tmp_path / "none.pcapng")
    assert outcome.code == 2
    assert "no PCI function was recorded" in outcome.err
