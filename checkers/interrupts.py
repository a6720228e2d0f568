# SPDX-License-Identifier: Apache-2.0
"""IRQ: interrupts."""

from __future__ import annotations

from typing import Final

from uvtrace.check.columns import config, life, record, vectors
from uvtrace.check.columns.life import DriverState
from uvtrace.check.expression import Number, Parameter, Truth
from uvtrace.check.obligation import AtEnd, Obligation
from uvtrace.check.rule import Case, rule
from uvtrace.check.rules import Sight
from uvtrace.check.terms import (
    has_msix,
    is_as_sent,
    is_at_host,
    is_executed,
    is_first_part,
    is_message,
    is_mmio,
    is_return,
    is_unbound,
    succeeded,
)
from uvtrace.check.window import Window
from uvtrace.trace.enums import Flag, IrqType, Kind
from uvtrace.trace.layout import SITE_MODULE_SHIFT

_MSI_SECTION = "PCI Express Base Specification 5.0, 7.7.1 MSI Capability Structure"
_MSIX_SECTION = "PCI Express Base Specification 5.0, 7.7.2 MSI-X Capability and Table"
_HOWTO = "Linux Documentation/PCI/msi-howto.rst"
_MSI_CAPABILITY, _MSIX_CAPABILITY = 0x05, 0x11
_CONTROL: Final = 2
_NOT_HANDLED, _HANDLED, _WAKES_THREAD = 0, 1, 2

_is_msi = (record.kind == Kind.MSI) & is_as_sent
_is_msix = (record.kind == Kind.MSIX) & is_as_sent
_is_intx = (record.kind == Kind.INTX_ASSERT) & is_as_sent
_returns = record.kind == Kind.HANDLER_EXIT

IRQ001 = rule(
    "IRQ001",
    "MSI or MSI-X sent while disabled in its capability",
    needs={Sight.CFG, Sight.IRQ},
    applies=is_message & is_as_sent,
    violation=(_is_msi & ~config.msi_enable) | (_is_msix & ~config.msix_enable),
    cases=[
        Case(_is_msi, "MSI of vector {vector} while MSI Enable is 0 (since {msi_since})"),
    ],
    message="MSI-X message of vector {vector} while MSI-X Enable is 0 (since {msix_since})",
    role="interrupt",
    roles={"msi": config.msi_since, "msix": config.msix_since},
    source=_MSI_SECTION + "; " + _MSIX_SECTION,
    example="the device sends an MSI after pci_disable_msi()",
)
IRQ002 = rule(
    "IRQ002",
    "MSI-X vector sent while masked (entry or function mask)",
    needs={Sight.CFG, Sight.MMIO, Sight.IRQ},
    # What is sent while MSI-X is off is IRQ001's.
    applies=_is_msix & config.msix_enable,
    violation=config.msix_function_mask | vectors.vector_masked,
    cases=[
        Case(
            config.msix_function_mask,
            "MSI-X message of vector {vector} while the Function Mask is set",
        )
    ],
    message="MSI-X message of vector {vector}, which is masked (since {vector_written})",
    role="interrupt",
    roles={"masked": vectors.vector_written},
    source=_MSIX_SECTION + ", Vector Control",
    example="the device sends vector 3 after disable_irq() masked it",
)

_beyond_enabled = (_is_msi & (record.vector >= config.msi_vectors)) | (
    _is_msix & (record.vector >= config.msix_table_size)
)
_beyond_granted = (
    life.vectors_granted.is_known
    & (life.vectors_granted > 0)
    & (record.vector >= life.vectors_granted)
)
IRQ003 = rule(
    "IRQ003",
    "vector out of the enabled or allocated range",
    needs={Sight.CFG, Sight.IRQ},
    applies=is_message & is_as_sent,
    violation=_beyond_enabled | _beyond_granted,
    cases=[
        Case(
            _beyond_granted,
            "{kind} of vector {vector}, of {vectors_granted} that the driver has allocated"
            " ({vectors_since})",
        ),
        Case(_is_msi, "MSI of vector {vector}, of {msi_vectors} that are enabled"),
    ],
    message="MSI-X message of vector {vector}, where the table holds {msix_table_size}",
    role="interrupt",
    roles={"allocated": life.vectors_since},
    source=_MSI_SECTION + ", Multiple Message Enable; " + _HOWTO,
    example="four vectors were granted, and the device sends vector 5",
)

