# SPDX-License-Identifier: Apache-2.0
"""RES: what a driver must have given back when it is unbound.

Unbound means what devres frees is freed, too: the record is made when the bus says so, after
``remove`` has returned.
"""

from __future__ import annotations

from uvtrace.check.columns import record
from uvtrace.check.contract_rules import engines
from uvtrace.check.expression import FALSE
from uvtrace.check.obligation import AtEnd, Obligation
from uvtrace.check.rule import rule
from uvtrace.check.rules import Severity, Sight
from uvtrace.check.terms import is_first_part, is_return, is_unbound, probe_begins, succeeded
from uvtrace.trace.enums import Kind, Phase

_PCI = "Linux Documentation/PCI/pci.rst"

RES001 = rule(
    "RES001",
    "iomap still held when the function is unbound",
    needs={Sight.LIFE},
    applies=is_unbound,
    violation=Obligation(
        opened_by=(record.kind == Kind.IOMAP) & is_return & succeeded & (record.iomap != 0),
        discharged_by=(record.kind == Kind.IOUNMAP) & is_first_part,
        key=(record.iomap,),
        broken_by=is_unbound,
        forgotten_by=probe_begins,
        at_end=AtEnd.KEPT,
    ),
    message="{count} x mapping of BAR {bar} + {offset:#x} ({length:#x} bytes) made at {opened_at}"
    " still held when the driver is unbound",
    role="mapped",
    source=f"{_PCI}, Release MMIO/IO Port Resource(s)",
    example="remove() releases the regions, but does not call iounmap()",
)
RES002 = rule(
    "RES002",
    "interrupt handler still registered when the function is unbound",
    needs={Sight.LIFE},
    applies=is_unbound,
    violation=Obligation(
        opened_by=(record.kind == Kind.IRQ_REQUEST) & is_return & succeeded & (record.result >= 0),
        discharged_by=(record.kind == Kind.IRQ_FREE) & is_first_part,
        key=(record.irq,),
        broken_by=is_unbound,
        forgotten_by=probe_begins,
        at_end=AtEnd.KEPT,
    ),
    message="handler of interrupt {irq} requested at {opened_at} still registered when the driver"
    " is unbound",
    role="requested",
    source="Linux Documentation/PCI/msi-howto.rst; pci.rst, Releasing IRQs",
    example="remove() frees the vectors of all queues but one",
)
RES003_REGION = rule(
    "RES003",
    "region still requested when the function is unbound",
    needs={Sight.LIFE},
    applies=is_unbound,
    violation=Obligation(
        opened_by=(record.kind == Kind.REGION_REQUEST) & is_return & succeeded,
        discharged_by=(record.kind == Kind.REGION_RELEASE) & is_first_part,
        key=(record.bar, record.address),
        broken_by=is_unbound,
        forgotten_by=probe_begins,
        at_end=AtEnd.KEPT,
    ),
    message="region of BAR {bar} requested at {opened_at} still held when the driver is unbound",
    role="requested",
    source=f"{_PCI}, Release MMIO/IO Port Resource(s)",
    example="remove() does not call pci_release_regions()",
    variant="region",
)
RES003_ENABLED = rule(
    "RES003",
    "device still enabled when the function is unbound",
    needs={Sight.LIFE},
    applies=is_unbound,
    # Counted, as pci_enable_device() is: what others enabled before the probe stays enabled.
    violation=Obligation(
        opened_by=(record.kind == Kind.ENABLE_DEVICE) & is_return & succeeded,
        discharged_by=(record.kind == Kind.DISABLE_DEVICE) & is_return,
        broken_by=is_unbound,
        forgotten_by=probe_begins,
        at_end=AtEnd.KEPT,
    ),
    message="device enabled {count} x at {opened_at} and not disabled when the driver is unbound",
    role="enabled",
    source=f"{_PCI}, Disable Device from responding to MMIO/IO Port addresses",
    example="an error path of suspend enables the device a second time",
    variant="enabled",
)
# Whether an engine still runs only a contract can tell: see below. What needs none: a driver that
# takes its handler away in remove() and has not told the device a thing since it began. A device
# that was idle anyway takes no harm, hence a warning.
_tells_device = record.kind.is_in(
    {Kind.MMIO_WRITE, Kind.PIO_WRITE, Kind.CONFIG_WRITE, Kind.CLEAR_MASTER, Kind.DISABLE_DEVICE}
    | {Kind.RESET, Kind.POWER}
)
RES004 = rule(
    "RES004",
    "handler freed before the device's interrupts, bus mastering or engine were turned off",
    needs={Sight.LIFE, Sight.CFG, Sight.MMIO},
    severity=Severity.WARNING,
    applies=is_unbound,
    violation=Obligation(
        opened_by=(record.kind == Kind.UNBIND) & (record.phase == Phase.REQUEST),
        discharged_by=_tells_device,
        broken_by=(record.kind == Kind.IRQ_FREE) & is_first_part,
        forgotten_by=is_unbound,
        at_end=AtEnd.KEPT,
    ),
    message="remove() of {opened_at} frees an interrupt's handler, and nothing was written to the"
    " device before to stop it",
    role="remove",
    source=f"{_PCI}, Stop IRQs on the device; Stop all DMA activity",
    example="remove() calls free_irq() first and masks the device's interrupts afterwards",
)

RES004_ENGINE = rule(
    "RES004",
    "memory unmapped before the engine that uses it was turned off",
    variant="engine",
    needs={Sight.FSM, Sight.LIFE, Sight.MAP, Sight.MMIO},
    applies=FALSE,
    violation=FALSE,
    of_contract=engines,
    message="started at {opened_at}, it may still use the memory that is unmapped or freed here",
    role="started",
    source=f"the device's contract; {_PCI}, Stop all DMA activity",
    example="the ring's memory is freed while the receiver is enabled",
)

RULES = (RES001, RES002, RES003_REGION, RES003_ENABLED, RES004, RES004_ENGINE)
