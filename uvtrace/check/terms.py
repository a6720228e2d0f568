# SPDX-License-Identifier: Apache-2.0
"""Conditions that many rules share, by name."""

from __future__ import annotations

from typing import Final

from uvtrace.check.columns import address, config, record
from uvtrace.check.rule import END
from uvtrace.trace.enums import Flag, Kind, Phase, Status
from uvtrace.trace.layout import BAR_NONE, SITE_MODULE_SHIFT

CONFIG: Final = frozenset({Kind.CONFIG_READ, Kind.CONFIG_WRITE})
MMIO: Final = frozenset({Kind.MMIO_READ, Kind.MMIO_WRITE})
PORT: Final = frozenset({Kind.PIO_READ, Kind.PIO_WRITE})
DEVICE_ACCESS: Final = frozenset({Kind.DMA_READ, Kind.DMA_WRITE})
MESSAGE: Final = frozenset({Kind.MSI, Kind.MSIX})
MAKES: Final = frozenset({Kind.MAP, Kind.ALLOC, Kind.POOL_ALLOC})
REMOVES: Final = frozenset({Kind.UNMAP, Kind.FREE, Kind.POOL_FREE})
SYNC: Final = frozenset({Kind.SYNC_FOR_CPU, Kind.SYNC_FOR_DEVICE})

is_config = record.kind.is_in(CONFIG)
is_mmio = record.kind.is_in(MMIO)
is_port = record.kind.is_in(PORT)
is_device_access = record.kind.is_in(DEVICE_ACCESS)
is_message = record.kind.is_in(MESSAGE)
makes_mapping = record.kind.is_in(MAKES)
removes_mapping = record.kind.is_in(REMOVES)
is_sync = record.kind.is_in(SYNC)
is_end = record.kind == END
"""The event behind the trace's last one."""

is_first_part = record.phase != Phase.COMPLETION
"""A request, a posted or a whole transaction: each transaction once."""
is_return = record.phase != Phase.REQUEST
"""A call that has returned, or that is one record."""
succeeded = record.status == Status.OK
is_executed = ~record.flags.has(Flag.OUTSIDE | Flag.STALE)
"""uvbus let the access reach the bus."""
is_imported = record.flags.has(Flag.IMPORTED)
in_bar = record.bar != BAR_NONE
by_core = (record.ip >> SITE_MODULE_SHIFT) == 0
"""A config access that code of the kernel itself made, perhaps on the driver's behalf: sizing,
saving state, switching bus mastering or MSI-X. A driver's own has ``ip`` in its module."""
is_unbound = (record.kind == Kind.UNBIND) & (record.phase == Phase.COMPLETION)
probe_begins = (record.kind == Kind.PROBE) & is_first_part
to_memory_bar = in_bar & address.bar_is_memory
is_at_host = ~record.flags.has(Flag.FAR)
"""Not the second record of a message whose two ends lie apart: each message once, at the host."""
is_as_sent = ~record.flags.has(Flag.APART)
"""What the device sends, when it sends it: where its end has a record of its own, only that."""
has_msix = ~(config.msix_enable.is_known & ~config.msix_table_size.is_known)
"""The function has an MSI-X capability, or config space was not told: a function without one has
MSI-X known to be off, but no table."""
