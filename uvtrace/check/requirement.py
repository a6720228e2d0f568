# SPDX-License-Identifier: Apache-2.0
"""``--require``: rules that must be a pass; not to have been judged is no pass."""

from __future__ import annotations

from collections.abc import Sequence

from uvtrace.check.results import WHOLE_TRACE, Results, RuleVerdict, Verdict


def unmet(results: Sequence[Results], required: Sequence[str]) -> list[str]:
    """What stands between the results and the required rules, a line each.

    Args:
        results: one per trace; the requirement holds for each.
        required: IDs or prefixes of IDs.

    Returns:
        Lines as ``DMA001 is unknown for 0000:00:03.0 in run.pcapng: the recording does not
        show …``; none where every required rule is a pass for every function.
    """
    return [line for each in results for _, line in missing(each, required)]


def missing(results: Results, required: Sequence[str]) -> list[tuple[str, str]]:
    """The same of one trace, with the ID or prefix that each line is about."""
    prefixes = tuple(required)
    where = f" in {results.file}" if results.file else ""
    found = [
        (verdict.rule, _line(verdict, where))
        for verdict in results.verdicts
        if prefixes and verdict.rule.startswith(prefixes) and verdict.verdict is not Verdict.PASS
    ]
    judged = {verdict.rule for verdict in results.verdicts}
    for wanted in prefixes:
        if not any(rule.startswith(wanted) for rule in judged):
            found.append((wanted, f"{wanted} was not judged{where}"))
    return found


def _line(verdict: RuleVerdict, where: str) -> str:
    function = "the trace" if verdict.function == WHOLE_TRACE else verdict.function
    reason = f": {verdict.reason}" if verdict.reason else ""
    return f"{verdict.rule} is {verdict.verdict} for {function}{where}{reason}"
