# SPDX-License-Identifier: Apache-2.0
"""PWR: power, reset, removal."""

from __future__ import annotations

from typing import Final

from uvtrace.check.columns import config, fields, life, record, recovery, registers, requests
from uvtrace.check.columns.recovery import COMMAND_LOST, MSI_LOST
from uvtrace.check.expression import Parameter, choose
from uvtrace.check.rule import Case, rule
from uvtrace.check.rules import Severity, Sight
from uvtrace.check.terms import (
    by_core,
    in_bar,
    is_as_sent,
    is_at_host,
    is_config,
    is_device_access,
    is_executed,
    is_first_part,
    is_mmio,
    is_return,
    is_unbound,
    succeeded,
)
from uvtrace.check.window import Window
from uvtrace.trace.enums import Kind
from uvtrace.trace.layout import SITE_MODULE_SHIFT

_STATES = "PCI Express Base Specification 5.0, 5.3.1 Device Power Management States"
_DELAYS = "PCI Express Base Specification 5.0, 5.9 State Transition Recovery Time Requirements"
_RESETS = "PCI Express Base Specification 5.0, 6.6.2 Function Level Reset"
_NS_PER_MS: Final = 1_000_000
_POWER_CAPABILITY, _POWER_CONTROL = 0x01, 0x04
_PAST_VENDOR_ID: Final = 2

_is_write = (record.kind == Kind.CONFIG_WRITE) & is_first_part & is_at_host
_by_driver = (record.site >> SITE_MODULE_SHIFT) != 0
"""What the core does by itself (masking its vectors, say) has no site in a driver."""
_uses_device = is_mmio & is_first_part & in_bar & is_executed & is_at_host & _by_driver
_asleep = config.power_state.is_between(1, 4)

PWR001_DRIVER = rule(
    "PWR001",
    "access while the function is in D1, D2 or D3",
    variant="driver",
    needs={Sight.CFG, Sight.MMIO},
    applies=_uses_device,
    violation=_asleep,
    message="{access_to} BAR {bar} + {offset:#x} while the function is in D{power_state}"
    " (since {power_since})",
    roles={"asleep": config.power_since},
    source=_STATES,
    example="a timer reads a register after pci_set_power_state(pdev, PCI_D3hot)",
)
PWR001_DEVICE = rule(
    "PWR001",
    "access while the function is in D1, D2 or D3",
    variant="device",
    needs={Sight.CFG, Sight.DMA},
    applies=is_device_access & is_first_part & is_as_sent,
    violation=_asleep,
    message="the device's {access_to} {address:#x} while it is in D{power_state}"
    " (since {power_since})",
    roles={"asleep": config.power_since},
    source=_STATES,
    example="the device goes on writing descriptors in D3hot",
)
_AFTER_RESET = Parameter(
    "PWR002.delay_ns", 100 * _NS_PER_MS, "the time before the first access after a reset", "ns"
)
PWR002 = rule(
    "PWR002",
    "access within 100 ms of a function-level reset",
    needs={Sight.CFG, Sight.MMIO, Sight.LIFE},
    # Where the core resets, it waits, and asks config space whether the function is back.
    applies=_uses_device | (is_config & is_first_part & is_at_host & ~by_core),
    violation=recovery.since_reset_begun_ns.is_between(0, _AFTER_RESET - 1)
    & ~recovery.immediate_ready,
    message="{access} at {offset:#x}, {since_reset_begun_ns} ns after the function-level reset of"
    " {reset_begun}",
    roles={"reset": recovery.reset_begun},
    source=_RESETS + ": 100 ms",
    example="the driver sets Initiate Function Level Reset and reads Command at once",
)
# A function that is not ready answers config accesses with Configuration Request Retry Status.
PWR002_RETRY = rule(
    "PWR002",
    "access before the function answers without Configuration Request Retry Status",
    variant="retry",
    needs={Sight.CFG, Sight.MMIO},
    # Asking for the vendor ID is how to find out.
    applies=_uses_device
    | (is_config & is_first_part & is_at_host & ~by_core & (record.address >= _PAST_VENDOR_ID)),
    violation=recovery.retried >= 0,
    message="{access} at {offset:#x}, and the function has not answered without retry status since"
    " {retried}",
    roles={"retry": recovery.retried},
    source="PCI Express Base Specification 5.0, 2.3.1 Request Handling Rules (CRS)",
    example="the vendor ID reads as 0x0001 after a reset, and the driver writes a register",
)
_own_delay_ms = choose(life.d3hot_delay_ms.is_known, life.d3hot_delay_ms, 10)
PWR003 = rule(
    "PWR003",
    "access within the D3hot-to-D0 delay",
    needs={Sight.CFG, Sight.MMIO, Sight.LIFE},
    applies=_uses_device | (is_config & is_first_part & is_at_host & ~by_core),
    violation=(recovery.since_woken_ns >= 0)
    & (recovery.since_woken_ns < _own_delay_ms * _NS_PER_MS)
    & ~recovery.immediate_ready,
    message="{access} at {offset:#x}, {since_woken_ns} ns after {woken} led from D3hot to D0",
    roles={"woken": recovery.woken},
    source=_DELAYS + ": 10 ms",
    example="the driver writes D0 into PMCSR and reads a register at once",
)
_puts_to_sleep = (
    _is_write
    & (config.capability == _POWER_CAPABILITY)
    & (config.capability_offset == _POWER_CONTROL)
    & record.value.has(3)
)
PWR004 = rule(
    "PWR004",
    "reset or D-state change with DMA still outstanding",
    needs={Sight.CFG, Sight.DMA, Sight.CPL},
    applies=((record.kind == Kind.RESET) & is_first_part) | _puts_to_sleep,
    violation=requests.outstanding_dma > 0,
    cases=[
        Case(
            record.kind == Kind.RESET,
            "reset while {outstanding_dma} reads of the device are outstanding",
        )
    ],
    message="the function is put to sleep while {outstanding_dma} reads of the device are"
    " outstanding",
    role="change",
    source=_STATES + "; " + _RESETS,
    example="the driver resets the device without stopping its engine",
)
# A driver's shutdown() is no event of a recording, which ends with the machine's.
PWR005 = rule(
    "PWR005",
    "Bus Master Enable left 1 after unbind",
    needs={Sight.CFG, Sight.LIFE},
    severity=Severity.WARNING,
    applies=is_unbound,
    violation=config.bus_master,
    message="Bus Master Enable, set at {bus_master_since}, is still 1 when the driver is unbound",
    role="unbound",
    roles={"set": config.bus_master_since},
    source="Linux Documentation/PCI/pci.rst, Disable Device",
    example="remove() does not call pci_disable_device() or pci_clear_master()",
)
_own_lost = ((recovery.lost_state >> record.bar) & 1) != 0
PWR006 = rule(
    "PWR006",
    "BAR or Command not restored after a reset or resume, and device used",
    needs={Sight.CFG, Sight.MMIO, Sight.LIFE},
    applies=_uses_device,
    violation=(record.bar < 6) & (_own_lost | recovery.lost_state.has(COMMAND_LOST)),
    cases=[
        Case(
            recovery.lost_state.has(COMMAND_LOST),
            "{access_to} BAR {bar} + {offset:#x}, and Command has not been restored since"
            " {lost_since}",
        )
    ],
    message="{access_to} BAR {bar} + {offset:#x}, and the BAR has not been restored since"
    " {lost_since}",
    roles={"lost": recovery.lost_since},
    supersedes={"CFG001"},
    source=_RESETS + "; Linux Documentation/PCI/pci.rst",
    example="after a function-level reset the driver sets Memory Space Enable, but no BAR",
)

