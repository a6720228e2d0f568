# SPDX-License-Identifier: Apache-2.0
"""Packets that are found again by their number, in files of several megabytes."""

from __future__ import annotations

import io

import numpy as np
import pytest

from tests.mutations import big_endian
from uvtrace.errors import InputError
from uvtrace.trace import reader
from uvtrace.trace.enums import Kind
from uvtrace.trace.layout import make_records
from uvtrace.trace.locations import STEP_BYTES
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
    room = np.empty(7_000, whole.dtype)
    first = 0
    for part in trace.chunks(7_000, room):
        assert np.shares_memory(part.records, room)
        assert (part.records == whole[first : first + len(part)]).all()
        first += len(part)
    assert first == len(whole)


def test_however_a_file_is_gone_through_each_step_is_come_to(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = open_bytes(data)._packets.locations._index
    monkeypatch.setattr(reader, "_STEP_BYTES", STEP_BYTES)
    in_steps = open_bytes(data)._packets.locations._index
    assert at_once is not None
    assert in_steps is not None
    assert (np.diff(at_once.states[:, 0]) > 0).all()
    assert len(at_once.states) == len(data) // STEP_BYTES + 1
    assert (at_once.states == in_steps.states).all()


def test_a_number_beyond_the_end_is_an_error_and_no_other_packet(data: bytes) -> None:
    with pytest.raises(IndexError):
        open_bytes(data)[[2 * COUNT]]


def test_a_file_that_has_changed_meanwhile_is_not_read_on() -> None:
    data = bytearray(megabytes())
    trace = open_bytes(data)
    data[STEP_BYTES : STEP_BYTES + 4096] = bytes(4096)
    with pytest.raises(InputError, match="changed since"):
        _ = trace[9_000:9_010].records
