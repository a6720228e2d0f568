# SPDX-License-Identifier: Apache-2.0
"""ADR: addresses of MMIO."""

from __future__ import annotations

from uvtrace.check.columns import address, config, life, record, shape, windows
from uvtrace.check.columns.life import DriverState
from uvtrace.check.rule import Case, rule
from uvtrace.check.rules import Severity, Sight
from uvtrace.check.terms import (
    by_core,
    in_bar,
    is_executed,
    is_first_part,
    is_mmio,
    is_return,
    succeeded,
)
from uvtrace.registers.map import HalfOrder
from uvtrace.trace.enums import Flag, Kind
from uvtrace.trace.layout import SITE_MODULE_SHIFT

_PCIE = "PCI Express Base Specification 5.0"
_PCI = "Linux Documentation/PCI/pci.rst"
_COMMAND = 0x04

# Compared without adding, as a hostile offset could wrap round.
_past_end = (address.bar_length > 0) & (
    (record.offset >= address.bar_length) | (record.width > address.bar_length - record.offset)
)
_stale = record.flags.has(Flag.STALE)
_access = is_mmio & is_first_part
# Accesses of the kernel's own code (MSI-X tables, quirks) have no frame in a driver.
_by_driver = (record.site >> SITE_MODULE_SHIFT) != 0

