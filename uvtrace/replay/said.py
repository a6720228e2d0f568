# SPDX-License-Identifier: Apache-2.0
"""What a device says on its bus, as values to compare, and which of them may pass which."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

from uvtrace.check.pcie.ordering import Fact, Passing, Transaction, compiled
from uvtrace.trace import texts
from uvtrace.trace.enums import Flag, Kind, Status

ANSWERS: Final = frozenset({Kind.MMIO_READ, Kind.PIO_READ, Kind.PIO_WRITE, Kind.CONFIG_READ})
"""Kinds of the host's requests that the device answers."""
MESSAGES: Final = frozenset({Kind.MSI, Kind.MSIX})
LINE: Final = frozenset({Kind.INTX_ASSERT, Kind.INTX_DEASSERT})
NO_FACTS: Final = Fact(0)
_SHOWN_BYTES: Final = 16


@dataclass(slots=True)
class Said:
    """One thing that a device has said, or that a recording says it said.

    Attributes:
        kind: of the record: a kind of :data:`ANSWERS` is the answer to that request.
        place: of an answer, the BAR and the offset that were read; -1 of config space.
        address: of memory, or of config space.
        length: bytes.
        value: of an answer; of MSI and MSI-X the vector; of MEMORY, for whom it is.
        data: what a DMA write writes; what memory held.
        tag: of an answer the host's request's, of a DMA read its own.
        facts: attributes that count for ordering.
        status: of an answer.
    """

    kind: Kind
    place: tuple[int, int] = (-1, 0)
    address: int = 0
    length: int = 0
    value: int = 0
    data: bytes = b""
    tag: int = 0
    facts: Fact = NO_FACTS
    status: Status = Status.OK

    @property
    def transaction(self) -> Transaction:
        """Its class in the ordering table."""
        if self.kind in ANSWERS:
            return Transaction.COMPLETION
        return Transaction.READ if self.kind == Kind.DMA_READ else Transaction.POSTED

    def is_same(self, other: Said) -> bool:
        """Whether two are one thing; of answers, whether they answer the same request."""
        if self.kind != other.kind:
            return False
        if self.kind in ANSWERS:
            return self.tag == other.tag
        if self.kind == Kind.DMA_READ:
            return self.address == other.address and self.length == other.length
        if self.kind == Kind.DMA_WRITE:
            # A snap length cuts what was recorded: what is there is compared.
            kept = min(len(self.data), len(other.data))
            same = (self.address, self.length) == (other.address, other.length)
            return same and self.data[:kept] == other.data[:kept]
        return self.value == other.value

    def __str__(self) -> str:
        what = texts.kind_text(self.kind)
        if self.kind in ANSWERS:
            return f"{what} {self.where()} ({self.length}) = {self.value:#0{2 * self.length + 2}x}"
        if self.kind == Kind.DMA_READ:
            return f"{what} {self.address:#x} ({self.length})"
        if self.kind in (Kind.DMA_WRITE, Kind.MEMORY):
            more = "…" if len(self.data) > _SHOWN_BYTES else ""
            shown = self.data[:_SHOWN_BYTES].hex(" ")
            return f"{what} {self.address:#x} ({self.length}): {shown}{more}"
        return f"{what} vector {self.value}" if self.kind in MESSAGES else what

    def where(self) -> str:
        """The register that was read, as BAR and offset."""
        if self.kind == Kind.CONFIG_READ:
            return f"{self.address:#04x} {texts.config_register_text(self.address)}".rstrip()
        bar, offset = self.place
        return f"{texts.bar_text(bar)}+{offset:#x}"


def difference_of(expected: Said, got: Said) -> str:
    """Where two writes of the same memory differ; empty where it is something else."""
    is_content = expected.kind in (Kind.DMA_WRITE, Kind.MEMORY)
    if not is_content or (expected.kind, expected.address) != (got.kind, got.address):
        return ""
    pairs = zip(expected.data, got.data, strict=False)
    at = next((at for at, (one, other) in enumerate(pairs) if one != other), None)
    if at is None:
        return ""
    shown = slice(at, at + _SHOWN_BYTES // 2)
    return f"; from byte {at} on {expected.data[shown].hex(' ')}, came {got.data[shown].hex(' ')}"


@cache
def facts_of(kind: Kind, flags: int) -> Fact:
    """The attributes of a message that decide about its order."""
    facts = Fact.WRITE_COMPLETION if kind in (Kind.PIO_WRITE, Kind.CONFIG_WRITE) else NO_FACTS
    if flags & Flag.RELAXED:
        facts |= Fact.RELAXED
    if flags & Flag.ID_ORDERED:
        facts |= Fact.ID_ORDERED
    return facts


def may_pass(later: Said, earlier: Said) -> bool:
    """Whether what was said later may arrive first (Table 2-40; both are of one function)."""
    return _passing(later.transaction, earlier.transaction, int(later.facts)) != Passing.MUST_NOT


@cache
def _passing(later: Transaction, earlier: Transaction, facts: int) -> int:
    return int(compiled().passing[later, earlier, facts])
