# SPDX-License-Identifier: Apache-2.0
"""Our reader and tshark with the dissector agree on every field of every record."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import Phase as Phases
from hypothesis import strategies as st
from numpy.typing import NDArray

import uvtrace
from tests.wireshark.story import E1000, NIC_2, tshark_rows
from uvtrace.trace.enums import Flag, Kind, Phase, Status, Topic
from uvtrace.trace.layout import COMMON, FUNCTION_NONE, VIEW_OF_KIND, VIEWS, make_records, view_of
from uvtrace.trace.trace import Trace
from uvtrace.trace.writer import PcapngWriter

ROOT = Path(__file__).parents[2]
RECORDS_COMPARED = 100_000
RECORDS_COMPARED_QUICKLY = 3_000

_COMMON_FIELDS = {"address": "addr", "payload": "payload_length", "duration_ns": "duration"}
_MEMBER_FIELDS = {"irq.irq": "irq.number", "irq.irq_flags": "irq.flags"}
_TOLD = ("site", "caller_site", "function.name", "payload", "ip.module", "ip.offset")
_KINDS = sorted(VIEW_OF_KIND)
# Where floats, signs and carries go wrong.
_EXTREMES = np.array(
    [0, 1, 2**31, 2**32 - 1, 2**32, 2**53 - 1, 2**53, 2**53 + 1, 2**63, 2**64 - 1], np.uint64
)


def _field_names() -> dict[str, str]:
    """``record.name`` or ``member.name`` to the dissector's field."""
    names = {f"record.{n}": f"uvbus.{_COMMON_FIELDS.get(n, n)}" for n in COMMON}
    for view, dtype in VIEWS.items():
        prefix = "" if view == "access" else f"{view}."
        for name in dtype.names or ():
            path = f"{prefix}{name}"
            names[f"{view}.{name}"] = f"uvbus.{_MEMBER_FIELDS.get(path, path)}"
    names |= {f"flag.{flag.name}": f"uvbus.flags.{str(flag.name).lower()}" for flag in Flag}
    return names | {f"told.{name}": f"uvbus.{name}" for name in _TOLD}


_NAMES = _field_names()


def _tshark(path: Path) -> list[dict[str, str]]:
    """What tshark says of each record, by the names of :func:`_field_names`."""
    rows = tshark_rows(path, list(_NAMES.values()))
    return [dict(zip(_NAMES, row + [""] * len(_NAMES), strict=False)) for row in rows]


def _number(text: str) -> int:
    return int(text, 0)


