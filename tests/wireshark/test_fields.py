# SPDX-License-Identifier: Apache-2.0
"""The dissector against the header that defines the record."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.wireshark.story import tshark_report

ROOT = Path(__file__).parents[2]
HEADER = (ROOT / "kmod/include/uapi/uvbus.h").read_text(encoding="utf-8")
DOCUMENTATION = ROOT / "docs/wireshark.md"

# Struct in the header, and what its members are called below "uvbus.".
PREFIXES = {
    "uv_access": "",
    "uv_dma_call": "dma.",
    "uv_bus": "bus.",
    "uv_irq": "irq.",
    "uv_life": "life.",
    "uv_module": "module.",
    "uv_meta": "meta.",
}
RENAMED = {
    "address": "addr",
    "duration_ns": "duration",
    "payload": "payload_length",
    "irq.irq": "irq.number",
    "irq.irq_flags": "irq.flags",
}
# Enum in the header, and the field that shows it.
ENUMS = {
    "uv_kind": ("KIND", "uvbus.kind"),
    "uv_phase": ("PHASE", "uvbus.phase"),
    "uv_status": ("STATUS", "uvbus.status"),
    "uv_map_flavour": ("FLAVOUR", "uvbus.dma.flavour"),
    "uv_direction": ("DIR", "uvbus.dma.direction"),
    "uv_memory_type": ("MEMTYPE", "uvbus.memory_type"),
    "uv_irq_type": ("IRQ", "uvbus.irq.type"),
    "uv_snapshot": ("SNAPSHOT", "uvbus.meta.snapshot"),
    "uv_topic": ("TOPIC", "uvbus.meta.kind"),
    "uv_loss_cause": ("LOSS", "uvbus.meta.loss_cause"),
}
TYPES = {
    "__u8": "FT_UINT8",
    "__u16": "FT_UINT16",
    "__u32": "FT_UINT32",
    "__u64": "FT_UINT64",
    "__s32": "FT_INT32",
}


def _without_comments(text: str) -> str:
    return re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


def _members(struct: str) -> list[tuple[str, str, bool]]:
    """Type, name and whether it is an array, of each member before the union."""
    body = re.search(
        rf"struct {struct} {{(.*?)(?:union|\n}};)", _without_comments(HEADER), re.DOTALL
    )
    assert body is not None
    found = re.findall(r"(__[us]\d+)\s+(\w+)(\[\d+\])?;", body[1])
    return [(kind, name, bool(array)) for kind, name, array in found]


def _enumerators(enum: str, prefix: str) -> dict[str, int]:
    body = re.search(rf"enum {enum} {{(.*?)}};", _without_comments(HEADER), re.DOTALL)
    assert body is not None
    return {n: int(v) for n, v in re.findall(rf"UV_{prefix}_(\w+)\s*=\s*(\d+)", body[1])}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def fields(home: Path) -> dict[str, str]:
    """Every field of the dissector: filter name to type."""
    rows = tshark_report("fields", home)
    return {row[2]: row[3] for row in rows if row[0] == "F" and row[2].startswith("uvbus.")}


@pytest.fixture(scope="module")
def values(home: Path) -> dict[str, dict[int, str]]:
    """The texts of the numbers of each field."""
    texts: dict[str, dict[int, str]] = {}
    for row in tshark_report("values", home):
        if row[0] == "V" and row[1].startswith("uvbus."):
            texts.setdefault(row[1], {})[int(row[2], 0)] = row[3]
    return texts


@pytest.mark.parametrize(("struct", "prefix"), [("uv_record", ""), *PREFIXES.items()])
def test_every_member_of_the_record_is_a_field_of_its_type(
    struct: str, prefix: str, fields: dict[str, str]
) -> None:
    members = _members(struct)
    assert members
    for kind, name, is_array in members:
        path = prefix + name
        renamed = RENAMED.get(path, path) if struct in ("uv_record", "uv_irq") else path
        wanted = "FT_BYTES" if is_array else TYPES[kind]
        assert fields.get(f"uvbus.{renamed}") == wanted, f"{struct}.{name}"


def test_every_flag_of_the_header_is_a_boolean_field(fields: dict[str, str]) -> None:
    flags = re.findall(r"#define UV_FLAG_(\w+)\s+\(1U << (\d+)\)", HEADER)
    assert len(flags) == 21
    for name, _ in flags:
        assert fields.get(f"uvbus.flags.{name.lower()}") == "FT_BOOLEAN", name
    assert sum(name.startswith("uvbus.flags.") for name in fields) == len(flags)


@pytest.mark.parametrize("enum", ENUMS)
def test_every_number_of_an_enumeration_has_a_text(
    enum: str, values: dict[str, dict[int, str]]
) -> None:
    prefix, field = ENUMS[enum]
    expected = _enumerators(enum, prefix)
    assert expected
    assert set(values[field]) == set(expected.values())


def test_kinds_are_told_by_the_words_of_the_header(values: dict[str, dict[int, str]]) -> None:
    spelling = {"PIO": "port", "MSIX": "MSI-X", "INTX": "INTx"}
    for name, number in _enumerators("uv_kind", "KIND").items():
        words = [spelling.get(word, word) for word in name.split("_")]
        assert values["uvbus.kind"][number].lower() == " ".join(words).lower()


def test_the_documentation_lists_exactly_the_fields_that_exist(fields: dict[str, str]) -> None:
    listed = re.findall(
        r"^\| `(uvbus\.[\w.]+)` \| (\w+) \|", DOCUMENTATION.read_text(), re.MULTILINE
    )
    assert len(listed) == len({name for name, _ in listed})
    assert dict(listed) == {name: kind.removeprefix("FT_") for name, kind in fields.items()}


def test_filters_in_the_documentation_are_valid(tmp_path: Path) -> None:
    from uvtrace.wireshark.filtering import check_filter

    text = DOCUMENTATION.read_text(encoding="utf-8")
    block = re.search(r"## Filters(.*?)\n## ", text, re.DOTALL)
    assert block is not None
    filters = [f.replace("\\|", "|") for f in re.findall(r"^\| `(.+?)` \|", block[1], re.MULTILINE)]
    assert len(filters) >= 10
    check_filter(" || ".join(f"({expression})" for expression in filters))
