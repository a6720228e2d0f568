# SPDX-License-Identifier: Apache-2.0
"""CFG: configuration space and decode."""

from __future__ import annotations

from typing import Final

from uvtrace.check.columns import config, record, recovery
from uvtrace.check.expression import choose, number
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
    is_message,
    is_mmio,
    is_port,
)
from uvtrace.trace.enums import Kind, Snapshot

_BASE = "PCI Express Base Specification 5.0, "
_LOCAL = "PCI Local Bus Specification 3.0, "
_COMMAND: Final = 0x04
_FIRST_BAR, _LAST_BAR = 0x10, 0x24
_EXPRESS, _POWER = 0x10, 0x01
_DEVICE_CONTROL: Final = 0x08

_is_write = (record.kind == Kind.CONFIG_WRITE) & is_first_part & is_at_host
_value = record.value.bits(0, 32)
_changed = _value ^ config.old_value

CFG001 = rule(
    "CFG001",
    "MMIO to a memory BAR while Command.Memory Space Enable is 0",
    needs={Sight.CFG, Sight.MMIO},
    applies=is_mmio & is_first_part & in_bar & is_executed & is_at_host,
    violation=~config.memory_enable,
    message="{access_to} BAR {bar} + {offset:#x} while Memory Space Enable is 0"
    " (since {memory_enable_since})",
    roles={"disabled": config.memory_enable_since},
    source=_BASE + "7.5.1.1.3 Command Register, Memory Space Enable",
    example="the driver reads a register before it calls pci_enable_device()",
)
CFG002 = rule(
    "CFG002",
    "I/O BAR access while Command.I/O Space Enable is 0",
    needs={Sight.CFG, Sight.PIO},
    applies=is_port & is_first_part & in_bar & is_executed & is_at_host,
    violation=~config.io_enable,
    message="{access_to} port BAR {bar} + {offset:#x} while I/O Space Enable is 0"
    " (since {io_enable_since})",
    roles={"disabled": config.io_enable_since},
    source=_LOCAL + "6.2.2 Device Control, I/O Space",
    example="the driver calls inl() after pci_disable_device()",
)
CFG003_DMA = rule(
    "CFG003",
    "device memory request, or interrupt message, while Command.Bus Master Enable is 0",
    variant="dma",
    needs={Sight.CFG, Sight.DMA},
    applies=is_device_access & is_first_part & is_as_sent,
    violation=~config.bus_master,
    message="the device's {access_to} {address:#x} ({length} bytes) while Bus Master Enable is 0"
    " (since {bus_master_since})",
    roles={"disabled": config.bus_master_since},
    source=_BASE + "7.5.1.1.3 Command Register, Bus Master Enable",
    example="the driver starts the engine before it calls pci_set_master()",
)
CFG003_MESSAGE = rule(
    "CFG003",
    "device memory request, or interrupt message, while Command.Bus Master Enable is 0",
    variant="irq",
    needs={Sight.CFG, Sight.IRQ},
    applies=is_message & is_as_sent,
    violation=~config.bus_master,
    message="{kind} of vector {vector} while Bus Master Enable is 0 (since {bus_master_since})",
    roles={"disabled": config.bus_master_since},
    role="interrupt",
    source=_BASE + "7.5.1.1.3 Command Register, Bus Master Enable",
    example="the device interrupts after pci_clear_master()",
)
CFG004 = rule(
    "CFG004",
    "write that tries to change a read-only config field",
    needs={Sight.CFG},
    severity=Severity.WARNING,
    # The core sizes BARs, and sets Cache Line Size to see whether it can be set.
    applies=_is_write & ~by_core,
    violation=(_changed & config.read_only_bits.bits(0, 32)) != 0,
    message="config write of {value:#x} to {offset:#x}, which holds {old_value:#x}: bits"
    " {read_only_bits:#x} of it are read-only",
    role="write",
    source=_BASE + "7.4 Configuration Register Types, RO",
    example="the driver writes another value to Device ID",
)
# Bit 0 of a BAR is read-only and tells I/O from memory, above it lie the type bits; the upper half
# of a 64-bit BAR has none of these.
_bar = (record.offset.bits(0, 12) - _FIRST_BAR) >> 2
_is_upper = (((recovery.bars_wide << 1) >> _bar) & 1) == 1
_is_io_bar = (config.old_value.bits(0, 1) == 1) & ~_is_upper
_address_bits = choose(_is_upper, 0xFFFFFFFF, choose(_is_io_bar, 0xFFFFFFFC, 0xFFFFFFF0))
_moved = (_changed & _address_bits) != 0
_decodes = (_is_io_bar & config.io_enable) | (~_is_io_bar & config.memory_enable)
CFG005 = rule(
    "CFG005",
    "BAR moved to another address by the driver while its space enable is 1",
    needs={Sight.CFG},
    # The core rewrites 32-bit BARs with decode on.
    applies=_is_write
    & ~by_core
    & record.offset.is_between(_FIRST_BAR, _LAST_BAR)
    & record.offset.is_aligned_to(4)
    & (record.length == 4),
    violation=_moved & _decodes,
    cases=[
        Case(
            _is_io_bar,
            "BAR register {offset:#x} moved from {old_value:#x} to {value:#x} while I/O Space"
            " Enable is 1 (since {io_enable_since})",
        )
    ],
    message="BAR register {offset:#x} moved from {old_value:#x} to {value:#x} while Memory Space"
    " Enable is 1 (since {memory_enable_since})",
    role="write",
    roles={"enabled": config.memory_enable_since},
    source=_LOCAL + "6.2.5.1 Address Maps",
    example="the driver writes BAR 0 without turning decode off",
)
_turns_decode_on = (
    _is_write & (record.offset == _COMMAND) & (record.length > 0) & record.value.has(0x3)
)
CFG006 = rule(
    "CFG006",
    "BAR left all-ones (sizing not restored) when decode is enabled",
    needs={Sight.CFG},
    applies=_turns_decode_on,
    # One half of a 64-bit BAR is CFG009's.
    violation=(recovery.bars_left != 0) & (recovery.bars_split == 0),
    message="decode is enabled while all ones were the last write to the BARs with the bits"
    " {bars_left:#x} ({bars_left_since})",
    role="enable",
    roles={"left": recovery.bars_left_since},
    source=_LOCAL + "6.2.5.1 Address Maps, sizing",
    example="the driver sizes BAR 0 and forgets to write the address back",
)

