# SPDX-License-Identifier: Apache-2.0
"""Proofs about rules and automata, with z3: what ``uvtrace rules --lint`` shows.

A rule can fire, and the engine fires where z3 says so; not everything breaks it; no other rule
of its family says the same; automata leave no choice; windows that can overlap are seen.
Derived columns are taken to have any value of their type: what a pass can never derive is not
known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from uvtrace.check.automaton import Automaton
from uvtrace.check.lint.apertures import prove_apertures
from uvtrace.check.lint.firing import Firing, name_of, prove_firing
from uvtrace.check.lint.guards import Guards
from uvtrace.check.lint.report import AutomatonLine, Problem, Report, RuleLine, Shown
from uvtrace.check.lint.shadowing import prove_apart, prove_heard
from uvtrace.check.rule import Rule

TIMEOUT_MS: Final = 10_000
"""The time for each question to z3, unless told otherwise."""


def lint(
    rules: Sequence[Rule], automata: Sequence[Automaton] = (), *, timeout_ms: int = TIMEOUT_MS
) -> Report:
    """Prove rules and automata sound.

    Args:
        rules: every rule of a catalogue: they are compared with each other.
        automata: those of contracts; the rules' own are proven with them.
        timeout_ms: the time for each question to z3; what takes longer is reported as unknown.

    Raises:
        EnvironmentLacksError: z3 is not installed.
    """
    proofs = [
        prove_firing(rule, timeout_ms)
        for rule in rules
        if not isinstance(rule.violation, Automaton) and rule.of_contract is None
    ]
    of_rules = [rule.violation for rule in rules if isinstance(rule.violation, Automaton)]
    guards = [Guards(automaton, timeout_ms) for automaton in (*of_rules, *automata)]
    lines = tuple(each.prove() for each in guards)
    windows = prove_apertures(rules, timeout_ms)
    failures: list[Problem] = []
    unknown: list[Problem] = []
    several = [proof.problems() for proof in proofs]
    several += [prove_apart(proofs, timeout_ms), prove_heard(rules, timeout_ms)]
    several += [(each.failures, each.unknown) for each in guards]
    several.append(([*windows.failures], [*windows.unknown]))
    for failed, left in several:
        failures += failed
        unknown += left
    return Report(
        rules=_lines(rules, proofs),
        automata=lines,
        windows=windows.sentences,
        failures=tuple(failures),
        unknown=tuple(unknown),
    )


def _lines(rules: Sequence[Rule], proofs: Sequence[Firing]) -> tuple[RuleLine, ...]:
    by_name = {name_of(proof.rule): proof.line() for proof in proofs}
    return tuple(
        by_name.get(name_of(rule), RuleLine(name_of(rule), Shown.GUARDS)) for rule in rules
    )


__all__ = ["TIMEOUT_MS", "AutomatonLine", "Problem", "Report", "RuleLine", "Shown", "lint"]
