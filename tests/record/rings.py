# SPDX-License-Identifier: Apache-2.0
"""Rings for tests, written as a producer would write them (``kmod/ring.h``)."""

from __future__ import annotations

import numpy as np

from uvtrace.record.ring import Ring
from uvtrace.trace import layout
from uvtrace.trace.enums import Kind, LossCause, RingPolicy, RingState


class RingStory:
    """A ring in this process's memory that tests write records into.

    Args:
        slots: a power of two.
        policy: what the ring does when it is full; this producer never looks at the tail.
    """

    def __init__(self, slots: int = 64, policy: RingPolicy = RingPolicy.DROP) -> None:
        self.memory = bytearray(layout.RING_HEADER_SIZE + slots * layout.RECORD_SIZE)
        self.header = np.frombuffer(self.memory, np.uint8)[:256].view(layout.RING_HEADER)[0]
        for name, value in {
            "magic": layout.RING_MAGIC,
            "version": layout.RING_VERSION,
            "slot_size": layout.RECORD_SIZE,
            "slots": slots,
            "data_offset": layout.RING_HEADER_SIZE,
            "policy": policy,
            "state": RingState.RUNNING,
            "start_mono_ns": 1_000,
            "start_real_ns": 5_000,
        }.items():
            self.header[name] = value
        self.head = 0

    @property
    def ring(self) -> Ring:
        """The ring as its consumer sees it."""
        return Ring(self.memory)

    @property
    def slots(self) -> np.ndarray:
        """The slots, to be damaged at will."""
        return self.ring.slots

    def write(
        self,
        kind: int = Kind.MMIO_READ,
        payload: bytes = b"",
        commit: bool = True,
        **fields: object,
    ) -> RingStory:
        """A record with its continuations; ``commit=False`` leaves it half-written."""
        slots = self.slots
        first = self.head
        pieces = [payload[at : at + 112] for at in range(0, len(payload), 112)]
        self.head += 1 + len(pieces)
        for number, piece in enumerate(pieces, first + 1):
            slot = slots[number % len(slots) : number % len(slots) + 1].view(layout.CONTINUATION)
            slot["version"], slot["kind"], slot["bytes"] = 1, Kind.CONTINUATION, len(piece)
            slot["data"][0, : len(piece)] = np.frombuffer(piece, np.uint8)
            slot["seq"] = number + 1
        record = layout.make_records(
            1, kind=kind, function=0, time_ns=first * 10, payload=len(payload)
        )
        for name, value in fields.items():
            record[name] = value
        record["seq"] = first + 1 if commit else 0
        slots[first % len(slots)] = record[0]
        self.header["head"] = self.head
        self.header["records"] += kind not in (Kind.PAD, Kind.LOSS)
        return self

    def pad(self) -> RingStory:
        """A slot that is to be skipped."""
        return self.write(Kind.PAD)

    def loss(self, value: int, cause: LossCause = LossCause.RING_FULL) -> RingStory:
        """A loss record as the ring writes it."""
        at = self.head % len(self.slots)
        self.write(Kind.LOSS, value=value, function=layout.FUNCTION_NONE)
        layout.view_of(self.slots[at : at + 1], "meta")["topic"] = cause
        return self
