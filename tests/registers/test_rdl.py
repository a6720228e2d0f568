# SPDX-License-Identifier: Apache-2.0
"""SystemRDL: what comes out of it, and one clear line for what does not compile."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest

from uvtrace.errors import InputError, UvtraceError
from uvtrace.registers import Access, AddressPart, HalfOrder, OnRead, OnWrite, RegisterMap, load
from uvtrace.registers.rdl import PRELUDE

HEAD = "default regwidth = 32; default accesswidth = 32; default hw = r;\n"


def rdl(tmp_path: Path, body: str, before: str = "") -> Path:
    path = tmp_path / "device.rdl"
    path.write_text(f"{before}addrmap device {{\n{HEAD}{body}\n}};\n")
    return path


def read(tmp_path: Path, body: str, before: str = "") -> RegisterMap:
    return load(rdl(tmp_path, body, before))


def test_a_fields_access_and_side_effects_are_systemrdls(tmp_path: Path) -> None:
    register = read(
        tmp_path,
        """reg {
            field { sw = rw; } plain[3:0] = 5;
            field { sw = r; hw = w; onread = rclr; } cause[7:4];
            field { sw = rw; hw = rw; onwrite = woclr; } event[8:8];
            field { sw = rw1; } once[9:9];
            field { sw = rw; singlepulse; } go[10:10] = 0;
        } R @0x8;""",
    ).register("R")
    plain, cause, event, once, go = register.fields
    assert (register.offset, register.access_bytes, plain.reset, plain.volatile) == (8, (4,), 5, 0)
    assert (cause.access, cause.on_read, cause.volatile, cause.reset) == (
        Access.R,
        OnRead.RCLR,
        True,
        None,
    )
    assert (event.on_write, once.access.once, go.singlepulse) == (OnWrite.WOCLR, True, True)


def test_our_properties_need_no_include_and_take_one(tmp_path: Path) -> None:
    body = """reg {
        regwidth = 64;
        uv_half_order = "low_first";
        uv_address_register = "whole";
        uv_required_reserved = 0;
        uv_surprise_ones;
        field { uv_resets = 0; uv_strapped; } a[0:0];
    } R;"""
    for before in ("", '`include "uvtrace.rdl"\n'):
        register = read(tmp_path, body, before).register("R")
        assert register.half_order is HalfOrder.LOW_FIRST
        assert register.address_part is AddressPart.WHOLE
        assert register.access_bytes == (4, 8)
        assert (register.required, register.surprise_ones) == (0, True)
        assert (register.fields[0].resets, register.fields[0].strapped) == (0, True)


def test_what_a_register_says_holds_for_its_fields_unless_they_say_otherwise(
    tmp_path: Path,
) -> None:
    fields = (
        read(
            tmp_path,
            """reg {
                uv_volatile;
                uv_write_once;
                field {} a[0:0];
                field { uv_volatile = false; uv_write_once = false; } b[1:1];
            } R;""",
        )
        .register("R")
        .fields
    )
    assert [(field.volatile, field.access) for field in fields] == [
        (True, Access.RW1),
        (False, Access.RW),
    ]


def test_hardware_may_change_what_says_nothing_of_it(tmp_path: Path) -> None:
    path = tmp_path / "foreign.rdl"
    path.write_text("addrmap foreign { reg { field {} a[31:0]; } R; };")
    assert load(path).register("R").fields[0].volatile


def test_arrays_of_register_files_keep_their_strides(tmp_path: Path) -> None:
    described = read(
        tmp_path,
        """regfile {
            reg { field {} x[31:0]; } LOW;
            reg { field {} x[31:0]; } HIGH[2];
        } RA[3][2] @0x100 += 0x20;""",
    )
    names = {
        described.element_name(element): int(offset)
        for element, offset in enumerate(described.tables.offset)
    }
    assert len(names) == 3 * 2 * 3
    assert names["RA[0][1].LOW"] == 0x120
    assert names["RA[2][1].HIGH[1]"] == 0x100 + 5 * 0x20 + 8


def test_aliases_point_at_their_primaries(tmp_path: Path) -> None:
    described = read(
        tmp_path,
        """reg shape { field {} x[31:0]; };
        shape M[4] @0x100;
        alias M shape OLD[4] @0x10;
        regfile { shape R; R->uv_alias_of = "M[]"; } OLDER[2] @0x40;""",
    )
    assert described.register("OLD[]").alias_of == "M[]"
    at = described.lookup([0, 0, 0], [0x14, 0x44, 0x104])
    assert set(described.tables.primary[at].tolist()) == {int(at[2])}


def test_each_address_map_with_uv_bar_is_a_bar(tmp_path: Path) -> None:
    path = tmp_path / "two.rdl"
    path.write_text(
        """addrmap memory { uv_bar = 0; reg { field {} x[31:0]; } R; };
        addrmap ports { uv_io; reg { field {} x[31:0]; } R; };
        addrmap device #(longint unsigned IO = 2) {
            memory memory @0; ports ports @0x1000; ports->uv_bar = IO;
        };"""
    )
    described = load(path)
    assert [(space.bar, space.port) for space in described.spaces] == [(0, False), (2, True)]
    assert [described.element_name(int(e)) for e in described.lookup([0, 2, 1], [0, 0, 0])[:2]] == [
        "R",
        "ports.R",
    ]
    assert [space.bar for space in load(path, parameters={"IO": 4}).spaces] == [0, 4]


def test_an_alias_beside_bar0_points_into_its_own_bar(tmp_path: Path) -> None:
    path = tmp_path / "aliases.rdl"
    path.write_text(
        """reg shape { field {} x[31:0]; };
        addrmap memory { uv_bar = 0; shape R @0; };
        addrmap ports { uv_bar = 1; shape R @0; alias R shape S @4; };
        addrmap device { memory memory @0; ports ports @0x1000; };"""
    )
    assert load(path).register("ports.S").alias_of == "ports.R"


def test_a_single_address_map_may_be_another_bar_than_0(tmp_path: Path) -> None:
    described = read(tmp_path, "uv_bar = 4; reg { field {} x[31:0]; } R;")
    assert [(register.name, register.bar) for register in described.registers] == [("R", 4)]


def test_the_example_in_the_documentation_compiles() -> None:
    page = (Path(__file__).parents[2] / "docs" / "registers.md").read_text()
    example = page.split("```systemrdl\n")[1].split("```")[0]
    with NamedTemporaryFile("w", suffix=".rdl") as file:
        file.write(example)
        file.flush()
        described = load(file.name)
    assert described.partial
    assert described.register("RING").half_order is HalfOrder.LOW_FIRST
    assert described.register("DOORBELL[]").elements == 8


def test_every_property_of_ours_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "registers.md").read_text()
    declared = re.findall(r"^property (uv_\w+)", PRELUDE.read_text(), re.MULTILINE)
    assert len(declared) > 10
    assert [name for name in declared if f"`{name}" not in page] == []


def complaint(path: Path) -> str:
    with pytest.raises(InputError) as refused:
        load(path)
    said = str(refused.value)
    assert "\n" not in said
    return said


def test_a_syntax_error_is_one_line_with_file_and_line(tmp_path: Path) -> None:
    said = complaint(rdl(tmp_path, "reg { field {} x[31:0] } R;"))
    assert said.startswith(f"{tmp_path}/device.rdl:3: ")


def test_overlapping_registers_are_refused_at_their_line(tmp_path: Path) -> None:
    shape = "reg { field {} x[31:0]; }"
    said = complaint(rdl(tmp_path, f"{shape} R @0x0;\n{shape} S @0x0;"))
    assert said.startswith(f"{tmp_path}/device.rdl:4: ")
    assert "overlaps" in said


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("reg { regwidth = 128; field {} x[31:0]; } R;", "is 128 bits wide"),
        ('reg { uv_half_order = "up"; field {} x[31:0]; } R;', "'up' is none of any, low_first"),
        ("reg { accesswidth = 32; uv_access_max = 16; field {} x[31:0]; } R;", "accesswidth 32"),
        ("reg { field { uv_bar = 1; } x[31:0]; } R;", "uv_bar"),
        ("addrmap { uv_bar = 6; reg { field {} x[31:0]; } R; } b;", "BARs 0 to 5"),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_line(tmp_path: Path, body: str, reason: str) -> None:
    said = complaint(rdl(tmp_path, body))
    assert said.startswith(f"{tmp_path}/device.rdl:3: ")
    assert reason in said


def test_several_errors_are_one_line_that_counts_the_others(tmp_path: Path) -> None:
    said = complaint(rdl(tmp_path, "reg { field {} x[3:0]; field {} y[3:0]; field {} z[1:0]; } R;"))
    assert "more after it" in said


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    assert complaint(tmp_path / "no.rdl").endswith("no.rdl: there is no such file")


def test_a_folder_and_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    junk = tmp_path / "junk.rdl"
    junk.write_bytes(b"\xff\xfe\x00 addrmap")
    assert complaint(junk).startswith(str(junk))
    assert complaint(tmp_path).startswith(str(tmp_path))


def test_an_unknown_parameter_is_named(tmp_path: Path) -> None:
    with pytest.raises(UvtraceError, match="NO_SUCH"):
        load(rdl(tmp_path, "reg { field {} x[31:0]; } R;"), parameters={"NO_SUCH": 1})
