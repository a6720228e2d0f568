# SPDX-License-Identifier: Apache-2.0
"""A long file is read while it is judged; what it says later is judged as if known before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import zstandard

from uvtrace.check.engine import check
from uvtrace.check.results import Results
from uvtrace.trace import index
from uvtrace.trace.index import Index
from uvtrace.trace.trace import open_bytes

TRACES = Path(__file__).parents[2] / "traces"


def content(name: str) -> bytes:
    """A recording, decompressed."""
    packed = (TRACES / f"{name}.pcapng.zst").read_bytes()
    return zstandard.ZstdDecompressor().decompressobj().decompress(packed)


def judged(data: bytes) -> Results:
    """What comes out, but for how long it took."""
    return replace(check(open_bytes(data)), seconds=0)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Where in the file each step of a pass over it began that gathers no records."""
    begun: list[int] = []
    go_on = Index.go_on

    def told(index: Index) -> None:
        begun.append(index.found.offset)
        go_on(index)

    monkeypatch.setattr(Index, "go_on", told)
    return begun


@pytest.mark.parametrize("name", ["nvme-6.12", "model-e1000-6.1", "faulty/nvme-6.12"])
def test_a_recording_that_is_read_while_it_is_judged_comes_out_the_same(
    name: str, monkeypatch: pytest.MonkeyPatch, passes: list[int]
) -> None:
    data = content(name)
    whole = judged(data)
    passes.clear()
    monkeypatch.setattr(index, "GONE_BYTES", len(data) // 3)
    assert judged(data) == whole
    if not whole.findings:
        assert passes == [0], "its first third was read to see what it is, and nothing twice"


@pytest.mark.parametrize("first", ["ahci-6.1", "e1000-6.12"])
def test_a_function_that_a_file_declares_later_is_judged_too(
    first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = content(first) + content("nvme-6.1")
    whole = judged(data)
    assert len(open_bytes(data).functions) == 2
    monkeypatch.setattr(index, "GONE_BYTES", 1 << 16)
    assert len(open_bytes(data).beginning.functions) == 1
    assert judged(data) == whole


def test_a_file_that_is_cut_is_judged_up_to_there_and_told_to_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = content("nvme-6.12")[:-100]
    whole = judged(data)
    assert whole.damage is not None
    monkeypatch.setattr(index, "GONE_BYTES", 1 << 16)
    assert judged(data) == whole
