# SPDX-License-Identifier: Apache-2.0
"""Numbers of a record to the words a driver developer uses for them.

A number that is not known is told as a number, never refused: traces of newer kernels and damaged
traces must be readable.
"""

from __future__ import annotations

import errno
import unicodedata
from enum import IntEnum, IntFlag
from typing import Final

from uvtrace.trace.enums import (
    Direction,
    Flag,
    Flavour,
    IrqType,
    Kind,
    LossCause,
    MemoryMoment,
    MemoryType,
    Phase,
    Snapshot,
    Status,
    Topic,
)
from uvtrace.trace.layout import BAR_NONE, BAR_ROM

_KINDS: Final[dict[int, str]] = {
    Kind.MMIO_READ: "MMIO read",
    Kind.MMIO_WRITE: "MMIO write",
    Kind.PIO_READ: "port read",
    Kind.PIO_WRITE: "port write",
    Kind.DMA_READ: "DMA read",
    Kind.DMA_WRITE: "DMA write",
    Kind.MSI: "MSI",
    Kind.MSIX: "MSI-X",
    Kind.INTX_ASSERT: "INTx assert",
    Kind.INTX_DEASSERT: "INTx deassert",
    Kind.SYNC_FOR_CPU: "sync for CPU",
    Kind.IRQ_REQUEST: "request irq",
    Kind.IRQ_FREE: "free irq",
    Kind.DMA_MASK: "DMA mask",
    Kind.ERROR: "AER error",
}
_STATUSES: Final[dict[int, str]] = {
    Status.OK: "ok",
    Status.UNSUPPORTED: "unsupported request",
    Status.RETRY: "configuration request retry",
    Status.ABORT: "completer abort",
    Status.TIMEOUT: "completion timeout",
    Status.FAILED: "failed",
    Status.REFUSED: "not let onto the bus",
    Status.UNKNOWN: "status not known",
}
_FLAVOURS: Final[dict[int, str]] = {Flavour.SG: "scatterlist"}
_MEMORY_TYPES: Final[dict[int, str]] = {
    MemoryType.UC_MINUS: "uncached",
    MemoryType.WC: "write-combining",
    MemoryType.UC: "strongly uncached",
    MemoryType.WT: "write-through",
    MemoryType.CACHED: "cached",
    MemoryType.PROT: "own protection",
}
_MOMENTS: Final[dict[int, str]] = {
    MemoryMoment.TO_DEVICE: "for the device",
    MemoryMoment.TO_CPU: "for the CPU",
}
_IRQ_TYPES: Final[dict[int, str]] = {
    IrqType.INTX: "INTx",
    IrqType.MSI: "MSI",
    IrqType.MSIX: "MSI-X",
    IrqType.OTHER: "other",
}
_SNAPSHOTS: Final[dict[int, str]] = {
    Snapshot.CONFIG: "config space",
    Snapshot.BARS: "BARs",
    Snapshot.REGISTERS: "registers",
    Snapshot.LIMITS: "limits",
}
_LOSS_CAUSES: Final[dict[int, str]] = {
    LossCause.RING_FULL: "ring full",
    LossCause.HOOK_MISSED: "a hook did not run",
    LossCause.OVERWRITTEN: "overwritten by newer ones (flight recorder)",
    LossCause.STOPPED: "ring full, recording stopped",
    LossCause.NOT_HOOKED: "this kernel lacks a hook",
    LossCause.NOT_TRAPPED: "a mapping was left alone",
    LossCause.DAMAGED: "damaged ring slots",
    LossCause.MEMORY: "contents of memory were not recorded",
}
_FLAGS: Final[dict[int, str]] = {
    Flag.UNDECODED: "not decoded",
    Flag.OUTSIDE: "outside its mapping, not executed",
    Flag.STALE: "after iounmap, not executed",
    Flag.VALUE_CUT: "value cut",
    Flag.EARLIER: "before recording began",
    Flag.PREDICTED: "predicted",
    Flag.FAR: "at the device",
    Flag.IMPORTED: "imported",
    Flag.THREADED: "threaded",
}
_POWER_STATES: Final = ("D0", "D1", "D2", "D3hot", "D3cold")
_IRQ_RETURNS: Final = {0: "not ours", 1: "handled", 2: "wakes its thread", 3: "handled, wakes it"}
_SEVERITIES: Final = {0: "non-fatal", 1: "fatal", 2: "corrected"}
_CONFIG_REGISTERS: Final = {
    0x00: "Vendor ID",
    0x02: "Device ID",
    0x04: "Command",
    0x06: "Status",
    0x08: "Revision ID",
    0x0A: "Class",
    0x0C: "Cache Line Size",
    0x0D: "Latency Timer",
    0x0E: "Header Type",
    **{0x10 + 4 * bar: f"BAR{bar}" for bar in range(6)},
    0x2C: "Subsystem Vendor ID",
    0x2E: "Subsystem ID",
    0x30: "Expansion ROM",
    0x34: "Capabilities",
    0x3C: "Interrupt Line",
    0x3D: "Interrupt Pin",
}


