# SPDX-License-Identifier: Apache-2.0
"""A night in a few lines, for mail: what is new first, and only what somebody may have to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from uvtrace.nightly.acceptance import Acceptance
from uvtrace.nightly.compare import Change, Comparison, CoverageLost, Spot, Status
from uvtrace.nightly.outcome import JobResult
from uvtrace.trace.texts import printable

_TITLES = {
    Status.NEW: "New",
    Status.FLAKY: "Flaky",
    Status.NOT_JUDGED: "Known, and not judged tonight",
    Status.FIXED: "Fixed",
    Status.STILL: "Still there",
}
_LISTED = 20
"""So many findings of one status are told; a report tells them all."""


def as_text(comparison: Comparison, results: Sequence[JobResult]) -> str:
    """The night as text; its first line is fit for a mail's subject."""
    lines = [subject(comparison, results), ""]
    for status, title in _TITLES.items():
        lines += _section(title, [_change(each) for each in comparison.of(status)])
    lines += _section("No longer covered", list(map(_lost, comparison.coverage_lost)))
    lines += _section("Accepted, and not found", list(map(_acceptance, comparison.idle)))
    lines += _section("Accepted until a day that has passed", list(_expired(comparison)))
    return "\n".join(lines).rstrip() + "\n"


def subject(comparison: Comparison, results: Sequence[JobResult]) -> str:
    """``uvtrace nightly: 1 new failure, 2 still there; 12 jobs: 11 done, 1 panic``."""
    new = len(comparison.new_failures)
    counts = [f"{new} new failure{'' if new == 1 else 's'}" if new else "no new failure"]
    for status in (Status.FLAKY, Status.FIXED, Status.STILL, Status.ACCEPTED):
        if found := len(comparison.of(status)):
            counts.append(f"{found} {status}")
    ended = Counter(str(each.ended) for each in results)
    jobs = ", ".join(f"{count} {how}" for how, count in sorted(ended.items()))
    number = f"{len(results)} job{'' if len(results) == 1 else 's'}"
    return f"uvtrace nightly: {', '.join(counts)}; {number}" + (f": {jobs}" if jobs else "")


def _section(title: str, entries: Sequence[str]) -> Iterator[str]:
    if not entries:
        return
    yield f"{title} ({len(entries)}):"
    yield from entries[:_LISTED]
    if len(entries) > _LISTED:
        yield f"  … and {len(entries) - _LISTED} more"
    yield ""


def _change(change: Change) -> str:
    finding = change.finding
    spots = "; ".join(map(spot_text, change.spots))
    severity = "" if finding.is_failure else f" ({finding.severity})"
    lines = [
        f"  {printable(finding.rule)}{severity}: {printable(finding.message)}",
        f"    on {printable(spots)}",
        f"    {printable(finding.signature)}",
    ]
    return "\n".join(lines)


def spot_text(spot: Spot) -> str:
    """``6.12/e1000 (ping, in 1 of 2 repetitions, accepted until 2027-01-01)``."""
    told = [", ".join(spot.workloads)]
    if spot.is_flaky:
        told.append(f"in {spot.found} of {spot.judged} repetitions")
    if spot.acceptance is None and spot.lapsed is not None:
        told.append(f"accepted until {spot.lapsed.expires}: {spot.lapsed.reason}")
    return f"{spot.kernel}/{spot.device} ({', '.join(told)})"


def _lost(lost: CoverageLost) -> str:
    states = [f"{automaton}: {state}" for automaton, state in lost.states]
    edges = [f"{automaton}: {a} → {b} ({label})" for automaton, a, b, label in lost.edges]
    return f"  {printable(str(lost.place))}: {printable(', '.join(states + edges))}"


def _acceptance(acceptance: Acceptance) -> str:
    what = acceptance.signature or acceptance.rule
    origin = f" ({acceptance.origin})" if acceptance.origin else ""
    return printable(f"  {what}: {acceptance.reason}{origin}")


def _expired(comparison: Comparison) -> Iterator[str]:
    for each in comparison.expired:
        yield f"{_acceptance(each)}, until {each.expires}"
