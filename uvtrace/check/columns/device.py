# SPDX-License-Identifier: Apache-2.0
"""Columns of what the device did to a mapping, and of mappings that failed.

Of a device's access the mapping is the one of ``columns.mapping``; of an unmap or free, too.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from uvtrace.check.expression import Column, EventColumn, NumberColumn, TruthColumn

runs_on = TruthColumn(
    "runs_on",
    np.int8,
    "the bytes behind the mapping's end are mapped, too, by segments that follow in its list",
)
meets_synced = TruthColumn(
    "meets_synced", np.int8, "the device's access meets what the mapping's last sync named"
)
pending_read = EventColumn(
    "pending_read", np.int64, "an outstanding read of the device from the mapping that goes"
)
overwritten = EventColumn(
    "overwritten",
    np.int64,
    "the device's earlier write of the same first byte, after which a handler has returned, but"
    " the mapping was neither synced for the CPU nor removed",
)
device_reads = NumberColumn(
    "device_reads", np.int32, "how often the device has read the mapping that goes"
)
device_writes = NumberColumn(
    "device_writes", np.int32, "how often the device has written the mapping that goes"
)
failed_map = EventColumn(
    "failed_map",
    np.int64,
    "the failed mapping after which this is the same thread's first write of a register",
)

COLUMNS: Final[tuple[Column, ...]] = tuple(
    term for term in globals().copy().values() if isinstance(term, Column)
)
