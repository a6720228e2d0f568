# SPDX-License-Identifier: Apache-2.0
"""The verdicts in the page: a map of all rules, a table to filter, and the rules' statements."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from uvtrace.check.results import WHOLE_TRACE, Results, RuleText, RuleVerdict, Verdict
from uvtrace.report.markup import Markup, joined, tag

ORDER: Final = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.PASS, Verdict.VACUOUS)
_SIGNS: Final = {
    Verdict.FAIL: "✕",
    Verdict.UNKNOWN: "?",
    Verdict.PASS: "✓",
    Verdict.VACUOUS: "\N{EN DASH}",
}
_FAMILY: Final = re.compile(r"[A-Z]+")


def function_title(name: str) -> str:
    """A function as people call it."""
    return "trace" if name == WHOLE_TRACE else name


def rule_link(rule: str, known: bool) -> Markup:
    """A rule's ID, as a link to its statement where there is one."""
    if not known:
        return tag("code", rule)
    return tag("a", tag("code", rule), href=f"#rule-{rule}", class_="rule")


def verdicts(results: Results, first: Mapping[tuple[str, str], int]) -> Markup:
    """The section's content.

    Args:
        results: of the check.
        first: by function and rule: number of the first finding that the page tells.
    """
    functions = list(dict.fromkeys(each.function for each in results.verdicts))
    return joined(
        [_map(results, functions, first), _filter(results), _table(results, functions, first)]
    )


def _map(results: Results, functions: list[str], first: Mapping[tuple[str, str], int]) -> Markup:
    """One square for each rule and function, by family: the whole judgement at a glance."""
    rows = []
    for function in functions:
        own = [each for each in results.verdicts if each.function == function]
        families: dict[str, list[RuleVerdict]] = {}
        for each in own:
            families.setdefault(_family(each.rule), []).append(each)
        blocks = [
            tag("span", tag("b", name), [_square(each, first) for each in group], class_="family")
            for name, group in families.items()
        ]
        title = tag("span", function_title(function), class_="function")
        rows.append(tag("div", title, tag("div", blocks, class_="families"), class_="map-row"))
    return tag("div", rows, class_="map", aria_hidden="true")


def _square(verdict: RuleVerdict, first: Mapping[tuple[str, str], int]) -> Markup:
    told = f"{verdict.rule}: {verdict.verdict}"
    reason = f", {verdict.reason}" if verdict.reason else f", {verdict.checked:,} checked"
    return tag(
        "a",
        _SIGNS[verdict.verdict],
        href=_target(verdict, first),
        class_=f"square {verdict.verdict}",
        title=told + reason,
        tabindex=-1,
    )


def _target(verdict: RuleVerdict, first: Mapping[tuple[str, str], int]) -> str:
    """Where more is told of a verdict: its first finding, else the rule."""
    number = first.get((verdict.function, verdict.rule))
    return f"#rule-{verdict.rule}" if number is None else f"#finding-{number}"


def _family(rule: str) -> str:
    found = _FAMILY.match(rule)
    return found.group() if found else rule


def _filter(results: Results) -> Markup:
    counts = Counter(each.verdict for each in results.verdicts)
    buttons = [
        tag(
            "button",
            f"{verdict} ",
            tag("b", str(counts[verdict])),
            type="button",
            class_=f"chip {verdict}",
            data_verdict=str(verdict),
            aria_pressed="true" if verdict in (Verdict.FAIL, Verdict.UNKNOWN) else "false",
        )
        for verdict in ORDER
    ]
    return tag(
        "div", buttons, class_="chips", id="verdict-filter", role="group", aria_label="verdicts"
    )


def _table(results: Results, functions: list[str], first: Mapping[tuple[str, str], int]) -> Markup:
    by_rule: dict[str, dict[str, RuleVerdict]] = {}
    for each in results.verdicts:
        by_rule.setdefault(each.rule, {})[each.function] = each
    head = tag(
        "tr",
        tag("th", "rule", scope="col"),
        tag("th", "it fails on", scope="col"),
        [tag("th", function_title(function), scope="col") for function in functions],
    )
    rows = [
        _rule_row(rule, [own.get(each) for each in functions], results.rules.get(rule), first)
        for rule, own in sorted(by_rule.items())
    ]
    return tag(
        "div",
        tag("table", tag("thead", head), tag("tbody", rows), id="verdict-table"),
        tag("p", "No rule has one of these verdicts.", class_="empty", hidden=True),
        class_="scroll",
        tabindex=0,
        role="region",
        aria_label="verdicts by rule and function",
    )


def _rule_row(
    rule: str,
    own: list[RuleVerdict | None],
    words: RuleText | None,
    first: Mapping[tuple[str, str], int],
) -> Markup:
    present = " ".join(dict.fromkeys(str(each.verdict) for each in own if each is not None))
    return tag(
        "tr",
        tag("th", rule_link(rule, words is not None), scope="row"),
        tag("td", words.statement if words else "", class_="statement"),
        [_cell(each, first) for each in own],
        data_verdicts=present,
    )


def _cell(verdict: RuleVerdict | None, first: Mapping[tuple[str, str], int]) -> Markup:
    if verdict is None:
        return tag("td")
    badge = tag("span", f"{verdict.verdict}", class_=f"badge {verdict.verdict}")
    if (verdict.function, verdict.rule) in first:
        badge = tag("a", badge, href=_target(verdict, first), class_="to-finding")
    reason = tag("small", verdict.reason) if verdict.reason else None
    checked = tag("small", f"{verdict.checked:,} checked") if verdict.checked else None
    return tag("td", badge, " ", reason or checked)


def rules_told(results: Results) -> Markup:
    """Every rule that judged: statement, source, example."""
    return joined(_rule(words) for _, words in sorted(results.rules.items()))


def _rule(words: RuleText) -> Markup:
    return tag(
        "article",
        tag("h3", tag("code", words.id), " ", tag("span", words.severity.value, class_="dim")),
        tag("p", words.statement),
        tag("p", words.source, class_="dim"),
        _example(words),
        id=f"rule-{words.id}",
        class_="rule-text",
    )


def _example(words: RuleText) -> Iterator[Markup]:
    if words.example:
        yield tag("p", "Example: ", words.example, class_="dim")