_vectors_below = config.msi_vectors - 1
_msi_data = config.msi_data - (config.msi_data & _vectors_below) + (record.vector & _vectors_below)
IRQ004 = rule(
    "IRQ004",
    "message address or data differ from what was programmed",
    needs={Sight.CFG, Sight.MMIO, Sight.IRQ},
    applies=is_message & is_as_sent,
    # Of several vectors, the device puts the number into the low bits of the data.
    violation=(
        _is_msi
        & ((record.message_address != config.msi_address) | (record.message_data != _msi_data))
    )
    | (
        _is_msix
        & (
            (record.message_address != vectors.vector_address)
            | (record.message_data != vectors.vector_data)
        )
    ),
    cases=[
        Case(
            _is_msi,
            "MSI of vector {vector} with data {message_data:#x} to {message_address:#x}, where"
            " {msi_data:#x} and {msi_address:#x} are programmed",
        )
    ],
    message="MSI-X message of vector {vector} with data {message_data:#x} to {message_address:#x},"
    " where {vector_data:#x} and {vector_address:#x} are programmed",
    role="interrupt",
    roles={"programmed": vectors.vector_written},
    source=_MSI_SECTION + ", Message Address, Message Data; " + _MSIX_SECTION,
    example="the device goes on with the address of before irqbalance moved the vector",
)

_sets_control = (
    (record.kind == Kind.CONFIG_WRITE)
    & is_first_part
    & is_at_host
    & (config.capability_offset == _CONTROL)
    & (record.length > 1)
)
_enables_msi = _sets_control & (config.capability == _MSI_CAPABILITY) & record.value.has(1)
_enables_msix = _sets_control & (config.capability == _MSIX_CAPABILITY) & record.value.has(0x8000)
IRQ005_BOTH = rule(
    "IRQ005",
    "MSI and MSI-X enabled together, or INTx used while either is enabled",
    variant="both",
    needs={Sight.CFG},
    applies=_sets_control & config.capability.is_in((_MSI_CAPABILITY, _MSIX_CAPABILITY)),
    violation=(_enables_msi & config.msix_enable) | (_enables_msix & config.msi_enable),
    cases=[Case(_enables_msi, "MSI is enabled while MSI-X is (since {msix_since})")],
    message="MSI-X is enabled while MSI is (since {msi_since})",
    role="enable",
    roles={"msi": config.msi_since, "msix": config.msix_since},
    source=_MSI_SECTION + ", MSI Enable: at most one of the two",
    example="the driver sets MSI Enable by hand while the core has enabled MSI-X",
)
IRQ005_LINE = rule(
    "IRQ005",
    "MSI and MSI-X enabled together, or INTx used while either is enabled",
    variant="line",
    needs={Sight.CFG, Sight.IRQ},
    applies=_is_intx,
    violation=config.msi_enable | config.msix_enable,
    cases=[Case(config.msi_enable, "INTx is asserted while MSI is enabled (since {msi_since})")],
    message="INTx is asserted while MSI-X is enabled (since {msix_since})",
    role="interrupt",
    roles={"msi": config.msi_since, "msix": config.msix_since},
    supersedes={"IRQ008"},
    source=_MSI_SECTION + ", MSI Enable: prohibited from using INTx",
    example="the device asserts its line although the driver enabled MSI",
)
_has_driver = life.driver_state.is_in(
    (DriverState.PROBING, DriverState.BOUND, DriverState.REMOVING)
)
IRQ006_MESSAGE = rule(
    "IRQ006",
    "interrupt with no handler registered",
    variant="message",
    needs={Sight.IRQ, Sight.LIFE},
    applies=(is_message | (record.kind == Kind.INTX_ASSERT)) & is_as_sent,
    # Before a driver is there, and after it has gone, firmware's leftovers are nobody's fault.
    violation=_has_driver & ~life.handler_registered,
    message="{kind} of vector {vector} while no handler is registered for it ({handler_since})",
    role="interrupt",
    roles={"freed": life.handler_since},
    source=_HOWTO + "; Linux kernel/irq/spurious.c",
    example="the driver enables interrupts at the device and then calls request_irq()",
)
IRQ006_HANDLER = rule(
    "IRQ006",
    "interrupt with no handler registered",
    variant="handler",
    needs={Sight.ISR, Sight.LIFE},
    applies=record.kind == Kind.HANDLER_ENTER,
    violation=~life.handler_registered,
    message="the handler of interrupt {irq} runs although it is not registered ({handler_since})",
    role="handler",
    roles={"freed": life.handler_since},
    source="Linux kernel/irq/manage.c, free_irq()",
    example="the handler runs after free_irq() has returned",
)

