# SPDX-License-Identifier: Apache-2.0
"""Whether records tell that a message has arrived, looked up in a table.

It says the same as :func:`uvtrace.check.pcie.messages.deliveries`, from which the table is made.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.compiled import loop
from uvtrace.check.pcie.messages import NOT_EXECUTED, deliveries
from uvtrace.trace.enums import Flag, Phase, Status
from uvtrace.trace.layout import make_records

_KINDS: Final = 256
_PHASES: Final = (Phase.REQUEST, Phase.COMPLETION, Phase.POSTED)
"""Those of messages; of all others nothing has arrived."""
_STATUSES: Final = (Status.OK, Status.TIMEOUT, Status.REFUSED)
"""Those that make a difference; the others are like the first."""
_FLAGS: Final = (np.uint32(Flag.FAR), np.uint32(Flag.APART), NOT_EXECUTED)
_WIDTH: Final = 4 * 4 * 8
"""Entries of each kind: by phase, status and flags."""


def delivered(
    kind: NDArray[np.uint8],
    phase: NDArray[np.uint8],
    status: NDArray[np.uint8],
    flags: NDArray[np.uint32],
) -> NDArray[np.int8]:
    """Whether a message has arrived, of each record, by its fields; shape (n,), 0 or 1."""
    arrived = np.empty(len(kind), np.int8)
    _look_up(kind, phase, status, flags, _table(), *_classes(), arrived)
    return arrived


@cache
def _classes() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The number among those that make a difference of each phase, and of each status."""
    phases, statuses = np.full(256, len(_PHASES), np.uint8), np.zeros(256, np.uint8)
    for table, values in ((phases, _PHASES), (statuses, _STATUSES)):
        for number, value in enumerate(values):
            table[value] = number
    return phases, statuses


@cache
def _table() -> NDArray[np.int8]:
    """Whether a message has arrived, by kind, phase, status and flags."""
    cases = [
        (phase, status, sum(flag for bit, flag in enumerate(_FLAGS) if bits >> bit & 1))
        for phase, status, bits in product(
            (*_PHASES, Phase.WHOLE), (*_STATUSES, _STATUSES[0]), range(1 << len(_FLAGS))
        )
    ]
    records = make_records(
        _KINDS * _WIDTH,
        kind=np.repeat(np.arange(_KINDS), _WIDTH),
        phase=np.tile([phase for phase, _, _ in cases], _KINDS),
        status=np.tile([status for _, status, _ in cases], _KINDS),
        flags=np.tile(np.array([flags for _, _, flags in cases], np.uint32), _KINDS),
    )
    return deliveries(records).astype(np.int8)


@loop
def _look_up(
    kind: NDArray[np.uint8],
    phase: NDArray[np.uint8],
    status: NDArray[np.uint8],
    flags: NDArray[np.uint32],
    table: NDArray[np.int8],
    phases: NDArray[np.uint8],
    statuses: NDArray[np.uint8],
    arrived: NDArray[np.int8],
) -> None:
    for row in range(len(kind)):
        place: Any = np.int64(kind[row]) * _WIDTH
        place += np.int64(phases[phase[row]]) * 32 + np.int64(statuses[status[row]]) * 8
        for bit in range(3):
            place += ((flags[row] & _FLAGS[bit]) != 0) << bit
        arrived[row] = table[place]
