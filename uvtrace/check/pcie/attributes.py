# SPDX-License-Identifier: Apache-2.0
"""Attributes that a function uses without leave (ORD006).

Device Control's Enable Relaxed Ordering is about requests that the function initiates; a
completion repeats the RO of its request. Device Control 2 has one enable for IDO in requests and
one in completions (PCI Express Base 5.0, sections 2.2.6.3, 2.2.6.4, 7.5.3.4 and 7.5.3.16).
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.pcie.messages import carried, is_interrupt, is_to_host, transactions
from uvtrace.check.pcie.ordering import NO_TRANSACTION, Transaction
from uvtrace.trace.enums import Flag


class Misuse(IntEnum):
    """Which attribute is used without leave."""

    NONE = 0
    RELAXED = 1
    """RO in a request while Enable Relaxed Ordering is 0."""
    ID_ORDERED_REQUEST = 2
    """IDO in a request while IDO Request Enable is 0."""
    ID_ORDERED_COMPLETION = 3
    """IDO in a completion while IDO Completion Enable is 0."""
    RELAXED_INTERRUPT = 4
    """RO in an interrupt message, where it must be clear whatever is enabled."""


def misuses(
    *,
    kind: NDArray[np.uint8],
    phase: NDArray[np.uint8],
    flags: NDArray[np.uint32],
    attributes: NDArray[np.uint8],
    relaxed_enable: NDArray[np.int8],
    ido_request_enable: NDArray[np.int8],
    ido_completion_enable: NDArray[np.int8],
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Which attribute each record's message uses without leave.

    Args:
        kind, phase, flags: of the records, shape (n,).
        attributes: ``bus.attributes``, 0 where a record has no such field.
        relaxed_enable, ido_request_enable, ido_completion_enable: the bits in force at each
            record: 1, 0, or -1 where that is not known.

    Returns:
        The :class:`Misuse` of each, and whether that is unknown for want of an enable bit.
    """
    transaction = transactions(kind, phase)
    answer = transaction == Transaction.COMPLETION
    sent = (transaction != NO_TRANSACTION) & is_to_host(kind, transaction)
    sent &= (flags & np.uint32(Flag.FAR)) == 0
    relaxed, id_ordered = carried(flags, attributes)
    used = (
        (Misuse.ID_ORDERED_COMPLETION, sent & answer & id_ordered, ido_completion_enable),
        (Misuse.ID_ORDERED_REQUEST, sent & ~answer & id_ordered, ido_request_enable),
        (Misuse.RELAXED, sent & ~answer & relaxed, relaxed_enable),
    )
    found, unknown = np.zeros(len(kind), np.uint8), np.zeros(len(kind), bool)
    for misuse, uses, enable in used:
        found[uses & (enable == 0)] = misuse
        unknown |= uses & (enable < 0)
    found[sent & relaxed & is_interrupt(kind)] = Misuse.RELAXED_INTERRUPT
    return found, unknown & (found == Misuse.NONE)
