# SPDX-License-Identifier: Apache-2.0
"""A table holds every record and field."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pytest

from tests.story import Story
from uvtrace.trace import export
from uvtrace.trace.trace import Trace


@pytest.fixture
def trace() -> Trace:
    story = Story().mmio_write(0x3818, 2**64 - 1, site="e1000_xmit+0x5c").map(0x1000, 256)
    return story.mark('a,\n"b"').trace()


def test_parquet_in_many_chunks_holds_what_the_data_frame_holds(
    trace: Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "CHUNK", 1)
    export.to_parquet(trace, tmp_path / "run.parquet")
    table = pd.read_parquet(tmp_path / "run.parquet")
    assert table["value"].tolist() == trace.column("value").tolist()
    assert table["site"].iloc[0] == "e1000_xmit+0x5c [e1000]"
    assert table["function_name"].iloc[0] == "0000:00:03.0"
    assert table["access.offset"].iloc[0] == 0x3818
    assert table["access.offset"].isna().tolist()[1]
    assert set(trace.to_pandas(details=True).columns) < set(table.columns)


def test_csv_has_one_header_and_one_row_per_record(
    trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "CHUNK", 2)
    text = io.StringIO()
    export.to_csv(trace, text)
    table = pd.read_csv(io.StringIO(text.getvalue()), dtype=str)
    assert len(table) == len(trace)
    assert table["value"].iloc[0] == str(2**64 - 1)


def test_an_empty_trace_gives_a_table_without_rows(tmp_path: Path) -> None:
    export.to_parquet(Story("").trace(), tmp_path / "run.parquet")
    table = pd.read_parquet(tmp_path / "run.parquet")
    assert len(table) == 0
    assert "time_ns" in table.columns
