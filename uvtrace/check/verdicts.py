# SPDX-License-Identifier: Apache-2.0
"""Verdicts: what the judgement of single events comes to, for each rule and function."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from uvtrace.check.expression import Column
from uvtrace.check.findings import Findings
from uvtrace.check.judging import Judgement, Tally
from uvtrace.check.loss import LossFollower
from uvtrace.check.results import WHOLE_TRACE, RuleVerdict, Verdict
from uvtrace.check.rules import SIGHT_TEXT, Sight
from uvtrace.check.sight import Loss
from uvtrace.trace.layout import FUNCTION_NONE

_ORDER = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.PASS, Verdict.VACUOUS)
"""Of several declarations of one rule, the first of these is the rule's verdict."""

_NO_BASELINE = (
    "no baseline of accepted runs is given for the device"
    " (--baseline FILE.json, which uvtrace graph RUN -o FILE.json writes)"
)


def verdicts_of(
    judgement: Judgement,
    findings: Findings,
    losses: LossFollower,
    sights: frozenset[Sight],
    given: Mapping[int, frozenset[Sight]],
) -> tuple[RuleVerdict, ...]:
    """One verdict for each rule and function, by function and rule.

    ``given`` is what is known beside the records of some functions, by index.
    """
    names = [function.name for function in losses.trace.functions]
    judged = [
        verdict
        for tally in judgement.tallies
        for verdict in _of_tally(tally, names, findings, losses, sights, given)
    ]
    joined: dict[tuple[str, str], RuleVerdict] = {}
    for verdict in judged:
        key = (verdict.function, verdict.rule)
        joined[key] = _joined(joined[key], verdict) if key in joined else verdict
    return tuple(joined[key] for key in sorted(joined))


def _of_tally(
    tally: Tally,
    names: list[str],
    findings: Findings,
    losses: LossFollower,
    sights: frozenset[Sight],
    given: Mapping[int, frozenset[Sight]],
) -> Iterator[RuleVerdict]:
    rule = tally.rule
    scopes = [(len(names), WHOLE_TRACE)] if rule.whole_trace else list(enumerate(names))
    for index, name in scopes:
        count = findings.counts[rule.id, name]
        relevant = [loss for loss in losses.all if _hides(loss, index, rule.needs)]
        shown = sights | given.get(index, frozenset())
        verdict, reason = _judge(tally, index, count, rule.needs - shown, relevant)
        yield RuleVerdict(
            function=name,
            rule=rule.id,
            verdict=verdict,
            checked=int(tally.checked[index]),
            reason=reason,
        )


def _hides(loss: Loss, function: int, needs: frozenset[Sight]) -> bool:
    return bool(loss.sights & needs) and loss.function in (FUNCTION_NONE, function)


def _judge(
    tally: Tally, index: int, count: int, unseen: frozenset[Sight], losses: list[Loss]
) -> tuple[Verdict, str]:
    if count:
        return Verdict.FAIL, f"{count} finding{'s' if count > 1 else ''}"
    if Sight.FSM in unseen:
        return Verdict.UNKNOWN, "no contract is known for the device"
    if Sight.BASELINE in unseen:
        return Verdict.UNKNOWN, _NO_BASELINE
    if unseen:
        return Verdict.UNKNOWN, f"the recording does not show {listed(unseen)}"
    if losses:
        return Verdict.UNKNOWN, losses[0].text
    checked, unknown = int(tally.checked[index]), int(tally.unknown[index])
    if unknown:
        return Verdict.UNKNOWN, _unknown_text(tally, checked, unknown)
    if checked == 0:
        return Verdict.VACUOUS, "nothing happened that the rule judges"
    return Verdict.PASS, ""


def _unknown_text(tally: Tally, checked: int, unknown: int) -> str:
    inputs = [column for column in _inputs(tally) if column.unknown is not None]
    # What follows a semicolon explains the number, not the thing.
    names = ", ".join(column.meaning.partition(";")[0] for column in inputs)
    told = f"not known there: {names}" if names else "their end was not seen"
    return f"{unknown} of {checked + unknown} events could not be judged; {told}"


def _inputs(tally: Tally) -> Iterable[Column]:
    columns = (column for term in tally.rule.terms() for column in term.columns())
    return dict.fromkeys(columns)


def _joined(one: RuleVerdict, other: RuleVerdict) -> RuleVerdict:
    first = min(one, other, key=lambda verdict: _ORDER.index(verdict.verdict))
    return RuleVerdict(
        function=first.function,
        rule=first.rule,
        verdict=first.verdict,
        checked=one.checked + other.checked,
        reason=first.reason,
    )


def listed(sights: frozenset[Sight]) -> str:
    """Sights as a phrase."""
    return " and ".join(SIGHT_TEXT[sight] for sight in sorted(sights))
