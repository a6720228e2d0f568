# SPDX-License-Identifier: Apache-2.0
"""REG: registers, as a register map describes them."""

from __future__ import annotations

from typing import Final

from uvtrace.check.columns import config, fields, life, record, registers
from uvtrace.check.columns.life import DriverState
from uvtrace.check.expression import choose
from uvtrace.check.rule import rule
from uvtrace.check.rules import Severity, Sight
from uvtrace.check.terms import (
    has_msix,
    in_bar,
    is_at_host,
    is_executed,
    is_first_part,
    is_return,
    succeeded,
)
from uvtrace.trace.enums import Flag, Kind

_RDL = "SystemRDL 2.0, "
_NO_REGISTER: Final = -1
_WORD: Final = 2**64 - 1

_reaches = in_bar & is_executed & is_at_host & ~record.flags.has(Flag.UNDECODED)
_reads = record.kind.is_in((Kind.MMIO_READ, Kind.PIO_READ)) & _reaches
_writes = record.kind.is_in((Kind.MMIO_WRITE, Kind.PIO_WRITE)) & _reaches & is_first_part
_read = _reads & is_return & succeeded & (registers.register >= 0)
_written = _writes & (registers.register >= 0)
_lasting = fields.volatile_bits ^ _WORD
_carried = choose(
    record.width == 8,
    _WORD,
    choose(record.width == 4, 0xFFFFFFFF, choose(record.width == 2, 0xFFFF, 0xFF)),
)

_fixed = fields.readable_bits & (fields.writable_bits ^ _WORD) & _lasting
_differs = record.value ^ registers.last_read_value
# Among fields that can be written, zeros are what is written to those that cannot.
_tried = choose(fields.writable_bits == 0, _differs, _differs & record.value)
REG001 = rule(
    "REG001",
    "write to a read-only register or field that changes it",
    needs={Sight.MMIO, Sight.REGS},
    applies=_written & (_fixed != 0) & (registers.last_read >= 0),
    violation=(_tried & _fixed) != 0,
    message="write of {value:#x} to {register_name}, which read {last_read_value:#x}"
    " ({last_read}) and is read-only there",
    role="write",
    roles={"read": registers.last_read},
    source=_RDL + "9.4 sw = r",
    example="the driver writes another value to an ID register",
)
REG002 = rule(
    "REG002",
    "read of a write-only register",
    needs={Sight.MMIO, Sight.REGS},
    applies=_reads & is_first_part & (registers.register >= 0),
    violation=(fields.readable_bits == 0) & (fields.writable_bits != 0),
    message="read of {register_name}, which is write-only",
    role="read",
    source=_RDL + "9.4 sw = w",
    example="the driver reads a doorbell",
)
REG003 = rule(
    "REG003",
    "second write of a write-once register since reset",
    needs={Sight.MMIO, Sight.REGS},
    applies=_written & (fields.write_once_bits != 0),
    violation=registers.writes_since_reset > 0,
    message="{register_name} is written again, after {last_written}, without a reset in between",
    role="write",
    roles={"first": registers.last_written},
    source=_RDL + "9.4 sw = rw1, w1",
    example="the driver locks a register and writes it again",
)
_lost_events = record.value & fields.write_clears_bits & registers.pending_bits
REG004 = rule(
    "REG004",
    "write-one-to-clear bits cleared that were set and never observed (lost event)",
    needs={Sight.MMIO, Sight.REGS},
    severity=Severity.WARNING,
    applies=_written & (fields.write_clears_bits != 0),
    violation=_lost_events != 0,
    message="write of {value:#x} to {register_name} clears the bits {pending_bits:#x}, which were"
    " set and no read has seen",
    role="write",
    source=_RDL + "9.6 onwrite = woclr",
    example="the driver clears all causes, among them one that came after it read them",
)
_is_cause = registers.read_in_handler
REG005 = rule(
    "REG005",
    "read-to-clear register read where the value is thrown away while a cause was pending",
    needs={Sight.MMIO, Sight.ISR, Sight.REGS},
    severity=Severity.NOTE,
    # A cause is what handlers read; around a reset it is read to be thrown away.
    applies=_read
    & (fields.read_clears_bits != 0)
    & _is_cause
    & ~record.flags.has(Flag.HARDIRQ)
    & (life.driver_state == DriverState.BOUND)
    & (registers.reads_since_reset > 0),
    violation=(record.value & fields.read_clears_bits) != 0,
    message="read of {register_name} outside the handler gave {value:#x}, and cleared it",
    role="read",
    source=_RDL + "9.5 onread = rclr",
    example="the watchdog reads the cause register to flush a write",
)
_kept = fields.plain_bits & fields.readable_bits & _lasting
REG006 = rule(
    "REG006",
    "non-volatile register reads back other than last written",
    needs={Sight.MMIO, Sight.REGS},
    applies=_read & (_kept != 0) & (registers.writes_since_reset > 0),
    violation=((record.value ^ registers.last_written_value) & _kept) != 0,
    message="{register_name} reads {value:#x}, where {last_written} wrote {last_written_value:#x}",
    role="read",
    roles={"written": registers.last_written},
    source=_RDL + "9.3 hw = r: only software changes it",
    example="a ring's base address reads back with its low bits changed",
)
REG007 = rule(
    "REG007",
    "first read after an observed reset differs from the reset value",
    needs={Sight.MMIO, Sight.LIFE, Sight.REGS},
    applies=_read
    & ((fields.reset_bits & fields.readable_bits) != 0)
    & (registers.reset_seen >= 0)
    & (registers.writes_since_reset == 0)
    & (registers.reads_since_reset == 0),
    violation=((record.value ^ fields.reset_value) & fields.reset_bits & fields.readable_bits) != 0,
    message="{register_name} reads {value:#x} after the reset of {reset_seen}, where"
    " {reset_value:#x} is its reset value",
    role="read",
    roles={"reset": registers.reset_seen},
    source=_RDL + "9.3 reset",
    example="after a reset a control register still has its enable bit",
)


_offset = record.offset.bits(0, 63)
_in_vectors = (
    (record.bar == config.msix_table_bar)
    & (_offset >= config.msix_table_offset)
    & (_offset < config.msix_table_offset + 16 * config.msix_table_size)
) | (
    (record.bar == config.msix_pba_bar)
    & (_offset >= config.msix_pba_offset)
    & (_offset < config.msix_pba_offset + 8 * ((config.msix_table_size + 63) // 64))
)
REG008 = rule(
    "REG008",
    "access to an address that holds no register",
    needs={Sight.MMIO, Sight.REGS},
    applies=(_reads | _writes) & is_first_part,
    violation=(registers.register == _NO_REGISTER) & ~(has_msix & _in_vectors),
    message="{access} of {width} bytes at BAR {bar} + {offset:#x}, where there is no register",
    source="the device's register description",
    example="the driver reads a register that only another revision has",
)
_wrong = (record.value ^ fields.required_value) & fields.required_bits
_is_all_ones = fields.is_mask_register & (record.value == _carried)
REG009 = rule(
    "REG009",
    "reserved bits written with another value than required",
    needs={Sight.MMIO, Sight.REGS},
    severity=Severity.WARNING,
    applies=_written & (fields.required_bits != 0) & ~_is_all_ones,
    violation=_wrong != 0,
    message="write of {value:#x} to {register_name}, whose bits {required_bits:#x} must be"
    " written as {required_value:#x}",
    role="write",
    source="the device's register description",
    example="the driver sets a bit that the manual says to write as 0",
)

RULES = (REG001, REG002, REG003, REG004, REG005, REG006, REG007, REG008, REG009)
