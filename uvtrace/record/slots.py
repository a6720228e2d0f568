# SPDX-License-Identifier: Apache-2.0
"""From ring slots to records and their payloads, without trusting a byte of them.

Pure functions on private copies of slots: whatever a guest wrote, every slot ends up in a
whole record, in a loss record of cause DAMAGED, or is held back until more slots are there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uvtrace.trace import layout
from uvtrace.trace.enums import Kind, LossCause

CONTINUATIONS_MAX = -(-layout.RING_PAYLOAD_MAX // layout.CONTINUATION_BYTES)
"""Continuation slots of the longest record that a ring may hold."""

LOSS_MAX = 1 << 48
"""A loss record that tells of more records than this is damaged: no ring can drop as many."""

_KINDS = np.zeros(256, dtype=bool)
_KINDS[[int(kind) for kind in Kind]] = True
_KINDS[[Kind.PAD, Kind.CONTINUATION]] = False


@dataclass(frozen=True)
class Batch:
    """Records in ring order.

    Attributes:
        records: dtype :data:`~uvtrace.trace.layout.RECORD`, shape (n,); a copy.
        payloads: row number to the bytes that follow the record, for rows that have any.
    """

    records: NDArray[np.void]
    payloads: dict[int, bytes] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.records)


def split(slots: NDArray[np.void], *, functions: int, complete: bool = False) -> tuple[Batch, int]:
    """Split consecutive slots into records.

    Args:
        slots: dtype :data:`~uvtrace.trace.layout.RECORD`, shape (n,); must be memory that
            nobody else writes to.
        functions: how many PCI functions are recorded; a record of another one is damaged.
        complete: no more slots will follow, so that a record whose payload is cut short by
            the end is damaged; otherwise it is left for the next call.

    Returns:
        The batch, and how many slots it used up.
    """
    if not len(slots):
        return Batch(slots[:0].copy()), 0
    kinds = slots["kind"]
    is_first = kinds != Kind.CONTINUATION
    is_first[0] = True  # a continuation without its record makes a damaged one
    first = np.flatnonzero(is_first)
    records = slots if len(first) == len(slots) else _rows(slots, first)
    follow = np.diff(first, append=len(slots)) - 1
    needs = _continuations_needed(records)
    used = len(slots)
    if not complete and follow[-1] < needs[-1] <= CONTINUATIONS_MAX:
        used = int(first[-1])
        records, first, follow, needs = records[:-1], first[:-1], follow[:-1], needs[:-1]
    damaged = _is_damaged(records, functions) | (follow != needs)
    keep = (records["kind"] != Kind.PAD) | damaged
    if not keep.all():
        records, first, damaged = _rows(records, keep), first[keep], damaged[keep]
    return _gather(slots, records, first, damaged), used


def _rows(records: NDArray[np.void], which: NDArray[Any]) -> NDArray[np.void]:
    """``records[which]``, several times as fast: numpy copies structures field by field."""
    words = records.view(np.uint64).reshape(len(records), -1)
    rows: NDArray[np.void] = words[which].view(records.dtype).reshape(-1)
    return rows


def _continuations_needed(records: NDArray[np.void]) -> NDArray[np.int64]:
    payload = records["payload"].astype(np.int64)
    payload[records["kind"] == Kind.PAD] = 0
    return -(-payload // layout.CONTINUATION_BYTES)


def _is_damaged(records: NDArray[np.void], functions: int) -> NDArray[np.bool_]:
    kinds = records["kind"]
    function = records["function"]
    is_pad = kinds == Kind.PAD
    wrong_kind = ~_KINDS[kinds] & ~is_pad
    wrong_function = (function != layout.FUNCTION_NONE) & (function >= functions) & ~is_pad
    wrong_loss = (kinds == Kind.LOSS) & (records["value"] > LOSS_MAX)
    too_long = records["payload"] > layout.RING_PAYLOAD_MAX
    wrong_version = records["version"] != layout.RECORD_VERSION
    damaged: NDArray[np.bool_] = (
        wrong_kind | wrong_function | wrong_loss | wrong_version | (too_long & ~is_pad)
    )
    return damaged


def _gather(
    slots: NDArray[np.void],
    records: NDArray[np.void],
    first: NDArray[np.int64],
    damaged: NDArray[np.bool_],
) -> Batch:
    """Records with their payloads; each run of damaged ones becomes one loss record."""
    if damaged.any():
        begins = damaged & ~np.concatenate(([False], damaged[:-1]))
        runs = np.cumsum(begins)[damaged]
        lengths = np.bincount(runs)[1:]
        times = _last_sound_time(records, damaged)[begins]
        records[begins] = loss_records(lengths, times, LossCause.DAMAGED)
        keep = ~damaged | begins
        records, first = _rows(records, keep), first[keep]
    payloads = {}
    for row in np.flatnonzero(records["payload"]):
        length = int(records["payload"][row])
        start = int(first[row]) + 1
        end = start - (-length // layout.CONTINUATION_BYTES)
        data = slots[start:end].view(layout.CONTINUATION)["data"]
        payloads[int(row)] = data.tobytes()[:length]
    return Batch(records, payloads)


def _last_sound_time(records: NDArray[np.void], damaged: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """For each row, ``time_ns`` of the nearest undamaged row before it, else after it, else 0."""
    sound = np.flatnonzero(~damaged)
    if not len(sound):
        return np.zeros(len(records), dtype=np.uint64)
    before = np.searchsorted(sound, np.arange(len(records)), side="right") - 1
    times: NDArray[np.uint64] = records["time_ns"][sound[np.maximum(before, 0)]]
    return times


def loss_records(
    values: NDArray[np.integer] | list[int],
    times_ns: NDArray[np.uint64] | list[int],
    cause: LossCause,
) -> NDArray[np.void]:
    """Loss records that each tell of ``values`` lost records, shape (len(values),)."""
    loss = layout.make_records(len(values), kind=Kind.LOSS)
    loss["value"] = values
    loss["time_ns"] = times_ns
    layout.view_of(loss, "meta")["topic"] = cause
    return loss
