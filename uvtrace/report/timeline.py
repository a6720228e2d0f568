# SPDX-License-Identifier: Apache-2.0
"""How many transactions of which kind happened when: the whole run at a glance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.report.groups import GROUPS, Group, group_of_kind
from uvtrace.trace.enums import Kind
from uvtrace.trace.events import is_event
from uvtrace.trace.trace import Trace

OF_TRACE: Final = (Kind.MARK, Kind.LOSS)
"""What tells of the trace itself, and yet happened at some time."""
BINS: Final = 1440
"""More than a lane has pixels on most screens, and few enough to be small."""


@dataclass(frozen=True)
class Timeline:
    """Events by group and time.

    Attributes:
        span_ns: from the first event to the last, at least 1.
        counts: events of each group in each bin, shape (groups, BINS).
    """

    span_ns: int
    counts: NDArray[np.int64]


def timeline_of(trace: Trace, start_ns: int) -> Timeline:
    """Count the events of a trace.

    What tells of the trace itself is left out but for marks and loss: it happened at no time.
    """
    last = start_ns
    for part in trace.chunks():
        times = part.records["time_ns"][_shown(part.records["kind"])]
        last = max(last, int(times.max())) if len(times) else last
    span_ns = max(last - start_ns, 1)
    counts = np.zeros((len(GROUPS), BINS), np.int64)
    table = group_of_kind()
    for part in trace.chunks():
        records = part.records[_shown(part.records["kind"])]
        since = np.maximum(records["time_ns"].astype(np.int64) - start_ns, 0)
        bins = np.minimum((since * (BINS / span_ns)).astype(np.int64), BINS - 1)
        flat = table[records["kind"]].astype(np.int64) * BINS + bins
        counts += np.bincount(flat, minlength=counts.size).reshape(counts.shape)
    return Timeline(span_ns, counts)


def _shown(kinds: NDArray[np.integer]) -> NDArray[np.bool_]:
    return is_event(kinds) | np.isin(kinds, OF_TRACE)


def lane_kinds(group: Group) -> list[int]:
    """The kinds of a group that are counted."""
    return [int(kind) for kind in group.kinds if _shown(np.array([kind]))[0]]
