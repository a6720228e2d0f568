# SPDX-License-Identifier: Apache-2.0
"""Results for people, in the manner of a good compiler: what, where, the proof, why; then a table.

Findings of one function and signature are told once, with their number. Everything that comes
from a trace is made printable before it is wrapped or coloured.
"""

from __future__ import annotations

import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from uvtrace.check.explain import first_of_each
from uvtrace.check.page import PLAIN, Page
from uvtrace.check.results import Fact, Finding, Results, RuleVerdict, Verdict
from uvtrace.check.rules import Severity
from uvtrace.trace.texts import printable

from .cases import cases_of, function_name, moment, proof

_EVIDENCE_SHOWN = 8
_NARROWEST = 40
_COLOURS = {
    "error": "1;31",
    "warning": "1;33",
    "note": "1;36",
    "suppressed": "1;35",
    "fail": "31",
    "unknown": "33",
    "vacuous": "2",
    "pass": "32",
    "frame": "1;34",
    "message": "1",
}
_Fold = tuple[str, str, bool]

_ORDER = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.VACUOUS, Verdict.PASS)


def render(results: Sequence[Results], page: Page = PLAIN) -> str:
    """One section per trace."""
    pen = _Pen(page)
    return "\n".join("\n".join(_section(result, pen)) + "\n" for result in results)


class _Pen:
    """Writes lines: wrapped to the page's width, and coloured where the page takes colour."""

    def __init__(self, page: Page) -> None:
        self._width = None if page.width is None else max(page.width, _NARROWEST)
        self._colour = page.colour

    def paint(self, style: str, text: str) -> str:
        """``text`` in the colour of ``style``."""
        return f"\x1b[{_COLOURS[style]}m{text}\x1b[0m" if self._colour and text else text

    def lines(self, lead: str, text: str, style: str = "frame", body: str = "") -> Iterator[str]:
        """``lead``, in colour, and the text behind it; further lines are indented as far."""
        words = printable(text)
        room = None if self._width is None else self._width - len(lead)
        parts = [words]
        if room is not None and room >= _NARROWEST // 2:
            parts = textwrap.wrap(words, room, break_long_words=False, break_on_hyphens=False)
        for i, part in enumerate(parts or [""]):
            begin = lead if i == 0 else " " * len(lead)
            painted = self.paint(body, part) if body else part
            yield (self.paint(style, begin) + painted).rstrip()


def _section(result: Results, pen: _Pen) -> Iterator[str]:
    lost = f", {result.lost} lost" if result.lost else ""
    judged = f"{result.transactions} transactions{lost}, checked in {result.seconds:.2f} s"
    yield from pen.lines("", f"{result.file or 'trace'}: {judged}")
    folds: dict[_Fold, list[Finding]] = defaultdict(list)
    for finding in result.findings:
        folds[_fold(finding)].append(finding)
    for finding in first_of_each(result.findings)[0]:
        yield ""
        if finding.suppression is None:
            yield from _finding(finding, result, pen)
        else:
            yield from _suppressed(finding, result, pen)
        yield from _again(folds[_fold(finding)], pen)
    yield ""
    yield from _table(result, pen)
    yield ""
    yield _totals(result, pen)


def _fold(finding: Finding) -> _Fold:
    return finding.function, finding.signature, finding.suppression is None


def _again(same: Sequence[Finding], pen: _Pen) -> Iterator[str]:
    """How often findings of one fold came, and where last; that is not known of all."""
    times = sum(finding.occurrences for finding in same)
    if times > 1:
        last = "" if times > len(same) else f", the last at #{same[-1].seq}"
        yield from pen.lines("   = again: ", f"{times} times{last}")