ADR001 = rule(
    "ADR001",
    "access outside every BAR of the function, or past the end of its BAR",
    needs={Sight.MMIO},
    applies=_access,
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
    source=f"{_PCIE}, 7.5.1.2.1 Base Address Registers",
    example="the driver reads at offset 0x20000 of a BAR of 128 KiB",
)
ADR002 = rule(
    "ADR002",
    "two enabled windows (BARs, ROM, other functions) decode the same address",
    needs={Sight.CFG},
    # The core moves windows about with decode on, one half of a BAR after the other.
    applies=(record.kind == Kind.CONFIG_WRITE)
    & is_first_part
    & ((record.address == _COMMAND) | ~by_core),
    violation=windows.clash_bar >= 0,
    message="BAR {clash_bar} decodes {clash_address:#x}, and so does BAR {clash_other_bar} of"
    " function {clash_other_function}",
    role="write",
    roles={"other window set": windows.clash_other_since},
    source=f"{_PCIE}, 7.5.1.2.1 Base Address Registers",
    example="decode is enabled with BAR 1 at the address of BAR 0",
)
ADR003 = rule(
    "ADR003",
    "access to a non-prefetchable BAR not aligned to its own size",
    needs={Sight.MMIO},
    applies=_access & in_bar & is_executed,
    violation=~record.offset.is_aligned_to(record.width) & ~address.bar_is_prefetchable,
    message="{access} of {width} bytes at BAR {bar} + {offset:#x}",
    source=f"{_PCIE}, 2.2.7 Memory, I/O, and Configuration Request Rules",
    example="a dword is read at offset 6",
)
ADR004 = rule(
    "ADR004",
    "access through a mapping after iounmap",
    needs={Sight.MMIO, Sight.LIFE},
    applies=_access,
    violation=address.is_stale,
    cases=[
        Case(
            address.iomap_gone >= 0,
            "{access} through mapping {iomap} after iounmap, unmapped at {iomap_gone}",
        )
    ],
    message="{access} through mapping {iomap} after iounmap",
    roles={"unmapped": address.iomap_gone},
    source=f"{_PCI}, Release MMIO/IO Port Resource(s)",
    example="a timer reads a status register after remove() has called pci_iounmap()",
)
_after_unbind = (life.driver_state == DriverState.UNBOUND) & (life.driver_since >= 0)
ADR005_UNBOUND = rule(
    "ADR005",
    "MMIO after the function was unbound from its driver",
    needs={Sight.MMIO, Sight.LIFE},
    applies=_access & _by_driver & ~_stale,
    violation=_after_unbind,
    message="{access} at BAR {bar} + {offset:#x} after the driver was unbound at {driver_since}",
    roles={"unbound": life.driver_since},
    source=f"{_PCI}, pci_driver.remove",
    example="delayed work reads a register after the driver was unbound",
    variant="unbound",
)
ADR005_RELEASED = rule(
    "ADR005",
    "MMIO after the driver released the region",
    needs={Sight.MMIO, Sight.LIFE},
    applies=_access & in_bar & _by_driver & ~_stale & (address.region_since >= 0),
    violation=~address.region_held & ~_after_unbind,
    message="{access} at BAR {bar} + {offset:#x}, whose region was released at {region_since}",
    roles={"released": address.region_since},
    source=f"{_PCI}, Release MMIO/IO Port Resource(s)",
    example="pci_release_regions() is called before the device is stopped",
    variant="released",
)
ADR006 = rule(
    "ADR006",
    "64-bit register accessed as halves in an order that the register description forbids",
    needs={Sight.MMIO, Sight.REGS},
    applies=_access & (shape.half != 0) & (shape.half_order != HalfOrder.ANY),
    violation=(shape.half_before < 0)
    & (
        ((shape.half_order == HalfOrder.LOW_FIRST) & (shape.half == 2))
        | ((shape.half_order == HalfOrder.HIGH_FIRST) & (shape.half == 1))
    ),
    message="{access} at BAR {bar} + {offset:#x} of one half without the other before it:"
    " {register_name} is to be accessed {half_order}",
    source="SystemRDL 2.0, 10.6.1 accesswidth; uv_half_order of the description",
    example="a counter whose low half latches the high one is read high half first",
)
ADR007 = rule(
    "ADR007",
    "access wider or narrower than the register allows, or straddling registers",
    needs={Sight.MMIO, Sight.REGS},
    applies=_access & (shape.allowed_widths != 0) & is_executed,
    violation=~shape.allowed_widths.has(record.width) | shape.leaves_register,
    cases=[
        Case(
            shape.leaves_register,
            "{access} of {width} bytes at BAR {bar} + {offset:#x} goes beyond {register_name}",
        )
    ],
    message="{access} of {width} bytes of {register_name}, which does not allow that width",
    source="SystemRDL 2.0, 10.6.1 regwidth and accesswidth",
    example="a 32-bit register is read with 64 bits",
)
# The core maps the MSI-X table for itself, also before the driver has requested anything.
_of_core = (record.bar == config.msix_table_bar) & (
    record.offset.bits(0, 63) == config.msix_table_offset
)
_maps = (record.kind == Kind.IOMAP) & is_return & succeeded & in_bar
ADR008_LARGER = rule(
    "ADR008",
    "mapping larger than the BAR",
    needs={Sight.LIFE},
    applies=_maps & (address.bar_length > 0),
    violation=(record.offset >= address.bar_length)
    | (record.length > address.bar_length - record.offset),
    message="mapping of {length:#x} bytes at BAR {bar} + {offset:#x}, which ends at"
    " {bar_length:#x}",
    role="map",
    source=f"{_PCI}, Request MMIO/IOP resources",
    example="64 KiB are mapped of a BAR that has 16",
    variant="larger",
)
ADR008_UNREQUESTED = rule(
    "ADR008",
    "mapping of a BAR whose region the driver never requested",
    needs={Sight.LIFE},
    severity=Severity.WARNING,
    applies=_maps & _by_driver & (~_of_core.is_known | ~_of_core),
    violation=~address.region_held,
    message="mapping of BAR {bar} + {offset:#x} ({length:#x} bytes), whose region is not requested",
    role="map",
    roles={"released": address.region_since},
    source=f"{_PCI}, Request MMIO/IOP resources",
    example="probe() calls pci_iomap() without pci_request_regions()",
    variant="unrequested",
)

RULES = (
    *(ADR001, ADR002, ADR003, ADR004, ADR005_UNBOUND, ADR005_RELEASED),
    *(ADR006, ADR007, ADR008_LARGER, ADR008_UNREQUESTED),
)
