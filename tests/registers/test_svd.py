# SPDX-License-Identifier: Apache-2.0
"""CMSIS-SVD: the same map as from SystemRDL, and nothing believed of hostile XML."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from uvtrace.errors import InputError, UsageError
from uvtrace.registers import Access, OnRead, OnWrite, Register, RegisterMap, load

REGISTER = "<register><name>R</name><addressOffset>{}</addressOffset>{}</register>"
ARRAY = (
    "<register><dim>{}</dim><dimIncrement>{}</dimIncrement>"
    "<name>R%s</name><addressOffset>0</addressOffset></register>"
)


def svd(tmp_path: Path, peripherals: str, extensions: str = "") -> Path:
    path = tmp_path / "device.svd"
    path.write_text(
        f"""<?xml version="1.0" encoding="utf-8"?>
<device>
<name>DEV</name>
<size>32</size><access>read-write</access>
<peripherals>
{peripherals}
</peripherals>
{extensions}
</device>
"""
    )
    return path


def peripheral(registers: str, name: str = "P", base: str = "0x0") -> str:
    return (
        f"<peripheral><name>{name}</name><baseAddress>{base}</baseAddress>"
        f"<registers>{registers}</registers></peripheral>"
    )


def read(tmp_path: Path, registers: str) -> RegisterMap:
    return load(svd(tmp_path, peripheral(registers)))


def names(described: RegisterMap) -> dict[str, int]:
    offsets = described.tables.offset
    return {described.element_name(e): int(offset) for e, offset in enumerate(offsets)}


def test_an_svd_and_an_rdl_of_one_device_give_one_map(tmp_path: Path) -> None:
    rdl = tmp_path / "device.rdl"
    rdl.write_text(
        """addrmap DEV {
            reg {
                field { sw = rw; } EN[0:0] = 1;
                field { sw = r; hw = w; onread = rclr; } C[15:8] = 0;
            } CTRL @0x0;
            reg { field { sw = rw; onwrite = woclr; } EVENT[3:0] = 0; } STATUS @0x4;
            regfile { reg { field {} ADDR[31:0] = 0; } LOW; reg { field {} ADDR[31:0] = 0; } HIGH; }
                RING[4] @0x100;
        };"""
    )
    registers = """
    <register><name>CTRL</name><addressOffset>0</addressOffset><resetValue>1</resetValue><fields>
      <field><name>EN</name><bitOffset>0</bitOffset></field>
      <field><name>C</name><bitRange>[15:8]</bitRange><access>read-only</access>
        <readAction>clear</readAction></field></fields></register>
    <register><name>STATUS</name><addressOffset>4</addressOffset><resetValue>0</resetValue>
      <modifiedWriteValues>oneToClear</modifiedWriteValues>
      <fields><field><name>EVENT</name><lsb>0</lsb><msb>3</msb></field></fields></register>
    <cluster><dim>4</dim><dimIncrement>8</dimIncrement><name>RING[%s]</name>
      <addressOffset>0x100</addressOffset><resetValue>0</resetValue>
      <register><name>LOW</name><addressOffset>0</addressOffset><fields>
        <field><name>ADDR</name><bitRange>[31:0]</bitRange></field></fields></register>
      <register derivedFrom="LOW"><name>HIGH</name><addressOffset>4</addressOffset></register>
    </cluster>"""
    ours, theirs = load(rdl), read(tmp_path, registers)
    assert ours.device == theirs.device == "DEV"
    plain = [replace(register, description="") for register in theirs.registers]
    assert plain == [replace(register, description="") for register in ours.registers]


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("read-only", Access.R),
        ("write-only", Access.W),
        ("read-write", Access.RW),
        ("writeOnce", Access.W1),
        ("read-writeOnce", Access.RW1),
    ],
)
def test_every_access_has_its_meaning(tmp_path: Path, said: str, meant: Access) -> None:
    field = read(tmp_path, REGISTER.format("0", f"<access>{said}</access>")).register("R").fields[0]
    assert field.access is meant
    assert field.volatile == meant.readable


def test_side_effects_are_inherited_from_the_register_by_its_fields(tmp_path: Path) -> None:
    fields = (
        read(
            tmp_path,
            """<register><name>R</name><addressOffset>0</addressOffset>
            <readAction>modify</readAction><modifiedWriteValues>zeroToSet</modifiedWriteValues>
            <fields><field><name>A</name><bitRange>[0:0]</bitRange></field>
            <field><name>B</name><bitRange>[1:1]</bitRange><readAction>set</readAction>
            <modifiedWriteValues>oneToToggle</modifiedWriteValues></field></fields></register>""",
        )
        .register("R")
        .fields
    )
    assert [(field.on_read, field.on_write) for field in fields] == [
        (OnRead.RUSER, OnWrite.WZS),
        (OnRead.RSET, OnWrite.WOT),
    ]


def test_arrays_clusters_and_derived_peripherals_unfold(tmp_path: Path) -> None:
    first = peripheral(
        """<register><dim>2</dim><dimIncrement>4</dimIncrement><name>R%s</name>
        <addressOffset>0x8</addressOffset></register>""",
        "A",
        "0x100",
    )
    second = (
        '<peripheral derivedFrom="A"><name>B</name><baseAddress>0x200</baseAddress></peripheral>'
    )
    assert names(load(svd(tmp_path, first + second))) == {
        "A.R[0]": 0x108,
        "A.R[1]": 0x10C,
        "B.R[0]": 0x208,
        "B.R[1]": 0x20C,
    }


def test_fields_may_be_arrays(tmp_path: Path) -> None:
    register = """<register><name>R</name><addressOffset>0</addressOffset><fields><field>
    <dim>3</dim><dimIncrement>4</dimIncrement><name>F%s</name><bitRange>[1:0]</bitRange>
    </field></fields></register>"""
    fields = read(tmp_path, register).register("R").fields
    assert [(field.name, field.low) for field in fields] == [("F[0]", 0), ("F[1]", 4), ("F[2]", 8)]


def test_a_reset_mask_says_which_reset_bits_are_known(tmp_path: Path) -> None:
    register = """<register><name>R</name><addressOffset>0</addressOffset>
    <resetValue>0xFF</resetValue><resetMask>#xxxx1111</resetMask><fields>
    <field><name>A</name><bitRange>[3:0]</bitRange></field>
    <field><name>B</name><bitRange>[7:4]</bitRange></field></fields></register>"""
    fields = read(tmp_path, register).register("R").fields
    assert [field.reset for field in fields] == [15, None]


def test_vendor_extensions_place_peripherals_in_bars(tmp_path: Path) -> None:
    both = peripheral("<register><name>R</name><addressOffset>0</addressOffset></register>", "A")
    both += peripheral("<register><name>R</name><addressOffset>0</addressOffset></register>", "B")
    extensions = """<vendorExtensions><uv_bar peripheral="B" port="true">1</uv_bar>
    <uv_partial/></vendorExtensions>"""
    described = load(svd(tmp_path, both, extensions))
    assert [(space.bar, space.port) for space in described.spaces] == [(0, False), (1, True)]
    assert described.partial
    assert described.register("B.R").bar == 1


def test_registers_that_share_an_address_by_mode_keep_only_the_address(tmp_path: Path) -> None:
    described = read(
        tmp_path,
        """<register><name>INPUT</name><addressOffset>0</addressOffset><resetValue>7</resetValue>
        </register><register><name>OUTPUT</name><alternateRegister>INPUT</alternateRegister>
        <addressOffset>0</addressOffset></register>""",
    )
    assert [(r.name, r.fields) for r in described.registers] == [("INPUT", ())]


def test_a_read_register_and_a_write_register_at_one_address_stay_two(tmp_path: Path) -> None:
    described = read(
        tmp_path,
        """<register><name>RX</name><addressOffset>0</addressOffset><access>read-only</access>
        </register><register><name>TX</name><addressOffset>0</addressOffset>
        <access>write-only</access></register>""",
    )
    found = described.lookup([0, 0], [0, 0], [False, True])
    assert [described.element_name(int(element)) for element in found] == ["RX", "TX"]


def complaint(path: Path) -> str:
    with pytest.raises(InputError) as refused:
        load(path)
    said = str(refused.value)
    assert "\n" not in said
    assert said.startswith(str(path))
    return said


@pytest.mark.parametrize(
    ("registers", "reason"),
    [
        (REGISTER.format("four", ""), "<addressOffset> 'four' is no number"),
        (REGISTER.format("-4", ""), "is no number"),
        ("<register><name>R</name></register>", "<register> without <addressOffset>"),
        ("<register><addressOffset>0</addressOffset></register>", "<register> without <name>"),
        (REGISTER.format("0", "<size>24</size>"), "24 bits wide"),
        (REGISTER.format("0", "<access>sometimes</access>"), "'sometimes' is none of"),
        (REGISTER.format("0", "<dim>2</dim><dimIncrement>4</dimIncrement>"), "lacks %s"),
        (
            REGISTER.replace("<register>", '<register derivedFrom="NONE">').format("0", ""),
            "derived from NONE",
        ),
        (
            REGISTER.replace("<register>", '<register derivedFrom="R">').format("0", ""),
            "itself derived",
        ),
        (
            REGISTER.format("0", "<fields><field><name>F</name></field></fields>"),
            "a field without bitRange",
        ),
        (
            REGISTER.format(
                "0", "<fields><field><name>F</name><bitRange>[0:7]</bitRange></field></fields>"
            ),
            "bits 0..7 make no field",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_line(
    tmp_path: Path, registers: str, reason: str
) -> None:
    said = complaint(svd(tmp_path, peripheral(registers)))
    assert reason in said
    assert said.startswith(f"{tmp_path}/device.svd:6")


def test_overlapping_registers_are_refused(tmp_path: Path) -> None:
    two = REGISTER.format("0", "") + REGISTER.format("2", "").replace(">R<", ">S<")
    assert complaint(svd(tmp_path, peripheral(two))).endswith(
        "register S: overlaps register R at 0x2 of BAR0"
    )


def test_an_array_without_end_is_refused_before_it_is_built(tmp_path: Path) -> None:
    register = ARRAY.format(4000000000, 4)
    assert "array of 4000000000" in complaint(svd(tmp_path, peripheral(register)))


def test_nested_arrays_without_end_are_refused_before_they_are_built(tmp_path: Path) -> None:
    inner = ARRAY.format(1000000, 4)
    cluster = ARRAY.replace("register>", "cluster>").replace("R%s", "C%s")
    cluster = cluster.format(1000000, 4000000).replace("</cluster>", f"{inner}</cluster>")
    assert "more than 1048576 registers" in complaint(svd(tmp_path, peripheral(cluster)))


def test_entities_are_refused_unexpanded(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.svd"
    bomb.write_text(
        '<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>\n'
        "<device><name>&b;</name></device>"
    )
    assert "document type" in complaint(bomb)


def test_xml_that_is_not_svd_or_not_xml_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.xml"
    other.write_text("<html/>")
    assert "its root is <html>" in complaint(other)
    other.write_text("<device>\n<name>")
    assert complaint(other).startswith(f"{other}:2: not well-formed XML")
    assert "cannot be read" in complaint(tmp_path / "none.svd")


def test_contents_decide_where_the_suffix_says_nothing(tmp_path: Path) -> None:
    registers = peripheral(REGISTER.format("0", ""))
    unnamed = svd(tmp_path, registers).rename(tmp_path / "registers")
    assert names(load(unnamed)) == {"R": 0}
    unnamed.write_text("addrmap a { reg { field {} x[31:0]; } R; };")
    assert names(load(unnamed)) == {"R": 0}


def test_parameters_for_an_svd_are_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        load(svd(tmp_path, peripheral(REGISTER.format("0", ""))), parameters={"N": 1})


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cut=st.integers(0, 600), junk=st.binary(max_size=8))
def test_a_damaged_file_is_read_or_refused_never_a_crash(
    tmp_path: Path, cut: int, junk: bytes
) -> None:
    whole = svd(tmp_path, peripheral(REGISTER.format("0", ""))).read_bytes()
    damaged = tmp_path / "damaged.svd"
    damaged.write_bytes(whole[:cut] + junk + whole[cut + len(junk) :])
    try:
        registers = load(damaged).registers
    except InputError as error:
        said = str(error)
    else:
        said = ""
        assert all(isinstance(register, Register) for register in registers)
    assert "\n" not in said
