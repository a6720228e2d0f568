# SPDX-License-Identifier: Apache-2.0
"""Rules at work: which events break them, which they could not judge."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.aggregates import Aggregates
from uvtrace.check.by_kind import ByKind, Single
from uvtrace.check.chunk import Chunk, Frame
from uvtrace.check.duties import Duties
from uvtrace.check.expression import TRUE, Truth
from uvtrace.check.findings import Findings
from uvtrace.check.followers import Followers, Found
from uvtrace.check.machines import OVERSTAYED, Machines
from uvtrace.check.obligation import Obligation
from uvtrace.check.program import Program, Run
from uvtrace.check.results import Evidence
from uvtrace.check.rule import END, Rule, kinds_of
from uvtrace.check.window import Window
from uvtrace.trace.enums import Kind

_EVIDENCE_MAX: Final = 8
_FEW: Final = 1 << 13
"""Events of a chunk that are few."""

Kinds = frozenset[int] | None

_FAMILIES: Final = (
    frozenset({Kind.CONFIG_READ, Kind.CONFIG_WRITE}),
    frozenset(range(Kind.MMIO_READ, Kind.PIO_WRITE + 1)),
    frozenset(range(Kind.DMA_READ, Kind.INTX_DEASSERT + 1)),
    frozenset({Kind.HANDLER_ENTER, Kind.HANDLER_EXIT}),
    frozenset(range(Kind.MAP, Kind.MEMORY + 1)),
    frozenset(range(Kind.IOMAP, Kind.ERROR + 1)),
    frozenset(range(Kind.SNAPSHOT, Kind.LOSS + 1)),
)
"""Kinds that are looked at together: rules about some of them share columns and conditions."""


class Tally(NamedTuple):
    """What became of the events that a rule judges, by function; the last is the whole trace."""

    rule: Rule
    checked: NDArray[np.int64]
    unknown: NDArray[np.int64]


class _Simple(NamedTuple):
    """A rule whose violation is a term."""

    tally: Tally
    applies: int
    broken: int
    single: Single


class _Hits(NamedTuple):
    """The events of a frame that break a rule."""

    rule: Rule
    frame: Frame
    indices: NDArray[np.int64]


@dataclass
class Judgement:
    """All rules of a check.

    Args:
        rules: what to judge by.
        silent: rules that report nothing, but whose events others leave to them.
        program: where their terms are compiled.
        findings: where to tell.
        functions: how many there are.
    """

    rules: tuple[Rule, ...]
    silent: tuple[Rule, ...]
    program: Program
    findings: Findings
    functions: int
    tallies: list[Tally] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self._simple: dict[Kinds, list[_Simple]] = defaultdict(list)
        self._duties: list[tuple[Tally, Duties, Kinds]] = []
        self._aggregates: list[tuple[Tally, Aggregates, Kinds]] = []
        self._machines: list[tuple[Tally, Machines, Kinds]] = []
        self._followers = Followers(self.program, self.functions)
        self._is_silent = {id(rule) for rule in self.silent}
        for rule in self.rules:
            tally = self._tally(rule)
            self.tallies.append(tally)
            self._add(rule, tally)
        for rule in self.silent:
            if isinstance(rule.violation, Truth):
                self._add(rule, self._tally(rule))
        self._ordered = [
            each
            for kinds, rules in self._simple.items()
            if kinds is None or kinds != {END}
            for each in rules
        ]
        singles = [each.single for each in self._ordered]
        self._by_kind = ByKind(singles, self._followers.all, self.program, self.functions)

    def _tally(self, rule: Rule) -> Tally:
        counts = np.zeros((2, self.functions + 1), np.int64)
        return Tally(rule, counts[0], counts[1])

    def _add(self, rule: Rule, tally: Tally) -> None:
        violation = rule.violation
        if isinstance(violation, Truth):
            assert rule.broken is not None
            self._add_simple(tally, violation, rule.broken, rule.broken)
        elif isinstance(violation, Obligation):
            duties = Duties(violation, self._followers, self.functions)
            self._duties.append((tally, duties, _kinds_of_several(violation.truths())))
        elif isinstance(violation, Window):
            aggregates = Aggregates(violation, self._followers, self.functions)
            kinds = _kinds_of_several((violation.counts, violation.reset_by))
            self._aggregates.append((tally, aggregates, kinds))
        else:
            machines = Machines(violation, self._followers, self.functions)
            kinds = _kinds_of_several(machines.looked_at())
            self._machines.append((tally, machines, kinds and kinds | {Kind.RESET}))
        if not isinstance(violation, Truth) and rule.applies is not TRUE:
            # What applies is what is counted as judged; the events alone break nothing.
            nothing = ~rule.applies.is_known
            self._add_simple(tally, nothing, rule.applies & nothing, rule.applies)

    def _add_simple(self, tally: Tally, violation: Truth, broken: Truth, looked_at: Truth) -> None:
        applies, kinds = tally.rule.applies, kinds_of(looked_at)
        single = Single(
            applies=applies,
            violation=violation,
            kinds=None if kinds is None else _family(kinds),
            whole_trace=tally.rule.whole_trace,
            checked=tally.checked,
            unknown=tally.unknown,
        )
        numbers = self.program.add(applies), self.program.add(broken)
        self._simple[kinds].append(_Simple(tally, *numbers, single))

    def take(self, chunk: Chunk) -> None:
        """Judge the events of a chunk."""
        if len(chunk) < _FEW:
            hits = self._judge_few(chunk)
            found: Found = self._followers.among_few(chunk)
        else:
            told = self._by_kind.judge(chunk)
            hits = [
                _Hits(each.tally.rule, Frame(chunk, rows), np.arange(len(rows)))
                for number, each in enumerate(self._ordered)
                if (rows := told.get(number)) is not None
            ]
            found = self._by_kind
        self._report(chunk, hits)
        for tally, duties, kinds in self._duties:
            if _is_looked_at(chunk, tally.rule, kinds):
                self._follow(tally, duties, chunk, found)
        for tally, aggregates, kinds in self._aggregates:
            if _is_looked_at(chunk, tally.rule, kinds):
                self._aggregate(tally, aggregates, chunk, found)
        for tally, machines, kinds in self._machines:
            if _is_looked_at(chunk, tally.rule, kinds):
                self._step(tally, machines, chunk, found)
            machines.see_time(chunk)

    def _judge_few(self, chunk: Chunk) -> list[_Hits]:
        """Without compiled loops, which take longer to be made ready than few events to judge."""
        frames: dict[Kinds, tuple[Frame, Run]] = {}
        return [
            hit
            for kinds, rules in self._simple.items()
            if kinds is None or kinds != {END}
            for hit in self._judge(rules, *self._frame(chunk, kinds, frames))
        ]

    def take_end(self, chunk: Chunk, *, whole: bool) -> None:
        """Judge the events behind the trace's last: those of functions, or that of the trace."""
        frames: dict[Kinds, tuple[Frame, Run]] = {}
        hits = [
            hit
            for kinds, rules in self._simple.items()
            if kinds is not None and END in kinds
            for hit in self._judge(
                [each for each in rules if each.tally.rule.whole_trace is whole],
                *self._frame(chunk, kinds, frames),
            )
        ]
        self._report(chunk, hits)
        found = self._followers.among_few(chunk)
        for tally, machines, kinds in self._machines:
            if kinds is not None and END in kinds and tally.rule.whole_trace is whole:
                self._step(tally, machines, chunk, found)

    def finish(self, last: int) -> None:
        """The trace has ended, with the event at position ``last``."""
        self._by_kind.count()
        for tally, duties, _ in self._duties:
            self._tell_broken(tally.rule, duties.finish(), last)
            if tally.rule.applies is TRUE:
                tally.checked[:] += duties.closed
            tally.unknown[:] += duties.unsure
        for tally, aggregates, _ in self._aggregates:
            if tally.rule.applies is TRUE:
                tally.checked[:] += aggregates.counted
            tally.unknown[:] += aggregates.unknown
        for tally, machines, _ in self._machines:
            for hit in machines.finish():
                self._tell_stay(tally.rule, machines, hit, -1)
            if tally.rule.applies is TRUE:
                tally.checked[:] += machines.stepped
            tally.unknown[:] += machines.unknown

    def _frame(
        self, chunk: Chunk, kinds: Kinds, frames: dict[Kinds, tuple[Frame, Run]]
    ) -> tuple[Frame, Run]:
        # What is not there tells no two frames apart; a term is false of kinds it does not name.
        there = None if kinds is None else _family(kinds) & chunk.kinds
        if there not in frames:
            frame = Frame(chunk, None if there is None else chunk.rows(there))
            frames[there] = frame, self.program.start(frame)
        return frames[there]

    def _judge(self, rules: Iterable[_Simple], frame: Frame, run: Run) -> list[_Hits]:
        if len(frame) == 0:
            return []
        function = frame.column("function")
        hits = []
        for each in rules:
            applies = run.truth(each.applies)
            broken = run.truth(each.broken)
            whole = each.tally.rule.whole_trace
            self._count(each.tally.checked, function, applies.certain, whole)
            if broken.possible is not broken.certain:
                unknown = broken.possible & ~broken.certain
                if unknown.any():
                    self._count(each.tally.unknown, function, unknown, whole)
                    sure = applies.certain & unknown
                    self._count(each.tally.checked, function, sure, whole, -1)
            certain = broken.certain if whole else broken.certain & (function < self.functions)
            if certain.any():
                indices = np.flatnonzero(certain).astype(np.int64)
                hits.append(_Hits(each.tally.rule, frame, indices))
        return hits

    def _count(
        self,
        counts: NDArray[np.int64],
        function: NDArray[np.uint16],
        chosen: NDArray[np.bool_],
        whole: bool,
        sign: int = 1,
    ) -> None:
        if whole:
            counts[-1] += sign * int(np.count_nonzero(chosen))
        elif self.functions == 1:
            counts[0] += sign * int(np.count_nonzero(chosen & (function == 0)))
        else:
            clipped = np.minimum(function[chosen], self.functions)
            counts += sign * np.bincount(clipped, minlength=len(counts))
            counts[-1] = 0

    def _report(self, chunk: Chunk, hits: list[_Hits]) -> None:
        """Tell of the events that break a rule, except where another rule says more."""
        taken: dict[str, NDArray[np.bool_]] = {}
        for hit in hits:
            for loser in hit.rule.supersedes:
                marked = taken.setdefault(loser, np.zeros(len(chunk), bool))
                marked[_rows(hit.frame, hit.indices)] = True
        for hit in hits:
            if id(hit.rule) in self._is_silent:
                continue
            indices = hit.indices
            if hit.rule.id in taken:
                indices = indices[~taken[hit.rule.id][_rows(hit.frame, indices)]]
            if len(indices):
                self.findings.at_events(hit.rule, hit.frame, indices)

    def _follow(self, tally: Tally, duties: Duties, chunk: Chunk, found: Found) -> None:
        lost = chunk.losses.of(tally.rule.needs)
        self._tell_broken(tally.rule, duties.take(chunk, found, lost), -1)

    def _aggregate(self, tally: Tally, aggregates: Aggregates, chunk: Chunk, found: Found) -> None:
        lost = chunk.losses.of(tally.rule.needs)
        for hit in aggregates.take(chunk, found, lost):
            row, measured, first = (int(part) for part in hit)
            self.findings.at_window(tally.rule, _only(chunk, row), 0, measured, first)

    def _step(self, tally: Tally, machines: Machines, chunk: Chunk, found: Found) -> None:
        one, lost = machines.automaton, chunk.losses.of(tally.rule.needs)
        for hit in machines.take(chunk, found, lost):
            row = int(hit["row"])
            if hit["edge"] == OVERSTAYED:
                self._tell_stay(tally.rule, machines, hit, chunk.first + row)
                continue
            edge = one.edges[int(hit["edge"])]
            words = {"state": one.states[int(hit["state"])], "step": edge.label}
            self.findings.at_event(
                tally.rule,
                _only(chunk, row),
                0,
                words | {"target": edge.target},
                self._entered(hit),
            )

    def _entered(self, hit: np.void) -> tuple[Evidence, ...]:
        """What put a machine into the state in which it met what it must not."""
        entered = int(hit["entered"])
        return (self.findings.evidence(entered, "entered"),) if entered >= 0 else ()

    def _tell_stay(self, rule: Rule, machines: Machines, hit: np.void, position: int) -> None:
        """A machine was in a state for too long: until the event at ``position``; -1 the end."""
        function, entered = int(hit["function"]), int(hit["entered"])
        if function < self.functions:
            words = {
                "state": machines.automaton.states[int(hit["state"])],
                "stay_ns": int(hit["stay_ns"]),
                "limit_ns": int(hit["limit_ns"]),
            }
            shows_at = entered if position < 0 else position
            self.findings.tell(rule, function, shows_at, [entered], words)

    def _tell_broken(self, rule: Rule, broken: NDArray[np.void], last: int) -> None:
        if not len(broken):
            return
        by = np.stack([broken[name].astype(np.uint64) for name in ("breaker", "function", "site")])
        groups, inverse = np.unique(by, axis=1, return_inverse=True)
        for number in range(groups.shape[1]):
            of_group = broken[inverse.reshape(-1) == number]
            alone = of_group["breaker"][0] < 0
            for part in of_group.reshape(-1, 1) if alone else (of_group,):
                self._tell_group(rule, part)

    def _tell_group(self, rule: Rule, broken: NDArray[np.void]) -> None:
        breaker = int(broken["breaker"][0])
        positions = np.sort(broken["position"])
        first = int(positions[0])
        function = int(broken["function"][0])
        if function >= self.functions and not rule.whole_trace:
            return
        words = {
            "count": len(broken),
            "total_length": int(broken["length"].sum()),
            "first_address": int(self.findings.record(first)["address"]),
        }
        opened = positions[:_EVIDENCE_MAX].tolist()
        self.findings.tell(rule, function, first if breaker < 0 else breaker, opened, words)


def _only(chunk: Chunk, row: int) -> Frame:
    """One event of a chunk."""
    return Frame(chunk, np.array([row], np.int64))


def _is_looked_at(chunk: Chunk, rule: Rule, kinds: Kinds) -> bool:
    """Whether a chunk has events of some kinds, or lost what a rule needs."""
    if kinds is None or not _family(kinds).isdisjoint(chunk.kinds):
        return True
    return len(chunk.losses.of(rule.needs)[0]) > 0


def _rows(frame: Frame, indices: NDArray[np.int64]) -> NDArray[np.int64]:
    return indices if frame.rows is None else frame.rows[indices]


@cache
def _family(kinds: frozenset[int]) -> frozenset[int]:
    """Kinds, and those that are looked at together with one of them."""
    return kinds.union(*(family for family in _FAMILIES if not family.isdisjoint(kinds)))


def _kinds_of_several(terms: Iterable[Truth]) -> Kinds:
    """The kinds of event that can make one of several terms other than false."""
    found: set[int] = set()
    for term in terms:
        kinds = kinds_of(term)
        if kinds is None:
            return None
        found |= kinds
    return frozenset(found)
