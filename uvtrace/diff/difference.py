# SPDX-License-Identifier: Apache-2.0
"""What is new, what is gone, what has changed between two runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from uvtrace.check.results import Finding
from uvtrace.check.rules import Severity
from uvtrace.diff.latency import Distribution
from uvtrace.diff.run import Access, Run, State, Step

Key = TypeVar("Key")

RATIO: Final = 2.0
"""A median or 95th percentile that is so many times what it was has changed."""
SAMPLES_MIN: Final = 20
"""Of fewer measurements no distribution is compared."""
LEAST_NS: Final = 200.0
"""Differences below are told of nothing: clocks and caches make them."""


@dataclass(frozen=True)
class FindingChange:
    """A finding that only one of the runs has.

    Attributes:
        finding: it.
        count: how often it was found.
        undecided: the verdict of its rule in the other run, where that did not judge; else empty.
    """

    finding: Finding
    count: int
    undecided: str


@dataclass(frozen=True)
class LatencyChange:
    """Times that are not what they were."""

    function: str
    what: str
    old: Distribution
    new: Distribution

    @property
    def ratio(self) -> float:
        """How many times the old median the new one is."""
        return self.new.median_ns / max(self.old.median_ns, 1.0)


@dataclass(frozen=True)
class Changes:
    """Things, with their counts, that only one of the runs has."""

    new: tuple[tuple[Any, int], ...]
    gone: tuple[tuple[Any, int], ...]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Between two runs.

    Attributes:
        old, new: the runs.
        found, fixed: findings that only the new one, and only the old one has.
        kept: signatures that both have.
        states, steps: of the state machines that both were run through.
        machines: state machines that only one of them was run through.
        accesses: registers of functions that both have.
        functions: functions that only one of them has.
        slower, faster: times that have changed.
        compared: how many distributions were compared.
    """

    old: Run
    new: Run
    found: tuple[FindingChange, ...]
    fixed: tuple[FindingChange, ...]
    kept: tuple[str, ...]
    states: Changes
    steps: Changes
    machines: Changes
    accesses: Changes
    functions: Changes
    slower: tuple[LatencyChange, ...]
    faster: tuple[LatencyChange, ...]
    compared: int

    @property
    def is_regression(self) -> bool:
        """Whether the new run has an error that the old one had not."""
        return any(each.finding.severity is Severity.ERROR for each in self.found)


def difference(old: Run, new: Run, *, ratio: float = RATIO) -> Difference:
    """Compare two runs.

    Args:
        old: what is known.
        new: what is asked about.
        ratio: how many times what it was a time must be to have changed.
    """
    both = old.automata & new.automata
    functions = [_functions(run) for run in (old, new)]
    shared = functions[0].keys() & functions[1].keys()
    times = [_times(old, new, key) for key in sorted(old.latencies.keys() & new.latencies.keys())]
    comparable = [each for each in times if min(each.old.count, each.new.count) >= SAMPLES_MIN]
    changed = [(each, _change(each, ratio)) for each in comparable]
    return Difference(
        old=old,
        new=new,
        found=_only(new, old),
        fixed=_only(old, new),
        kept=tuple(sorted(old.findings.keys() & new.findings.keys())),
        states=_changes(_of(old.states, both), _of(new.states, both)),
        steps=_changes(_of(old.steps, both), _of(new.steps, both)),
        machines=_changes(_ones(old.automata), _ones(new.automata)),
        accesses=_changes(_of(old.accesses, shared), _of(new.accesses, shared)),
        functions=_changes(*functions),
        slower=tuple(each for each, change in changed if change > 0),
        faster=tuple(each for each, change in changed if change < 0),
        compared=len(comparable),
    )


def _only(one: Run, other: Run) -> tuple[FindingChange, ...]:
    """The findings that one run has and the other has not."""
    return tuple(
        FindingChange(finding, one.counts[signature], str(other.verdicts.get(finding.rule, "")))
        for signature, finding in sorted(
            one.findings.items(), key=lambda item: (item[1].seq, item[0])
        )
        if signature not in other.findings
    )


def _functions(run: Run) -> dict[str, int]:
    counts: dict[str, int] = {}
    for (function, _, _), count in run.accesses.items():
        counts[function] = counts.get(function, 0) + count
    return counts


def _ones(names: Iterable[str]) -> dict[str, int]:
    return dict.fromkeys(names, 1)


def _of(
    counts: Mapping[State, int] | Mapping[Step, int] | Mapping[Access, int],
    firsts: Iterable[str],
) -> dict[tuple[str, ...], int]:
    chosen = frozenset(firsts)
    return {key: count for key, count in counts.items() if key[0] in chosen}


def _changes(old: Mapping[Key, int], new: Mapping[Key, int]) -> Changes:
    return Changes(
        tuple(sorted((key, count) for key, count in new.items() if key not in old)),
        tuple(sorted((key, count) for key, count in old.items() if key not in new)),
    )


def _times(old: Run, new: Run, key: tuple[str, str]) -> LatencyChange:
    return LatencyChange(*key, old.latencies[key], new.latencies[key])


def _change(times: LatencyChange, ratio: float) -> int:
    """1 slower, -1 faster, 0 neither: by the median, else by the 95th percentile."""
    pairs = (
        (times.old.median_ns, times.new.median_ns),
        (times.old.p95_ns, times.new.p95_ns),
    )
    for before, after in pairs:
        if abs(after - before) < LEAST_NS:
            continue
        if after >= before * ratio:
            return 1
        if before >= after * ratio:
            return -1
    return 0
