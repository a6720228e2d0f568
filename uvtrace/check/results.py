# SPDX-License-Identifier: Apache-2.0
"""What checking a trace gives: verdicts and findings.

The engine judges; what a reader wants beside that (what the named records tell, the rules' words,
which PCI functions there are) is filled in by :func:`uvtrace.check.explain.explained`, and what a
suppressions file takes out by :func:`uvtrace.check.suppression.suppressed`. A renderer (see
``reports/``) is a callable from a sequence of :class:`Results`, one per trace, to text.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from uvtrace.check.rules import Severity
from uvtrace.trace.functions import Function

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


@dataclass(frozen=True, kw_only=True)
class RuleText:
    """What a report says of a rule.

    Attributes:
        id: its permanent ID.
        statement: what is wrong when it fires, in one phrase.
        source: what makes it a rule.
        example: a short story that breaks it; may be empty.
        severity: of its findings.
    """

    id: str
    statement: str
    source: str
    example: str = ""
    severity: Severity = Severity.ERROR


@dataclass(frozen=True)
class Evidence:
    """A record that helps to prove a finding.

    Attributes:
        seq: its number.
        role: the part it plays.
        text: what it tells, in one line; empty until explained.
        site: where in the driver it comes from; likewise.
    """

    seq: int
    role: str
    text: str = ""
    site: str = ""


@dataclass(frozen=True)
class Fact:
    """A column's value without which an event would not certainly break a rule.

    Attributes:
        column: its name.
        value: as text.
        told_by: roles and numbers of the records that it comes from; empty: the event's own.
    """

    column: str
    value: str
    told_by: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Suppression:
    """An entry of a suppressions file: findings that are known and accepted.

    Attributes:
        rule: the ID of a rule, or a prefix of IDs.
        site: pattern of the symbol, or of ``symbol [module]``, in which ``*`` and ``?`` stand
            for any text and any character.
        reason: why they are accepted.
        function: pattern of the PCI function's name.
        device: pattern of ``vendor:device``, as ``8086:100e``.
        expires: the last day on which it holds.
        file, line: where it stands.
    """

    rule: str
    site: str
    reason: str
    function: str = "*"
    device: str = "*"
    expires: datetime.date | None = None
    file: str = ""
    line: int = 0


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
        facts: the fewest that prove it, of a rule about single events, where they were asked for.
        further: findings of the same rule, function and site that were counted, but not kept;
            told by the first one that is kept.
        text: what the record that breaks the rule tells, in one line; empty until explained.
        suppression: what takes it out of the judgement, or None.
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
    facts: tuple[Fact, ...] = ()
    further: int = 0
    text: str = ""
    suppression: Suppression | None = None

    @property
    def occurrences(self) -> int:
        """How many findings it stands for, itself included."""
        return 1 + self.further


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
        start_ns: time of the first event, monotonic, of the recorded machine.
        start_real_ns: its wall-clock time since 1970, or None where the trace has none.
        kernel: the recorded kernel's release; empty where it is not known.
        functions: the PCI functions of the trace, by name.
        rules: what the rules say of themselves, by ID.
    """

    file: str
    transactions: int
    lost: int
    seconds: float
    verdicts: tuple[RuleVerdict, ...]
    findings: tuple[Finding, ...]
    damage: str | None = None
    start_ns: int = 0
    start_real_ns: int | None = None
    kernel: str = ""
    functions: Mapping[str, Function] = field(default_factory=dict)
    rules: Mapping[str, RuleText] = field(default_factory=dict)

    @property
    def counted(self) -> tuple[Finding, ...]:
        """The findings that count: those that are not suppressed."""
        return tuple(finding for finding in self.findings if finding.suppression is None)

    @property
    def ok(self) -> bool:
        """Whether no finding that counts is an error."""
        return not any(finding.severity is Severity.ERROR for finding in self.counted)
