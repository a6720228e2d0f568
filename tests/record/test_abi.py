# SPDX-License-Identifier: Apache-2.0
"""The recorder's ioctls against the compiled header."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import pytest

from uvtrace.record import abi

HEADERS = Path(__file__).parents[2] / "kmod/include/uapi"

STRUCTS: dict[str, type[ctypes.Structure]] = {
    "uv_info": abi.Info,
    "uv_select": abi.Select,
    "uv_ring_setup": abi.RingSetup,
    "uv_stats": abi.Stats,
    "uv_mark": abi.Mark,
}
IOCTLS = {name: getattr(abi, name) for name in dir(abi) if name.startswith("IOC_")}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """What the compiler makes of the header: sizes, offsets, numbers."""
    lines = [f'N("{name}", UV_{name});' for name in IOCTLS]
    lines.append('N("abi", UV_ABI_VERSION);')
    for struct, mirror in STRUCTS.items():
        lines.append(f'N("{struct}", sizeof(struct {struct}));')
        for field, *_ in mirror._fields_:
            lines.append(f'N("{struct}.{field}", __builtin_offsetof(struct {struct}, {field}));')
    body = "\n".join(lines)
    source = f"""#include <stdio.h>
#include "uvbus.h"
#define N(name, value) printf("%s %llu\\n", name, (unsigned long long)(value))
int main(void) {{ {body} return 0; }}
"""
    folder = tmp_path_factory.mktemp("abi")
    (folder / "abi.c").write_text(source)
    program = folder / "abi"
    command = ["gcc", "-I", str(HEADERS), "-o", str(program), str(folder / "abi.c")]
    subprocess.run(command, check=True)
    output = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    return {name: int(value) for name, value in (line.split() for line in output.splitlines())}


@pytest.mark.parametrize("name", IOCTLS)
def test_every_ioctl_has_the_header_s_number(name: str, compiled: dict[str, int]) -> None:
    assert IOCTLS[name] == compiled[name]


def test_every_ioctl_of_the_header_is_mirrored() -> None:
    text = (HEADERS / "uvbus.h").read_text()
    defined = {word[3:] for word in text.split() if word.startswith("UV_IOC_")}
    assert defined - {"IOC_MAGIC"} == {name.rstrip(",") for name in IOCTLS}


@pytest.mark.parametrize("struct", STRUCTS)
def test_every_structure_has_the_header_s_layout(struct: str, compiled: dict[str, int]) -> None:
    mirror = STRUCTS[struct]
    assert ctypes.sizeof(mirror) == compiled[struct]
    for field, *_ in mirror._fields_:
        assert getattr(mirror, field).offset == compiled[f"{struct}.{field}"], field


def test_the_abi_version_is_the_header_s(compiled: dict[str, int]) -> None:
    assert compiled["abi"] == abi.ABI_VERSION


def test_counters_have_names() -> None:
    stats = abi.Stats(records=5, functions_bound=1)
    assert stats.as_dict()["records"] == 5
    assert stats.as_dict()["functions_bound"] == 1
    assert "reserved" not in stats.as_dict()
