# SPDX-License-Identifier: Apache-2.0
"""What came of a replay: where the two first differ, and how far they agree."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from uvtrace.replay.engine import Difference

FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Divergence:
    """One thing in which the target and the recording differ.

    Attributes:
        row: of the record in the trace, from 0; ``seq`` is its number.
        time_ns: of the record.
        difference: how they differ.
        what: the register that was read, or the kind of transaction.
        expected: what the recording has; None: nothing.
        got: what the target said; None: nothing.
        recorded_before: the transactions of the recording before it, the newest last.
        replayed_before: what was told to the target (``>``) and what it said (``<``).
    """

    row: int
    seq: int
    time_ns: int
    difference: Difference
    what: str
    expected: str | None
    got: str | None
    recorded_before: tuple[str, ...] = ()
    replayed_before: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return {
            "record": self.row,
            "seq": self.seq,
            "time_ns": self.time_ns,
            "difference": self.difference.value,
            "what": self.what,
            "expected": self.expected,
            "got": self.got,
            "recorded_before": list(self.recorded_before),
            "replayed_before": list(self.replayed_before),
        }


@dataclass
class Outcome:
    """What came of a replay.

    Attributes:
        file: the recording.
        device: what it was replayed against.
        function: whose transactions.
        told: transactions of the host that the target was told of.
        agreed: what both said, by register or kind.
        divergences: in order.
        not_compared: what could not be compared, by register or kind.
        reserved: reads that differ in reserved bits only, which is no divergence.
        frames_in: frames that the recorded device had received, given to the target.
        frames_out: frames that the target has sent.
        explained: differences that another order of what the recording does not show explains.
        notes: what must be known to read this.
        seconds: it took.
        interrupted: it was stopped before the recording's end.
    """

    file: str
    device: str
    function: str
    told: int = 0
    agreed: Counter[str] = field(default_factory=Counter)
    divergences: list[Divergence] = field(default_factory=list)
    not_compared: Counter[str] = field(default_factory=Counter)
    reserved: Counter[str] = field(default_factory=Counter)
    frames_in: int = 0
    frames_out: int = 0
    explained: int = 0
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    interrupted: bool = False

    @property
    def agrees(self) -> bool:
        """There is no divergence."""
        return not self.divergences

    def alike(self) -> list[tuple[Divergence, int]]:
        """The first of each sort of divergence, and how many there are of the sort."""
        firsts: dict[tuple[object, ...], Divergence] = {}
        counts: Counter[tuple[object, ...]] = Counter()
        for each in self.divergences:
            values = (each.expected, each.got) if each.difference is Difference.VALUE else ()
            sort = (each.what, each.difference, *values)
            firsts.setdefault(sort, each)
            counts[sort] += 1
        return [(first, counts[sort]) for sort, first in firsts.items()]

    @property
    def diverged(self) -> Counter[str]:
        """How often they differ, by register or kind."""
        return Counter(each.what for each in self.divergences)

    def as_json(self) -> dict[str, Any]:
        """What ``uvtrace replay --format json`` prints."""
        return {
            "format": FORMAT,
            "file": self.file,
            "device": self.device,
            "function": self.function,
            "agrees": self.agrees,
            "told": self.told,
            "agreed": dict(self.agreed.most_common()),
            "diverged": dict(self.diverged.most_common()),
            "not_compared": dict(self.not_compared.most_common()),
            "reserved": dict(self.reserved.most_common()),
            "frames_in": self.frames_in,
            "frames_out": self.frames_out,
            "explained": self.explained,
            "interrupted": self.interrupted,
            "notes": self.notes,
            "seconds": round(self.seconds, 3),
            "divergences": [each.as_json() for each in self.divergences],
        }
