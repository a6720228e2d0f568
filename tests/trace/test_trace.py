# SPDX-License-Identifier: Apache-2.0
"""A trace as its users see it."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref

import numpy as np
import pandas as pd
import pytest

import uvtrace
from tests.story import Story
from uvtrace.trace.enums import Kind
from uvtrace.trace.layout import COMMON, RECORD, VIEWS, kinds_of
from uvtrace.trace.trace import Trace


@pytest.fixture
def trace() -> Trace:
    return (
        Story(registers={"TDT": 0x3818})
        .session(kernel="6.1.0")
        .map(0x1000, 256, "FROM_DEVICE")
        .mmio_write("TDT", 7, site="e1000_xmit_frame+0x5d0")
        .comment("the doorbell")
        .dma_write(0x1000, 3, b"abc")
        .mmio_read(8, 9, site="ioread32+0x10 [kernel]", caller="e1000_watchdog+0x20")
        .trace()
    )


def test_a_row_is_a_record_and_counts_from_the_end_too(trace: Trace) -> None:
    assert trace[2].dtype == RECORD
    assert trace[2]["value"] == 7
    assert trace[2 - len(trace)] == trace[2]
    for row in (len(trace), -len(trace) - 1):
        with pytest.raises(IndexError):
            trace[row]
        with pytest.raises(IndexError):
            trace.payload(row)


def test_slices_masks_and_rows_are_traces_with_the_whole_metadata(trace: Trace) -> None:
    by_mask = trace[trace.column("kind") == Kind.MMIO_WRITE]
    by_rows = trace[[2]]
    by_slice = trace[2:3]
    for part in (by_mask, by_rows, by_slice):
        assert len(part) == 1
        assert part.site(0) == "e1000_xmit_frame+0x5d0 [e1000]"
        assert part.comments == {0: "the doorbell"}
        assert part.metadata is trace.metadata
        assert part.metadata.session == {"kernel": "6.1.0"}
    assert len(trace[[]]) == 0
    assert trace[::-1].column("seq").tolist() == trace.column("seq").tolist()[::-1]
    assert trace[1:][1:].payload(1) == b"abc"


def test_chunks_hold_every_record_once_in_order(trace: Trace) -> None:
    for size in (1, 2, 100):
        parts = list(trace.chunks(size))
        assert all(len(part) <= size for part in parts)
        assert b"".join(part.records.tobytes() for part in parts) == trace.records.tobytes()
    with pytest.raises(ValueError, match="chunk of 0"):
        next(trace.chunks(0))


def test_a_trace_that_is_dropped_is_freed_without_the_garbage_collector() -> None:
    gc.disable()
    try:
        trace = Story().mmio_write(0, 1).trace()
        _ = trace.columns(), trace.records, trace.metadata, trace.comments, trace[:1].metadata
        trace.to_pandas()
        gone = weakref.ref(trace)
        del trace
        assert gone() is None
    finally:
        gc.enable()


def test_columns_in_one_pass_equal_columns_one_by_one(trace: Trace) -> None:
    one_by_one = {name: trace[:].column(name) for name in COMMON}
    for name, column in trace.columns().items():
        assert (column == one_by_one[name]).all()
        assert column.dtype == one_by_one[name].dtype
        assert not column.flags.writeable


def test_a_union_field_is_a_column_by_its_dotted_name(trace: Trace) -> None:
    assert trace.column("access.offset")[2] == 0x3818
    assert trace.column("dma.direction")[1] == 2
    for name in ("nothing", "access.nothing", "nothing.offset", "raw"):
        with pytest.raises(KeyError, match="no field"):
            trace.column(name)


def test_records_cannot_be_changed_by_accident(trace: Trace) -> None:
    for part in (trace, trace[1:2], trace[[0, 2, 3]]):
        with pytest.raises(ValueError, match="read-only"):
            part.records["value"] = 0


def test_the_site_is_the_driver_s_frame_when_the_access_lies_elsewhere(trace: Trace) -> None:
    assert trace.site(4) == "e1000_watchdog+0x20 [e1000]"
    assert trace.symbol(int(trace[4]["ip"])) == "ioread32+0x10"
    assert trace.site(3) == ""


def test_a_data_frame_has_the_record_s_fields_as_columns(trace: Trace) -> None:
    frame = trace.to_pandas()
    assert list(frame.columns) == list(COMMON)
    assert frame["seq"].tolist() == trace.column("seq").tolist()
    assert {name: frame[name].dtype for name in COMMON} == {name: RECORD[name] for name in COMMON}


def test_details_are_missing_where_the_kind_has_none(trace: Trace) -> None:
    frame = trace.to_pandas(details=True)
    kinds = frame["kind"]
    for member in VIEWS:
        columns = [name for name in frame.columns if name.startswith(f"{member}.")]
        assert columns
        for name in columns:
            missing = frame[name].isna()
            if name not in ("access.insn", "module.build_id"):
                assert (missing == ~kinds.isin(kinds_of(member))).all(), name
    assert frame["access.offset"].iloc[2] == 0x3818
    assert frame["access.offset"].iloc[1] is pd.NA
    assert str(frame["access.offset"].dtype) == "UInt64"


def test_an_empty_trace_is_a_trace() -> None:
    trace = Story("").trace()
    assert len(trace) == 0
    assert len(trace.records) == 0
    assert len(trace.to_pandas(details=True)) == 0
    assert (trace.lost, trace.comments, trace.damage) == (0, {}, None)
    assert list(trace.chunks(5)) == []


def test_importing_uvtrace_imports_neither_pandas_nor_numba() -> None:
    code = (
        "import sys, uvtrace, uvtrace.trace.trace, uvtrace.trace.writer;"
        "print([name for name in ('pandas', 'numba', 'zstandard') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_opening_a_file_does_not_import_pandas(tmp_path: object) -> None:
    path = f"{tmp_path}/run.pcapng"
    Story().mmio_write(0, 1).write(path)
    code = f"import sys, uvtrace; len(uvtrace.open({path!r})); print('pandas' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"


def test_the_package_opens_traces_and_names_their_class(tmp_path: object) -> None:
    path = f"{tmp_path}/run.pcapng"
    Story().mmio_write(0, 1).write(path)
    assert isinstance(uvtrace.open(path), Trace)
    assert uvtrace.Trace is Trace
    assert np.unique(uvtrace.open(path).column("version")).tolist() == [1]
