# SPDX-License-Identifier: Apache-2.0
"""Columns that pair a request with its completions, by function, direction and tag."""

from __future__ import annotations

from typing import Final

import numpy as np

from uvtrace.check.expression import Column, EventColumn, NumberColumn

request = EventColumn("request", np.int64, "the outstanding request with this tag")
request_length = NumberColumn("request_length", np.uint64, "what it asked for", "bytes")
request_address = NumberColumn("request_address", np.uint64, "its address")
completed_bytes = NumberColumn(
    "completed_bytes", np.uint64, "bytes that earlier completions of it have brought", "bytes"
)
last_completion_address = NumberColumn(
    "last_completion_address", np.uint64, "the address of its completion before this one"
)
latency_ns = NumberColumn(
    "latency_ns", np.int64, "the time from the request to this completion; -1 not known", "ns"
)
outstanding = NumberColumn(
    "outstanding", np.int32, "the function's non-posted requests without their last completion"
)
outstanding_dma = NumberColumn("outstanding_dma", np.int32, "the device's own reads among them")

COLUMNS: Final[tuple[Column, ...]] = tuple(
    term for term in globals().copy().values() if isinstance(term, Column)
)