def _finding(finding: Finding, result: Results, pen: _Pen) -> Iterator[str]:
    lead = f"{finding.severity}[{printable(finding.rule)}]: "
    yield from pen.lines(lead, finding.message, finding.severity.value, "message")
    yield from _place(finding, result, pen)
    shown = [(role, f"#{seq}", text) for role, seq, text in proof(finding, _EVIDENCE_SHOWN)]
    roles = max((len(printable(role)) for role, _, _ in shown), default=0)
    numbers = max((len(number) for _, number, _ in shown), default=0)
    for role, number, text in shown:
        lead = f"   | {printable(role):{roles}}  {number:{numbers}}  "
        yield from pen.lines(lead, text)
    hidden = len(finding.evidence) - _EVIDENCE_SHOWN
    if hidden > 0:
        yield from pen.lines("   | ", f"and {hidden} more records")
    if finding.facts:
        yield from pen.lines("   = proof: ", "; ".join(map(_fact, finding.facts)))
    rule = result.rules.get(finding.rule)
    if rule is not None:
        yield from pen.lines("   = why: ", f"{rule.statement} ({rule.source})")
    yield from pen.lines("   = note: ", f"uvtrace rules {finding.rule}")


def _fact(fact: Fact) -> str:
    told_by = ", ".join(f"{role} #{seq}" for role, seq in fact.told_by)
    return f"{fact.column} = {fact.value}" + (f" ({told_by})" if told_by else "")


def _suppressed(finding: Finding, result: Results, pen: _Pen) -> Iterator[str]:
    suppression = finding.suppression
    assert suppression is not None
    yield from pen.lines(f"suppressed[{printable(finding.rule)}]: ", finding.message, "suppressed")
    yield from _place(finding, result, pen)
    until = f", until {suppression.expires}" if suppression.expires else ""
    where = f"{suppression.file}:{suppression.line}{until}"
    yield from pen.lines("   = reason: ", f"{suppression.reason} ({where})")


def _place(finding: Finding, result: Results, pen: _Pen) -> Iterator[str]:
    parts = (printable(finding.site), function_name(finding.function), moment(finding, result))
    # Wrapped between its parts only: a site is one word to a reader.
    yield from pen.lines("  --> ", "  ".join(filter(None, parts)))


def _table(result: Results, pen: _Pen) -> Iterator[str]:
    """Verdicts: a line of numbers for each function, then which rules and why."""
    cases = cases_of(result)
    width = max((len(function_name(function)) for function in cases), default=0)
    width = max(width, len("verdicts"))
    yield f"{'verdicts':{width}}" + "".join(f"{verdict:>9}" for verdict in _ORDER)
    for function, own in cases.items():
        counts = Counter(case.verdict.verdict for case in own)
        cells = (
            pen.paint(verdict.value, f"{counts[verdict]:9}") if counts[verdict] else f"{0:9}"
            for verdict in _ORDER
        )
        yield f"{function_name(function):{width}}" + "".join(cells)
    for function, own in cases.items():
        yield ""
        yield function_name(function)
        yield from _verdicts([case.verdict for case in own], pen)


def _verdicts(verdicts: Sequence[RuleVerdict], pen: _Pen) -> Iterator[str]:
    """Rules by verdict; those with one reason stand together."""
    for verdict in _ORDER:
        by_reason: dict[str, list[str]] = defaultdict(list)
        for each in verdicts:
            if each.verdict is verdict:
                by_reason[each.reason].append(each.rule)
        for reason, rules in by_reason.items():
            listed = " ".join(rules)
            text = f"{listed}: {reason}" if reason else listed
            yield from pen.lines(f"  {verdict:8}", text, verdict.value)


def _totals(result: Results, pen: _Pen) -> str:
    counts: Counter[Severity] = Counter()
    for finding in result.counted:
        counts[finding.severity] += finding.occurrences
    parts = []
    for severity in Severity:
        number = counts[severity]
        text = f"{number} {severity}{'' if number == 1 else 's'}"
        parts.append(pen.paint(severity.value, text) if number else text)
    suppressed = sum(finding.occurrences for finding in result.findings) - counts.total()
    if suppressed:
        parts.append(pen.paint("suppressed", f"{suppressed} suppressed"))
    return ", ".join(parts)
