# SPDX-License-Identifier: Apache-2.0
"""Columns of transaction ordering: which message passed which (see docs/ordering.md)."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np

from uvtrace.check.expression import Column, EventColumn, NumberColumn, TruthColumn
from uvtrace.check.pcie.ordering import LABELS

# mypy cannot follow names that are computed.
Clause = IntEnum("Clause", {label: n for n, label in enumerate(LABELS)})  # type: ignore[misc]
"""The clauses of the ordering table by number."""

is_delivery = TruthColumn("is_delivery", np.int8, "a message has arrived")
passed_rule = NumberColumn(
    "passed_rule",
    np.int8,
    "the number of the ORD rule that forbids the passing; 0 where nothing was passed",
    unknown=-1,
)
passed_clause = NumberColumn(
    "passed_clause", np.uint8, "the clause of Table 2-40 that forbids it", values=Clause
)
passed = EventColumn("passed", np.int64, "the message that it passed")
passed_count = NumberColumn(
    "passed_count", np.int32, "how many messages it passed and must not have", "messages"
)
overtaken_by = EventColumn(
    "overtaken_by", np.int64, "the delivery that passed this message and must not have"
)
held_up = EventColumn(
    "held_up", np.int64, "the message that was held up, as this request, or the trace's end, shows"
)
held_up_by = EventColumn("held_up_by", np.int64, "the request that held it up")
held_up_ns = NumberColumn("held_up_ns", np.int64, "for how long it did", "ns")
COLUMNS: Final[tuple[Column, ...]] = tuple(
    term for term in globals().copy().values() if isinstance(term, Column)
)
