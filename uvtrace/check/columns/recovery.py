# SPDX-License-Identifier: Apache-2.0
"""Columns of what sizing, resets and sleep leave to be put right: BARs, Command, time to wait."""

from __future__ import annotations

from typing import Final

import numpy as np

from uvtrace.check.expression import Column, EventColumn, NumberColumn, TruthColumn

COMMAND_LOST, MSI_LOST = 0x100, 0x200
"""The bits of :data:`lost_state` that stand for Command, and for MSI or MSI-X."""

bars_wide = NumberColumn("bars_wide", np.int32, "the 64-bit BARs, a bit for each lower half")
bars_left = NumberColumn(
    "bars_left", np.int32, "the BAR registers to which all ones were written last, one bit each"
)
bars_split = NumberColumn(
    "bars_split",
    np.int32,
    "the 64-bit BARs to one half of which all ones were written last, one bit each",
)
bars_left_since = EventColumn("bars_left_since", np.int64, "the last write of all ones to a BAR")
reset_begun = EventColumn(
    "reset_begun",
    np.int64,
    "the write that began a function-level reset, or a reset without an end",
)
since_reset_begun_ns = NumberColumn(
    "since_reset_begun_ns", np.int64, "the time since then; -1 there was none", "ns"
)
immediate_ready = TruthColumn(
    "immediate_ready", np.int8, "the function is ready at once (Immediate Readiness)", unknown=-1
)
woken = EventColumn("woken", np.int64, "the write that led from D3hot to D0")
since_woken_ns = NumberColumn(
    "since_woken_ns", np.int64, "the time since then; -1 there was none", "ns"
)
lost_state = NumberColumn(
    "lost_state",
    np.int32,
    "what a reset took and nothing has put back: a bit for each BAR, 0x100 for Command,"
    " 0x200 for MSI or MSI-X",
)
lost_since = EventColumn("lost_since", np.int64, "the reset, or return from D3hot, that took it")
retried = EventColumn(
    "retried",
    np.int64,
    "the last config read that was answered with retry status, none answered well since",
)

COLUMNS: Final[tuple[Column, ...]] = tuple(
    term for term in globals().copy().values() if isinstance(term, Column)
)
