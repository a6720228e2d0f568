# SPDX-License-Identifier: Apache-2.0
"""The IRQ rules that judge single events."""

from __future__ import annotations

from uvtrace.trace.enums import Flag, IrqType, Kind

from .records import MESSAGE, MMIO, Event
from .space import MSI, MSIX
from .world import Function, Judges

HANDLED = 1


def _sent(e: Event, *kinds: int) -> bool:
    return e.is_a(*kinds) and e.as_sent


def irq001(f: Function, e: Event) -> bool:
    if _sent(e, Kind.MSI):
        return f.space.msi_enable is False
    return _sent(e, Kind.MSIX) and f.space.msix_enable is False


def irq002(f: Function, e: Event) -> bool:
    if not _sent(e, Kind.MSIX) or f.space.msix_enable is not True:
        return False
    return f.space.msix_function_mask is True or f.vectors.masked(e.vector) is True


def irq003(f: Function, e: Event) -> bool:
    if not _sent(e, *MESSAGE):
        return False
    enabled = f.space.msi_vectors if e.kind == Kind.MSI else f.space.msix_size
    if enabled is not None and e.vector >= enabled:
        return True
    granted = f.life.granted
    return granted is not None and 0 < granted <= e.vector


def irq004(f: Function, e: Event) -> bool:
    if _sent(e, Kind.MSIX):
        address, data = f.vectors.address(e.vector), f.vectors.data(e.vector)
    elif _sent(e, Kind.MSI):
        address, data = f.space.msi_address, f.space.msi_data
        vectors = f.space.msi_vectors
        if vectors is None:
            data = None
        elif data is not None:
            # Of several vectors, the low bits of the data are the vector's number.
            data = data // vectors * vectors + e.vector % vectors
    else:
        return False
    wrong_address = address is not None and address != e.message_address
    return wrong_address or (data is not None and data != e.message_data)


def sets_control(f: Function, e: Event, capability: int) -> bool:
    """A write of a capability's Message Control."""
    writes = e.kind == Kind.CONFIG_WRITE and e.begins and e.at_host and e.length > 1
    return writes and f.space.place(e.address) == (capability, 2)


def irq005_both(f: Function, e: Event) -> bool:
    if sets_control(f, e, MSI) and e.value & 1:
        return f.space.msix_enable is True
    return sets_control(f, e, MSIX) and e.value & 0x8000 != 0 and f.space.msi_enable is True


def irq005_line(f: Function, e: Event) -> bool:
    used = _sent(e, Kind.INTX_ASSERT)
    return used and (f.space.msi_enable is True or f.space.msix_enable is True)


def irq006_message(f: Function, e: Event) -> bool:
    sent = _sent(e, *MESSAGE, Kind.INTX_ASSERT)
    return sent and f.life.has_driver and f.life.handles_message(e) is False


def irq006_handler(f: Function, e: Event) -> bool:
    return e.kind == Kind.HANDLER_ENTER and f.life.handles_irq(e.irq) is False


def irq008(f: Function, e: Event) -> bool:
    return _sent(e, Kind.INTX_ASSERT) and f.space.intx_disable is True


def irq010(f: Function, e: Event) -> bool:
    if not _sent(e, *MESSAGE):
        return False
    whole = e.first_be in (0, 0xF) and e.last_be == 0
    return e.length != 4 or e.message_address % 4 != 0 or not whole


def in_vectors(f: Function, bar: int, begin: int, end: int) -> bool | None:
    """Bytes of a BAR meet the MSI-X table or PBA; None where that is not known."""
    size = f.space.msix_size
    lengths = (None, None) if size is None else (16 * size, (size + 63) // 64 * 8)
    answers: list[bool | None] = []
    places = (f.space.msix_table, f.space.msix_pending)
    for place, length in zip(places, lengths, strict=True):
        if place is not None and place[0] != bar:
            answers.append(False)
        elif place is None:
            answers.append(None)
        elif end <= place[1]:
            answers.append(False)
        elif length is None:
            answers.append(None)
        else:
            answers.append(begin < place[1] + length)
    return True if True in answers else None if None in answers else False


def lacks_msix(f: Function) -> bool:
    """The function has told its capabilities, and MSI-X is not among them."""
    return f.space.told and MSIX not in f.space.capabilities


def irq011(f: Function, e: Event) -> bool:
    if not e.is_a(*MMIO) or not e.begins or not e.executed or not e.at_host:
        return False
    if lacks_msix(f) or in_vectors(f, e.bar, e.offset, e.offset + e.width) is not True:
        return False
    return e.width not in (4, 8) or e.offset % e.width != 0


def irq012_enabled(f: Function, e: Event) -> bool:
    enabled = f.space.msi_enable is True or f.space.msix_enable is True
    # What the core has enabled goes with the vectors.
    return e.unbound and enabled and not f.life.granted


def irq013(f: Function, e: Event) -> bool:
    returns = e.kind == Kind.HANDLER_EXIT and e.irq_type == IrqType.INTX and e.result == HANDLED
    # Where the primary handler is the kernel's own, the thread does all of the work.
    works = not e.has(Flag.THREADED) or e.handler >> 48 == 0 if returns else False
    return returns and works and f.shared.handlers.accesses(e) == 0


JUDGES: Judges = {
    "IRQ001": [irq001],
    "IRQ002": [irq002],
    "IRQ003": [irq003],
    "IRQ004": [irq004],
    "IRQ005": [irq005_both, irq005_line],
    "IRQ006": [irq006_message, irq006_handler],
    "IRQ008": [irq008],
    "IRQ010": [irq010],
    "IRQ011": [irq011],
    "IRQ012": [irq012_enabled],
    "IRQ013": [irq013],
}
"""Of each rule the declarations that judge single events."""
