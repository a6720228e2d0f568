# SPDX-License-Identifier: Apache-2.0
"""Small recordings that read like the story they tell, and tshark's view of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from uvtrace.trace.enums import Kind, Snapshot, Topic
from uvtrace.trace.layout import VIEW_OF_KIND, VIEWS, make_records, view_of
from uvtrace.trace.writer import PcapngWriter
from uvtrace.wireshark.tshark import run_tshark

E1000 = ("0000:00:03.0", "e1000, 8086:100e Intel 82540EM")
NIC_2 = ("0000:00:04.0", "e1000, 8086:100e Intel 82540EM")
TSHARK_TIMEOUT_S = 120.0


class Story:
    """Records in the order they are told; every method returns the record's frame number."""

    def __init__(self) -> None:
        self._records: list[np.ndarray[Any, Any]] = []
        self._payloads: dict[int, bytes] = {}

    def add(self, kind: Kind, *, payload: bytes = b"", **facts: Any) -> int:
        """A record; facts are fields of the record or of the union member of its kind."""
        row = len(self._records)
        defaults = {"kind": int(kind), "function": 0, "seq": row, "time_ns": 1000 * row}
        member = VIEW_OF_KIND[int(kind)]
        own = {name: facts.pop(name) for name in VIEWS[member].names or () if name in facts}
        record = make_records(1, **(defaults | facts))
        for name, value in own.items():
            view_of(record, member)[name] = value
        if payload:
            self._payloads[row] = payload
        self._records.append(record)
        return row + 1

    def mmio_write(self, offset: int, value: int, **facts: Any) -> int:
        return self._access(Kind.MMIO_WRITE, offset, value, **facts)

    def mmio_read(self, offset: int, value: int, **facts: Any) -> int:
        return self._access(Kind.MMIO_READ, offset, value, phase=3, **facts)

    def _access(self, kind: Kind, offset: int, value: int, **facts: Any) -> int:
        defaults = {"length": 4, "bar": 0, "address": 0xFE000000 + offset}
        facts = defaults | facts
        return self.add(kind, offset=offset, value=value, width=facts["length"], **facts)

    def map(self, address: int, length: int, direction: int = 1, **facts: Any) -> int:
        return self._call(Kind.MAP, address, length, direction, **facts)

    def unmap(self, address: int, length: int, direction: int = 1, **facts: Any) -> int:
        return self._call(Kind.UNMAP, address, length, direction, **facts)

    def _call(self, kind: Kind, address: int, length: int, direction: int, **facts: Any) -> int:
        facts = {"entries": 1, "nents": 1} | facts
        return self.add(kind, address=address, length=length, direction=direction, **facts)

    def symbol(self, site: int, text: str) -> int:
        return self.add(
            Kind.METADATA, topic=Topic.SYMBOL, address=site, function=0xFFFF, payload=text.encode()
        )

    def config_snapshot(self, space: bytes) -> int:
        return self.add(
            Kind.SNAPSHOT, topic=Snapshot.CONFIG, length=len(space), chunks=1, payload=space
        )

    def write(self, path: Path, functions: Sequence[tuple[str, str]] = (E1000, NIC_2)) -> Path:
        with PcapngWriter(path, functions=functions) as writer:
            writer.write(np.concatenate(self._records), self._payloads)
        return path


_SETTINGS = ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "WIRESHARK_CONFIG_DIR", "WIRESHARK_PLUGIN_DIR")
EXTCAP = "WIRESHARK_EXTCAP_DIR"
"""Names the folder of capture programs, which before Wireshark 4.2 is the machine's."""


def private_environment(home: Path) -> dict[str, str]:
    """An environment in which no plugin and no setting of the person who tests is seen."""
    home.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if name not in _SETTINGS}
    own = {"HOME": str(home), EXTCAP: str(home / "extcap")}
    return kept | own | {"LC_ALL": "C.UTF-8", "TZ": "UTC"}


def use_private_home(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Make it this process's environment, and so that of every process that it starts."""
    for name in _SETTINGS:
        monkeypatch.delenv(name, raising=False)
    for name, value in private_environment(home).items():
        monkeypatch.setenv(name, value)


def tshark_text(path: Path, *arguments: str, home: Path | None = None) -> str:
    """What tshark prints on stdout; it must succeed, and Lua must not complain."""
    environment = private_environment(home or path.parent / "home")
    done = run_tshark(
        ["-2", "-n", "-r", path, *arguments], timeout_s=TSHARK_TIMEOUT_S, environment=environment
    )
    assert done.returncode == 0, done.stderr
    assert "Lua" not in done.stderr, done.stderr
    assert "Lua Error" not in done.stdout, done.stdout
    return done.stdout


def tshark_rows(path: Path, fields: Sequence[str], display_filter: str = "") -> list[list[str]]:
    """The values of fields, one row per packet; several values of one field joined by ``,``."""
    wanted = [word for field in fields for word in ("-e", field)]
    chosen = ["-Y", display_filter] if display_filter else []
    text = tshark_text(path, "-T", "fields", "-E", "separator=/t", *wanted, *chosen)
    return [line.split("\t") for line in text.splitlines()]


def info_lines(path: Path) -> list[str]:
    """The Info column."""
    return [row[0] for row in tshark_rows(path, ["_ws.col.Info"])]


def tshark_report(report: str, home: Path) -> list[list[str]]:
    """The rows of ``tshark -G report`` with the package's dissector."""
    done = run_tshark(
        ["-G", report], timeout_s=TSHARK_TIMEOUT_S, environment=private_environment(home)
    )
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]
