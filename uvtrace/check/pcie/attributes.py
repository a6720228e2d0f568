# SPDX-License-Identifier: Apache-2.0
"""Attributes that a function uses without leave (ORD006), as conditions for rules.

Device Control's Enable Relaxed Ordering is about requests that the function initiates; a
completion repeats the RO of its request. Device Control 2 has one enable for IDO in requests and
one in completions (PCI Express Base 5.0, sections 2.2.6.3, 2.2.6.4, 7.5.3.4 and 7.5.3.16). Where
the bit in force is not known the condition is unknown.
"""

from __future__ import annotations

from typing import Final

from uvtrace.check.columns import config, record
from uvtrace.check.expression import any_of
from uvtrace.trace.enums import Flag, Kind, Phase

_BY_DEVICE: Final = frozenset({Kind.DMA_READ, Kind.DMA_WRITE, Kind.MSI, Kind.MSIX})
_BY_HOST: Final = frozenset(
    {
        *(Kind.CONFIG_READ, Kind.CONFIG_WRITE, Kind.MMIO_READ),
        *(Kind.PIO_READ, Kind.PIO_WRITE),
    }
)
_RO, _IDO = 2, 4

is_own_request = (
    record.kind.is_in(_BY_DEVICE) & (record.phase != Phase.COMPLETION) & ~record.flags.has(Flag.FAR)
)
"""A request of the function, told once."""
is_own_completion = (
    record.kind.is_in(_BY_HOST) & (record.phase == Phase.COMPLETION) & ~record.flags.has(Flag.FAR)
)
"""Its answer to a request of the host's, told once."""
_fields = record.kind.is_in(_BY_DEVICE)
carries_relaxed = record.flags.has(Flag.RELAXED) | (_fields & record.attributes.has(_RO))
carries_id_ordered = record.flags.has(Flag.ID_ORDERED) | (_fields & record.attributes.has(_IDO))

relaxed_interrupt = is_own_request & record.kind.is_in({Kind.MSI, Kind.MSIX}) & carries_relaxed
"""RO in an interrupt message, where it must be clear whatever is enabled."""
relaxed_without_leave = is_own_request & carries_relaxed & ~config.relaxed_enable
id_ordered_request_without_leave = is_own_request & carries_id_ordered & ~config.ido_request_enable
id_ordered_completion_without_leave = (
    is_own_completion & carries_id_ordered & ~config.ido_completion_enable
)
without_leave = any_of(
    relaxed_interrupt,
    relaxed_without_leave,
    id_ordered_request_without_leave,
    id_ordered_completion_without_leave,
)
"""What ORD006 forbids."""