def _named(number: int, enum: type[IntEnum], own: dict[int, str], what: str) -> str:
    if (text := own.get(number)) is not None:
        return text
    try:
        return enum(number).name.lower().replace("_", " ")
    except ValueError:
        return f"{what} {number}"


def kind_text(kind: int) -> str:
    """``MMIO write``, ``sync for device``, …"""
    return _named(kind, Kind, _KINDS, "kind")


def phase_text(phase: int) -> str:
    """``posted``, ``request``, ``completion`` or ``whole``."""
    return _named(phase, Phase, {}, "phase")


def status_text(status: int) -> str:
    """How a transaction ended, in PCIe's words."""
    return _named(status, Status, _STATUSES, "status")


def flavour_text(flavour: int) -> str:
    """Which family of DMA-API calls."""
    return _named(flavour, Flavour, _FLAVOURS, "flavour")


def direction_text(direction: int) -> str:
    """``TO_DEVICE``, …, as the kernel's names end."""
    try:
        return Direction(direction).name
    except ValueError:
        return f"direction {direction}"


def memory_type_text(memory_type: int) -> str:
    """How a BAR is mapped."""
    return _named(memory_type, MemoryType, _MEMORY_TYPES, "memory type")


def memory_moment_text(moment: int) -> str:
    """For whom memory held what a record shows."""
    return _named(moment, MemoryMoment, _MOMENTS, "moment")


def irq_type_text(irq_type: int) -> str:
    """``INTx``, ``MSI``, ``MSI-X``."""
    return _named(irq_type, IrqType, _IRQ_TYPES, "interrupt type")


def irq_return_text(result: int) -> str:
    """What a handler answered (``irqreturn_t``)."""
    return _IRQ_RETURNS.get(result, f"returned {result}")


def snapshot_text(topic: int) -> str:
    """What a snapshot shows."""
    return _named(topic, Snapshot, _SNAPSHOTS, "topic")


def topic_text(topic: int) -> str:
    """What metadata tells of."""
    return _named(topic, Topic, {}, "topic")


def loss_cause_text(cause: int) -> str:
    """Why records were lost."""
    return _named(cause, LossCause, _LOSS_CAUSES, "cause")


def flag_names(flags: int) -> tuple[str, ...]:
    """Names of the bits that are set, ascending; a bit that is not known as ``bit 25``."""
    bits = (1 << n for n in range(32) if flags >> n & 1)
    return tuple(_flag_name(Flag, bit) for bit in bits)


def _flag_name(flag: type[IntFlag], bit: int) -> str:
    known = {int(member): member.name or "" for member in flag}
    return known.get(bit, f"bit {bit.bit_length() - 1}")


def remarks(flags: int) -> tuple[str, ...]:
    """What a reader must be told of a record's flags, in words."""
    return tuple(text for bit, text in _FLAGS.items() if flags & bit)


def power_state_text(state: int) -> str:
    """``D0`` to ``D3cold``."""
    return _POWER_STATES[state] if state < len(_POWER_STATES) else f"state {state}"


def severity_text(severity: int) -> str:
    """AER: ``non-fatal``, ``fatal`` or ``corrected``."""
    return _SEVERITIES.get(severity, f"severity {severity}")


def result_text(result: int) -> str:
    """What a call returned: ``-12 ENOMEM``."""
    name = errno.errorcode.get(-result, "") if result < 0 else ""
    return f"{result} {name}".rstrip()


def bar_text(bar: int) -> str:
    """``BAR0``, ``ROM``, or ``no BAR``."""
    if bar == BAR_NONE:
        return "no BAR"
    return "ROM" if bar == BAR_ROM else f"BAR{bar}"


def config_register_text(offset: int) -> str:
    """The name of a register of the type 0 header; empty for others.

    Source: PCI Express Base Specification 5.0, section 7.5.1.
    """
    return _CONFIG_REGISTERS.get(offset, "")


def bdf_text(requester: int) -> str:
    """A requester or completer ID as ``00:03.0``."""
    return f"{requester >> 8:02x}:{requester >> 3 & 31:02x}.{requester & 7}"


def duration_text(duration_ns: int) -> str:
    """``830 ns``, ``1.8 µs``, ``12.0 ms``."""
    if duration_ns < 1000:
        return f"{duration_ns} ns"
    if duration_ns < 1_000_000:
        return f"{duration_ns / 1e3:.1f} µs"
    return f"{duration_ns / 1e6:.1f} ms"


def printable(text: str) -> str:
    """Text from a trace as one line that no terminal interprets."""
    if text.isprintable():
        # Python asks for the same categories, all at once.
        return text
    return "".join(
        character
        if character == " " or unicodedata.category(character)[0] not in "CZ"
        else character.encode("unicode_escape", "backslashreplace").decode()
        for character in text
    )