_STORM = Parameter("IRQ007.runs", 500, "handler runs in which the driver does nothing")
_STORM_SPAN = Parameter("IRQ007.span_ns", 10_000_000_000, "the time they may take", "ns")
_handled = _returns & (record.result != _NOT_HANDLED)
# A shared line calls every handler; one that says "not mine" is about another device.
# A primary handler that wakes its thread leaves it to that one.
_storms = (
    _returns
    & (record.result != _WAKES_THREAD)
    & ((record.result != _NOT_HANDLED) | (record.irq_type != IrqType.INTX))
)
_does_something = (
    (record.kind.is_in((Kind.MMIO_WRITE, Kind.PIO_WRITE)) & is_first_part)
    | record.kind.is_in((Kind.UNMAP, Kind.SYNC_FOR_CPU))
    | record.kind.is_in((Kind.IRQ_REQUEST, Kind.IRQ_FREE))
)
IRQ007 = rule(
    "IRQ007",
    "interrupt storm: it fires again and again with no progress by the driver",
    needs={Sight.ISR, Sight.MMIO, Sight.PIO},
    violation=Window(
        counts=_storms,
        key=(record.irq,),
        limit=_STORM,
        span_ns=_STORM_SPAN,
        reset_by=_does_something,
    ),
    message="{measured} runs of the handler of interrupt {irq} since {first}, and the driver has"
    " written nothing to the device in between",
    role="handler",
    source="Linux Documentation/PCI/pci.rst; kernel/irq/spurious.c, note_interrupt()",
    example="the handler returns IRQ_HANDLED and does not acknowledge the cause",
)
IRQ008 = rule(
    "IRQ008",
    "INTx asserted while Interrupt Disable is 1",
    needs={Sight.CFG, Sight.IRQ},
    applies=_is_intx,
    violation=config.intx_disable,
    message="INTx is asserted while Interrupt Disable is 1 (since {intx_disable_since})",
    role="interrupt",
    roles={"disabled": config.intx_disable_since},
    source="PCI Express Base Specification 5.0, 7.5.1.1.3 Command Register, Interrupt Disable",
    example="the device asserts its line after pci_intx(pdev, 0)",
)

_RUNS = Parameter("IRQ009.runs", 100, "handler runs on end that leave the line asserted")
IRQ009 = rule(
    "IRQ009",
    "INTx still asserted after the handler returned handled, again and again",
    needs={Sight.IRQ, Sight.ISR},
    violation=Window(
        # A new cause may keep the line asserted through some runs, but not through all.
        counts=_handled & (record.irq_type == IrqType.INTX) & vectors.intx_asserted,
        key=(record.irq,),
        limit=_RUNS,
        reset_by=record.kind.is_in((Kind.INTX_ASSERT, Kind.INTX_DEASSERT)),
    ),
    message="the handler of interrupt {irq} has returned handled {measured} times since {first},"
    " and INTx has stayed asserted",
    role="handler",
    source="PCI Local Bus Specification 3.0, 2.2.6 Interrupt Pins",
    example="the handler acknowledges the wrong cause",
)

_enables = record.first_be.is_in((0, 0xF)) & (record.last_be == 0)
IRQ010 = rule(
    "IRQ010",
    "MSI message not one aligned dword",
    needs={Sight.IRQ},
    applies=is_message & is_as_sent,
    violation=(record.length != 4) | ~record.message_address.is_aligned_to(4) | ~_enables,
    message="{kind} of {length} bytes to {message_address:#x}, byte enables {first_be:#x} and"
    " {last_be:#x}: not one aligned dword",
    role="interrupt",
    source="PCI Express Base Specification 5.0, 6.1.4.3 Sending Messages",
    example="the model writes the message's two data bytes only",
)

_offset = record.offset.bits(0, 63)


def _inside(bar: Number, start: Number, length: Number) -> Truth:
    """The access touches these bytes of a BAR."""
    ends_behind = _offset + record.width > start
    return (record.bar == bar) & ends_behind & (_offset < start + length)


