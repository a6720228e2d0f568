# SPDX-License-Identifier: Apache-2.0
"""The sweep: shows every check its records, once, in order, chunk by chunk."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from uvtrace import packs
from uvtrace.check.check import Check, Part
from uvtrace.check.results import WHOLE_TRACE, Finding, Results, RuleVerdict, Verdict
from uvtrace.check.rules import SIGHT_TEXT, Rule, Selection, Sight
from uvtrace.check.sight import ALL_SIGHTS, Loss, Shown, loss_of
from uvtrace.trace.enums import Kind
from uvtrace.trace.events import is_event
from uvtrace.trace.layout import FUNCTION_NONE, view_of
from uvtrace.trace.sequence import lost_counts
from uvtrace.trace.trace import Trace

CHUNK = 1 << 18
"""Records per step of the sweep: large enough for numpy, small enough for memory."""


def installed_checks() -> tuple[type[Check], ...]:
    """Every check that an installed pack declares, in order of the packs' names.

    Raises:
        EnvironmentLacksError: a pack cannot be imported.
    """
    return tuple(check for checks in packs.load("uvtrace.checkers") for check in checks)


def installed_rules() -> tuple[Rule, ...]:
    """Every rule that an installed pack declares, in order of their IDs."""
    rules = (rule for check in installed_checks() for rule in check.rules)
    return tuple(sorted(rules, key=lambda rule: rule.id))


def check(
    trace: Trace,
    *,
    selection: Selection | None = None,
    checks: Sequence[type[Check]] | None = None,
) -> Results:
    """Judge a trace.

    Args:
        trace: what :func:`uvtrace.open` gives.
        selection: the rules to judge; all by default.
        checks: the checks to run; those of the installed packs by default.

    Returns:
        Verdicts for every selected rule and function, and findings in the order of the trace.
    """
    begin = time.perf_counter()
    chosen = selection or Selection()
    sweep = _Sweep(trace, installed_checks() if checks is None else checks, chosen)
    first = 0
    for chunk in trace.chunks(CHUNK):
        records = chunk.records
        sweep.take(first, records)
        first += len(records)
    return sweep.results(begin)


@dataclass
class _Scope:
    """What the sweep keeps of one function, or of the trace as a whole."""

    name: str
    checks: list[Check]
    losses: list[Loss] = field(default_factory=list)


class _Sweep:
    def __init__(self, trace: Trace, checks: Sequence[type[Check]], selection: Selection) -> None:
        self.trace = trace
        self.selection = selection
        self.shown = Shown()
        self.lost = 0
        self.transactions = 0
        wanted = [kind for kind in checks if any(selection.takes(r.id) for r in kind.rules)]
        self.whole = _Scope(
            WHOLE_TRACE, [kind(trace, WHOLE_TRACE) for kind in wanted if kind.whole_trace]
        )
        self.functions = {
            function.index: _Scope(
                function.name,
                [kind(trace, function.name) for kind in wanted if not kind.whole_trace],
            )
            for function in trace.functions
        }
        self._next_seq: int | None = None

    def take(self, first: int, records: NDArray[np.void]) -> None:
        """Sweep over records that begin at index ``first`` of the trace."""
        if len(records) == 0:
            return
        self.shown.see(records)
        self.transactions += int(np.count_nonzero(is_event(records["kind"])))
        self._show(self.whole.checks, Part(records, first + np.arange(len(records)), self.trace))
        begin = 0
        for cut, loss in self._losses(first, records):
            self._show_functions(first, records, begin, cut)
            begin = cut
            self._lose(loss)
        self._show_functions(first, records, begin, len(records))

    def _losses(self, first: int, records: NDArray[np.void]) -> Iterator[tuple[int, Loss]]:
        """The losses in a chunk, each with the row before which it happened."""
        told = records["kind"] == Kind.LOSS
        counts = lost_counts(records)
        seq = records["seq"].astype(np.int64)
        due = self._due(seq, counts.astype(np.int64))
        # Numbers that run backwards are TRC002's matter, and hide nothing.
        gaps = seq > due
        for row in np.flatnonzero(told | gaps).tolist():
            if gaps[row]:
                yield row, self._gap(records[row], int(seq[row] - due[row]))
            if told[row]:
                yield row, self._told(first + row, records[row], int(counts[row]))

    def _due(self, seq: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """The number that each record should have, given the one before it."""
        following = seq + 1 + counts
        start = int(seq[0]) if self._next_seq is None else self._next_seq
        self._next_seq = int(following[-1])
        return np.concatenate((np.array([start], np.int64), following[:-1]))

    def _gap(self, record: np.void, missing: int) -> Loss:
        self.lost += missing
        text = f"{missing} records are missing before #{record['seq']}"
        return Loss(
            seq=int(record["seq"]),
            time_ns=int(record["time_ns"]),
            function=FUNCTION_NONE,
            count=missing,
            sights=ALL_SIGHTS,
            lasting=False,
            text=text,
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

    def _lose(self, loss: Loss) -> None:
        for index, scope in self.functions.items():
            if loss.function not in (FUNCTION_NONE, index):
                continue
            scope.losses.append(loss)
            for checker in scope.checks:
                if loss.sights & checker.needs():
                    checker.lose(loss)

    def _show_functions(self, first: int, records: NDArray[np.void], begin: int, end: int) -> None:
        if begin == end:
            return
        functions = records["function"][begin:end]
        for index, scope in self.functions.items():
            rows = begin + np.flatnonzero(functions == index)
            if len(rows):
                self._show(scope.checks, Part(records[rows], first + rows, self.trace))

    def _show(self, checks: list[Check], part: Part) -> None:
        for checker in checks:
            if checker.kinds:
                wanted = np.zeros(256, bool)
                wanted[list(checker.kinds)] = True
                rows = np.flatnonzero(wanted[part.records["kind"]])
                if len(rows) < len(part):
                    if len(rows):
                        checker.see(part.take(rows))
                    continue
            checker.see(part)

    def results(self, begin: float) -> Results:
        """Let the checks finish, and give every rule its verdict."""
        scopes = [self.whole, *self.functions.values()]
        findings: list[Finding] = []
        verdicts: list[RuleVerdict] = []
        for scope in scopes:
            for checker in scope.checks:
                checker.finish()
                findings += [f for f in checker.findings if self.selection.takes(f.rule)]
                verdicts += [
                    self._verdict(scope, checker, rule)
                    for rule in checker.rules
                    if self.selection.takes(rule.id)
                ]
        return Results(
            file=self.trace.path,
            transactions=self.transactions,
            lost=self.lost,
            seconds=time.perf_counter() - begin,
            verdicts=tuple(sorted(verdicts, key=lambda v: (v.function, v.rule))),
            findings=tuple(sorted(findings, key=lambda f: (f.seq, f.rule))),
            damage=None if self.trace.damage is None else str(self.trace.damage),
        )

    def _verdict(self, scope: _Scope, checker: Check, rule: Rule) -> RuleVerdict:
        verdict, reason = self._judge(scope, checker, rule)
        return RuleVerdict(
            function=scope.name,
            rule=rule.id,
            verdict=verdict,
            checked=checker.checked[rule.id],
            reason=reason,
        )

    def _judge(self, scope: _Scope, checker: Check, rule: Rule) -> tuple[Verdict, str]:
        count = sum(1 for finding in checker.findings if finding.rule == rule.id)
        if count:
            return Verdict.FAIL, f"{count} finding{'s' if count > 1 else ''}"
        unseen = rule.needs - self.shown.sights
        if unseen:
            return Verdict.UNKNOWN, f"the recording does not show {_listed(unseen)}"
        losses = [loss for loss in scope.losses if loss.sights & rule.needs]
        if losses:
            return Verdict.UNKNOWN, losses[0].text
        if rule.id in checker.unknown:
            return Verdict.UNKNOWN, checker.unknown[rule.id]
        if checker.checked[rule.id] == 0:
            return Verdict.VACUOUS, "nothing happened that the rule judges"
        return Verdict.PASS, ""


def _listed(sights: frozenset[Sight]) -> str:
    return " and ".join(SIGHT_TEXT[sight] for sight in sorted(sights))
