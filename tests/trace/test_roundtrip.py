# SPDX-License-Identifier: Apache-2.0
"""What is written is read back: any records, payloads, comments, however they are split."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.mutations import big_endian
from uvtrace.trace.layout import COMMON, FUNCTION_NONE, RECORD, RECORD_SIZE
from uvtrace.trace.trace import Trace, open_bytes, open_trace
from uvtrace.trace.writer import PcapngWriter

FUNCTIONS = [("0000:00:03.0", "e1000, 8086:100e"), ("0000:00:04.0", "nvme, 1b36:0010")]
Packet = tuple[bytes, int, bytes, str]

packets = st.lists(
    st.tuples(
        st.binary(min_size=RECORD_SIZE, max_size=RECORD_SIZE),
        st.sampled_from([0, 1, FUNCTION_NONE]),
        st.binary(max_size=70),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    ),
    max_size=30,
)


def made(told: list[Packet]) -> tuple[NDArray[np.void], list[bytes | None], dict[int, str]]:
    records = np.frombuffer(b"".join(packet[0] for packet in told), RECORD).copy()
    records["function"] = [packet[1] for packet in told]
    records["payload"] = [len(packet[2]) for packet in told]
    payloads = [packet[2] or None for packet in told]
    comments = {row: packet[3] for row, packet in enumerate(told) if packet[3]}
    return records, payloads, comments


def written(told: list[Packet], cuts: list[int]) -> bytes:
    records, payloads, comments = made(told)
    file = io.BytesIO()
    edges = sorted({0, len(records), *(cut % (len(records) + 1) for cut in cuts)})
    with PcapngWriter(file, functions=FUNCTIONS) as writer:
        for start, end in pairwise(edges):
            here = {row - start: text for row, text in comments.items() if start <= row < end}
            writer.write(records[start:end], payloads[start:end], here)
    return file.getvalue()


def assert_holds(trace: Trace, told: list[Packet]) -> None:
    records, payloads, comments = made(told)
    assert trace.damage is None
    assert trace.records.tobytes() == records.tobytes()
    assert [trace.payload(row) for row in range(len(trace))] == [p or b"" for p in payloads]
    assert trace.comments == comments
    for name, column in trace.columns().items():
        assert column.tolist() == records[name].tolist(), name
        assert column.dtype == RECORD[name], name


@settings(deadline=None)
@given(packets, st.lists(st.integers(0, 30), max_size=3))
def test_any_records_payloads_and_comments_are_read_back(
    told: list[Packet], cuts: list[int]
) -> None:
    assert_holds(open_bytes(written(told, cuts)), told)


@settings(deadline=None)
@given(packets)
def test_a_big_endian_section_reads_like_a_little_endian_one(told: list[Packet]) -> None:
    assert_holds(open_bytes(big_endian(written(told, []))), told)


@settings(deadline=None)
@given(packets, st.integers(0, 30), st.integers(0, 30))
def test_a_slice_holds_what_the_same_slice_of_the_records_holds(
    told: list[Packet], start: int, end: int
) -> None:
    trace = open_bytes(written(told, []))
    records, payloads, _ = made(told)
    part = trace[start:end]
    assert part.records.tobytes() == records[start:end].tobytes()
    expected = [payload or b"" for payload in payloads[start:end]]
    assert [part.payload(row) for row in range(len(part))] == expected


@settings(deadline=None, max_examples=30)
@given(packets, st.sampled_from([".pcapng.gz", ".pcapng.zst", ".pcapng"]))
def test_a_compressed_file_holds_what_a_plain_one_does(
    tmp_path_factory: pytest.TempPathFactory, told: list[Packet], suffix: str
) -> None:
    path = tmp_path_factory.mktemp("packed") / f"run{suffix}"
    records, payloads, comments = made(told)
    with PcapngWriter(path, functions=FUNCTIONS) as writer:
        writer.write(records, payloads, comments)
    assert_holds(open_trace(path), told)


@settings(deadline=None)
@given(st.binary(min_size=RECORD_SIZE, max_size=RECORD_SIZE), st.integers(1, 40))
def test_equally_spaced_packets_are_seen_in_place_and_others_are_gathered(
    content: bytes, count: int
) -> None:
    told = [(content, 0, b"", "")] * count
    in_place = open_bytes(written(told, [])).records
    gathered = open_bytes(written([*told, (content, 0, b"payload", ""), *told], [])).records
    assert count == 1 or in_place.strides == (160,)
    assert gathered.strides == (RECORD_SIZE,)
    assert in_place.tobytes() == gathered[:count].tobytes()


def test_the_common_fields_are_all_fields_but_the_union() -> None:
    assert {*COMMON, "raw"} == set(RECORD.names or ())
