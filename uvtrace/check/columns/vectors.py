# SPDX-License-Identifier: Apache-2.0
"""Columns of the MSI-X table, of the INTx line, and of what an interrupt handler did."""

from __future__ import annotations

from typing import Final

import numpy as np

from uvtrace.check.expression import Column, EventColumn, NumberColumn, TruthColumn

vector_masked = TruthColumn(
    "vector_masked", np.int8, "the MSI-X table's entry of this vector is masked", unknown=-1
)
vector_address = NumberColumn(
    "vector_address", np.uint64, "the address programmed in that entry", unknown=2**64 - 1
)
vector_data = NumberColumn("vector_data", np.int64, "the data programmed in that entry", unknown=-1)
vector_written = EventColumn("vector_written", np.int64, "the last write to that entry")
intx_asserted = TruthColumn("intx_asserted", np.int8, "the INTx line is asserted", unknown=-1)
intx_since = EventColumn("intx_since", np.int64, "the assertion or deassertion of the INTx line")
handler_accesses = NumberColumn(
    "handler_accesses",
    np.int32,
    "accesses to the function on this CPU since the handler that exits was entered",
    unknown=-1,
)

COLUMNS: Final[tuple[Column, ...]] = tuple(
    term for term in globals().copy().values() if isinstance(term, Column)
)
