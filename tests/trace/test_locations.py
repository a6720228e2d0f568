# SPDX-License-Identifier: Apache-2.0
"""Packets that are found again by their number, in files of several megabytes."""

from __future__ import annotations

import io

import numpy as np
import pytest

from tests.mutations import big_endian
from uvtrace.errors import InputError
from uvtrace.trace import index
from uvtrace.trace.enums import Kind
from uvtrace.trace.index import STEP_BYTES, Index
from uvtrace.trace.layout import make_records
from uvtrace.trace.room import FIELDS, Room
from uvtrace.trace.source import bytes_source
from uvtrace.trace.trace import open_bytes
from uvtrace.trace.writer import PcapngWriter

COUNT = 15_000


def megabytes() -> bytes:
    """Records of two functions, every seventh with a payload, more than two steps of the reader."""
    records = make_records(COUNT, kind=Kind.MMIO_WRITE)
    records["seq"] = np.arange(COUNT)
    records["function"] = records["seq"] % 2
    file = io.BytesIO()
    with PcapngWriter(file, functions=[("0000:00:10.0", ""), ("0000:00:11.0", "")]) as writer:
        writer.write(records, {row: b"p" * (row % 50 + 1) for row in range(0, COUNT, 7)})
    return file.getvalue()


@pytest.fixture(scope="module")
def data() -> bytes:
    """Two files one after the other, the second in the other byte order."""
    one = megabytes()
    assert len(one) > 2 * STEP_BYTES
    return one + big_endian(one)


def test_a_record_by_its_number_is_the_one_of_the_whole(data: bytes) -> None:
    whole, trace = open_bytes(data).records, open_bytes(data)
    assert len(trace) == len(whole) == 2 * COUNT
    for row in (0, 1, 7000, COUNT - 1, COUNT, COUNT + 9000, -1):
        assert trace[[row]].records[0] == whole[row]
        assert len(trace.payload(row)) == (row % COUNT % 50 + 1 if row % COUNT % 7 == 0 else 0)


def test_parts_are_the_records_of_the_whole_wherever_they_begin(data: bytes) -> None:
    whole = open_bytes(data).records
    for first in (0, 1, 6_553, 6_554, COUNT - 1, COUNT, 2 * COUNT - 1, 2 * COUNT):
        part = open_bytes(data)[first : first + 8_000]
        assert (part.records == whole[first : first + 8_000]).all()
        assert (part[10:20].records == whole[first : first + 8_000][10:20]).all()


def test_chunks_in_the_same_memory_are_the_records_of_the_whole(data: bytes) -> None:
    whole, trace = open_bytes(data).records, open_bytes(data)
    room = Room.of(7_000)
    first = 0
    for part in trace.chunks(7_000, room):
        assert np.shares_memory(part.records, room.records)
        assert (part.records == whole[first : first + len(part)]).all()
        for name in FIELDS:
            assert (part.column(name) == whole[name][first : first + len(part)]).all()
        first += len(part)
    assert first == len(whole)


