# SPDX-License-Identifier: Apache-2.0
"""Takes records out of a ring while it is being filled, or after its machine has died."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from uvtrace.record.ring import Ring, Slots
from uvtrace.record.slots import LOSS_MAX, Batch, loss_records, split
from uvtrace.trace.enums import Kind, LossCause, RingPolicy

BATCH_SLOTS = 1 << 13
"""Slots taken at most at once: 1 MiB, which fits a processor's cache."""


class Consumer:
    """The one reader of a ring.

    :meth:`take` gives what has been committed since the last call and makes room for the
    producers. :meth:`take_rest` is for after the end: it also steps over what a dead producer
    has left half-written. A flight recorder (policy OVERWRITE) is only read at the end.

    Args:
        ring: the ring; its contents are not trusted.
        functions: how many PCI functions are recorded.
    """

    def __init__(self, ring: Ring, *, functions: int) -> None:
        self._ring = ring
        self._functions = functions
        self._overwrites = ring.policy == RingPolicy.OVERWRITE
        self._position = 0 if self._overwrites else ring.tail
        self._last_time_ns = 0

    def take(self) -> Batch:
        """Records committed since the last call, at most :data:`BATCH_SLOTS` slots of them."""
        if self._overwrites:
            return Batch(self._ring.slots[:0].copy())
        slots = self._committed()
        batch, used = split(slots, functions=self._functions)
        self._position += used
        if used:
            # After the copy: from here on producers may write over these slots.
            self._ring.tail = self._position
        return self._seen(batch)

    def _committed(self) -> Slots:
        """A private copy of the committed slots that follow the position without a hole."""
        ring = self._ring
        start = self._position & (ring.count - 1)
        wanted = min(BATCH_SLOTS, ring.count)
        parts = [ring.slots[start : start + wanted]]
        if len(parts[0]) < wanted:
            parts.append(ring.slots[: wanted - len(parts[0])])
        copies, position = [], self._position
        for part in parts:
            length = _committed_length(part, position)
            # Copied after seq was seen: the acquire side of the producers' release.
            copies.append(part[:length].copy())
            position += length
            if length < len(part):
                break
        return copies[0] if len(copies) == 1 else np.concatenate(copies)

    def take_rest(self) -> list[Batch]:
        """Everything that is still in the ring, in order, with loss where something is missing.

        To be called once, when nothing writes to the ring any more. A flight recorder's first
        record is whole; what it has overwritten is told of in front of it.
        """
        batches: list[Batch] = []
        for positions in self._runs():
            if positions[0] > self._position and not (self._overwrites and not batches):
                # A slot carries one record or less: the number of slots is the upper bound.
                hole = int(positions[0]) - self._position
                batches.append(self._loss(hole, LossCause.DAMAGED))
            batches.extend(self._take_run(positions))
        if self._overwrites and batches:
            batches[:0] = self._overwritten(batches)
        if self._ring.lost_untold:
            batches.append(self._loss(self._ring.lost_untold, LossCause.RING_FULL))
        self._ring.tail = self._position
        return [batch for batch in batches if len(batch)]

    def _runs(self) -> list[NDArray[np.int64]]:
        """Committed positions that have not been taken, ascending, cut where one is missing."""
        ring = self._ring
        seq = ring.slots["seq"].astype(np.int64)  # a slot being written has bit 63 set
        index = np.arange(ring.count)
        committed = (seq > 0) & ((seq - 1 & ring.count - 1) == index)
        positions = np.sort(seq[committed] - 1)
        if not len(positions):
            return []
        first = int(positions[-1]) - ring.count + 1 if self._overwrites else self._position
        positions = positions[(positions >= first) & (positions - first < ring.count)]
        if self._overwrites:
            positions = self._from_whole_record(positions)
        return [run for run in np.split(positions, _ends_of_runs(positions)) if len(run)]

    def _from_whole_record(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Positions without the continuations whose record has been overwritten."""
        kinds = self._ring.slots["kind"][positions & self._ring.count - 1]
        return positions[int(np.argmax(kinds != Kind.CONTINUATION)) :]

    def _take_run(self, positions: NDArray[np.int64]) -> list[Batch]:
        """The records of consecutive positions."""
        batches, start = [], 0
        while start < len(positions):
            chunk = positions[start : start + BATCH_SLOTS]
            slots = self._ring.slots[chunk & self._ring.count - 1]
            complete = start + len(chunk) == len(positions)
            batch, used = split(slots, functions=self._functions, complete=complete)
            batches.append(self._seen(batch))
            start += used
        self._position = int(positions[-1]) + 1
        return batches

    def _overwritten(self, kept: list[Batch]) -> list[Batch]:
        """The loss record for what a flight recorder has overwritten, if anything."""
        first_time_ns = int(kept[0].records["time_ns"][0]) if len(kept[0]) else 0
        lost = self._ring.records - sum(map(len, kept))
        if lost <= 0:
            return []
        return [Batch(loss_records([min(lost, LOSS_MAX)], [first_time_ns], LossCause.OVERWRITTEN))]

    def _loss(self, value: int, cause: LossCause) -> Batch:
        return Batch(loss_records([min(value, LOSS_MAX)], [self._last_time_ns], cause))

    def _seen(self, batch: Batch) -> Batch:
        if len(batch):
            self._last_time_ns = int(batch.records["time_ns"][-1])
        return batch


def _committed_length(slots: Slots, position: int) -> int:
    """How many of the slots, from the first on, hold the positions from ``position`` on."""
    expected = np.arange(position + 1, position + 1 + len(slots), dtype=np.uint64)
    missing = slots["seq"] != expected
    return int(np.argmax(missing)) if missing.any() else len(slots)


def _ends_of_runs(positions: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.flatnonzero(np.diff(positions) != 1) + 1