_misaligned = ~record.length.is_in((1, 2, 4)) | ~record.address.is_aligned_to(record.length)
# Compared without adding, as a hostile offset could wrap round.
_beyond = (record.address >= config.config_size) | (
    record.length > config.config_size - record.address
)
CFG007 = rule(
    "CFG007",
    "config access misaligned, crossing a dword, or beyond the config space's size",
    needs={Sight.CFG},
    applies=is_config & is_first_part & is_at_host,
    violation=_misaligned | _beyond,
    cases=[
        Case(
            _beyond,
            "config {access} of {length} bytes at {address:#x} ends beyond the {config_size} bytes"
            " of config space",
        )
    ],
    message="config {access} of {length} bytes at {address:#x} is misaligned",
    source=_BASE + "7.2 Configuration Space; drivers/pci/access.c",
    example="a word is read at offset 0x03",
)

_LOOPS, _MISALIGNED, _BELOW = 1, 2, 3
CFG008 = rule(
    "CFG008",
    "capability list loops, is misaligned, points below 0x40 or out of range",
    needs={Sight.CFG},
    applies=(record.kind == Kind.SNAPSHOT) & (record.topic == Snapshot.CONFIG),
    violation=config.capability_fault != 0,
    cases=[
        Case(config.capability_fault == _LOOPS, "the capability list loops"),
        Case(config.capability_fault == _MISALIGNED, "a capability pointer is misaligned"),
        Case(
            config.capability_fault == _BELOW,
            "a capability pointer points into the header of config space",
        ),
    ],
    message="a capability pointer points beyond config space",
    role="snapshot",
    source=_BASE + "7.5.3 PCI Express Capability Structure, 7.6 Extended Capabilities",
    example="the last capability's Next pointer is the first capability",
)
CFG009 = rule(
    "CFG009",
    "only one half of a 64-bit BAR programmed when decode is enabled",
    needs={Sight.CFG},
    applies=_turns_decode_on,
    violation=recovery.bars_split != 0,
    message="decode is enabled while one half of the 64-bit BARs with the bits {bars_split:#x}"
    " holds what sizing wrote ({bars_left_since})",
    role="enable",
    roles={"left": recovery.bars_left_since},
    source=_LOCAL + "6.2.5.1 Address Maps, 64-bit addresses",
    example="after sizing, the driver writes back the lower half only",
)

