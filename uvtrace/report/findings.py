# SPDX-License-Identifier: Apache-2.0
"""The findings in the page: message, place, proof, why, and the diagram."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from uvtrace.check.explain import first_of_each
from uvtrace.check.results import Fact, Finding, Results
from uvtrace.graph.dot import TIMES
from uvtrace.report.markup import Markup, joined, tag
from uvtrace.report.verdicts import function_title, rule_link

TOLD_MAX: Final = 500
"""Findings of different signatures that a page tells of; a storm needs no more."""
_PROOF_MAX: Final = 40

Key = tuple[str, str, bool]


@dataclass(frozen=True)
class Told:
    """A finding as the page tells it.

    Attributes:
        number: counted from 1.
        finding: the first of its signature and function.
        times: how often it came.
        last: number of the record of the last one that is kept.
        slice: file of its slice, relative to the page; empty where there is none.
        slice_note: what is to be said of the slice.
    """

    number: int
    finding: Finding
    times: int
    last: int
    slice: str = ""
    slice_note: str = ""


def told_of(results: Results) -> list[Told]:
    """The findings to tell, in the order of the trace; those that are suppressed at the end."""
    times: Counter[Key] = Counter()
    last: dict[Key, int] = {}
    for each in results.findings:
        times[_key(each)] += each.occurrences
        last[_key(each)] = each.seq
    firsts = first_of_each(results.findings)[0]
    firsts.sort(key=lambda finding: finding.suppression is not None)
    return [
        Told(number, each, times[_key(each)], last[_key(each)])
        for number, each in enumerate(firsts[:TOLD_MAX], 1)
    ]


def _key(finding: Finding) -> Key:
    return finding.function, finding.signature, finding.suppression is None


def findings(
    told: Sequence[Told], results: Results, diagrams: Mapping[int, Callable[[], Markup]]
) -> Markup:
    """The section's content.

    Args:
        told: the findings.
        results: of the check.
        diagrams: by number of the finding, what draws it.
    """
    if not told:
        return tag("p", "Nothing was found.", class_="empty good")
    parts = [_finding(each, results, diagrams.get(each.number)) for each in told]
    more = len(first_of_each(results.findings)[0]) - len(told)
    if more > 0:
        parts.append(tag("p", f"and {more} more, in result.json", class_="hint"))
    return joined(parts)


def look(finding: Finding) -> str:
    """Which colour a finding has."""
    return "suppressed" if finding.suppression is not None else finding.severity.value


def _finding(told: Told, results: Results, diagram: Callable[[], Markup] | None) -> Markup:
    finding = told.finding
    summary = tag(
        "summary",
        tag("span", look(finding), class_=f"badge {look(finding)}"),
        tag("code", finding.rule, class_="id"),
        tag("span", finding.message, class_="message"),
        tag("span", f"{TIMES}{told.times:,}", class_="times", title="how often")
        if told.times > 1
        else None,
        tag("span", f"#{finding.seq}", class_="where"),
    )
    body = tag(
        "div",
        _place(told, results),
        _proof(finding),
        _notes(told, results),
        tag("div", diagram(), class_="diagram", tabindex=0, role="group", aria_label="sequence")
        if diagram is not None
        else None,
        class_="body",
    )
    return tag(
        "details",
        summary,
        body,
        class_=f"finding {look(finding)}",
        id=f"finding-{told.number}",
        open=told.number == 1,
    )


def _place(told: Told, results: Results) -> Markup:
    finding = told.finding
    since = max(finding.time_ns - results.start_ns, 0) / 1e9
    parts = [
        tag("code", finding.site) if finding.site else None,
        tag("span", function_title(finding.function)),
        _jump(finding.seq),
        tag("span", f"t = {since:.6f} s") if finding.time_ns else None,
    ]
    return tag("p", [part for part in parts if part is not None], class_="place")


def _jump(seq: int) -> Markup:
    return tag("a", f"#{seq}", href="#transactions", data_seq=seq, class_="jump")


def _proof(finding: Finding) -> Markup:
    rows = [
        _proof_row(each.role, each.seq, each.text, each.site)
        for each in finding.evidence[:_PROOF_MAX]
    ]
    hidden = len(finding.evidence) - _PROOF_MAX
    if hidden > 0:
        rows.append(tag("tr", tag("td"), tag("td"), tag("td", f"and {hidden} more records")))
    if finding.text:
        rows.append(_proof_row("here", finding.seq, finding.text, finding.site))
    return tag("table", tag("tbody", rows), class_="proof")


def _proof_row(role: str, seq: int, told: str, site: str) -> Markup:
    return tag(
        "tr",
        tag("th", role, scope="row"),
        tag("td", _jump(seq)),
        tag("td", tag("code", told)),
        tag("td", tag("code", site), class_="dim"),
        class_="here" if role == "here" else None,
    )


def _notes(told: Told, results: Results) -> Markup:
    return tag("dl", [_note(name, content) for name, content in _facts(told, results)])


def _note(name: str, content: Markup) -> Markup:
    return tag("div", tag("dt", name), tag("dd", content))


def _facts(told: Told, results: Results) -> Iterator[tuple[str, Markup]]:
    finding = told.finding
    if finding.facts:
        yield "proof", joined((_fact(fact) for fact in finding.facts), "; ")
    words = results.rules.get(finding.rule)
    if words is not None:
        source = tag("span", f"({words.source})", class_="dim")
        yield "why", joined([rule_link(finding.rule, True), f" {words.statement} ", source])
    if finding.suppression is not None:
        where = f"{finding.suppression.file}:{finding.suppression.line}"
        yield "suppressed", joined([finding.suppression.reason, " ", tag("code", where)])
    if told.times > 1:
        parts: list[str] = [f"{told.times:,} times"]
        if told.last != finding.seq:
            parts += [", the last kept at ", _jump(told.last)]
        yield "again", joined(parts)
    yield "signature", tag("code", finding.signature)
    if told.slice:
        link = tag("a", told.slice, href=told.slice)
        yield "slice", joined([link, f" {told.slice_note}" if told.slice_note else ""])


def _fact(fact: Fact) -> str:
    by = ", ".join(f"{role} #{seq}" for role, seq in fact.told_by)
    return f"{fact.column} = {fact.value}" + (f" ({by})" if by else "")
