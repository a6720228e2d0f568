# SPDX-License-Identifier: Apache-2.0
"""The link's layout and numbers against the compiled header."""

from __future__ import annotations

import ctypes
import subprocess
from enum import IntEnum
from pathlib import Path

import pytest

from uvtrace.device import linkabi
from uvtrace.device.linkabi import ConfigImage, Header, LinkReason, LinkState, Make, Message
from uvtrace.device.messages import ResetKind

HEADERS = Path(__file__).parents[2] / "kmod/include/uapi"

ENUMS: dict[str, type[IntEnum]] = {
    "UV_LINK_": LinkState,
    "UV_REASON_": LinkReason,
    "UV_MSG_": Message,
    "UV_IMAGE_": ConfigImage,
}
NUMBERS = [
    name
    for name in vars(linkabi)
    if name.isupper() and name.startswith(("LINK_", "LINKS_", "MESSAGE_SIZE", "SIGNAL_", "IOC_"))
]
RINGS = {
    "TO_MODEL_HEAD": "to_model_head.head",
    "TO_MODEL_ROOM_AT": "to_model_head.room_at",
    "TO_MODEL_TAIL": "to_model_tail.tail",
    "TO_MODEL_NOTIFY_AT": "to_model_tail.notify_at",
    "TO_KERNEL_HEAD": "to_kernel_head.head",
    "TO_KERNEL_ROOM_AT": "to_kernel_head.room_at",
    "TO_KERNEL_TAIL": "to_kernel_tail.tail",
    "TO_KERNEL_NOTIFY_AT": "to_kernel_tail.notify_at",
}
HEADER = {name: RINGS.get(name, name.lower()) for name in vars(Header) if name.isupper()}
LIMIT_FIELDS = ("max_payload", "max_read_request", "alignment", "reads", "expansion", "timeout_ns")


def _c_name(name: str) -> str:
    return f"UV_LINK_{name}" if name.startswith("IOC_") else f"UV_{name}"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """What the compiler makes of the header: sizes, offsets, numbers."""
    lines = [f'N("{name}", {_c_name(name)});' for name in NUMBERS]
    for prefix, enum in ENUMS.items():
        lines += [f'N("{prefix}{each.name}", {prefix}{each.name});' for each in enum]
    lines += [
        f'N("reset.{each.name}", UV_RESET_{each.name});'
        for each in ResetKind
        if each is not ResetKind.SOFTWARE
    ]
    for struct, fields in (
        ("uv_message", linkabi.MESSAGE_FIELDS),
        ("uv_link_limits", LIMIT_FIELDS),
        ("uv_link_make", tuple(field for field, *_ in Make._fields_)),
        ("uv_link_header", tuple(HEADER.values())),
    ):
        lines.append(f'N("{struct}", sizeof(struct {struct}));')
        for field in fields:
            lines.append(f'N("{struct}.{field}", __builtin_offsetof(struct {struct}, {field}));')
    body = "\n".join(lines)
    source = f"""#include <stdio.h>
#include "uvbus_link.h"
#define N(name, value) printf("%s %llu\\n", name, (unsigned long long)(value))
int main(void) {{ {body} return 0; }}
"""
    folder = tmp_path_factory.mktemp("link")
    (folder / "link.c").write_text(source)
    program = folder / "link"
    command = ["gcc", "-I", str(HEADERS), "-o", str(program), str(folder / "link.c")]
    subprocess.run(command, check=True)
    output = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    return {name: int(value) for name, value in (line.split() for line in output.splitlines())}


@pytest.mark.parametrize("name", NUMBERS)
def test_every_number_is_the_header_s(name: str, compiled: dict[str, int]) -> None:
    assert getattr(linkabi, name) == compiled[name]


@pytest.mark.parametrize("prefix", ENUMS)
def test_every_enum_has_the_header_s_numbers(prefix: str, compiled: dict[str, int]) -> None:
    for each in ENUMS[prefix]:
        assert each.value == compiled[f"{prefix}{each.name}"], each


def test_resets_have_the_header_s_numbers(compiled: dict[str, int]) -> None:
    assert all(
        each.value == compiled[f"reset.{each.name}"]
        for each in ResetKind
        if each is not ResetKind.SOFTWARE
    )


def test_every_message_type_of_the_header_is_known() -> None:
    text = (HEADERS / "uvbus_link.h").read_text()
    defined = {line.split()[0] for line in text.splitlines() if line.startswith("\tUV_MSG_")}
    assert defined == {f"UV_MSG_{each.name}" for each in Message}


@pytest.mark.parametrize("name", HEADER)
def test_every_field_of_the_link_s_header_lies_where_it_should(
    name: str, compiled: dict[str, int]
) -> None:
    assert getattr(Header, name) == compiled[f"uv_link_header.{HEADER[name]}"]


def test_messages_have_the_header_s_layout(compiled: dict[str, int]) -> None:
    assert compiled["uv_message"] == linkabi.MESSAGE.size == linkabi.MESSAGE_SIZE
    for number, field in enumerate(linkabi.MESSAGE_FIELDS):
        values = [0] * len(linkabi.MESSAGE_FIELDS)
        values[number] = 0x7F
        packed = linkabi.MESSAGE.pack(*values)
        assert packed.index(0x7F) == compiled[f"uv_message.{field}"], field


def test_limits_have_the_header_s_layout(compiled: dict[str, int]) -> None:
    assert compiled["uv_link_limits"] == linkabi.LIMITS.size
    for number, field in enumerate(LIMIT_FIELDS):
        values = [0] * len(LIMIT_FIELDS)
        values[number] = 0x7F
        packed = linkabi.LIMITS.pack(*values)
        assert packed.index(0x7F) == compiled[f"uv_link_limits.{field}"], field


def test_the_ioctl_s_structure_has_the_header_s_layout(compiled: dict[str, int]) -> None:
    assert ctypes.sizeof(Make) == compiled["uv_link_make"]
    for field, *_ in Make._fields_:
        assert getattr(Make, field).offset == compiled[f"uv_link_make.{field}"], field
