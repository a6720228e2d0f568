# SPDX-License-Identifier: Apache-2.0
"""Results as test cases: one per trace, function and rule, as test formats want them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath

from uvtrace.check.explain import first_of_each
from uvtrace.check.results import WHOLE_TRACE, Finding, Results, RuleVerdict, Verdict
from uvtrace.check.rules import Severity
from uvtrace.trace.texts import printable

_EVIDENCE_SHOWN = 8
_SUFFIXES = (".zst", ".gz", ".pcapng")


class Outcome(StrEnum):
    """How a test case ended. Only PASSED may be told as passed, only FAILED as failed."""

    PASSED = "passed"
    FAILED = "failed"
    """At least one error that counts."""
    WARNED = "warned"
    """Warnings or notes that count, no errors."""
    SUPPRESSED = "suppressed"
    """Findings, none of which counts."""
    UNKNOWN = "unknown"
    VACUOUS = "vacuous"


@dataclass(frozen=True)
class Case:
    """A rule's verdict on a function, and the findings behind it, suppressed ones included."""

    verdict: RuleVerdict
    findings: tuple[Finding, ...]

    @property
    def outcome(self) -> Outcome:
        """A finding outweighs the verdict."""
        counted = [finding for finding in self.findings if finding.suppression is None]
        if any(finding.severity is Severity.ERROR for finding in counted):
            return Outcome.FAILED
        if counted:
            return Outcome.WARNED
        if self.findings:
            return Outcome.SUPPRESSED
        return {
            Verdict.PASS: Outcome.PASSED,
            Verdict.FAIL: Outcome.FAILED,
            Verdict.UNKNOWN: Outcome.UNKNOWN,
            Verdict.VACUOUS: Outcome.VACUOUS,
        }[self.verdict.verdict]

    @property
    def first(self) -> Finding | None:
        """The finding to name where there is room for one: an error, if one counts."""
        ranks = list(Severity)
        return min(
            self.findings,
            key=lambda f: (f.suppression is not None, ranks.index(f.severity), f.seq),
            default=None,
        )

    @property
    def reason(self) -> str:
        """Why it is no pass, in one printable line."""
        if self.outcome is Outcome.SUPPRESSED:
            reasons = dict.fromkeys(f.suppression.reason for f in self.findings if f.suppression)
            return printable(f"suppressed: {'; '.join(reasons)}")
        return printable(self.verdict.reason or self.verdict.verdict)


def cases_of(results: Results) -> dict[str, list[Case]]:
    """The cases of a trace by function, the trace itself (``*``) first, then by name and rule."""
    findings: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in results.findings:
        findings[finding.function, finding.rule].append(finding)
    cases: dict[str, list[Case]] = defaultdict(list)
    for verdict in sorted(results.verdicts, key=lambda v: (v.function, v.rule)):
        own = findings.get((verdict.function, verdict.rule), [])
        cases[verdict.function].append(Case(verdict, tuple(own)))
    return dict(cases)


def names_of(results: Sequence[Results]) -> list[str]:
    """A short name for each trace that tells it from the others.

    The file's name without its suffixes; the whole path where two would be the same; a number
    where even these are.
    """
    short = [_stem(each.file) for each in results]
    names = [
        name if short.count(name) == 1 else each.file or "trace"
        for name, each in zip(short, results, strict=True)
    ]
    used: Counter[str] = Counter()
    unique = []
    for name in names:
        used[name] += 1
        unique.append(printable(name if used[name] == 1 else f"{name} ({used[name]})"))
    return unique


def function_name(function: str) -> str:
    """A function as people call it."""
    return "trace" if function == WHOLE_TRACE else printable(function)


def moment(finding: Finding, results: Results) -> str:
    """``#812  t=1.234567``: a record's number, and seconds since the first event."""
    if finding.time_ns < results.start_ns or not finding.time_ns:
        return f"#{finding.seq}"
    return f"#{finding.seq}  t={(finding.time_ns - results.start_ns) / 1e9:.6f}"


def told(findings: Sequence[Finding], results: Results) -> Iterator[str]:
    """Findings as printable lines: each signature once, with its proof and how often it came."""
    counts: Counter[tuple[str, str, bool]] = Counter()
    for each in findings:
        counts[each.function, each.signature, each.suppression is None] += each.occurrences
    for finding in first_of_each(findings)[0]:
        count = counts[finding.function, finding.signature, finding.suppression is None]
        yield printable(f"{finding.severity}[{finding.rule}]: {finding.message}")
        yield printable("  ".join(filter(None, ("  at", finding.site, moment(finding, results)))))
        for role, seq, text in proof(finding):
            yield printable(f"  {role} #{seq} {text}".rstrip())
        hidden = len(finding.evidence) - _EVIDENCE_SHOWN
        if hidden > 0:
            yield f"  and {hidden} more records"
        if finding.suppression is not None:
            yield printable(f"  suppressed: {finding.suppression.reason}")
        if count > 1:
            yield f"  {count} times in all"
        yield printable(f"  signature {finding.signature}")


def proof(finding: Finding, limit: int = _EVIDENCE_SHOWN) -> list[tuple[str, int, str]]:
    """(role, number, what it tells and where from) of the first records that prove a finding."""
    lines = [
        (each.role, each.seq, f"{each.text}   {each.site}".rstrip())
        for each in finding.evidence[:limit]
    ]
    if finding.text:
        lines.append(("here", finding.seq, finding.text))
    return lines


def _stem(file: str) -> str:
    name = PurePath(file).name
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    return name or file or "trace"
