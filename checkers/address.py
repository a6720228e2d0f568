# SPDX-License-Identifier: Apache-2.0
"""ADR: addresses of MMIO."""

from __future__ import annotations

from uvtrace.check.columns import address, record
from uvtrace.check.rule import Case, rule
from uvtrace.check.rules import Sight
from uvtrace.check.terms import in_bar, is_first_part, is_mmio
from uvtrace.trace.enums import Flag

# Compared without adding, as a hostile offset could wrap round.
_past_end = (address.bar_length > 0) & (
    (record.offset >= address.bar_length) | (record.width > address.bar_length - record.offset)
)
_stale = record.flags.has(Flag.STALE)

ADR001 = rule(
    "ADR001",
    "access outside every BAR of the function, or past the end of its BAR",
    needs={Sight.MMIO},
    applies=is_mmio & is_first_part,
    # What goes through a mapping after iounmap is ADR004's.
    violation=~_stale & (record.flags.has(Flag.OUTSIDE) | ~in_bar | _past_end),
    cases=[
        Case(~in_bar, "{access} at {address:#x}, outside every BAR"),
        Case(
            address.bar_length > 0,
            "{access} of {width} bytes at BAR {bar} + {offset:#x}, which ends at {bar_length:#x}",
        ),
    ],
    message="{access} of {width} bytes at BAR {bar} + {offset:#x}, outside its mapping",
    source="PCI Express Base Specification 5.0, 7.5.1.2.1 Base Address Registers",
    example="the driver reads at offset 0x20000 of a BAR of 128 KiB",
)
ADR004 = rule(
    "ADR004",
    "access through a mapping after iounmap",
    needs={Sight.MMIO, Sight.LIFE},
    applies=is_mmio & is_first_part,
    violation=address.is_stale,
    cases=[
        Case(
            address.iomap_gone >= 0,
            "{access} through mapping {iomap} after iounmap, unmapped at {iomap_gone}",
        )
    ],
    message="{access} through mapping {iomap} after iounmap",
    roles={"unmapped": address.iomap_gone},
    source="Linux Documentation/PCI/pci.rst, Release MMIO/IO Port Resource(s)",
    example="a timer reads a status register after remove() has called pci_iounmap()",
)

RULES = (ADR001, ADR004)
