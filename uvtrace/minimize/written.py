# SPDX-License-Identifier: Apache-2.0
"""The small trace, written: every packet says which part it plays, and which packet it was."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Set
from dataclasses import dataclass
from typing import Final

from uvtrace.check.engine import Checker
from uvtrace.check.results import Finding
from uvtrace.minimize.minimize import Minimal
from uvtrace.minimize.transactions import transactions
from uvtrace.trace.enums import Kind, Topic
from uvtrace.trace.layout import view_of
from uvtrace.trace.slice import Sliced, Slicer
from uvtrace.trace.trace import Trace

_TEXTS: Final = {
    Topic.SESSION: "how the recording was made",
    Topic.SYMBOL: "the name of a call site below",
    Topic.CONVERTED: "where the recording comes from",
}


@dataclass(frozen=True)
class Small:
    """A small trace.

    Attributes:
        trace: it, in memory, without comments.
        sliced: which records it holds.
        finding: the finding, as it is found in it.
        found: signatures of everything that all rules find in it, besides.
    """

    trace: Trace
    sliced: Sliced
    finding: Finding | None
    found: tuple[str, ...]


def small_trace(trace: Trace, minimal: Minimal, checker: Checker) -> Small:
    """The small trace in memory, judged by all rules.

    Args:
        trace: the whole.
        minimal: the part.
        checker: judges by every rule that the whole was judged by.
    """
    slicer = Slicer(trace)
    part = slicer.trace(minimal.kept, emptied=minimal.emptied, silent=True)
    results = checker.check(part)
    wanted = minimal.target.finding.signature
    same = [finding for finding in results.findings if finding.signature == wanted]
    others = {finding.signature for finding in results.findings} - {wanted}
    sliced = slicer.positions(minimal.kept)
    return Small(part, sliced, same[-1] if same else None, tuple(sorted(others)))


def comments(trace: Trace, minimal: Minimal, small: Small) -> dict[int, list[str]]:
    """What each packet says, by position in the whole trace: its role, why it is needed."""
    target, noted = minimal.target, defaultdict[int, list[str]](list)
    for position in small.sliced.positions[: small.sliced.texts].tolist():
        noted[position].append(f"explains: {_text(trace, position)}")
    finding = target.finding if small.finding is None else small.finding
    if not target.at_end:
        noted[target.position].append(f"breaks {finding.rule}: {finding.message}")
    for position, role in target.evidence:
        noted[position].append(f"{role}: proves {finding.rule}")
    kept = frozenset(minimal.kept.tolist())
    for position, why in minimal.reasons.items():
        if position in kept:
            noted[position].append(f"needed: without it {why}")
    for position, why in _partners(trace, minimal, frozenset(noted)).items():
        noted[position].append(why)
    values = trace.column("value")
    for position in sorted(minimal.emptied):
        noted[position].append(
            f"its value {int(values[position]):#x} and payload are left out: they do not matter"
        )
    return noted


def write(
    trace: Trace, minimal: Minimal, small: Small, target: str | os.PathLike[str]
) -> dict[int, list[str]]:
    """Write the small trace; returns what its packets say.

    Raises:
        UvtraceError: the file cannot be written.
    """
    noted = comments(trace, minimal, small)
    notes = (f"minimised: {minimal.target.finding.signature}",)
    Slicer(trace).write(target, minimal.kept, noted, emptied=minimal.emptied, notes=notes)
    return noted


def _text(trace: Trace, position: int) -> str:
    one = trace[position : position + 1].records
    if int(one["kind"][0]) == Kind.MODULE_LOAD:
        return "the module that call sites below are in"
    return _TEXTS.get(Topic(int(view_of(one, "meta")["topic"][0])), "the recording")


def _partners(trace: Trace, minimal: Minimal, told: Set[int]) -> dict[int, str]:
    """Of records of which nothing is told yet: the one that they go with."""
    numbers = trace.column("seq")
    reasons: dict[int, str] = {}
    for each in transactions(trace, minimal.kept):
        known = [position for position in each.positions if position in told]
        text = f"goes with #{int(numbers[known[0]])} of the recording" if known else "is needed"
        reasons |= {position: text for position in each.positions if position not in told}
    return reasons
