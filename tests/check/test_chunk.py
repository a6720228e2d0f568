# SPDX-License-Identifier: Apache-2.0
"""Columns that passes tell of some rows of a chunk."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uvtrace.check.chunk import Chunk, Frame
from uvtrace.check.columns.record import COMMON_FIELDS
from uvtrace.check.loss import Losses
from uvtrace.check.native.function import RECORDS_AHEAD
from uvtrace.trace.enums import Kind
from uvtrace.trace.layout import COMMON, make_records

_RECORDS = 24
_SOME = st.sets(st.integers(0, _RECORDS - 1)).map(lambda rows: np.array(sorted(rows), np.int64))


def _chunk() -> Chunk:
    records = make_records(_RECORDS, kind=Kind.MMIO_WRITE)
    return Chunk(records, 0, Losses.none(), lambda _: b"")


@settings(deadline=None)  # a loop is compiled when it is first called
@given(told=_SOME, asked=_SOME, whole_first=st.booleans())
def test_what_is_told_of_some_rows_is_the_same_whichever_rows_are_asked_for(
    told: np.ndarray, asked: np.ndarray, whole_first: bool
) -> None:
    values = 100 + np.arange(len(told), dtype=np.int64)
    expected = np.full(_RECORDS, -1, np.int64)
    expected[told] = values
    chunk = _chunk()
    chunk.put_rows("last_written", told, values, -1)
    if whole_first:
        assert chunk.column("last_written").tolist() == expected.tolist()
    assert chunk.take("last_written", asked).tolist() == expected[asked].tolist()
    assert chunk.take("last_written", told).tolist() == values.tolist()
    assert Frame(chunk, asked).column("last_written").tolist() == expected[asked].tolist()
    assert chunk.column("last_written").tolist() == expected.tolist()


def test_columns_of_one_pass_have_their_own_values_and_types() -> None:
    chunk, rows = _chunk(), np.array([2, 5], np.int64)
    chunk.put_rows("last_written", rows, np.array([7, 8]), -1)
    chunk.put_rows("same_reads", rows, np.array([3, 4]))
    asked = np.array([0, 5], np.int64)
    assert chunk.take("last_written", asked).tolist() == [-1, 8]
    assert chunk.take("same_reads", asked).tolist() == [0, 4]
    assert chunk.take("same_reads", asked).dtype == np.int32


def test_a_column_told_again_is_the_later_one() -> None:
    chunk, rows = _chunk(), np.array([1], np.int64)
    chunk.put_rows("same_reads", rows, np.array([3]))
    assert chunk.column("same_reads")[1] == 3
    chunk.put_rows("same_reads", rows, np.array([4]))
    assert chunk.column("same_reads")[1] == 4


def test_a_column_that_nobody_told_is_refused_after_release() -> None:
    chunk = _chunk()
    chunk.put_rows("same_reads", np.array([1], np.int64), np.array([3]))
    chunk.release()
    with pytest.raises(KeyError):
        chunk.column("same_reads")


def test_the_fields_of_every_record_are_what_the_records_say() -> None:
    records = make_records(_RECORDS, kind=Kind.MMIO_WRITE)
    for number, name in enumerate(COMMON):
        largest = np.iinfo(records.dtype[name]).max
        records[name] = (np.arange(_RECORDS, dtype=np.uint64) * 7 + number) % largest
    chunk = Chunk(records, 0, Losses.none(), lambda _: b"")
    for column, name in COMMON_FIELDS.items():
        assert chunk.column(column).tolist() == records[name].tolist(), name


@settings(deadline=None)  # The first example compiles the loops.
@given(
    kinds=st.lists(st.integers(0, 5), max_size=200),
    asked=st.sets(st.integers(0, 6)),
)
def test_rows_of_kinds_are_those_whose_record_is_of_one_of_them(
    kinds: list[int], asked: set[int]
) -> None:
    records = make_records(len(kinds))
    records["kind"] = kinds
    chunk = Chunk(records, 0, Losses.none(), lambda _: b"")
    assert chunk.rows(asked).tolist() == [row for row, kind in enumerate(kinds) if kind in asked]
    assert chunk.kinds == frozenset(kinds)


def test_a_field_of_the_union_is_the_same_of_few_rows_and_of_all() -> None:
    random, count = np.random.default_rng(5), 400
    records = make_records(count)
    records["raw"] = random.bytes(40)
    records["kind"] = random.choice(np.array(list(Kind)), count)
    few = np.flatnonzero(random.random(count) < 0.3)
    for name in ("bar", "vector", "offset", "iomap", "direction", "result", "topic"):
        chunk = Chunk(records, 0, Losses.none(), lambda _: b"")
        told = chunk.take(name, few)
        assert told.any()
        assert told.tolist() == chunk.column(name)[few].tolist()
        assert told.dtype == chunk.column(name).dtype


def test_the_rows_of_each_kind_lie_in_memory_one_after_the_other_and_zeros_behind_them() -> None:
    kinds = [Kind.MAP, Kind.UNMAP, Kind.MAP, Kind.MMIO_READ, Kind.MAP]
    chunk = Chunk(make_records(5, kind=kinds), 0, Losses.none(), lambda _: b"")
    found = {}
    for kind, (begin, end) in chunk.addresses_by_kind().items():
        assert end - begin == 8 * kinds.count(Kind(kind))
        lies = (ctypes.c_int64 * (kinds.count(Kind(kind)) + RECORDS_AHEAD)).from_address(begin)
        found[kind] = list(lies)
    assert found[Kind.MMIO_READ][:3] == [3, 0, 2]
    assert found[Kind.MAP][:5] == [0, 2, 4, 1, 0]
    assert found[Kind.UNMAP] == [1, 0, 0, 0, 0, 0, 0]
