# SPDX-License-Identifier: Apache-2.0
"""Where in a trace a record stands: by its number, and by its time since the first event."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from uvtrace.trace.events import is_event
from uvtrace.trace.trace import Trace

_CHUNK = 1 << 14


def start_ns(trace: Trace) -> int:
    """Time of the first event, monotonic; what tells of the trace itself may have no time.

    Returns:
        The time in ns, 0 where the trace holds no event.
    """
    for part in trace.chunks(_CHUNK):
        times = part.records["time_ns"][is_event(part.records["kind"])]
        if len(times):
            return int(times.min())
    return 0


def rows_of(trace: Trace, numbers: Iterable[int]) -> dict[int, int]:
    """The rows of the records with these numbers (``seq``); those not found are left out.

    Looks each up in a numbered trace without reading it; only where a number is not found in
    that way, as the trace's numbers run backwards somewhere, is the trace read once.
    """
    wanted = sorted(number for number in set(numbers) if 0 <= number < 1 << 64)
    found: dict[int, int] = {}
    low = 0
    for number in wanted:
        row = _looked_up(trace, number, low)
        if row is not None:
            found[number] = low = row
    missing = set(wanted) - found.keys()
    return found | _read(trace, missing) if missing else found


def _looked_up(trace: Trace, number: int, low: int) -> int | None:
    """Search from row ``low`` on: numbers ascend in all but damaged traces."""
    high = len(trace)
    # Without loss, rows are as far apart as their numbers: the first guess is right.
    guess = low + number - _seq(trace, low) if high else 0
    while low < high:
        middle = guess if low <= guess < high else (low + high) // 2
        seq = _seq(trace, middle)
        if seq == number:
            return middle
        low, high = (middle + 1, high) if seq < number else (low, middle)
        guess = -1
    return None


def _seq(trace: Trace, row: int) -> int:
    # trace[row] would gather the whole trace where its packets are not equally spaced.
    return int(trace[row : row + 1].records["seq"][0])


def _read(trace: Trace, numbers: set[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    first = 0
    wanted = np.array(sorted(numbers), np.uint64)
    for part in trace.chunks():
        seq = part.records["seq"]
        for row in np.flatnonzero(np.isin(seq, wanted)).tolist():
            found.setdefault(int(seq[row]), first + row)
        first += len(part)
    return found
