# SPDX-License-Identifier: Apache-2.0
"""The dtypes and enums against the compiled header: every field, every number."""

from __future__ import annotations

import re
import shutil
import subprocess
from enum import IntEnum, IntFlag
from pathlib import Path

import numpy as np
import pytest

from uvtrace.trace import enums, layout

ROOT = Path(__file__).parents[2]
HEADER = ROOT / "kmod/include/uapi/uvbus.h"
TEXT = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)

STRUCTS = {
    "uv_record": layout.RECORD,
    "uv_bar": layout.BAR,
    "uv_access": layout.ACCESS,
    "uv_dma_call": layout.DMA_CALL,
    "uv_bus": layout.BUS,
    "uv_irq": layout.IRQ,
    "uv_life": layout.LIFE,
    "uv_module": layout.MODULE,
    "uv_meta": layout.META,
    "uv_continuation": layout.CONTINUATION,
    "uv_ring_header": layout.RING_HEADER,
}
OF_THE_RECORDER = {"uv_info", "uv_select", "uv_ring_setup", "uv_stats", "uv_mark"}
ENUMS: dict[str, tuple[type[IntEnum], str]] = {
    "uv_kind": (enums.Kind, "UV_KIND_"),
    "uv_phase": (enums.Phase, "UV_PHASE_"),
    "uv_status": (enums.Status, "UV_STATUS_"),
    "uv_map_flavour": (enums.Flavour, "UV_FLAVOUR_"),
    "uv_direction": (enums.Direction, "UV_DIR_"),
    "uv_memory_type": (enums.MemoryType, "UV_MEMTYPE_"),
    "uv_memory_moment": (enums.MemoryMoment, "UV_MEMORY_"),
    "uv_irq_type": (enums.IrqType, "UV_IRQ_"),
    "uv_snapshot": (enums.Snapshot, "UV_SNAPSHOT_"),
    "uv_topic": (enums.Topic, "UV_TOPIC_"),
    "uv_loss_cause": (enums.LossCause, "UV_LOSS_"),
    "uv_ring_state": (enums.RingState, "UV_RING_"),
    "uv_ring_policy": (enums.RingPolicy, "UV_POLICY_"),
}
FLAGS: dict[str, type[IntFlag]] = {
    "UV_FLAG_": enums.Flag,
    "UV_SELECT_": enums.SelectFlag,
    "UV_SETUP_": enums.SetupFlag,
}
CONSTANTS = {
    "UV_RECORD_VERSION": layout.RECORD_VERSION,
    "UV_RECORD_SIZE": layout.RECORD_SIZE,
    "UV_FUNCTION_NONE": layout.FUNCTION_NONE,
    "UV_BAR_NONE": layout.BAR_NONE,
    "UV_BAR_ROM": layout.BAR_ROM,
    "UV_SITE_MODULE_SHIFT": layout.SITE_MODULE_SHIFT,
    "UV_SITE_OFFSET_MASK": layout.SITE_OFFSET_MASK,
    "UV_SITE_MODULE_UNKNOWN": layout.SITE_MODULE_UNKNOWN,
    "UV_CONTINUATION_BYTES": layout.CONTINUATION_BYTES,
    "UV_RING_MAGIC": layout.RING_MAGIC,
    "UV_RING_VERSION": layout.RING_VERSION,
    "UV_RING_HEADER_SIZE": layout.RING_HEADER_SIZE,
    "UV_RING_PAYLOAD_MAX": layout.RING_PAYLOAD_MAX,
}


def struct_fields() -> dict[str, list[str]]:
    """Members of every struct of the header; those of an anonymous union count as its own."""
    fields = {}
    for name, body in re.findall(r"^struct (uv_\w+) \{(.*?)^\};", TEXT, re.S | re.M):
        body = re.sub(r"__attribute__\(\(.*?\)\)\s*;", ";", body)
        declared = re.findall(r"(\w+)\s*(?:\[\w+\])?\s*;", body.replace("};", ""))
        fields[name] = declared
    return fields


def enum_members() -> dict[str, list[str]]:
    """Names of every enum of the header."""
    return {
        name: re.findall(r"\b(UV_\w+)\s*=", body)
        for name, body in re.findall(r"^enum (uv_\w+) \{(.*?)^\};", TEXT, re.S | re.M)
    }


