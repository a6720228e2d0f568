# SPDX-License-Identifier: Apache-2.0
"""What checking a trace gives: verdicts and findings."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from uvtrace.check.rules import Severity

WHOLE_TRACE = "*"
"""``function`` of verdicts and findings about the trace itself (the TRC rules)."""


class Verdict(StrEnum):
    """The judgement of one rule on one function."""

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"
    """The capture could not show it, or records were lost where it matters."""
    VACUOUS = "vacuous"
    """The capture could have shown it, but nothing that the rule judges happened."""


@dataclass(frozen=True)
class Evidence:
    """A record that helps to prove a finding, and the part it plays."""

    seq: int
    role: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One violation.

    Attributes:
        rule: the rule's ID.
        severity: the rule's severity.
        function: name of the PCI function, or :data:`WHOLE_TRACE`.
        seq: number of the record that breaks the rule.
        time_ns: its time, monotonic, of the recorded machine.
        site: ``symbol+offset [module]``, empty where none is known.
        message: one sentence with the numbers in it.
        signature: stable from run to run and kernel to kernel.
        evidence: the records that prove it, oldest first.
    """

    rule: str
    severity: Severity
    function: str
    seq: int
    time_ns: int
    site: str
    message: str
    signature: str
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RuleVerdict:
    """A verdict with how many events were judged, and why it is not a pass."""

    function: str
    rule: str
    verdict: Verdict
    checked: int
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Results:
    """The judgement of one trace.

    Attributes:
        file: the trace's file, empty where it has none.
        transactions: records judged.
        lost: records that the trace knows to have lost.
        seconds: how long checking took.
        verdicts: one per rule and function, by function and rule.
        findings: in the order of the trace.
        damage: where and why the file ends before its end, or None.
    """

    file: str
    transactions: int
    lost: int
    seconds: float
    verdicts: tuple[RuleVerdict, ...]
    findings: tuple[Finding, ...]
    damage: str | None = None

    @property
    def ok(self) -> bool:
        """Whether no finding is an error."""
        return not any(finding.severity is Severity.ERROR for finding in self.findings)