# Without a handler nobody misses an interrupt: a driver may well leave them off then.
PWR006_MSI = rule(
    "PWR006",
    "MSI or MSI-X state not restored after a reset or resume, and device used",
    variant="msi",
    needs={Sight.CFG, Sight.MMIO, Sight.LIFE},
    applies=_uses_device,
    violation=recovery.lost_state.has(MSI_LOST) & (life.handlers > 0),
    message="{access_to} BAR {bar} + {offset:#x}, and MSI or MSI-X, enabled before, has not been"
    " restored since {lost_since}",
    roles={"lost": recovery.lost_since},
    source="PCI Express Base Specification 5.0, 6.6.2 Function Level Reset; 7.7.1 and 7.7.2, MSI"
    " and MSI-X Enable: 0 after reset",
    example="after a function-level reset the driver restores the BARs and waits for an interrupt",
)

_GONE = Parameter("PWR007.reads", 100, "impossible answers on end before the driver must stop")
_all_ones = choose(
    record.width == 4,
    0xFFFFFFFF,
    choose(record.width == 2, 0xFFFF, choose(record.width == 1, 0xFF, 0xFFFFFFFFFFFFFFFF)),
)
_answers = (record.kind == Kind.MMIO_READ) & is_return & succeeded & is_executed & is_at_host
_cannot_be_ones = _answers & fields.is_whole_register & ~fields.can_be_all_ones
_is_gone = _cannot_be_ones & (record.value == _all_ones)
PWR007 = rule(
    "PWR007",
    "driver goes on working after the device has answered all ones where it cannot",
    needs={Sight.MMIO, Sight.REGS},
    applies=_cannot_be_ones,
    violation=Window(
        counts=_is_gone, limit=_GONE, reset_by=_cannot_be_ones & (record.value != _all_ones)
    ),
    message="{measured} reads on end, since {first}, of registers that cannot be all ones gave all"
    " ones",
    source="Linux Documentation/PCI/pci-error-recovery.rst; pci.rst, surprise removal",
    example="the driver polls a status register of a card that was pulled out",
)

_POLLS = Parameter("PWR008.reads", 5000, "reads of one register on end that give the same")
PWR008 = rule(
    "PWR008",
    "one register polled beyond a threshold of reads with no change and nothing else done",
    needs={Sight.MMIO},
    severity=Severity.WARNING,
    applies=_answers,
    # Exactly: each such loop is told once.
    violation=registers.same_reads == _POLLS,
    message="{same_reads} reads of {register_name} on end gave {value:#x}, since {same_since}",
    roles={"first": registers.same_since},
    source="Linux include/linux/iopoll.h: polls have a timeout and a delay",
    example="the driver waits for a bit that never comes, without sleeping",
)

RULES = (
    *(PWR001_DRIVER, PWR001_DEVICE, PWR002, PWR002_RETRY, PWR003, PWR004, PWR005),
    *(PWR006, PWR006_MSI, PWR007, PWR008),
)