def defines() -> list[str]:
    """Names of the header's object-like macros that have a value."""
    return re.findall(r"^#define\s+(UV_\w+)[ \t]+\S", TEXT, re.M)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """What the compiler makes of the header: ``struct.field``, ``struct`` sizes, numbers."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler, "a C compiler is needed to compile the header"
    lines = []
    for struct, fields in struct_fields().items():
        lines.append(f'P("{struct}", sizeof(struct {struct}));')
        for field in fields:
            lines.append(f'P("{struct}.{field}", offsetof(struct {struct}, {field}));')
            lines.append(f'P("{struct}.{field}#", sizeof(((struct {struct} *)0)->{field}));')
    names = [name for members in enum_members().values() for name in members] + defines()
    lines += [f'P("{name}", {name});' for name in names]
    directory = tmp_path_factory.mktemp("layout")
    source = directory / "layout.c"
    source.write_text(
        "#include <stddef.h>\n#include <stdio.h>\n"
        f'#include "{HEADER}"\n'
        '#define P(n, v) printf("%s %llu\\n", n, (unsigned long long)(v))\n'
        "int main(void) {\n" + "\n".join(lines) + "\nreturn 0; }\n"
    )
    program = directory / "layout"
    subprocess.run([compiler, "-Wall", "-Werror", "-o", program, source], check=True)
    printed = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    return {name: int(value) for name, value in map(str.split, printed.splitlines())}


def test_every_struct_of_the_header_is_known() -> None:
    assert set(struct_fields()) == set(STRUCTS) | OF_THE_RECORDER


def test_every_enum_of_the_header_is_known() -> None:
    assert set(enum_members()) == set(ENUMS)


def test_every_constant_of_the_header_is_known() -> None:
    of_flags = {name for name in defines() if name.startswith(tuple(FLAGS))}
    of_ioctls = {name for name in defines() if name.startswith(("UV_IOC_", "UV_ABI_"))}
    assert set(defines()) - of_flags - of_ioctls == set(CONSTANTS)


@pytest.mark.parametrize("struct", STRUCTS)
def test_a_dtype_has_the_fields_of_its_struct_in_order(struct: str) -> None:
    fields = struct_fields()[struct]
    if struct == "uv_record":
        assert fields[-8:] == [*layout.VIEWS, "raw"]
        fields = [*fields[:-8], "raw"]
    assert list(STRUCTS[struct].names or ()) == fields


@pytest.mark.parametrize("struct", STRUCTS)
def test_a_dtype_lies_as_the_compiler_lays_its_struct(
    struct: str, compiled: dict[str, int]
) -> None:
    dtype = STRUCTS[struct]
    assert dtype.itemsize == compiled[struct]
    for name, (field, offset, *_) in (dtype.fields or {}).items():
        assert (offset, field.itemsize) == (
            compiled[f"{struct}.{name}"],
            compiled[f"{struct}.{name}#"],
        ), name
        assert field.base.str[0] in "<|", name


def test_signed_fields_are_signed_in_both() -> None:
    declared = set(re.findall(r"__s32\s+(\w+);", TEXT))
    signed = {
        name
        for dtype in STRUCTS.values()
        for name, (field, *_) in (dtype.fields or {}).items()
        if field.kind == "i"
    }
    assert signed == declared


def test_every_member_of_the_union_starts_at_its_beginning(compiled: dict[str, int]) -> None:
    fields = layout.RECORD.fields
    assert fields is not None
    for member, dtype in layout.VIEWS.items():
        assert compiled[f"uv_record.{member}"] == fields["raw"][1]
        assert dtype.itemsize == compiled[f"uv_record.{member}#"] == layout.UNION_SIZE


@pytest.mark.parametrize("enum", ENUMS)
def test_an_enum_has_the_names_and_numbers_of_the_header(
    enum: str, compiled: dict[str, int]
) -> None:
    mirror, prefix = ENUMS[enum]
    expected = {name.removeprefix(prefix): compiled[name] for name in enum_members()[enum]}
    assert {member.name: int(member) for member in mirror} == expected


@pytest.mark.parametrize("prefix", FLAGS)
def test_flags_have_the_names_and_bits_of_the_header(prefix: str, compiled: dict[str, int]) -> None:
    expected = {n.removeprefix(prefix): compiled[n] for n in defines() if n.startswith(prefix)}
    assert {member.name: int(member) for member in FLAGS[prefix]} == expected


@pytest.mark.parametrize("name", CONSTANTS)
def test_a_constant_has_the_value_of_the_header(name: str, compiled: dict[str, int]) -> None:
    assert CONSTANTS[name] == compiled[name]


def test_every_kind_that_a_file_holds_has_a_member_of_the_union() -> None:
    of_rings = {enums.Kind.PAD, enums.Kind.CONTINUATION}
    assert set(layout.VIEW_OF_KIND) == {int(kind) for kind in enums.Kind} - of_rings


def test_a_view_writes_through_to_the_records_it_was_made_of() -> None:
    records = layout.make_records(6)
    layout.view_of(records[::2], "dma")["phys"] = 0x1234
    assert layout.view_of(records, "dma")["phys"].tolist() == [0x1234, 0] * 3


def test_the_parts_of_a_site_are_its_module_and_offset() -> None:
    assert layout.site_parts(layout.site(3, 0x1C4)) == (3, 0x1C4)
    assert layout.site(3, -1) == 3 << 48 | layout.SITE_OFFSET_MASK


def test_made_records_belong_to_no_function_unless_one_is_named() -> None:
    assert layout.make_records(2)["function"].tolist() == [layout.FUNCTION_NONE] * 2
    made = layout.make_records(2, function=1, seq=np.arange(2))
    assert made["function"].tolist() == [1, 1]
    assert made["seq"].tolist() == [0, 1]