_payload = number(128) << record.value.bits(5, 3)
_sets_device_control = (
    _is_write
    & (config.capability == _EXPRESS)
    & (config.capability_offset == _DEVICE_CONTROL)
    & (record.length > 1)
)
_payload_too_large = (record.value.bits(5, 3) > 5) | (
    (_payload > config.max_payload_supported) & (record.value.bits(5, 3) != 0)
)
CFG010 = rule(
    "CFG010",
    "Max Payload Size above what the device reports, or Max Read Request Size out of range",
    needs={Sight.CFG},
    applies=_sets_device_control,
    violation=(record.value.bits(12, 3) > 5) | _payload_too_large,
    cases=[
        Case(
            record.value.bits(12, 3) > 5,
            "Device Control = {value:#x}: Max Read Request Size is a reserved encoding",
        )
    ],
    message="Device Control = {value:#x}: Max Payload Size is more than the"
    " {max_payload_supported} bytes that the device supports",
    role="write",
    source=_BASE + "7.5.3.3, 7.5.3.4 Device Capabilities and Control Registers",
    example="the driver sets 512 bytes where Device Capabilities says 128",
)
CFG011 = rule(
    "CFG011",
    "reserved (RsvdP) config bits changed by a write",
    needs={Sight.CFG},
    severity=Severity.WARNING,
    applies=_is_write & ~by_core,
    violation=(_changed & config.reserved_bits.bits(0, 32)) != 0,
    message="config write of {value:#x} to {offset:#x}, which holds {old_value:#x}: bits"
    " {reserved_bits:#x} of it must be preserved",
    role="write",
    source=_BASE + "7.4 Configuration Register Types, RsvdP",
    example="the driver sets bit 15 of Command",
)

_all = choose(record.length == 4, 0xFFFFFFFF, choose(record.length == 2, 0xFFFF, 0xFF))
_special = (config.read_only_bits | config.reserved_bits | config.clear_bits).bits(0, 32)
# Writing back a register that holds nothing else is how its events are cleared on purpose.
_holds_more = (_all & (_special ^ 0xFFFFFFFF)) != 0
_cleared = _value & config.clear_bits.bits(0, 32)
_was_read = config.last_config_read >= 0
CFG012 = rule(
    "CFG012",
    "write-back of a value just read clears status bits (RW1C) that were set in it",
    needs={Sight.CFG},
    severity=Severity.WARNING,
    # PME_Status is cleared on purpose wherever power management writes its register back.
    applies=_is_write
    & ~by_core
    & ~(config.capability == _POWER)
    & (config.clear_bits != 0)
    & _holds_more,
    violation=_was_read
    & (_cleared != 0)
    & (_cleared == (config.last_config_read_value & config.clear_bits.bits(0, 32))),
    message="config write of {value:#x} to {offset:#x} writes back what {last_config_read} read,"
    " and clears status bits with it",
    role="write",
    roles={"read": config.last_config_read},
    source=_BASE + "7.4 Configuration Register Types, RW1C",
    example="the driver sets a bit of Command by reading and writing the dword with Status in it",
)

RULES = (
    *(CFG001, CFG002, CFG003_DMA, CFG003_MESSAGE, CFG004, CFG005, CFG006, CFG007, CFG008),
    *(CFG009, CFG010, CFG011, CFG012),
)
