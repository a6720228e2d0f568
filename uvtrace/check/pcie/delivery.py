# SPDX-License-Identifier: Apache-2.0
"""Whether a record tells that a message has arrived, for one record after the other.

It says the same as :func:`uvtrace.check.pcie.messages.deliveries`, which looks at all at once.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.compiled import loop, step
from uvtrace.check.pcie.messages import NOT_EXECUTED, kinds_that_are
from uvtrace.check.record_view import record_view
from uvtrace.trace.enums import Flag, Phase, Status

RECORD: Final = record_view(("kind", "phase", "status", "flags"))
"""A record, as the fields that the loop needs of it."""

_TRAITS: Final = ("posted", "read", "write", "by_device", "ends_all")
_POSTS, _READS, _WRITES, _BY_DEVICE, _ENDS_ALL = (1 << bit for bit in range(len(_TRAITS)))


def _traits() -> NDArray[np.uint8]:
    table = np.zeros(256, np.uint8)
    for bit, name in enumerate(_TRAITS):
        table[kinds_that_are(name)] |= np.uint8(1 << bit)
    return table


TRAITS: Final = _traits()
"""By kind, what its records can be, as bits."""

_POSTED, _REQUEST, _COMPLETION = int(Phase.POSTED), int(Phase.REQUEST), int(Phase.COMPLETION)
_TIMEOUT, _REFUSED = int(Status.TIMEOUT), int(Status.REFUSED)
_FAR, _APART, _NOT_EXECUTED = np.uint32(Flag.FAR), np.uint32(Flag.APART), np.uint32(NOT_EXECUTED)


@loop
def find_deliveries(
    records: NDArray[np.void],
    rows: NDArray[np.int64],
    traits: NDArray[np.uint8],
    arrived: NDArray[np.int8],
) -> None:
    """Tell of some rows whether a message has arrived; ``arrived`` is filled."""
    for i in range(len(rows)):
        record = records[rows[i]]
        arrived[i] = _arrives(record, traits[record.kind])


@step
def _arrives(record: Any, traits: int) -> bool:
    phase, status, flags = record.phase, record.status, record.flags
    if traits & _ENDS_ALL and phase != _REQUEST:
        return False
    answers = traits & (_READS | _WRITES) != 0 and phase == _COMPLETION
    asks = traits & (_READS | _WRITES) != 0 and phase == _REQUEST
    posts = traits & _POSTS != 0 and phase == _POSTED
    if not (answers or asks or posts) or flags & _NOT_EXECUTED:
        return False
    to_host = (traits & _BY_DEVICE != 0) != answers
    given_up = status in (_TIMEOUT, _REFUSED)
    if flags & _FAR:
        return not given_up and not to_host
    # The host's own refusal, and its own answer after a timeout, never were on the bus.
    if status == _TIMEOUT or (status == _REFUSED and not to_host):
        return False
    return not flags & _APART or bool(to_host)
