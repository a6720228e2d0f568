# SPDX-License-Identifier: Apache-2.0
"""The engine's findings beside the reference's."""

from __future__ import annotations

from collections import Counter
from functools import cache

from tests.differential.random_traces import PARAMETERS
from tests.differential.reference.counters import RULES as COUNTED
from tests.differential.reference.duties import RULES as DUTIES
from tests.differential.reference.judge import JUDGES
from tests.differential.reference.order import RULES as ORDER
from tests.differential.reference.order import WHOLE_TRACE as TRACE
from uvtrace.check.catalogue import installed_rules
from uvtrace.check.engine import Checker
from uvtrace.check.results import WHOLE_TRACE
from uvtrace.check.rule import Rule
from uvtrace.trace.trace import Trace

Finding = tuple[str, int, int]
"""Rule, index of the function (-1: of the whole trace), number of the record."""

COVERED = frozenset({*JUDGES, *DUTIES, *COUNTED, *ORDER})
"""The rules that the reference knows."""


@cache
def covered_rules() -> tuple[Rule, ...]:
    """The installed declarations of the rules that the reference knows, but for contracts'."""
    known = (rule for rule in installed_rules() if rule.id in COVERED)
    return tuple(rule for rule in known if rule.of_contract is None)


@cache
def _checker() -> Checker:
    return Checker(covered_rules(), PARAMETERS)


def engine_findings(trace: Trace) -> Counter[Finding]:
    """What the engine finds; of those it only counts, the record is -1."""
    results = _checker().check(trace)
    numbers = {function.name: number for number, function in enumerate(trace.functions)}
    numbers[WHOLE_TRACE] = TRACE
    found: Counter[Finding] = Counter()
    for finding in results.findings:
        found[finding.rule, numbers[finding.function], finding.seq] += 1
        if finding.further:
            found[finding.rule, numbers[finding.function], -1] += finding.further
    return found


def difference(engine: Counter[Finding], reference: Counter[Finding]) -> list[tuple[str, Finding]]:
    """What only the engine (+) or only the reference (-) finds."""
    only_engine, only_reference = engine - reference, reference - engine
    for rule, function, record in list(only_engine):
        if record != -1:
            continue
        # Of findings that are only counted, any of the same rule and function will do.
        counted = only_engine.pop((rule, function, record))
        for finding in sorted(only_reference):
            taken = min(counted, only_reference[finding]) if finding[:2] == (rule, function) else 0
            only_reference[finding] -= taken
            counted -= taken
        if counted:
            only_engine[rule, function, record] = counted
    plus = [("+", finding) for finding in sorted(+only_engine)]
    return plus + [("-", finding) for finding in sorted(+only_reference)]
