# SPDX-License-Identifier: Apache-2.0
"""Some records as the columns that guards are written over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.columns import ALL
from uvtrace.check.columns import record as record_columns
from uvtrace.check.expression import Expression
from uvtrace.errors import UsageError
from uvtrace.trace.layout import kinds_of, view_of


class RecordColumns:
    """The columns that are fields of the record itself.

    Args:
        records: dtype RECORD, shape (n,).
        first: position of the first one in the trace.
    """

    def __init__(self, records: NDArray[np.void], first: int) -> None:
        self._records = records
        self._first = first
        self._columns: dict[str, NDArray[Any]] = {}

    def __len__(self) -> int:
        return len(self._records)

    def column(self, name: str) -> NDArray[Any]:
        """A column of every record, shape (n,); of unions 0 where the kind has no such member."""
        found = self._columns.get(name)
        if found is None:
            found = self._make(name)
            self._columns[name] = found
        return found

    def _make(self, name: str) -> NDArray[Any]:
        if name == "position":
            return np.arange(self._first, self._first + len(self), dtype=np.int64)
        if name == "site":
            caller = self.column("caller")
            return np.where(caller != 0, caller, self.column("ip"))
        dtype = np.dtype(ALL[name].dtype)
        field = record_columns.COMMON_FIELDS.get(name)
        if field is not None:
            column = np.ascontiguousarray(self._records[field])
            return column.view(dtype) if dtype.itemsize == column.itemsize else column
        return self._of_union(name, dtype)

    def _of_union(self, name: str, dtype: np.dtype[Any]) -> NDArray[Any]:
        column = np.zeros(len(self), dtype)
        kinds = self.column("kind")
        for view, fields in record_columns.VIEW_FIELDS.items():
            if name in fields:
                rows = np.isin(kinds, kinds_of(view))
                column[rows] = view_of(self._records, view)[fields[name]][rows]
        return column


def refuse_derived(terms: Iterable[Expression], where: str) -> None:
    """Raise where a guard depends on what only the checker's passes can tell.

    Raises:
        UsageError: names the first such column.
    """
    fields = {column.name for column in record_columns.COLUMNS}
    for term in terms:
        for column in term.columns():
            if column.name not in fields:
                raise UsageError(
                    f"a guard is about {column.name!r}, which is no field of the record",
                    where=where,
                    hint="graphs are drawn of contracts whose guards look at the record alone",
                )
