# SPDX-License-Identifier: Apache-2.0
"""Which records are messages on the bus, and what the ordering rules need to know of each.

``docs/ordering.md`` defines how a trace tells of issue and delivery; this is its one reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntFlag
from typing import Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.pcie.ordering import NO_TRANSACTION, Fact, Messages, Transaction
from uvtrace.trace.enums import Flag, Kind, Phase, Status
from uvtrace.trace.layout import FUNCTION_NONE, view_of

HOST: Final = 0
"""``sender`` of what the host sends; a function's own messages have its index + 1."""
_CHANNEL_BITS: Final = 4


class End(IntFlag):
    """Which part of a message's life an event tells of."""

    ISSUED = 1
    """Its sender handed it to the bus."""
    DELIVERED = 2
    """It took effect at the other end."""
    DROPPED = 4
    """It was thrown away, and is in flight no longer."""
    ALL_DROPPED = 8
    """So was everything of this function."""


@dataclass(frozen=True)
class Events:
    """What a chunk tells of messages, in order. Every array has shape (n,).

    Attributes:
        row: index in the chunk, int64.
        position: index in the trace, int64.
        time_ns: int64.
        end: :class:`End` bits, uint8.
        channel: number of link, traffic class and direction (the lowest bit: to the host), int64.
        messages: transaction class, facts, sender, function and tag, all int64.
        form: kind and phase, which both ends of one message share, int64.
        address: uint64; tells the completions of one request apart.
        interrupt: whether it is an interrupt message, bool.
        data: whether it is a write of memory by the device, bool.
    """

    row: NDArray[np.int64]
    position: NDArray[np.int64]
    time_ns: NDArray[np.int64]
    end: NDArray[np.uint8]
    channel: NDArray[np.int64]
    messages: Messages
    form: NDArray[np.int64]
    address: NDArray[np.uint64]
    interrupt: NDArray[np.bool_]
    data: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.row)


def links_of(names: Sequence[str]) -> NDArray[np.int64]:
    """The number of the link that each function is on, shape (n,).

    Functions of one device (equal domain, bus and device number) share its link.

    Args:
        names: ``0000:00:03.0``, as the trace's functions are called.
    """
    numbers: dict[str, int] = {}
    devices = (name.rpartition(".")[0] or name for name in names)
    return np.array([numbers.setdefault(device, len(numbers)) for device in devices], np.int64)


def channels(links: NDArray[np.int64]) -> int:
    """How many numbers of channels there can be on these links."""
    return (int(links.max(initial=-1)) + 1) << _CHANNEL_BITS


def _by_kind(**values: tuple[Kind, ...]) -> dict[str, NDArray[np.bool_]]:
    table = {name: np.zeros(256, bool) for name in values}
    for name, kinds in values.items():
        table[name][list(kinds)] = True
    return table


_IS: Final = _by_kind(
    posted=(
        *(Kind.MMIO_WRITE, Kind.DMA_WRITE, Kind.MSI, Kind.MSIX),
        *(Kind.INTX_ASSERT, Kind.INTX_DEASSERT),
    ),
    read=(Kind.CONFIG_READ, Kind.MMIO_READ, Kind.PIO_READ, Kind.DMA_READ),
    write=(Kind.CONFIG_WRITE, Kind.PIO_WRITE),
    memory=(Kind.MMIO_READ, Kind.MMIO_WRITE, Kind.DMA_READ, Kind.DMA_WRITE),
    by_device=tuple(Kind(kind) for kind in range(Kind.DMA_READ, Kind.INTX_DEASSERT + 1)),
    interrupt=(Kind.MSI, Kind.MSIX, Kind.INTX_ASSERT),
    message=tuple(Kind(kind) for kind in range(Kind.CONFIG_READ, Kind.INTX_DEASSERT + 1)),
    ends_all=(Kind.RESET, Kind.UNBIND),
)
NOT_EXECUTED: Final = np.uint32(Flag.OUTSIDE | Flag.STALE | Flag.IMPORTED)
"""Flags of what is no message on the bus."""


def kinds_that_are(name: str) -> NDArray[np.bool_]:
    """By kind, whether its records can be what is asked for: ``posted``, ``read``, ``write``,
    ``by_device``, ``ends_all``, …"""
    return _IS[name]


