# SPDX-License-Identifier: Apache-2.0
"""Code that reads columns where they lie: made again where a chunk's lie otherwise, only there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.check.test_by_kind import FUNCTIONS, by_numpy, single
from uvtrace.check import by_kind
from uvtrace.check.by_kind import ByKind
from uvtrace.check.chunk import Chunk
from uvtrace.check.columns import record
from uvtrace.check.expression import NumberColumn
from uvtrace.check.loss import Losses
from uvtrace.check.native.access import How
from uvtrace.check.program import Program
from uvtrace.loops import code, store
from uvtrace.trace.layout import make_records

ONE = NumberColumn("one", np.int16, "a number", unknown=-1)
OTHER = NumberColumn("other", np.int64, "another number")
COUNT = 60
RULE = ONE + OTHER > 7
Tell = Callable[[Chunk], None]


def rows_every(step: int) -> NDArray[np.int64]:
    return np.arange(0, COUNT, step, dtype=np.int64)


def of_no_row(chunk: Chunk) -> None:
    nothing = np.zeros(0, np.int64)
    chunk.put_rows("one", nothing, nothing, -1)
    chunk.put_rows("other", nothing, nothing)


def of_the_same_rows(chunk: Chunk) -> None:
    rows = rows_every(2)
    chunk.put_rows("one", rows, rows % 9, -1)
    chunk.put_rows("other", rows, rows % 5)


def of_different_rows(chunk: Chunk) -> None:
    chunk.put_rows("one", rows_every(2), rows_every(2) % 9, -1)
    chunk.put_rows("other", rows_every(3), rows_every(3) % 5)


def of_rows_as_part_of_a_table(chunk: Chunk) -> None:
    table = np.zeros((len(rows_every(2)), 3), np.int64)
    table[:, 1] = rows_every(2) % 8
    chunk.put_rows("one", rows_every(2), table[:, 1], -1)
    chunk.put_rows("other", rows_every(2), table[:, 2])


def of_every_row(chunk: Chunk) -> None:
    chunk.put("one", np.arange(COUNT, dtype=np.int64) % 11 - 1)
    chunk.put("other", np.arange(COUNT, dtype=np.int64) % 3)


def chunk_that(tells: Tell) -> Chunk:
    records = make_records(COUNT, kind=3)
    records["kind"][::4] = 4
    chunk = Chunk(records, 0, Losses.none(), lambda _: b"")
    tells(chunk)
    return chunk


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts of the code that was compiled."""
    texts: list[str] = []

    def counting(text: str) -> bytes:
        texts.append(text)
        return code.compiled(text)

    monkeypatch.setattr(by_kind, "compiled", counting)
    monkeypatch.setattr(store, "_folder", lambda: None)
    return texts


def times_made(made: list[str], *several: Tell) -> list[int]:
    """How many functions are made for each of some chunks that are judged one after the other."""
    one = single(record.kind.is_in({3, 4}), RULE)
    judging = ByKind([one], [], Program(), FUNCTIONS)
    times = []
    for tells in several:
        made.clear()
        one.checked[:], one.unknown[:] = 0, 0
        found = judging.judge(chunk_that(tells)).get(0, np.zeros(0, np.int64)).tolist()
        judging.count()
        judged = found, one.checked.tolist(), one.unknown.tolist()
        assert judged == by_numpy(one, chunk_that(tells), {})
        times.append(sum("@judge_" in text for text in made))
    return times


def test_chunks_that_lie_alike_are_read_by_code_made_once(made: list[str]) -> None:
    assert times_made(made, of_the_same_rows, of_the_same_rows) == [2, 0]


def test_what_was_the_same_for_all_events_and_is_not_any_more_is_read(made: list[str]) -> None:
    assert times_made(made, of_no_row, of_the_same_rows, of_no_row) == [2, 2, 0]


def test_columns_that_were_told_of_the_same_rows_and_are_not_any_more(made: list[str]) -> None:
    told = of_the_same_rows, of_different_rows, of_the_same_rows
    assert times_made(made, *told) == [2, 2, 0]


def test_what_lies_in_no_common_way_is_read_by_row(made: list[str]) -> None:
    told = of_the_same_rows, of_rows_as_part_of_a_table, of_every_row, of_no_row, of_different_rows
    assert times_made(made, *told) == [2, 2, 0, 0, 0]


def test_a_kind_that_comes_late_is_read_as_the_others_are(made: list[str]) -> None:
    one = single(record.kind.is_in({3, 4}), RULE)
    judging = ByKind([one], [], Program(), FUNCTIONS)
    for tells, kinds in ((of_no_row, 1), (of_the_same_rows, 2), (of_no_row, 1)):
        chunk = chunk_that(tells)
        if kinds == 1:
            chunk.records.flags.writeable = True
            chunk.records["kind"] = 3
        hits = judging.judge(chunk).get(0, np.zeros(0, np.int64)).tolist()
        assert hits == by_numpy(one, chunk, {})[0]


def test_places_are_given_back_empty() -> None:
    chunk = chunk_that(of_the_same_rows)
    source = chunk.source("one", {3})
    assert source is not None
    assert source.access.how is How.PLACED
    places = source.places
    assert places is not None
    assert places.max() == len(rows_every(2)) - 1
    chunk.release()
    assert (places == -1).all()
