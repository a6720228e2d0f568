# SPDX-License-Identifier: Apache-2.0
"""From a finding in a recording to the fewest records that prove it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.engine import Checker
from uvtrace.check.results import Finding
from uvtrace.errors import UsageError, UvtraceError
from uvtrace.minimize.depend import Dependencies
from uvtrace.minimize.judge import Also, Judge
from uvtrace.minimize.reduce import Budget, Reduction, SpentError, Unit
from uvtrace.minimize.target import Target, locate
from uvtrace.minimize.transactions import Transaction, transactions
from uvtrace.trace.enums import Kind
from uvtrace.trace.layout import kinds_of
from uvtrace.trace.trace import Trace

if TYPE_CHECKING:
    from uvtrace.minimize.confirm import Confirmation

Positions = NDArray[np.int64]

_VALUED = (*kinds_of("access"), Kind.DMA_READ, Kind.DMA_WRITE, Kind.MEMORY)


@dataclass(frozen=True, kw_only=True)
class Minimal:
    """The smallest part that was found to prove a finding.

    Attributes:
        target: the finding.
        kept: positions of its records in the whole trace, ascending.
        emptied: those whose values and payload do not matter.
        reasons: why a record that is no evidence is kept: what is different without it.
        tests: how many parts were judged.
        seconds: how long it took.
        others: signatures of other findings of the rule that were met on the way.
        stopped: what ended it before everything was tried; empty if nothing did.
    """

    target: Target
    kept: Positions
    emptied: frozenset[int]
    reasons: dict[int, str]
    tests: int
    seconds: float
    others: tuple[str, ...]
    stopped: str = ""


def minimize(
    trace: Trace,
    finding: Finding,
    checker: Checker,
    *,
    budget: Budget | None = None,
    keep_values: bool = False,
    confirm: str = "",
    also: Also | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Minimal:
    """Find the fewest records that prove a finding.

    Ctrl-C ends it with the best part so far.

    Args:
        trace: the whole.
        finding: one of its findings.
        checker: judges by the rule of the finding alone, as it was judged when it was found.
        budget: how much it may cost.
        keep_values: leave values and payloads as they are.
        confirm: a model (``model:NAME``) that must do again what the device does in the proof,
            when the part is replayed to it; values stay as they are.
        also: what else a part must do; see :func:`nothing_new`.
        progress: told the number of tests and of records after each test.

    Raises:
        UsageError: the finding is about the file, and no part of it shows it.
        UnconfirmedError: the model does something else, even if all of the trace is replayed.
    """
    begun = time.monotonic()
    target = locate(trace, finding, checker.rules)
    confirmation = _confirmation(trace, target, confirm)
    further = [each for each in (also, confirmation and confirmation.why_not) if each]
    judge = Judge(trace, target, checker, further)
    depends = Dependencies(trace, target, judge.named, needs_tail=not judge.shows_at_once)
    end = target.position + 1 if judge.shows_at_once else len(trace)
    keep_values = keep_values or confirmation is not None
    reduction = Reduction(judge.outcome, budget or Budget(), np.arange(end), progress)
    stopped = ""
    try:
        _reduce(trace, depends, reduction, keep_values=keep_values)
    except SpentError as spent:
        stopped = str(spent)
    except KeyboardInterrupt:
        stopped = "interrupted"
    if reduction.given_up and not stopped:
        stopped = "nothing more went for a long time"
    return Minimal(
        target=target,
        kept=reduction.kept,
        emptied=reduction.emptied & frozenset(reduction.kept.tolist()),
        reasons=reduction.reasons,
        tests=reduction.tests,
        seconds=time.monotonic() - begun,
        others=tuple(sorted(reduction.others)),
        stopped=stopped,
    )


def nothing_new(checker: Checker, known: Iterable[str]) -> Also:
    """What refuses parts in which records that were left out make others look wrong.

    Args:
        checker: judges by every rule.
        known: signatures of what the whole has.
    """
    signatures = frozenset(known)

    def look(part: Trace, _: Positions) -> str:
        found = {finding.signature for finding in checker.check(part).findings} - signatures
        return f"it would look like {min(found)}" if found else ""

    return look


class UnconfirmedError(UvtraceError):
    """A model does not do again what a recording shows."""


def _confirmation(trace: Trace, target: Target, device: str) -> Confirmation | None:
    """What replays parts; nothing where the device has no part in the proof.

    Raises:
        UnconfirmedError: the model does something else in the whole.
    """
    if not device:
        return None
    # Imported here: models take a while to load.
    from uvtrace.minimize.confirm import Confirmation

    found = Confirmation(trace, target, device)
    if not found.of_device:
        return None
    why = found.why_not(trace, np.arange(len(trace)))
    if why:
        raise UnconfirmedError(why, where=trace.path)
    return found


def _reduce(
    trace: Trace, depends: Dependencies, reduction: Reduction, *, keep_values: bool
) -> None:
    slices = depends.slices()
    whole = len(reduction.kept)
    reduction.begin_with(slices)
    if len(reduction.kept) == whole and not reduction.judge(reduction.kept, frozenset()).holds:
        raise UsageError(
            "the finding is about the file as a whole: no part of it shows it",
            hint="TRC rules judge recordings, not drivers",
        )
    required = frozenset(depends.required.tolist())
    found = transactions(trace, reduction.kept)
    counted = frozenset(depends.counted(reduction.kept).tolist())
    outer = list(_units(found, required, counted))
    # The proof alone was tried before, and did not do.
    reduction.leave_out(outer, needed=bool(outer))
    left = frozenset(reduction.kept.tolist())
    inner = [
        unit
        for each in found
        for unit in each.inner
        if left.issuperset(unit) and required.isdisjoint(unit) and counted.isdisjoint(unit)
    ]
    reduction.leave_out(inner)
    _try_again(reduction, outer + inner)
    if not keep_values:
        proof = np.array(depends.seeds)
        reduction.empty(_valued(trace, np.setdiff1d(reduction.kept, proof)))


def _units(
    found: list[Transaction], required: frozenset[int], counted: frozenset[int]
) -> Iterator[Unit]:
    """Whole transactions that may go; those that are counted go together."""
    together: list[int] = []
    for each in found:
        own = frozenset(each.positions)
        if not required.isdisjoint(own):
            continue
        if counted.isdisjoint(own):
            yield each.positions
        else:
            together += each.positions
    if together:
        yield tuple(sorted(together))


def _try_again(reduction: Reduction, units: list[Unit]) -> None:
    """Each that is left once more, alone, until none can go: what was tried costs nothing."""
    size = -1
    while size != len(reduction.kept):
        size = len(reduction.kept)
        left = frozenset(reduction.kept.tolist())
        for unit in units:
            if left.issuperset(unit):
                reduction.leave_out([unit])


def _valued(trace: Trace, kept: Positions) -> list[int]:
    """The records that have a value or a payload which may not matter."""
    records = trace[kept].records
    full = (records["value"] != 0) | (records["payload"] != 0)
    valued: list[int] = kept[full & np.isin(records["kind"], _VALUED)].tolist()
    return valued