def transactions(kind: NDArray[np.uint8], phase: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The :class:`Transaction` of each record by its kind and phase, NO_TRANSACTION of others."""
    found = np.full(len(kind), NO_TRANSACTION, np.uint8)
    found[_IS["posted"][kind] & (phase == Phase.POSTED)] = Transaction.POSTED
    found[_IS["read"][kind] & (phase == Phase.REQUEST)] = Transaction.READ
    found[_IS["write"][kind] & (phase == Phase.REQUEST)] = Transaction.WRITE
    answers = (_IS["read"] | _IS["write"])[kind] & (phase == Phase.COMPLETION)
    found[answers] = Transaction.COMPLETION
    return found


def is_to_host(kind: NDArray[np.uint8], transaction: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether each message goes from the device to the host: its requests, and its answers."""
    to_host: NDArray[np.bool_] = _IS["by_device"][kind] ^ (transaction == Transaction.COMPLETION)
    return to_host


def is_interrupt(kind: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether each record is of an interrupt message that announces something."""
    return _IS["interrupt"][kind]


def events_of(
    records: NDArray[np.void], positions: NDArray[np.int64], links: NDArray[np.int64]
) -> Events:
    """What some records tell of messages.

    Args:
        records: dtype RECORD, shape (n,), in the order of the trace.
        positions: their indices in the trace, shape (n,).
        links: the number of each function's link, from :func:`links_of`.
    """
    kind, phase = records["kind"], records["phase"]
    transaction = transactions(kind, phase)
    to_host = is_to_host(kind, transaction)
    end = _ends(records, transaction, to_host)
    known = (records["function"] != FUNCTION_NONE) & (records["function"] < len(links))
    rows = np.flatnonzero((end != 0) & known)
    chosen, transaction, to_host = records[rows], transaction[rows], to_host[rows]
    kind, function = chosen["kind"], chosen["function"].astype(np.int64)
    attributes, traffic_class = _bus_fields(chosen)
    return Events(
        row=rows.astype(np.int64),
        position=positions[rows].astype(np.int64),
        time_ns=chosen["time_ns"].astype(np.int64),
        end=end[rows],
        channel=links[function] << _CHANNEL_BITS | traffic_class << 1 | to_host,
        messages=Messages(
            transaction=transaction.astype(np.int64),
            facts=_facts(chosen, transaction, attributes),
            sender=np.where(to_host, function + 1, HOST),
            function=function,
            tag=chosen["tag"].astype(np.int64),
        ),
        form=kind.astype(np.int64) << 8 | chosen["phase"],
        address=chosen["address"].astype(np.uint64),
        interrupt=is_interrupt(kind),
        data=kind == Kind.DMA_WRITE,
    )


def deliveries(records: NDArray[np.void]) -> NDArray[np.bool_]:
    """Whether each record (dtype RECORD) tells that a message has arrived."""
    transaction = transactions(records["kind"], records["phase"])
    end = _ends(records, transaction, is_to_host(records["kind"], transaction))
    arrived: NDArray[np.bool_] = (end & End.DELIVERED) != 0
    return arrived


def _ends(
    records: NDArray[np.void], transaction: NDArray[np.uint8], to_host: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """The :class:`End` of each record; 0 of what is no message on the bus."""
    flags, status = records["flags"], records["status"]
    far, apart = (flags & np.uint32(Flag.FAR)) != 0, (flags & np.uint32(Flag.APART)) != 0
    first = np.where(far, to_host, ~to_host)
    end = np.where(first, End.ISSUED, End.DELIVERED).astype(np.uint8)
    end[~far & ~apart] = End.ISSUED | End.DELIVERED
    given_up = (status == Status.TIMEOUT) | (status == Status.REFUSED)
    end[far & given_up] = End.DROPPED
    # The host's own refusal, and its own answer after a timeout, never were on the bus.
    absent = ~far & ((status == Status.TIMEOUT) | (~to_host & (status == Status.REFUSED)))
    end[absent | ((flags & NOT_EXECUTED) != 0) | (transaction == NO_TRANSACTION)] = 0
    over = _IS["ends_all"][records["kind"]] & (records["phase"] != Phase.REQUEST)
    end[over] = End.ALL_DROPPED
    return end


def _bus_fields(records: NDArray[np.void]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Attributes and traffic class; the host's own messages have no such fields."""
    has_fields = _IS["by_device"][records["kind"]]
    bus = view_of(records, "bus")
    attributes = np.where(has_fields, bus["attributes"], 0).astype(np.uint8)
    return attributes, np.where(has_fields, bus["traffic_class"] & 7, 0).astype(np.int64)


def _facts(
    records: NDArray[np.void], transaction: NDArray[np.uint8], attributes: NDArray[np.uint8]
) -> NDArray[np.int64]:
    """The facts of each message by itself; attributes that do not apply to it are passed over.

    RO is for memory requests and completions only, and is no interrupt's; IDO is reserved in
    I/O and configuration requests (PCI Express Base 5.0, sections 2.2.6.3 and 2.2.6.4).
    """
    relaxed, id_ordered = carried(records["flags"], attributes)
    kind, answer = records["kind"], transaction == Transaction.COMPLETION
    relaxed &= _IS["memory"][kind]
    id_ordered &= answer | _IS["memory"][kind] | _IS["by_device"][kind]
    facts = relaxed * Fact.RELAXED + id_ordered * Fact.ID_ORDERED
    facts += (answer & _IS["write"][kind]) * Fact.WRITE_COMPLETION
    return facts.astype(np.int64)


def carried(
    flags: NDArray[np.uint32], attributes: NDArray[np.uint8]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether each message carries RO, and IDO: as a flag, or in the fields of a bus record."""
    relaxed = ((flags & np.uint32(Flag.RELAXED)) != 0) | ((attributes & 2) != 0)
    id_ordered = ((flags & np.uint32(Flag.ID_ORDERED)) != 0) | ((attributes & 4) != 0)
    return relaxed, id_ordered
