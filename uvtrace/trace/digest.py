# SPDX-License-Identifier: Apache-2.0
"""What is in a trace, in numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uvtrace.trace.enums import Flag, Kind
from uvtrace.trace.events import is_event
from uvtrace.trace.functions import Function
from uvtrace.trace.layout import view_of
from uvtrace.trace.sequence import lost_counts
from uvtrace.trace.trace import Trace

TOP_SITES = 10


@dataclass(frozen=True)
class FunctionDigest:
    """One function's share of the records."""

    name: str
    description: str
    driver: str
    records: int
    kinds: dict[int, int]


@dataclass(frozen=True, kw_only=True)
class Digest:
    """A trace in numbers.

    Attributes:
        file: its path.
        records: how many there are.
        transactions: of those, events (see ``is_event``).
        lost: how many records were lost; ``losses`` by number of the cause;
            a thing that could not be seen at all counts as one.
        duration_ns: from the first to the last event.
        kernel: release of the recorded kernel, empty where not known.
        command: what ran while recording, and its exit code (None where not known).
        functions: with at least one record, or declared.
        kinds: records by kind number, most frequent first.
        cpus: CPUs with at least one event.
        undecoded: accesses whose instruction was not understood.
        modules: kernel modules that call sites are in.
        sites: the call sites with the most events, most first.
        converted: where the trace came from, if another tool recorded it.
        damage: where and why the file ends early.
    """

    file: str
    records: int
    transactions: int
    lost: int
    losses: dict[int, int]
    duration_ns: int
    kernel: str
    command: str
    exit_code: int | None
    functions: tuple[FunctionDigest, ...]
    kinds: dict[int, int]
    cpus: tuple[int, ...]
    undecoded: int
    modules: tuple[str, ...]
    sites: tuple[tuple[str, int], ...]
    converted: str
    damage: str | None


def digest(trace: Trace) -> Digest:
    """Count what is in a trace, in one pass, chunk by chunk."""
    counts = _Counts()
    for chunk in trace.chunks():
        counts.add(chunk.records)
    session, result = trace.metadata.session, trace.metadata.result
    header = trace.sections[0] if trace.sections else None
    return Digest(
        file=trace.path,
        records=len(trace),
        transactions=counts.transactions,
        lost=counts.lost,
        losses=dict(sorted(counts.losses.items())),
        duration_ns=counts.duration_ns,
        kernel=_text(session.get("kernel")) or (header.os if header else ""),
        command=_command(session.get("command")),
        exit_code=_number(result.get("exit_code")),
        functions=tuple(
            counts.of_function(function)
            for function in trace.functions
            if function.is_pci or function.index in counts.kinds_of
        ),
        kinds=_by_number(counts.kinds),
        cpus=tuple(sorted(counts.cpus)),
        undecoded=counts.undecoded,
        modules=tuple(sorted({module.name for module in trace.metadata.modules.values()})),
        sites=tuple(
            (trace.symbol(site), count) for site, count in counts.sites.most_common(TOP_SITES)
        ),
        converted=trace.metadata.converted,
        damage=None if trace.damage is None else str(trace.damage),
    )


@dataclass
class _Counts:
    kinds: NDArray[np.int64] = field(default_factory=lambda: np.zeros(256, np.int64))
    kinds_of: dict[int, NDArray[np.int64]] = field(default_factory=dict)
    sites: Counter[int] = field(default_factory=Counter)
    losses: Counter[int] = field(default_factory=Counter)
    cpus: set[int] = field(default_factory=set)
    transactions: int = 0
    lost: int = 0
    undecoded: int = 0
    first_ns: int | None = None
    last_ns: int = 0

    def add(self, records: NDArray[np.void]) -> None:
        kinds = records["kind"]
        self.kinds += np.bincount(kinds, minlength=256)
        for function in np.unique(records["function"]).tolist():
            mine = np.bincount(kinds[records["function"] == function], minlength=256)
            self.kinds_of[function] = self.kinds_of.get(function, np.zeros(256, np.int64)) + mine
        self._add_losses(records[kinds == Kind.LOSS])
        events = records[is_event(kinds)]
        if len(events):
            self._add_events(events)

    def _add_losses(self, losses: NDArray[np.void]) -> None:
        lost = lost_counts(losses).tolist()
        self.lost += sum(lost)
        for cause, count in zip(view_of(losses, "meta")["topic"].tolist(), lost, strict=True):
            self.losses[cause] += count or 1

    def _add_events(self, events: NDArray[np.void]) -> None:
        self.transactions += len(events)
        self.undecoded += int(np.count_nonzero(events["flags"] & np.uint32(Flag.UNDECODED)))
        self.cpus.update(np.unique(events["cpu"]).tolist())
        first, last = int(events["time_ns"].min()), int(events["time_ns"].max())
        self.first_ns = first if self.first_ns is None else min(first, self.first_ns)
        self.last_ns = max(last, self.last_ns)
        sites = np.where(events["caller"] != 0, events["caller"], events["ip"])
        named, counts = np.unique(sites[sites != 0], return_counts=True)
        self.sites.update(dict(zip(named.tolist(), counts.tolist(), strict=True)))

    @property
    def duration_ns(self) -> int:
        return 0 if self.first_ns is None else self.last_ns - self.first_ns

    def of_function(self, function: Function) -> FunctionDigest:
        kinds = self.kinds_of.get(function.index, np.zeros(256, np.int64))
        return FunctionDigest(
            function.name,
            function.description,
            function.driver,
            int(kinds.sum()),
            _by_number(kinds),
        )


def _by_number(kinds: NDArray[np.int64]) -> dict[int, int]:
    order = np.argsort(-kinds, kind="stable")
    return {kind: int(kinds[kind]) for kind in order.tolist() if kinds[kind]}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _command(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(str(word) for word in value)
    return _text(value)
