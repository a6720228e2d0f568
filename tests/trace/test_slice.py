# SPDX-License-Identifier: Apache-2.0
"""A part of a trace is a trace, tells where it comes from, and can be read by Wireshark."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import uvtrace
from tests.story import Story
from uvtrace.check.engine import check
from uvtrace.trace.enums import Kind
from uvtrace.trace.layout import COMMON
from uvtrace.trace.slice import (
    Origin,
    Slicer,
    origins,
    parse_origin,
    slice_trace,
    write_slice,
)
from uvtrace.trace.trace import Trace

ROOT = Path(__file__).parents[2]
RECORDING = ROOT / "traces" / "e1000-6.12.pcapng.zst"


def told() -> Story:
    """Positions: 0 session, 1 map, 2 dma read, 3 unmap, 4 dma read; then names."""
    story = Story().session(command=["ping"], kernel="6.1.0").map(0x1000, 256, phys=0x1000)
    story.dma_read(0x1000, 64, payload=b"sixty-four")
    return story.unmap(0x1000, 256).comment("noted before").dma_read(0x1000, 64)


def fields(trace: Trace, row: int) -> dict[str, int]:
    return {name: int(trace[row][name]) for name in COMMON if name != "seq"}


def test_the_records_chosen_are_there_with_their_payload_and_union() -> None:
    whole = told().trace()
    part = slice_trace(whole, [4, 2])
    texts = len(part) - 2
    assert [fields(part, texts + n) for n in (0, 1)] == [fields(whole, n) for n in (2, 4)]
    assert bytes(part[texts]["raw"]) == bytes(whole[2]["raw"])
    assert part.payload(texts) == b"sixty-four"


def test_only_the_names_and_modules_that_are_referred_to_come_along() -> None:
    whole = told().trace()
    part = slice_trace(whole, [1])
    assert part.site(len(part) - 1) == whole.site(1) == "e1000_map+0x10 [e1000]"
    assert list(part.metadata.symbols.values()) == ["e1000_map+0x10/0x1000 [e1000]"]
    assert part.metadata.modules == whole.metadata.modules
    assert part.metadata.session == whole.metadata.session
    assert part.functions == whole.functions
    assert slice_trace(whole, [2]).metadata.modules == {}


def test_what_was_not_chosen_counts_as_lost_nowhere() -> None:
    part = slice_trace(told().trace(), [1, 4])
    assert part.column("seq").tolist() == list(range(len(part)))
    assert check(part).lost == 0
    assert not any(verdict.reason.startswith("lost") for verdict in check(part).verdicts)


def test_names_come_first_and_let_no_time_pass() -> None:
    part = slice_trace(told().trace(), [1, 2])
    times = part.column("time_ns")
    assert part.column("kind")[-2:].tolist() == [Kind.MAP, Kind.DMA_READ]
    assert set(times[:-2].tolist()) == {int(times[-2])}


def test_each_packet_tells_which_packet_it_was_of_the_first_file(tmp_path: Path) -> None:
    told().write(tmp_path / "run.pcapng")
    write_slice(uvtrace.open(tmp_path / "run.pcapng"), tmp_path / "part.pcapng", [1, 2, 4])
    part = uvtrace.open(tmp_path / "part.pcapng")
    texts = len(part) - 3
    assert origins(part)[texts + 1] == Origin(packet=3, seq=2, file="run.pcapng")
    again = slice_trace(part, [texts + 1])
    assert origins(again)[len(again) - 1] == Origin(packet=3, seq=2, file="run.pcapng")
    assert part.comments[texts] == "packet 2, #1, of run.pcapng"


@settings(deadline=None)
@given(st.builds(Origin, st.integers(1, 2**63), st.integers(0, 2**64 - 1), st.just("a, of b")))
def test_an_origin_is_read_back_from_its_comment(origin: Origin) -> None:
    assert parse_origin(str(origin)) == origin


def test_a_comment_about_something_else_is_no_origin() -> None:
    assert parse_origin("packet loss of the link") is None


def test_tshark_lists_every_comment_of_a_packet(tmp_path: Path) -> None:
    told().write(tmp_path / "run.pcapng")
    whole = uvtrace.open(tmp_path / "run.pcapng")
    comments = {3: ["unmapped", "it is the device's no more"], 4: "read after\x1b[31m the unmap"}
    sliced = write_slice(whole, tmp_path / "part.pcapng", [3, 4], comments)
    command = ["tshark", "-n", "-r", str(tmp_path / "part.pcapng"), "-T", "fields"]
    command += ["-E", "aggregator=|", "-e", "frame.comment"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(shown) == len(sliced)
    assert shown[sliced.texts :] == [
        "unmapped|it is the device's no more|noted before|packet 4, #3, of run.pcapng",
        "read after\\x1b[31m the unmap|packet 5, #4, of run.pcapng",
    ]


def test_the_header_keeps_what_it_said_and_tells_of_how_many_this_is_a_part(tmp_path: Path) -> None:
    whole = told().trace()
    write_slice(whole, tmp_path / "part.pcapng", [1], notes=["of finding 1"])
    header = uvtrace.open(tmp_path / "part.pcapng").sections[0]
    assert header.os == whole.sections[0].os
    part = f"1 of {len(whole)} records of story"
    assert header.comments == ("uvtrace format 1", part, "of finding 1")


def test_packets_keep_their_wall_clock(tmp_path: Path) -> None:
    whole = uvtrace.open(RECORDING)
    chosen = np.flatnonzero(whole.column("kind") == Kind.MMIO_READ)[5:8]
    part = slice_trace(whole, chosen)
    for row, position in enumerate(chosen.tolist()):
        assert part.wall_time_ns(len(part) - 3 + row) == whole.wall_time_ns(position)


def test_a_loss_that_is_chosen_is_told_and_its_records_are_missing() -> None:
    whole = Story().map(0x1000, 16).loss(7).unmap(0x1000, 16).trace()
    part = slice_trace(whole, [0, 1, 2])
    assert part.lost == 7
    assert np.diff(part.column("seq"))[-2:].tolist() == [1, 8]


def test_a_position_outside_the_trace_is_refused() -> None:
    whole = told().trace()
    with pytest.raises(IndexError, match="positions from 0 to"):
        slice_trace(whole, [len(whole)])


def test_nothing_chosen_gives_the_session_alone() -> None:
    part = slice_trace(told().trace(), [])
    assert part.metadata.session["command"] == ["ping"]
    assert set(part.column("kind").tolist()) == {Kind.METADATA}


def test_all_of_a_recording_is_judged_like_the_recording() -> None:
    whole = uvtrace.open(ROOT / "traces" / "faulty" / "edu-6.12.pcapng.zst")
    part = slice_trace(whole, np.arange(len(whole)))
    expected, found = check(whole), check(part)
    assert [(f.rule, f.signature) for f in found.findings] == [
        (f.rule, f.signature) for f in expected.findings
    ]
    assert [(v.rule, v.verdict) for v in found.verdicts] == [
        (v.rule, v.verdict) for v in expected.verdicts
    ]


@settings(max_examples=30, deadline=None)
@given(st.sets(st.integers(0, 199), max_size=40))
def test_any_part_of_a_recording_can_be_opened_and_holds_what_was_chosen(chosen: set[int]) -> None:
    whole = uvtrace.open(ROOT / "traces" / "faulty" / "edu-6.12.pcapng.zst")
    slicer = Slicer(whole)
    sliced = slicer.positions(sorted(chosen))
    part = slicer.trace(sorted(chosen), silent=True)
    assert part.damage is None
    assert len(part) == len(sliced)
    for row, position in enumerate(sliced.positions.tolist()):
        assert part.payload(row) == whole.payload(position)
        assert part.symbol(int(part[row]["ip"])) == whole.symbol(int(whole[position]["ip"]))