_in_table = _inside(config.msix_table_bar, config.msix_table_offset, 16 * config.msix_table_size)
_pending_bytes = 8 * ((config.msix_table_size + 63) // 64)
_in_pending = _inside(config.msix_pba_bar, config.msix_pba_offset, _pending_bytes)
_in_vectors = _in_table | _in_pending
IRQ011 = rule(
    "IRQ011",
    "MSI-X table or PBA accessed with a forbidden width or alignment",
    needs={Sight.CFG, Sight.MMIO},
    applies=is_mmio & is_first_part & is_executed & is_at_host & has_msix & _in_vectors,
    violation=~record.width.is_in((4, 8)) | ~record.offset.is_aligned_to(record.width),
    message="{access} of {width} bytes at BAR {bar} + {offset:#x}, in the MSI-X table or PBA:"
    " only aligned dwords and qwords are allowed",
    source=_MSIX_SECTION + ": software must use aligned full dwords or qwords",
    example="the driver reads a byte of Vector Control",
)

_disables_msi = _sets_control & (config.capability == _MSI_CAPABILITY) & ~record.value.has(1)
_disables_msix = _sets_control & (config.capability == _MSIX_CAPABILITY) & ~record.value.has(0x8000)
_grants = (record.kind == Kind.VECTOR_ALLOC) & is_return & succeeded
IRQ012_VECTORS = rule(
    "IRQ012",
    "interrupt vectors still held, or MSI or MSI-X still enabled, when the driver is unbound",
    variant="vectors",
    needs={Sight.LIFE},
    # A line is no vector: nothing is to be given back. Handlers are RES002's.
    violation=Obligation(
        opened_by=_grants & record.irq_type.is_in((IrqType.MSI, IrqType.MSIX)),
        discharged_by=(record.kind == Kind.VECTOR_FREE) | _disables_msi | _disables_msix,
        broken_by=is_unbound,
        at_end=AtEnd.KEPT,
    ),
    message="the interrupt vectors of {opened_at} are still held when the driver is unbound",
    role="allocated",
    source=_HOWTO + ", pci_free_irq_vectors()",
    example="remove() frees its handlers, but not its vectors",
)
IRQ012_ENABLED = rule(
    "IRQ012",
    "interrupt vectors still held, or MSI or MSI-X still enabled, when the driver is unbound",
    variant="enabled",
    needs={Sight.CFG, Sight.LIFE},
    applies=is_unbound,
    # What the core has enabled goes with the vectors: see the other one.
    violation=(config.msi_enable | config.msix_enable)
    & ~(life.vectors_granted.is_known & (life.vectors_granted > 0)),
    cases=[
        Case(
            config.msi_enable,
            "MSI, enabled at {msi_since}, is still enabled when the driver is unbound",
        )
    ],
    message="MSI-X, enabled at {msix_since}, is still enabled when the driver is unbound",
    roles={"msi": config.msi_since, "msix": config.msix_since},
    role="unbound",
    source=_HOWTO,
    example="the driver sets MSI Enable and its remove() does not clear it",
)
# Where the primary handler is the kernel's own, the thread does all of the work.
_does_the_work = ~record.flags.has(Flag.THREADED) | ((record.handler >> SITE_MODULE_SHIFT) == 0)
IRQ013 = rule(
    "IRQ013",
    "INTx handler returns handled without a look at its device",
    needs={Sight.ISR, Sight.MMIO, Sight.PIO},
    applies=_returns
    & (record.irq_type == IrqType.INTX)
    & (record.result == _HANDLED)
    & _does_the_work,
    violation=vectors.handler_accesses == 0,
    message="the handler of interrupt {irq} returned handled, and neither read nor wrote a"
    " register of the device",
    role="handler",
    roles={"entered": life.handler_entered},
    source="Linux Documentation/PCI/pci.rst, Register IRQ handler",
    example="the handler of a shared line claims every interrupt",
)

RULES = (
    *(IRQ001, IRQ002, IRQ003, IRQ004, IRQ005_BOTH, IRQ005_LINE, IRQ006_MESSAGE, IRQ006_HANDLER),
    *(IRQ007, IRQ008, IRQ009, IRQ010, IRQ011, IRQ012_VECTORS, IRQ012_ENABLED, IRQ013),
)
