# SPDX-License-Identifier: Apache-2.0
"""That every rule has something to say: none is implied by another, or always left to another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from uvtrace.check.columns import record
from uvtrace.check.expression import Truth, any_of
from uvtrace.check.lint.acting import chunk_of, records_of
from uvtrace.check.lint.firing import TIMED_OUT, Firing, name_of
from uvtrace.check.lint.report import Problem
from uvtrace.check.lint.scene import Outcome, Scene
from uvtrace.check.lint.staging import EARLIER
from uvtrace.check.program import Program
from uvtrace.check.rule import END, Rule, kinds_of

Problems = tuple[list[Problem], list[Problem]]
"""Failures, and what is unknown."""


def family(rule: Rule) -> str:
    """The letters that a rule's ID begins with."""
    return rule.id.rstrip("0123456789")


def prove_apart(proofs: Sequence[Firing], timeout_ms: int) -> Problems:
    """Prove that no rule is implied by another one of its family, unless it supersedes that one.

    Rules about one event are compared; obligations and windows judge several.
    """
    failures: list[Problem] = []
    unknown: list[Problem] = []
    for one, other in _pairs(proofs):
        name = name_of(one.rule)
        if _shows_otherwise(one, other.rule):
            continue
        outcome = _both(one.rule, [other.rule], timeout_ms)
        if outcome is Outcome.IMPOSSIBLE:
            failures.append(Problem(name, _implied(one.rule, other.rule)))
        elif outcome is Outcome.UNKNOWN:
            reason = f"whether {name_of(other.rule)} implies it: {TIMED_OUT}"
            unknown.append(Problem(name, reason))
    return failures, unknown


def prove_heard(rules: Sequence[Rule], timeout_ms: int) -> Problems:
    """Prove that no rule leaves all that it reports to the rules that supersede it."""
    failures: list[Problem] = []
    unknown: list[Problem] = []
    for rule in rules:
        above = [each for each in rules if rule.id in each.supersedes]
        above = [each for each in above if isinstance(each.violation, Truth) and each is not rule]
        if not above or not isinstance(rule.violation, Truth):
            continue
        names = ", ".join(name_of(each) for each in above)
        outcome = _both(rule, above, timeout_ms)
        if outcome is Outcome.IMPOSSIBLE:
            reason = f"it is never reported: {names} supersede it wherever it fires"
            failures.append(Problem(name_of(rule), reason))
        elif outcome is Outcome.UNKNOWN:
            reason = f"whether {names} leave it anything to report: {TIMED_OUT}"
            unknown.append(Problem(name_of(rule), reason))
    return failures, unknown


def _pairs(proofs: Sequence[Firing]) -> Iterator[tuple[Firing, Firing]]:
    """Rules to be compared: the first one must not be implied by the second one."""
    families: dict[tuple[str, bool], list[Firing]] = defaultdict(list)
    for proof in proofs:
        if isinstance(proof.rule.violation, Truth) and proof.answer.events:
            families[family(proof.rule), proof.rule.whole_trace].append(proof)
    for members in families.values():
        for one in members:
            for other in members:
                declared = other.rule.id in one.rule.supersedes
                if one is not other and not declared and _meet(one.rule, other.rule):
                    yield one, other


def _meet(one: Rule, other: Rule) -> bool:
    """Whether there are kinds of event that both look at."""
    kinds, others = one.kinds(), other.kinds()
    return kinds is None or others is None or bool(kinds & others)


def _shows_otherwise(one: Firing, other: Rule) -> bool:
    """Whether the event that breaks one rule leaves the other in peace: most pairs end here."""
    assert one.scene is not None
    program = Program(one.scene.parameters)
    number = program.add(_broken(other))
    events = [dict(one.answer.events[0])]
    records = records_of(one.scene, events)
    chunk = chunk_of(records, one.scene.first, events, other.columns())
    return not program.start(chunk).truth(number).certain[0]


def _both(one: Rule, others: Sequence[Rule], timeout_ms: int) -> Outcome:
    """Whether an event can break the one rule and none of the others."""
    term = _broken(one)
    kinds = kinds_of(term)
    scene = Scene(first=EARLIER, with_end=kinds is not None and END in kinds)
    scene.claim(scene.truth(term).certain)
    scene.claim(scene.z3.Not(scene.truth(any_of(*(_broken(each) for each in others))).certain))
    scene.number(record.kind)
    return scene.solve(timeout_ms).outcome


def _broken(rule: Rule) -> Truth:
    assert isinstance(rule.violation, Truth)
    return rule.applies & rule.violation


def _implied(one: Rule, other: Rule) -> str:
    what = f"it is implied by {name_of(other)}, which reports every event that it reports"
    if one.id == other.id:
        return what
    return f'{what}: declare supersedes={{"{other.id}"}}, or tell them apart'