def _same(text: str, value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return text.replace(":", "") == value.tobytes().hex()
    return text != "" and _number(text) == int(value)


def _differences(trace: Trace, row: int, told: dict[str, str]) -> list[str]:
    """Every field on which the two disagree about one record."""
    record = trace.records[row : row + 1]
    member = VIEW_OF_KIND[int(record["kind"][0])]
    own = view_of(record, member)
    found = [n for n in COMMON if not _same(told[f"record.{n}"], record[n][0])]
    found += [n for n in VIEWS[member].names or () if not _same(told[f"{member}.{n}"], own[n][0])]
    for view in set(VIEWS) - {member}:
        found += [f"{view}.{n}" for n in VIEWS[view].names or () if told[f"{view}.{n}"] != ""]
    flags = int(record["flags"][0])
    for flag in Flag:
        if (told[f"flag.{flag.name}"] in ("1", "True")) != bool(flags & flag):
            found.append(f"flag {flag.name}")
    return found + _told_differences(trace, row, record, told)


def _told_differences(
    trace: Trace, row: int, record: NDArray[np.void], told: dict[str, str]
) -> list[str]:
    function, ip = int(record["function"][0]), int(record["ip"][0])
    expected = {
        "site": trace.symbol(ip),
        "caller_site": trace.symbol(int(record["caller"][0])),
        "function.name": "" if function == FUNCTION_NONE else trace.functions[function].name,
        "ip.module": str(ip >> 48),
        "ip.offset": f"{ip & (2**48 - 1):#018x}",
    }
    found = [name for name, text in expected.items() if told[f"told.{name}"] != text]
    if told["told.payload"].replace(":", "") != trace.payload(row).hex():
        found.append("payload")
    return found


def _assert_agreement(path: Path) -> int:
    trace = uvtrace.open(path)
    told = _tshark(path)
    assert len(told) == len(trace)
    differing = {}
    for row, fields in enumerate(told):
        if found := _differences(trace, row, fields):
            differing[row] = found
    assert differing == {}
    return len(told)


def _random_records(seed: int, count: int) -> tuple[NDArray[np.void], dict[int, bytes]]:
    """Records that a dissector accepts, with anything at all in fields that carry numbers."""
    generator = np.random.default_rng(seed)
    records = make_records(count, kind=generator.choice(_KINDS, count))
    for name in ("time_ns", "address", "length", "value", "tag", "ip", "caller"):
        anything = generator.integers(0, 2**64, count, np.uint64)
        extreme = generator.choice(_EXTREMES, count)
        records[name] = np.where(generator.random(count) < 0.5, anything, extreme)
    for name in ("tid", "duration_ns"):
        records[name] = generator.integers(0, 2**32, count)
    records["cpu"] = generator.integers(0, 2**16, count)
    records["raw"] = generator.integers(0, 256, (count, 40), np.uint8).view("V40")[:, 0]
    records["phase"] = generator.choice([int(phase) for phase in Phase], count)
    records["status"] = generator.choice([int(status) for status in Status], count)
    records["flags"] = generator.integers(0, 1 << len(Flag), count)
    records["function"] = generator.choice([0, 1, FUNCTION_NONE], count)
    records["seq"] = np.arange(count)
    _name_sites(records, generator)
    payloads = _payloads(records, generator)
    return records, payloads


def _name_sites(records: NDArray[np.void], generator: np.random.Generator) -> None:
    """Some sites repeat, so that symbols that the recording tells name several records."""
    sites = generator.integers(1, 2**64, 16, np.uint64)
    for name in ("ip", "caller"):
        known = generator.random(len(records)) < 0.5
        records[name] = np.where(known, generator.choice(sites, len(records)), records[name])
    symbols = records["kind"] == Kind.METADATA
    records["address"][symbols] = generator.choice(sites, int(symbols.sum()))


def _payloads(records: NDArray[np.void], generator: np.random.Generator) -> dict[int, bytes]:
    """Random bytes on a third of the records, names where a name belongs."""
    payloads = {}
    meta = view_of(records, "meta")
    module = view_of(records, "module")
    for row, kind in enumerate(records["kind"].tolist()):
        if kind == Kind.METADATA:
            meta["topic"][row] = Topic.SYMBOL
            payloads[row] = f"function_{row}+{row:#x}/0x1000 [module_{row % 7}]".encode()
        elif kind == Kind.MODULE_LOAD:
            module["index"][row] = row % 11
            module["build_id_length"][row] = 20
            payloads[row] = f"name_{row}".encode()
        elif generator.random() < 0.3:
            payloads[row] = generator.bytes(int(generator.integers(1, 300)))
        if kind == Kind.LOSS:
            records["value"][row] = 0
    return payloads


# No shrinking: the message names the rows and fields, and every run of tshark takes a second.
@settings(
    max_examples=5,
    deadline=None,
    phases=[Phases.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32 - 1))
def test_random_records_are_read_alike_in_every_field(seed: int, tmp_path: Path) -> None:
    path = tmp_path / "random.pcapng"
    records, payloads = _random_records(seed, 400)
    with PcapngWriter(path, functions=[E1000, NIC_2]) as writer:
        writer.write(records, payloads)
    assert _assert_agreement(path) == 400


def test_the_comparison_notices_a_single_wrong_bit(tmp_path: Path) -> None:
    path = tmp_path / "run.pcapng"
    records, payloads = _random_records(1, 50)
    with PcapngWriter(path, functions=[E1000, NIC_2]) as writer:
        writer.write(records, payloads)
    told = _tshark(path)
    records["value"][records["kind"] != Kind.LOSS] ^= np.uint64(1)
    other = tmp_path / "other.pcapng"
    with PcapngWriter(other, functions=[E1000, NIC_2]) as writer:
        writer.write(records, payloads)
    trace = uvtrace.open(other)
    rows = [row for row in range(50) if records["kind"][row] != Kind.LOSS]
    assert all(_differences(trace, row, told[row]) == ["value"] for row in rows)


def _recordings() -> list[Path]:
    folder = ROOT / "traces"
    return sorted(path for path in folder.rglob("*.pcapng*") if path.is_file())


def _first_records(path: Path, count: int, target: Path) -> Path:
    """A copy of the first ``count`` packets, made by Wireshark's own editcap."""
    plain = target.with_name("plain.pcapng")
    from uvtrace.trace.source import open_source

    open_source(path).data.tofile(plain)
    subprocess.run(
        ["editcap", "-r", plain, target, f"1-{count}"], check=True, capture_output=True, timeout=300
    )
    return target


def _compare_recording(path: Path, count: int, directory: Path) -> None:
    compared = _assert_agreement(_first_records(path, count, directory / "first.pcapng"))
    assert compared == min(len(uvtrace.open(path)), count)


@pytest.mark.parametrize("path", _recordings(), ids=lambda path: path.name)
def test_the_beginning_of_every_recording_is_read_alike(path: Path, tmp_path: Path) -> None:
    _compare_recording(path, RECORDS_COMPARED_QUICKLY, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("path", _recordings(), ids=lambda path: path.name)
def test_the_first_100000_records_of_every_recording_are_read_alike(
    path: Path, tmp_path: Path
) -> None:
    _compare_recording(path, RECORDS_COMPARED, tmp_path)
