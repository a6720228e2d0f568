# SPDX-License-Identifier: Apache-2.0
"""Where records are missing: what passes must forget, and rules cannot judge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.compiled import loop
from uvtrace.check.rules import Sight
from uvtrace.check.sight import ALL_SIGHTS, Loss, loss_of
from uvtrace.trace.enums import Kind
from uvtrace.trace.layout import FUNCTION_NONE, view_of
from uvtrace.trace.sequence import lost_counts
from uvtrace.trace.trace import Trace

SIGHT_BIT: Final = {sight: 1 << number for number, sight in enumerate(Sight)}
"""The bit of each sight in a mask."""
_LOSS: Final = int(Kind.LOSS)


def sight_mask(sights: Iterable[Sight]) -> int:
    """Sights as bits."""
    return sum(SIGHT_BIT[sight] for sight in set(sights))


class Losses(NamedTuple):
    """The losses in a chunk, in order.

    Attributes:
        told: each of them.
        rows: the row before which each happened, int64.
        functions: the function it concerns, -1 for all, int64.
        masks: what it hides, see :data:`SIGHT_BIT`, int64.
        missing: by row: records missing before it; negative where numbers run back; None: every
            record has the number that was due.
        lost: by row: lost records that it stands for; None: none does.
    """

    told: tuple[Loss, ...]
    rows: NDArray[np.int64]
    functions: NDArray[np.int64]
    masks: NDArray[np.int64]
    missing: NDArray[np.int64] | None
    lost: NDArray[np.int64] | None

    @classmethod
    def none(cls) -> Losses:
        """There is no loss."""
        empty = np.zeros(0, np.int64)
        return cls((), empty, empty, empty, None, None)

    def of(self, sights: Iterable[Sight]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows and functions of the losses that hide one of ``sights``."""
        if not len(self.rows):
            return self.rows, self.functions
        hit = (self.masks & sight_mask(sights)) != 0
        return self.rows[hit], self.functions[hit]


@dataclass
class LossFollower:
    """Finds losses chunk by chunk.

    Attributes:
        lost: records lost so far.
        all: every loss so far, at most ``limit``.
    """

    trace: Trace
    lost: int = 0
    limit: int = 10_000
    all: list[Loss] = field(default_factory=list)
    _next_seq: int | None = None

    def take(
        self, first: int, records: NDArray[np.void], parts: Mapping[str, NDArray[Any]] | None = None
    ) -> Losses:
        """The losses among the records that begin at position ``first``.

        ``parts`` are fields of theirs that are at hand, contiguous.
        """
        if len(records) == 0:
            return Losses.none()
        if parts is None:
            parts = {name: np.ascontiguousarray(records[name]) for name in ("seq", "kind")}
        start = int(parts["seq"][0]) if self._next_seq is None else self._next_seq
        if _in_order(parts["seq"], parts["kind"], start):
            self._next_seq = start + len(records)
            return Losses.none()
        counts = lost_counts(records).astype(np.int64)
        seq = records["seq"].astype(np.int64)
        missing = seq - self._due(seq, counts)
        told = np.asarray(records["kind"]) == Kind.LOSS
        found = [
            (row, loss)
            for row in np.flatnonzero(told | (missing > 0)).tolist()
            for loss in self._at(first, records[row], row, int(missing[row]), int(counts[row]))
        ]
        self.all += [loss for _, loss in found][: self.limit - len(self.all)]
        return Losses(
            told=tuple(loss for _, loss in found),
            rows=np.array([row for row, _ in found], np.int64),
            functions=np.array([_function(loss) for _, loss in found], np.int64),
            masks=np.array([sight_mask(loss.sights) for _, loss in found], np.int64),
            missing=missing,
            lost=counts,
        )

    def _due(self, seq: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """The number that each record should have, given the one before it."""
        following = seq + 1 + counts
        start = int(seq[0]) if self._next_seq is None else self._next_seq
        self._next_seq = int(following[-1])
        return np.concatenate((np.array([start], np.int64), following[:-1]))

    def _at(self, first: int, record: np.void, row: int, missing: int, count: int) -> list[Loss]:
        found = []
        # Numbers that run backwards are TRC002's matter, and hide nothing.
        if missing > 0:
            found.append(self._gap(record, missing))
        if record["kind"] == Kind.LOSS:
            found.append(self._told(first + row, record, count))
        return found

    def _gap(self, record: np.void, missing: int) -> Loss:
        self.lost += missing
        return Loss(
            seq=int(record["seq"]),
            time_ns=int(record["time_ns"]),
            function=FUNCTION_NONE,
            count=missing,
            sights=ALL_SIGHTS,
            lasting=False,
            text=f"{missing} records are missing before #{record['seq']}",
        )

    def _told(self, position: int, record: np.void, count: int) -> Loss:
        cause = int(view_of(record.reshape(1), "meta")["topic"][0])
        name = self.trace.payload(position).decode("utf-8", "replace").rstrip("\0")
        sights, lasting, why = loss_of(cause, name)
        self.lost += count
        return Loss(
            seq=int(record["seq"]),
            time_ns=int(record["time_ns"]),
            function=int(record["function"]),
            count=count,
            sights=sights,
            lasting=lasting,
            text=f"{count} records were lost at #{record['seq']}: {why}" if count else why,
        )


def _function(loss: Loss) -> int:
    return -1 if loss.function == FUNCTION_NONE else loss.function


@loop
def _in_order(seq: NDArray[np.uint64], kind: NDArray[np.uint8], start: int) -> bool:
    """Whether every record has the number that is due, and none tells of loss."""
    wrong, due = np.uint64(0), np.uint64(start)
    for row in range(len(seq)):
        wrong |= (seq[row] ^ (due + np.uint64(row))) | np.uint64(kind[row] == _LOSS)
    return bool(wrong == 0)
