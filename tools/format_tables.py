# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/format.md, from the header that defines the format."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

HEADER = Path(__file__).resolve().parent.parent / "kmod/include/uapi/uvbus.h"

_SIZES = {"__u8": 1, "__u16": 2, "__u32": 4, "__s32": 4, "__u64": 8}
_FIELD = re.compile(
    r"(?P<type>__[us]\d+)\s+(?P<name>\w+)(?:\[(?P<count>\w+)\])?;\s*(?:/\*(?P<note>.*?)\*/)?", re.S
)
_NUMBER = re.compile(r"UV_(?P<name>\w+)\s*=\s*(?P<value>\d+),(?:[ \t]*/\*(?P<note>.*?)\*/)?")
_FLAG = re.compile(
    r"#define UV_FLAG_(?P<name>\w+)\s+\(1U << (?P<bit>\d+)\)(?:\s*/\*(?P<note>.*?)\*/)?"
)


def format_table(name: str) -> str:
    """The table of ``struct uv_NAME`` or ``enum uv_NAME``, or of the flags."""
    header = HEADER.read_text(encoding="utf-8")
    if name == "flags":
        return _flag_table(header)
    found = re.search(rf"\n(struct|enum) uv_{name} \{{[^\n]*(\n.*?)\n\}};", header, re.S)
    if found is None:
        raise KeyError(f"the header defines no {name}")
    return _struct_table(found[2]) if found[1] == "struct" else _enum_table(found[2])


def _note(text: str | None) -> str:
    words = re.sub(r"\s*\n\s*\*?\s*", " ", text or "").strip()
    return words.replace("|", "\\|")


def _struct_table(body: str) -> str:
    rows = ["| offset | bytes | field | |", "|-:|-:|-|-|"]
    offset = 0
    # The union is a table of its own for each member.
    body, union, _ = body.partition("\tunion {")
    for lead, field in _fields(body):
        size = _SIZES[field["type"]] * int(field["count"] or 1)
        note = _note(field["note"]) or lead
        rows.append(f"| {offset} | {size} | `{field['name']}` | {note} |")
        offset += size
    if union:
        rows.append(f"| {offset} | 40 | | by kind, see below |")
    return "\n".join(rows) + "\n"


def _fields(body: str) -> Iterator[tuple[str, re.Match[str]]]:
    """Fields, each with the comment that stands above it."""
    end = 0
    for field in _FIELD.finditer(body):
        above = re.findall(r"/\*(.*?)\*/", body[end : field.start()], re.S)
        yield _note(above[-1].replace("\t", " ") if above else None), field
        end = field.end()


def _enum_table(body: str) -> str:
    rows = ["| number | name | |", "|-:|-|-|"]
    matches = list(_NUMBER.finditer(body))
    common = _common_prefix([match["name"] for match in matches])
    for match in matches:
        name = match["name"][len(common) :].lower()
        rows.append(f"| {match['value']} | `{name}` | {_note(match['note'])} |")
    return "\n".join(rows) + "\n"


def _common_prefix(names: list[str]) -> str:
    prefix = names[0].split("_")[0] + "_"
    return prefix if all(name.startswith(prefix) for name in names) else ""


def _flag_table(header: str) -> str:
    rows = ["| bit | name | |", "|-:|-|-|"]
    for match in _FLAG.finditer(header):
        rows.append(f"| {match['bit']} | `{match['name'].lower()}` | {_note(match['note'])} |")
    return "\n".join(rows) + "\n"
