# SPDX-License-Identifier: Apache-2.0
"""The columns that a driver's developer reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.wireshark.story import Story, info_lines, tshark_rows
from uvtrace.trace.enums import Kind, LossCause, Phase, Snapshot, Topic
from uvtrace.trace.layout import site

XMIT = site(1, 0x5D0)


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """One recording with every story that these tests ask about: name to Info line."""
    story = Story()
    frames: dict[str, int] = {}
    story.config_snapshot(_config_space())
    story.symbol(XMIT, "e1000_xmit_frame+0x5d0/0xdb0 [e1000]")
    for name, (kind, facts) in _TOLD.items():
        frames[name] = story.add(kind, **facts)
    path = story.write(tmp_path_factory.mktemp("info") / "run.pcapng")
    told = info_lines(path)
    return {name: told[frame - 1] for name, frame in frames.items()}


def _config_space() -> bytes:
    """Enough of a config space: status says that there is a list, PM at 0xdc, MSI at 0xf0."""
    space = bytearray(256)
    space[0x00:0x08] = bytes.fromhex("86800e1007011000")
    space[0x34] = 0xDC
    space[0xDC:0xDE] = bytes([0x01, 0xF0])
    space[0xF0:0xF2] = bytes([0x05, 0x00])
    return bytes(space)


_ACCESS: dict[str, Any] = {"bar": 0, "width": 4, "length": 4, "offset": 0x3818}
_CONFIG: dict[str, Any] = {"bar": 255, "width": 2, "length": 2, "phase": Phase.WHOLE}
_CALL: dict[str, Any] = {"address": 0x7F3A000, "length": 1514, "entries": 1}

_TOLD: dict[str, tuple[Kind, dict[str, Any]]] = {
    "write": (Kind.MMIO_WRITE, _ACCESS | {"value": 0x1C, "ip": XMIT}),
    "narrow write": (Kind.MMIO_WRITE, _ACCESS | {"width": 1, "length": 1, "value": 0x1C}),
    "wide write": (Kind.MMIO_WRITE, _ACCESS | {"width": 8, "value": 0xFEDC_BA98_7654_3210}),
    "read": (Kind.MMIO_READ, _ACCESS | {"value": 0xC0, "phase": 3, "duration_ns": 2140}),
    "outside": (Kind.MMIO_READ, _ACCESS | {"value": 0xFFFFFFFF, "phase": 3, "flags": 1 << 5}),
    "undecoded": (Kind.MMIO_WRITE, _ACCESS | {"value": 1, "flags": 1 << 4}),
    "string": (Kind.MMIO_WRITE, _ACCESS | {"string_index": 2, "string_count": 16}),
    "port": (Kind.PIO_WRITE, _ACCESS | {"bar": 255, "address": 0xC040, "value": 5}),
    "command": (Kind.CONFIG_WRITE, _CONFIG | {"address": 4, "offset": 4, "value": 0x107}),
    "pmcsr": (Kind.CONFIG_READ, _CONFIG | {"address": 0xE0, "offset": 0xE0, "value": 8}),
    "unsupported": (Kind.CONFIG_READ, _CONFIG | {"address": 0, "status": 1, "value": 0xFFFF}),
    "map": (Kind.MAP, _CALL | {"direction": 1, "caller": XMIT, "ip": site(0, 0x1234)}),
    "segment": (Kind.MAP, _CALL | {"flavour": 1, "direction": 2, "entry": 1, "entries": 3}),
    "failed map": (Kind.MAP, _CALL | {"direction": 1, "status": 9, "result": -12}),
    "alloc": (Kind.ALLOC, {"address": 0x1000, "length": 4096, "flavour": 2}),
    "enter": (Kind.HANDLER_ENTER, {"irq": 11, "handler": XMIT}),
    "irq request": (Kind.IRQ_REQUEST, {"irq": 11, "shared": 1, "handler": XMIT}),
    "exit": (Kind.HANDLER_EXIT, {"irq": 11, "result": 1, "duration_ns": 8200}),
    "msix exit": (
        Kind.HANDLER_EXIT,
        {"irq": 27, "type": 2, "vector": 3, "result": 0, "duration_ns": 999},
    ),
    "msix": (
        Kind.MSIX,
        {"vector": 3, "address": 0xFEE01004, "message_data": 0x4025},
    ),
    "iomap": (
        Kind.IOMAP,
        {"bar": 0, "address": 0xFE000000, "length": 0x20000, "mapping": 1, "trapped": 1},
    ),
    "mask": (Kind.DMA_MASK, {"value": 0xFFFFFFFF, "new_state": 1}),
    "probe failed": (Kind.PROBE, {"phase": 2, "status": 9, "result": -19}),
    "power": (Kind.POWER, {"old_state": 0, "new_state": 3}),
    "mark": (Kind.MARK, {"payload": b"link is up\nnow\x1b[31m"}),
    "not trapped": (
        Kind.LOSS,
        {"topic": LossCause.NOT_TRAPPED, "address": 0xE0000000, "length": 0x10000000},
    ),
    "loss": (Kind.LOSS, {"topic": LossCause.RING_FULL, "value": 99}),
    "driver": (Kind.SNAPSHOT, {"topic": Snapshot.DRIVER, "payload": b"e1000"}),
    "session": (Kind.METADATA, {"topic": Topic.SESSION, "chunks": 2, "payload": b"{}"}),
    "module": (Kind.MODULE_LOAD, {"index": 3, "length": 8192, "payload": b"e1000"}),
}

_EXPECTED = {
    "write": "MMIO write BAR0+0x3818 = 0x0000001c (4)  e1000_xmit_frame+0x5d0 [e1000]",
    "narrow write": "MMIO write BAR0+0x3818 = 0x1c (1)",
    "wide write": "MMIO write BAR0+0x3818 = 0xfedcba9876543210 (8)",
    "read": "MMIO read BAR0+0x3818 = 0x000000c0 (4) 2.1 µs",
    "outside": "MMIO read BAR0+0x3818 = 0xffffffff (4)  OUTSIDE ITS MAPPING",
    "undecoded": "MMIO write BAR0+0x3818 (4)  UNDECODED",
    "string": "MMIO write BAR0+0x3818 = 0x00000000 (4) 3/16",
    "port": "port write 0xc040 = 0x00000005 (4)",
    "command": "config write Command (0x4) = 0x0107 (2)",
    "pmcsr": "config read PM PMCSR (0xe0) = 0x0008 (2)",
    "unsupported": "config read Vendor ID (0x0) = 0xffff (2)  UR",
    "map": "map 0x7f3a000 +1514 TO_DEVICE single  e1000_xmit_frame+0x5d0 [e1000]",
    "segment": "map 0x7f3a000 +1514 FROM_DEVICE sg 2/3",
    "failed map": "map 0x7f3a000 +1514 TO_DEVICE single -ENOMEM  FAILED",
    "alloc": "alloc 0x1000 +4096 coherent",
    "enter": "handler enter irq 11  e1000_xmit_frame+0x5d0 [e1000]",
    "irq request": "irq request irq 11 shared handler e1000_xmit_frame+0x5d0 [e1000]",
    "exit": "handler exit irq 11 handled 8.2 µs",
    "msix exit": "handler exit irq 27 (MSI-X 3) not handled 999 ns",
    "msix": "MSI-X vector 3  0xfee01004 = 0x4025",
    "iomap": "iomap BAR0 0xfe000000 +0x20000 mapping 1 UC-",
    "mask": "DMA mask 0xffffffff coherent",
    "probe failed": "probe ends -ENODEV  FAILED",
    "power": "power D0 → D3hot",
    "mark": "mark link is up now [31m",
    "loss": "loss of 99 records: ring full",
    "not trapped": "loss mapping not trapped 0xe0000000 +0x10000000",
    "driver": "snapshot driver  e1000",
    "session": "metadata session 1/2  {}",
    "module": "module load e1000 +8192 module 3",
}


@pytest.mark.parametrize("name", _EXPECTED)
def test_the_info_column_tells_what_a_developer_wants_to_know(
    name: str, lines: dict[str, str]
) -> None:
    assert lines[name] == _EXPECTED[name]


def test_columns_name_the_driver_and_the_function_in_the_direction_of_travel(
    tmp_path: Path,
) -> None:
    story = Story()
    story.mmio_write(0, 0)
    story.add(Kind.DMA_WRITE, function=1)
    story.add(Kind.MSI, function=1)
    story.map(0x1000, 64)
    story.add(Kind.HANDLER_ENTER, irq=11)
    columns = [f"_ws.col.{name}" for name in ("Protocol", "Source", "Destination")]
    assert tshark_rows(story.write(tmp_path / "run.pcapng"), columns) == [
        ["uvbus e1000", "e1000", "0000:00:03.0"],
        ["uvbus e1000", "0000:00:04.0", "memory"],
        ["uvbus e1000", "0000:00:04.0", "host"],
        ["uvbus e1000", "e1000", "kernel"],
        ["uvbus e1000", "kernel", "e1000"],
    ]


def test_the_snapshot_of_config_space_is_fields(tmp_path: Path) -> None:
    story = Story()
    story.config_snapshot(_config_space())
    names = ["vendor", "device", "command", "status", "capability"]
    fields = [f"uvbus.config.{name}" for name in names]
    assert tshark_rows(story.write(tmp_path / "run.pcapng"), fields) == [
        ["0x8086", "0x100e", "0x0107", "0x0010", "0x01,0x05"]
    ]


def test_what_goes_wrong_is_expert_information(tmp_path: Path) -> None:
    story = Story()
    expected = {
        "outside": story.mmio_write(0, 0, flags=1 << 5),
        "stale": story.mmio_write(0, 0, flags=1 << 6),
        "undecoded": story.mmio_write(0, 0, flags=1 << 4),
        "unsupported": story.mmio_read(0, 0, status=1),
        "abort": story.mmio_read(0, 0, status=4),
        "timeout": story.mmio_read(0, 0, status=8),
        "failed": story.map(0, 64, status=9),
        "refused": story.mmio_read(0, 0, status=10),
        "lost": story.add(Kind.LOSS, topic=1),
        "not_handled": story.add(Kind.HANDLER_EXIT, result=0),
        "aer": story.add(Kind.ERROR),
    }
    path = story.write(tmp_path / "run.pcapng")
    fields = [f"uvbus.expert.{name}" for name in expected]
    rows = tshark_rows(path, ["frame.number", *fields])
    shown = {
        name: [int(row[0]) for row in rows if len(row) > column and row[column]]
        for column, name in enumerate(expected, start=1)
    }
    assert shown == {name: [frame] for name, frame in expected.items()}
