# SPDX-License-Identifier: Apache-2.0
"""Importing a log of mmiotrace."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import uvtrace
from uvtrace.check.engine import check
from uvtrace.errors import InputError
from uvtrace.record.mmiotrace import import_log
from uvtrace.trace.enums import Flag, Kind, Phase, Snapshot, Status
from uvtrace.trace.layout import BAR, BAR_NONE, FUNCTION_NONE, view_of
from uvtrace.trace.trace import Trace

# e1000 at 00:03.0: BAR 0 memory, BAR 1 ports, no others, no ROM.
E1000 = "PCIDEV 0018 8086100e b feb80000 c001 0 0 0 0 feb40000 20000 40 0 0 0 0 40000 e1000\n"
BRIDGE = "PCIDEV 0000 80861237 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 \n"
HEAD = "VERSION 20070824\n" + BRIDGE + E1000
MAP = "MAP 10.000001 3 0xfeb80000 0xffffc90000680000 0x20000 0x0 0\n"


def imported(text: str, folder: Path) -> Trace:
    log = folder / "log.txt"
    log.write_bytes(text.encode("utf-8", "surrogateescape"))
    import_log(log, folder / "run.pcapng")
    return uvtrace.open(folder / "run.pcapng")


def events(trace: Trace) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    chosen: np.ndarray[tuple[int], np.dtype[np.void]] = trace.records[
        trace.records["kind"] < Kind.SNAPSHOT
    ]
    return chosen


def test_reads_and_writes_become_mmio_of_a_function_and_its_bar(tmp_path: Path) -> None:
    text = HEAD + MAP
    text += "R 4 10.000002 3 0xfeb80008 0x80080783 0xffffffffc0123456 0\n"
    text += "W 2 10.000003 3 0xfeb83818 0x1c 0x0 0\n"
    trace = imported(text, tmp_path)
    assert [(f.name, f.driver, f.vendor, f.device) for f in trace.functions] == [
        ("0000:00:03.0", "e1000", 0x8086, 0x100E)
    ]
    mapped, read, write = events(trace)
    assert mapped["kind"] == Kind.IOMAP
    assert (read["kind"], read["phase"], read["value"]) == (Kind.MMIO_READ, Phase.WHOLE, 0x80080783)
    assert (write["kind"], write["phase"], write["length"]) == (Kind.MMIO_WRITE, Phase.POSTED, 2)
    assert (read["time_ns"], read["address"]) == (10_000_002_000, 0xFEB80008)
    access = view_of(events(trace), "access")
    assert (access["bar"][1], access["offset"][1], access["width"][1]) == (0, 8, 4)
    assert access["offset"][2] == 0x3818
    assert all(event["flags"] & Flag.IMPORTED for event in events(trace))
    assert write["flags"] & Flag.WRITE


def test_mapping_and_unmapping_tell_the_window(tmp_path: Path) -> None:
    trace = imported(HEAD + MAP + "UNMAP 11.5 3 0x0 0\n", tmp_path)
    unmapped = events(trace)[1]
    life = view_of(events(trace), "life")
    assert (unmapped["kind"], unmapped["length"]) == (Kind.IOUNMAP, 0x20000)
    assert unmapped["time_ns"] == 11_500_000_000
    assert life["mapping"].tolist() == [3, 3]
    assert life["bar"].tolist() == [0, 0]


def test_pcidev_lines_become_snapshots_of_bars_and_driver(tmp_path: Path) -> None:
    trace = imported(HEAD + MAP, tmp_path)
    topics = view_of(trace.records, "meta")["topic"]
    snapshot = trace.column("kind") == Kind.SNAPSHOT
    (row,) = np.flatnonzero(snapshot & (topics == Snapshot.BARS))
    bars = np.frombuffer(trace.payload(int(row)), BAR)
    assert (bars["bus_address"][0], bars["length"][0], bars["flags"][0]) == (
        0xFEB80000,
        0x20000,
        0x200,
    )
    assert (bars["bus_address"][1], bars["flags"][1]) == (0xC000, 0x100)
    (row,) = np.flatnonzero(snapshot & (topics == Snapshot.DRIVER))
    assert trace.payload(int(row)) == b"e1000"


def test_an_unknown_instruction_is_told_with_its_bytes(tmp_path: Path) -> None:
    trace = imported(HEAD + MAP + "UNKNOWN 12.0 3 0xfeb80010 f3,48,a5 0x0 0\n", tmp_path)
    event = events(trace)[-1]
    access = view_of(events(trace), "access")[-1]
    assert event["flags"] & Flag.UNDECODED
    assert event["status"] == Status.UNKNOWN
    assert access["insn"][: access["insn_length"]].tobytes() == b"\xf3\x48\xa5"


def test_marks_are_kept_whatever_they_hold(tmp_path: Path) -> None:
    trace = imported(HEAD + "MARK 12.000000 eth0 is up \udcff\x1b\n", tmp_path)
    (row,) = np.flatnonzero(trace.column("kind") == Kind.MARK)
    assert trace.payload(int(row)).startswith(b"eth0 is up")


@pytest.mark.parametrize(
    ("line", "count"),
    [("MARK 0.000000 Lost 12 events.\n", 12), ("CPU:0 [LOST 3 EVENTS]\n", 3)],
)
def test_lost_events_are_loss(line: str, count: int, tmp_path: Path) -> None:
    trace = imported(HEAD + MAP + line + "R 4 11.0 3 0xfeb80000 0x0 0x0 0\n", tmp_path)
    assert trace.lost == count
    results = check(trace)
    assert [f.rule for f in results.findings] == ["TRC001"]


def test_an_access_through_a_mapping_from_before_is_placed_by_its_address(tmp_path: Path) -> None:
    text = HEAD + MAP + "R 4 11.0 99 0xfeb80004 0x0 0x0 0\nR 4 11.0 98 0x1000 0x0 0x0 0\n"
    trace = imported(text, tmp_path)
    assert events(trace)["function"].tolist() == [0, 0, FUNCTION_NONE]
    assert view_of(events(trace), "access")["bar"].tolist()[1:] == [0, BAR_NONE]


def test_an_access_past_the_bar_breaks_adr001(tmp_path: Path) -> None:
    trace = imported(HEAD + MAP + "R 4 11.0 3 0xfeba0000 0x0 0x0 0\n", tmp_path)
    assert [f.rule for f in check(trace).findings] == ["ADR001"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("R 3 1.0 1 0x0 0x0 0x0 0", "1, 2, 4 or 8 bytes"),
        ("R 4 1.0 1 0x0 0x1ffffffff 0x0 0", "hexadecimal number below 0x100000000"),
        ("W 4 1.0 1 0x0", "4 fields after the keyword, not 7"),
        ("W 4 1,0 1 0x0 0x0 0x0 0", "no time"),
        ("MAP 1.0 -1 0x0 0x0 0x0 0x0 0", "no mapping's number"),
        ("PCIDEV 0018 8086100e", "PCIDEV has 2 fields"),
        ("VERSION 2", "version '2'"),
        ("HELLO", "no keyword"),
        ("UNKNOWN 1.0 1 0x0 1,2 0x0 0", "2 bytes of the instruction"),
        ("MARK 0.0 Lost 9999999999999999999999 events.", "cannot have been lost"),
    ],
)
def test_a_bad_line_is_named_with_its_number_and_nothing_is_written(
    line: str, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        imported(HEAD + MAP + line + "\n", tmp_path)
    assert caught.value.line == 5
    assert not (tmp_path / "run.pcapng").exists()


def test_a_file_that_is_no_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a log of mmiotrace"):
        imported("\x00\x01binary\n", tmp_path)


WORD = st.sampled_from(["R", "W", "MAP", "UNMAP", "MARK", "UNKNOWN", "PCIDEV", "VERSION", "CPU:0"])
FIELD = st.one_of(
    st.sampled_from(["0x0", "4", "1.0", "3", "0xfeb80000", "20070824", "-1", "0x" + "f" * 20]),
    st.text(max_size=5),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(WORD, st.lists(FIELD, max_size=18)), max_size=5))
def test_any_log_is_imported_or_refused_with_its_line(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[str, list[str]]]
) -> None:
    text = HEAD + MAP + "".join(" ".join([word, *fields]) + "\n" for word, fields in lines)
    folder = tmp_path_factory.mktemp("log")
    try:
        trace = imported(text.encode("utf-8", "ignore").decode(), folder)
    except InputError as error:
        line = error.line
    else:
        line = len(trace)
    assert line
