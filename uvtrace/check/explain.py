# SPDX-License-Identifier: Apache-2.0
"""Fills in what a reader of results wants to know besides the judgement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from uvtrace.check.results import Evidence, Finding, Results, RuleText
from uvtrace.check.rule import Rule
from uvtrace.check.rules import Selection
from uvtrace.trace import descriptions
from uvtrace.trace.moments import rows_of, start_ns
from uvtrace.trace.trace import Trace

RECORDS_EXPLAINED = 10_000
"""Records of one trace that are put into words: a storm of findings needs no more."""


def judge(trace: Trace, *, selection: Selection | None = None) -> Results:
    """Judge a trace by the rules that are installed, and explain what was found.

    Args:
        trace: what :func:`uvtrace.open` gives.
        selection: the rules to judge; all by default.

    Raises:
        EnvironmentLacksError: a rule pack is installed that cannot be imported.
    """
    from uvtrace.check.catalogue import installed_rules
    from uvtrace.check.engine import check

    return explained(check(trace, selection=selection), trace, installed_rules())


def explained(results: Results, trace: Trace, rules: Iterable[Rule] = ()) -> Results:
    """The same results, with the trace's and the rules' words in them.

    Args:
        results: of ``trace``.
        trace: the trace that was judged.
        rules: the rules that judged it; of several declarations of one ID the first speaks.

    Returns:
        The results with ``text`` and ``site`` of evidence and findings (those of the first
        finding of each signature before others, up to :data:`RECORDS_EXPLAINED` records), times,
        kernel, functions and rules.
    """
    texts = _texts(trace, _wanted(results.findings))
    judged = {verdict.rule for verdict in results.verdicts}
    words: dict[str, RuleText] = {}
    for rule in rules:
        if rule.id in judged:
            words.setdefault(rule.id, _words(rule))
    return replace(
        results,
        findings=tuple(_worded(finding, texts) for finding in results.findings),
        start_ns=start_ns(trace),
        start_real_ns=trace.wall_time_ns(0) if len(trace) else None,
        kernel=_kernel(trace),
        functions={function.name: function for function in trace.functions},
        rules=words,
    )


def _words(rule: Rule) -> RuleText:
    return RuleText(
        id=rule.id,
        statement=rule.statement,
        source=rule.source,
        example=rule.example,
        severity=rule.severity,
    )


def first_of_each(findings: Sequence[Finding]) -> tuple[list[Finding], list[Finding]]:
    """The first finding of each function and signature, and the repetitions; both in order."""
    firsts: list[Finding] = []
    others: list[Finding] = []
    seen: set[tuple[str, str, bool]] = set()
    for finding in findings:
        key = (finding.function, finding.signature, finding.suppression is None)
        (others if key in seen else firsts).append(finding)
        seen.add(key)
    return firsts, others


def _wanted(findings: Sequence[Finding]) -> set[int]:
    """Numbers of the records to explain."""
    numbers: set[int] = set()
    for number in _numbers(findings):
        numbers.add(number)
        if len(numbers) == RECORDS_EXPLAINED:
            break
    return numbers


def _numbers(findings: Sequence[Finding]) -> Iterator[int]:
    firsts, others = first_of_each(findings)
    for finding in (*firsts, *others):
        yield finding.seq
        yield from (evidence.seq for evidence in finding.evidence)


def _texts(trace: Trace, numbers: set[int]) -> dict[int, tuple[str, str]]:
    """By number: what the record tells, and its site."""
    texts = {}
    for number, row in rows_of(trace, numbers).items():
        # A part of one record: the whole would be gathered into memory.
        part = trace[row : row + 1]
        texts[number] = (descriptions.summary(part, 0), part.site(0))
    return texts


def _worded(finding: Finding, texts: Mapping[int, tuple[str, str]]) -> Finding:
    none = ("", "")
    return replace(
        finding,
        text=texts.get(finding.seq, none)[0],
        evidence=tuple(
            Evidence(each.seq, each.role, *texts.get(each.seq, none)) for each in finding.evidence
        ),
    )


def _kernel(trace: Trace) -> str:
    told = trace.metadata.session.get("kernel")
    if isinstance(told, str) and told:
        return told
    return next((section.os for section in trace.sections if section.os), "")
