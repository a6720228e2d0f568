# SPDX-License-Identifier: Apache-2.0
"""Assertions about verdicts, which say what was found when they fail."""

from __future__ import annotations

from uvtrace.check.results import Finding, Results, RuleVerdict, Verdict
from uvtrace.check.rules import Severity
from uvtrace.testing.recording import Run

_SHOWN = 10


class Verdicts:
    """The judgement of a recording, to be asserted.

    Args:
        judged: results, or a run, which is judged by all rules.
    """

    def __init__(self, judged: Results | Run) -> None:
        self.results = judged.check() if isinstance(judged, Run) else judged

    def clean(self) -> Verdicts:
        """No finding is an error.

        Raises:
            AssertionError: with the findings.
        """
        errors = [each for each in self.results.counted if each.severity is Severity.ERROR]
        assert not errors, _told(errors)
        return self

    def fails(self, *rules: str) -> Verdicts:
        """Each of these rules, and no other one, has found errors; IDs or prefixes.

        Raises:
            AssertionError: with what was found instead.
        """
        found = [each for each in self.results.counted if each.severity is Severity.ERROR]
        for rule in rules:
            assert any(each.rule.startswith(rule) for each in found), (
                f"{rule} found nothing; {_told(found)}"
            )
        others = [each for each in found if not each.rule.startswith(rules)]
        assert not others, _told(others)
        return self

    def finds(self, *rules: str) -> Verdicts:
        """Each of these rules has found something, whatever others did; IDs or prefixes."""
        for rule in rules:
            assert any(each.rule.startswith(rule) for each in self.results.counted), (
                f"{rule} found nothing; {_told(self.results.counted)}"
            )
        return self

    def passes(self, *rules: str) -> Verdicts:
        """Each of these rules judged something, and found it right everywhere.

        Raises:
            AssertionError: a verdict is fail or unknown, or nothing was judged, with the reason.
        """
        for rule in rules:
            verdicts = [each for each in self.results.verdicts if each.rule.startswith(rule)]
            assert verdicts, f"no rule {rule} was judged"
            wrong = [each for each in verdicts if each.verdict in (Verdict.FAIL, Verdict.UNKNOWN)]
            assert not wrong, _reasons(wrong)
            assert any(each.verdict is Verdict.PASS for each in verdicts), _reasons(verdicts)
        return self


def _told(findings: list[Finding] | tuple[Finding, ...]) -> str:
    if not findings:
        return "nothing was found"
    lines = [
        f"{each.rule} at {each.seq} of {each.function}: {each.message}"
        + (f" [{each.site}]" if each.site else "")
        for each in findings[:_SHOWN]
    ]
    more = len(findings) - _SHOWN
    return "\n".join([*lines, *([f"and {more} more"] if more > 0 else [])])


def _reasons(verdicts: list[RuleVerdict]) -> str:
    return "\n".join(
        ": ".join(filter(None, (f"{each.rule} of {each.function}", each.verdict, each.reason)))
        for each in verdicts[:_SHOWN]
    )
