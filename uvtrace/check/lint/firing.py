# SPDX-License-Identifier: Apache-2.0
"""That a rule can fire, the engine fires where z3 says so, and not everything breaks it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from uvtrace.check.expression import FALSE, Truth
from uvtrace.check.lint.acting import fires_on_columns, fires_on_trace
from uvtrace.check.lint.report import Problem, RuleLine, Shown, event_text
from uvtrace.check.lint.scene import Answer, Outcome, Scene, Values
from uvtrace.check.lint.staging import EARLIER, discharge, is_of_record, stage
from uvtrace.check.obligation import Obligation
from uvtrace.check.rule import END, Rule, kinds_of
from uvtrace.check.window import Window
from uvtrace.errors import UvtraceError

TIMED_OUT: Final = "z3 ran out of time"
NOT_ASKED: Final = Answer(Outcome.UNKNOWN)


def name_of(rule: Rule) -> str:
    """A rule's ID, with its variant."""
    return f"{rule.id} {rule.variant}".strip()


@dataclass
class Firing:
    """What is proven of a rule by itself.

    Attributes:
        rule: of which one.
        answer: the events that break it, as z3 found them.
        scene: where they are; None: there is no saying how it is broken.
        failures, unknown: what is wrong, or was not proven.
    """

    rule: Rule
    answer: Answer = NOT_ASKED
    scene: Scene | None = None
    shown: Shown = Shown.NOT
    checks: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def line(self) -> RuleLine:
        """The rule's line of the report."""
        return RuleLine(name_of(self.rule), self.shown, tuple(self.checks))

    def problems(self) -> tuple[list[Problem], list[Problem]]:
        """Failures, and what is unknown."""
        name = name_of(self.rule)
        return (
            [Problem(name, reason) for reason in self.failures],
            [Problem(name, reason) for reason in self.unknown],
        )


def prove_firing(rule: Rule, timeout_ms: int) -> Firing:
    """Prove that a rule can fire, and that not everything breaks it.

    Args:
        rule: a rule whose violation is no automaton.
        timeout_ms: the time for each question to z3.
    """
    proof = Firing(rule, scene=stage(rule))
    if proof.scene is None:
        proof.unknown.append("its limit, or what breaks it, is of a form that is not staged")
        return proof
    proof.answer = proof.scene.solve(timeout_ms)
    match proof.answer.outcome:
        case Outcome.IMPOSSIBLE:
            proof.failures.append(_why_never(rule, timeout_ms))
        case Outcome.UNKNOWN:
            proof.unknown.append(f"whether it can fire: {TIMED_OUT}")
        case Outcome.POSSIBLE:
            _act(proof, proof.scene)
            _prove_not_always(proof, timeout_ms)
    return proof


def _act(proof: Firing, scene: Scene) -> None:
    events = proof.answer.events
    try:
        proof.shown = _shown(proof.rule, scene, events)
    except UvtraceError as error:
        proof.failures.append(f"the engine refuses z3's events: {error}")
        return
    except (ValueError, KeyError) as error:
        proof.failures.append(f"its finding cannot be told: {error}, of: {event_text(events[0])}")
        return
    if proof.shown is Shown.NOT:
        what = event_text(events[0])
        proof.failures.append(f"z3 says that it fires, the engine does not, on: {what}")


def _shown(rule: Rule, scene: Scene, events: tuple[Values, ...]) -> Shown:
    """By what the engine shows that the rule fires on these events."""
    if any(event["kind"] == END for event in events):
        return Shown.COLUMNS if fires_on_columns(rule, scene, events) else Shown.NOT
    if not is_of_record(rule) and not fires_on_columns(rule, scene, events):
        return Shown.NOT
    if fires_on_trace(rule, scene, events):
        return Shown.TRACE
    return Shown.NOT if is_of_record(rule) else Shown.COLUMNS


def _why_never(rule: Rule, timeout_ms: int) -> str:
    """Why no event breaks a rule."""
    violation = rule.violation
    if not isinstance(violation, Truth):
        return f"it can never fire: no events {_ways(violation)}"
    for term, text in ((rule.applies, "applies"), (violation, "violation")):
        if _never(term, timeout_ms):
            return f"it can never fire: {text} is contradictory"
    return "it can never fire: violation contradicts applies"


def _ways(violation: object) -> str:
    if isinstance(violation, Obligation):
        return "open its obligation and then break it"
    return "exceed its limit"


def _never(term: Truth, timeout_ms: int) -> bool:
    scene = Scene(first=EARLIER, with_end=True)
    scene.claim(scene.truth(term).certain)
    return scene.solve(timeout_ms).outcome is Outcome.IMPOSSIBLE


def _prove_not_always(proof: Firing, timeout_ms: int) -> None:
    """Not every event that a rule judges breaks it; a duty can be discharged."""
    rule, violation = proof.rule, proof.rule.violation
    if isinstance(violation, Truth):
        kinds = kinds_of(rule.applies)
        scene = Scene(first=EARLIER, with_end=kinds is not None and END in kinds)
        scene.claim(scene.truth(rule.applies).certain)
        scene.claim(scene.z3.Not(scene.truth(violation).certain))
        text, wrong = "can pass", "it accuses every event that it applies to"
    elif isinstance(violation, Obligation):
        if violation.discharged_by is FALSE:
            return
        scene = discharge(violation)
        text, wrong = "can be discharged", "what it opens can never be discharged"
    else:
        assert isinstance(violation, Window)
        scene = Scene(first=EARLIER)
        scene.claim(scene.z3.Not(scene.truth(violation.counts).certain))
        text, wrong = "not all counts", "every event counts"
    outcome = scene.solve(timeout_ms).outcome
    if outcome is Outcome.POSSIBLE:
        proof.checks.append(text)
    elif outcome is Outcome.IMPOSSIBLE:
        proof.failures.append(wrong)
    else:
        proof.unknown.append(f"whether it {text}: {TIMED_OUT}")
