# SPDX-License-Identifier: Apache-2.0
"""The outcome of a replay as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from uvtrace.replay.outcome import Divergence, Outcome
from uvtrace.trace.texts import printable

_LISTED: Final = 20
_NAMED: Final = 12


def text_of(outcome: Outcome) -> str:
    """Some lines: verdict, first divergence with context, then how far the two agree."""
    return "\n".join(printable(line) for line in _lines(outcome)) + "\n"


def _lines(outcome: Outcome) -> Iterator[str]:
    agreed, diverged = sum(outcome.agreed.values()), len(outcome.divergences)
    yield f"{outcome.file}, {outcome.function}, against {outcome.device}"
    verdict = "agrees" if outcome.agrees else "DIVERGES"
    yield (
        f"{verdict}: {outcome.told} transactions told, {agreed} answers and messages agree,"
        f" {diverged} diverge ({outcome.seconds:.1f} s)"
    )
    yield from (f"note: {note}" for note in outcome.notes)
    if outcome.divergences:
        yield ""
        yield from _first(outcome.divergences[0])
        yield ""
        yield "How often, by register or kind"
        yield from _table(outcome)
        yield from _others(outcome)
    elif outcome.agreed:
        yield f"agreed: {_counts(outcome.agreed)}"
    if outcome.reserved:
        yield f"reserved bits differ, which is no divergence: {_counts(outcome.reserved)}"
    if outcome.not_compared:
        yield f"not compared: {_counts(outcome.not_compared)}"


def _first(first: Divergence) -> Iterator[str]:
    yield f"First divergence at #{first.seq}: {first.what}, {_difference(first)}"
    yield f"  expected  {first.expected or 'nothing'}"
    yield f"  came      {first.got or 'nothing'}"
    yield "  recorded, up to there:"
    yield from (f"    {line}" for line in first.recorded_before)
    yield "  replayed, up to there (> told to the device, < said by it):"
    yield from (f"    {line}" for line in first.replayed_before)


def _difference(divergence: Divergence) -> str:
    return {
        "value": "another value",
        "missing": "the device does not say it",
        "unexpected": "said though the recording has no such thing there",
        "other": "something else is said",
    }[divergence.difference.value]


def _table(outcome: Outcome) -> Iterator[str]:
    yield f"  {'':28} {'agree':>7} {'diverge':>8}"
    for name, count in outcome.diverged.most_common(_NAMED):
        yield f"  {name[:28]:28} {outcome.agreed[name]:7} {count:8}"
    if len(outcome.diverged) > _NAMED:
        yield f"  and {len(outcome.diverged) - _NAMED} more"


def _others(outcome: Outcome) -> Iterator[str]:
    sorts = outcome.alike()
    if len(outcome.divergences) < 2:
        return
    yield ""
    yield "Divergences, those that are alike once"
    for first, count in sorts[:_LISTED]:
        expected, got = first.expected or "nothing", first.got or "nothing"
        times = f" ({count} times)" if count > 1 else ""
        yield f"  #{first.seq}: expected {expected}; came {got}{times}"
    if len(sorts) > _LISTED:
        yield f"  and {len(sorts) - _LISTED} more (--format json lists all)"


def _counts(counts: Counter[str]) -> str:
    shown = [f"{count} {name}" for name, count in counts.most_common(_NAMED)]
    more = len(counts) - _NAMED
    return ", ".join(shown) + (f", and {more} more" if more > 0 else "")
