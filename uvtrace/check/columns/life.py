# SPDX-License-Identifier: Apache-2.0
"""Columns of the life of a function: its driver, resets, power changes, resources."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np

from uvtrace.check.expression import Column, EventColumn, NumberColumn, TruthColumn


class DriverState(IntEnum):
    """What the driver is to the function."""

    UNKNOWN = -1
    UNBOUND = 0
    PROBING = 1
    BOUND = 2
    REMOVING = 3


driver_state = NumberColumn(
    "driver_state", np.int8, "what the driver is to the function", values=DriverState, unknown=-1
)
driver_since = EventColumn("driver_since", np.int64, "the last probe, bind, remove or unbind")
last_reset = EventColumn("last_reset", np.int64, "the function's last reset")
reset_pending = TruthColumn("reset_pending", np.int8, "a reset has begun and not ended")
since_reset_ns = NumberColumn(
    "since_reset_ns", np.int64, "the time since the last reset ended; -1 there was none", "ns"
)
last_power = EventColumn("last_power", np.int64, "the last change of the power state")
last_power_from = NumberColumn("last_power_from", np.int8, "the power state before", unknown=-1)
since_power_ns = NumberColumn(
    "since_power_ns", np.int64, "the time since the power state changed; -1 it did not", "ns"
)
d3hot_delay_ms = NumberColumn(
    "d3hot_delay_ms", np.int32, "the function's own D3hot-to-D0 delay", "ms", unknown=-1
)
d3cold_delay_ms = NumberColumn(
    "d3cold_delay_ms", np.int32, "the function's own D3cold-to-D0 delay", "ms", unknown=-1
)
enable_count = NumberColumn("enable_count", np.int32, "how often the device is enabled", unknown=-1)
enable_since = EventColumn("enable_since", np.int64, "the last enabling or disabling")
vectors_granted = NumberColumn(
    "vectors_granted", np.int32, "the interrupt vectors allocated", "vectors", unknown=-1
)
vectors_since = EventColumn("vectors_since", np.int64, "the last allocation or release of vectors")
handlers = NumberColumn("handlers", np.int32, "the handlers registered", unknown=-1)
handler_registered = TruthColumn(
    "handler_registered", np.int8, "a handler is registered for this interrupt", unknown=-1
)
handler_since = EventColumn(
    "handler_since", np.int64, "the last request or release of this interrupt"
)
in_handler = TruthColumn("in_handler", np.int8, "a handler of the function runs on this CPU")
handler_entered = EventColumn("handler_entered", np.int64, "the entry that a handler's exit ends")

COLUMNS: Final[tuple[Column, ...]] = tuple(
    term for term in globals().copy().values() if isinstance(term, Column)
)