@pytest.mark.parametrize("is_read_on", [True, False])
def test_a_chunk_in_such_memory_tells_its_payloads_without_looking_for_them(
    data: bytes, is_read_on: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = open_bytes(data)
    payloads = [whole.payload(row) for row in range(2 * COUNT)]
    monkeypatch.setattr(index, "GONE_BYTES", 4096 if is_read_on else len(data))
    trace = open_bytes(data)
    assert (trace.beginning is trace) is not is_read_on
    monkeypatch.setattr(Index, "find", None)
    found = [
        part.payload(row)
        for part in trace.chunks(7_000, Room.of(7_000))
        for row in range(len(part))
    ]
    assert found == payloads


def test_a_part_is_gathered_in_chunks_as_the_whole_is(data: bytes) -> None:
    whole, trace = open_bytes(data).records, open_bytes(data)
    for rows in (slice(100, 20_000), np.arange(0, 2 * COUNT, 3)):
        parts = [part.records.copy() for part in trace[rows].chunks(7_000, Room.of(7_000))]
        assert (np.concatenate(parts) == whole[rows]).all()


@pytest.mark.parametrize("step", [4096, 300_000, 1 << 20])
def test_a_file_is_gone_through_once_while_its_chunks_are_looked_at(
    data: bytes, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = open_bytes(data)
    rows = range(0, 2 * COUNT, 7)
    monkeypatch.setattr(index, "GONE_BYTES", step)
    steps = steps_counted(monkeypatch)
    trace = open_bytes(data)
    begun = len(steps)
    first, payloads = 0, []
    for part in trace.chunks(7_000, Room.of(7_000)):
        assert (part.records == whole.records[first : first + len(part)]).all()
        first += len(part)
        # What lies before needs no more of the file, nor does a look behind what was read.
        payloads += [trace.payload(row) for row in rows if first - len(part) <= row < first]
        assert (trace[first - 10 : first].records == whole.records[first - 10 : first]).all()
    assert len(steps) == begun == 1
    assert payloads == [whole.payload(row) for row in rows]
    assert len(trace) == first == 2 * COUNT
    assert trace.functions == whole.functions
    assert trace.sections == whole.sections
    assert len(steps) == 1


def test_a_file_that_is_asked_for_its_end_meanwhile_is_read_as_before(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = open_bytes(data).records
    monkeypatch.setattr(index, "GONE_BYTES", 300_000)
    trace = open_bytes(data)
    parts = []
    for number, part in enumerate(trace.chunks(7_000, Room.of(7_000))):
        parts.append(part.records.copy())
        if number == 1:
            assert trace[-1] == whole[-1]
    assert (np.concatenate(parts) == whole).all()


def test_what_a_file_says_at_its_beginning_is_told_without_reading_on(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = open_bytes(data)
    assert whole.beginning is whole
    monkeypatch.setattr(index, "GONE_BYTES", 4096)
    steps = steps_counted(monkeypatch)
    trace = open_bytes(data)
    beginning = trace.beginning
    assert beginning.functions == whole.functions[:2]
    assert beginning.sections == whole.sections[:1]
    assert beginning.metadata.session == {}
    assert trace.most >= 2 * COUNT
    assert len(steps) == 1
    assert len(beginning) == trace.most == 2 * COUNT
    assert trace.functions == whole.functions
    assert trace.beginning is trace


def steps_counted(patch: pytest.MonkeyPatch) -> list[int]:
    """Filled by every step of a pass over a file that gathers no records."""
    steps: list[int] = []
    go_on = Index.go_on

    def counted(index: Index) -> None:
        steps.append(index.count)
        go_on(index)

    patch.setattr(Index, "go_on", counted)
    return steps


def test_however_a_file_is_gone_through_each_step_is_come_to(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = Index(bytes_source(data))
    at_once.finish()
    monkeypatch.setattr(index, "GONE_BYTES", STEP_BYTES)
    in_steps = Index(bytes_source(data))
    in_steps.finish()
    gathered = Index(bytes_source(data))
    for first in range(0, 2 * COUNT, 7_000):
        gathered.gather(first, 7_000, Room.of(7_000))
    assert (np.diff(at_once.states[:, 0]) > 0).all()
    assert len(at_once.states) == len(data) // STEP_BYTES + 1
    assert (at_once.states == in_steps.states).all()
    assert (at_once.states == gathered.states).all()
    assert gathered.finished


def test_a_number_beyond_the_end_is_an_error_and_no_other_packet(data: bytes) -> None:
    with pytest.raises(IndexError):
        open_bytes(data)[[2 * COUNT]]


def test_a_file_that_has_changed_meanwhile_is_not_read_on() -> None:
    data = bytearray(megabytes())
    trace = open_bytes(data)
    data[STEP_BYTES : STEP_BYTES + 4096] = bytes(4096)
    with pytest.raises(InputError, match="changed since"):
        _ = trace[9_000:9_010].records
