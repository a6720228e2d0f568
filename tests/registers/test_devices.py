# SPDX-License-Identifier: Apache-2.0
"""The register maps of our device packs, and recordings of stock drivers against them."""

from __future__ import annotations

import logging
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pytest

import uvtrace
from uvtrace.registers import AddressPart, HalfOrder, RegisterMap, load
from uvtrace.trace.enums import Kind
from uvtrace.trace.layout import ACCESS

DEVICES = ("e1000", "nvme", "edu")
TRACES = Path(__file__).parents[2] / "traces"
ACCESSES = (Kind.MMIO_READ, Kind.MMIO_WRITE, Kind.PIO_READ, Kind.PIO_WRITE)


def registers_of(device: str) -> RegisterMap:
    with as_file(files("uvtrace.devices") / device / "registers.rdl") as path:
        return load(path)


@pytest.fixture(scope="module")
def e1000() -> RegisterMap:
    return registers_of("e1000")


@pytest.fixture(scope="module")
def nvme() -> RegisterMap:
    return registers_of("nvme")


def at(described: RegisterMap, bar: int, offset: int) -> str | None:
    element = int(described.lookup([bar], [offset])[0])
    return None if element < 0 else described.element_name(element)


@pytest.mark.parametrize("device", DEVICES)
def test_a_devices_map_compiles_without_a_warning(
    device: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        described = registers_of(device)
    assert not caplog.records
    assert not described.partial
    assert len(described.tables) >= len(described.registers) > 10


def test_e1000s_registers_stand_where_the_driver_expects_them(e1000: RegisterMap) -> None:
    expected = {
        0x0: "CTRL",
        0x4: "CTRL_DUP",
        0xC0: "ICR",
        0x3818: "TDT",
        0x408C: "GORC",
        0x52A0: "MTA[40]",
        0x547C: "RA[15].RAH",
        0x57FC: "VFTA[127]",
        0x24: None,
        0x20000: None,
    }
    assert {offset: at(e1000, 0, offset) for offset in expected} == expected
    assert at(e1000, 1, 4) == "ports.IODATA"


def test_e1000s_side_effects_are_those_of_the_manual(e1000: RegisterMap) -> None:
    tables = e1000.tables
    icr, imc, gorc, ctrl = (int(e1000.lookup([0], [o])[0]) for o in (0xC0, 0xD8, 0x4088, 0x0))
    assert tables.rclr[icr] == tables.woclr[icr] == tables.fields[icr]
    assert tables.readable[imc] == 0
    assert tables.mask_clear[imc]
    assert tables.required_value[imc] == tables.required[imc] == 0xFFFFFFFF & ~tables.fields[imc]
    assert tables.half_order[gorc] == HalfOrder.LOW_FIRST
    assert tables.access_bytes[gorc] == 4
    assert tables.resets[ctrl] == tables.resets_value[ctrl] == 1 << 26
    parts = {
        at(e1000, 0, o): tables.address_part[e1000.lookup([0], [o])[0]] for o in (0x2800, 0x2804)
    }
    assert parts == {"RDBAL": AddressPart.LOW, "RDBAH": AddressPart.HIGH}


def test_the_82542s_addresses_are_aliases(e1000: RegisterMap) -> None:
    old, new = e1000.lookup([0, 0, 0], [0x438, 0x7C, 0x204]), [0x3818, 0x543C, 0x5204]
    assert e1000.tables.primary[old].tolist() == e1000.lookup([0, 0, 0], new).tolist()


def test_the_port_windows_bar_is_a_parameter() -> None:
    with as_file(files("uvtrace.devices") / "e1000" / "registers.rdl") as path:
        real = load(path, parameters={"IO_BAR": 2})
    assert [(space.bar, space.port) for space in real.spaces] == [(0, False), (2, True)]


def test_nvmes_doorbells_follow_the_stride(nvme: RegisterMap) -> None:
    assert at(nvme, 0, 0x1008) == "QUEUE[1].SQTDBL"
    assert at(nvme, 0, 0x2000) is None
    with as_file(files("uvtrace.devices") / "nvme" / "registers.rdl") as path:
        wide = load(path, parameters={"DSTRD": 2, "QUEUES": 4})
    assert at(wide, 0, 0x1010) == "QUEUE[0].CQHDBL"
    assert at(wide, 0, 0x1008) is None
    assert at(wide, 0, 0x1070) == "QUEUE[3].CQHDBL"


def test_nvmes_controller_reset_is_enable_from_one_to_zero(nvme: RegisterMap) -> None:
    cc = int(nvme.lookup([0], [0x14])[0])
    assert (nvme.tables.resets[cc], nvme.tables.resets_value[cc]) == (1, 0)
    assert nvme.tables.surprise_ones[nvme.lookup([0], [0x1C])[0]]


def test_edus_registers_take_the_widths_that_its_specification_says() -> None:
    edu = registers_of("edu")
    widths = {o: int(edu.tables.access_bytes[edu.lookup([0], [o])[0]]) for o in (0x0, 0x64, 0x80)}
    assert widths == {0x0: 4, 0x64: 4, 0x80: 4 | 8}


@pytest.mark.parametrize(
    "recording",
    [pytest.param(path, id=path.name) for path in sorted(TRACES.glob("e1000-*.pcapng*"))],
)
def test_a_stock_e1000_touches_only_registers_and_as_they_allow(
    recording: Path, e1000: RegisterMap
) -> None:
    records = uvtrace.open(recording).records
    records = records[np.isin(records["kind"], [int(kind) for kind in ACCESSES])]
    access = np.ascontiguousarray(records["raw"]).view(ACCESS).reshape(-1)
    write = np.isin(records["kind"], [Kind.MMIO_WRITE, Kind.PIO_WRITE])
    found = e1000.lookup(access["bar"], access["offset"], write)
    missed = {(int(a["bar"]), hex(int(a["offset"]))) for a in access[found < 0]}
    assert missed == set()
    tables = e1000.tables
    wrong_width = found[(tables.access_bytes[found] & access["width"]) == 0]
    against = found[np.where(write, tables.writable[found], tables.readable[found]) == 0]
    assert {e1000.element_name(int(e)) for e in wrong_width} == set()
    assert {e1000.element_name(int(e)) for e in against} == set()
