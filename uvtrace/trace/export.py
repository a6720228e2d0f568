# SPDX-License-Identifier: Apache-2.0
"""A trace as a table for other tools."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

from uvtrace.errors import EnvironmentLacksError
from uvtrace.trace.trace import Trace

if TYPE_CHECKING:
    import pandas

CHUNK = 1 << 18
_BYTES = "access.insn", "module.build_id"


def to_csv(trace: Trace, target: str | os.PathLike[str] | IO[str]) -> None:
    """Write a trace as CSV: one row per record, every field a column, empty where a kind lacks it.

    Raises:
        OSError: the file cannot be written.
    """
    if isinstance(target, str | os.PathLike):
        with open(target, "w", encoding="utf-8", newline="") as file:
            to_csv(trace, file)
        return
    for number, frame in enumerate(_frames(trace)):
        frame.to_csv(target, index=False, header=number == 0, lineterminator="\n")


def to_parquet(trace: Trace, target: str | os.PathLike[str]) -> None:
    """Write a trace as Parquet; the columns are those of :func:`to_csv`.

    Raises:
        EnvironmentLacksError: pyarrow is not installed.
        OSError: the file cannot be written.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise EnvironmentLacksError(
            "Parquet needs pyarrow", hint="pip install 'uvtrace[parquet]'"
        ) from error
    writer = None
    try:
        for frame in _frames(trace):
            table = pa.Table.from_pandas(frame, preserve_index=False)
            if writer is None:
                writer = pq.ParquetWriter(target, table.schema.remove_metadata())
            writer.write_table(table.replace_schema_metadata().cast(writer.schema))
    finally:
        if writer is not None:
            writer.close()


def _frames(trace: Trace) -> Iterator[pandas.DataFrame]:
    """Data frames of a few records each; one, without rows, of an empty trace."""
    if len(trace) == 0:
        yield _frame(trace)
    for part in trace.chunks(CHUNK):
        yield _frame(part)


def _frame(part: Trace) -> pandas.DataFrame:
    import pandas as pd

    frame = part.to_pandas(details=True)
    names = {function.index: function.name for function in part.functions}
    frame.insert(0, "function_name", frame["function"].map(names).astype(pd.StringDtype()))
    sites = frame["caller"].where(frame["caller"] != 0, frame["ip"])
    texts = {int(site): part.symbol(int(site)) for site in sites.unique()}
    frame.insert(1, "site", sites.map(texts).astype(pd.StringDtype()))
    return frame
