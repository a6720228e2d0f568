# SPDX-License-Identifier: Apache-2.0
"""Results as SARIF 2.1.0: a run per trace, a result per finding.

Locations are logical: the driver's function, in its module; the physical one is the recording.
What a rule could not judge is a result of kind ``open``, so that it is not taken for clean.

Source: OASIS, Static Analysis Results Interchange Format (SARIF) Version 2.1.0.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

from uvtrace.check.explain import first_of_each
from uvtrace.check.page import PLAIN, Page
from uvtrace.check.results import WHOLE_TRACE, Finding, Results, RuleVerdict, Suppression, Verdict
from uvtrace.check.signature import stable_site
from uvtrace.trace.texts import printable
from uvtrace.version import VERSION

from .cases import function_name, names_of

SCHEMA: Final = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
MAX_RESULTS: Final = 5_000
"""Results in a run; readers (GitHub's) take no more."""
MAX_LOCATIONS: Final = 1_000
"""Locations in a code flow."""


def render(results: Sequence[Results], page: Page = PLAIN) -> str:
    """One log for all traces."""
    names = names_of(results)
    runs = [_run(name, each) for name, each in zip(names, results, strict=True)]
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": runs}, indent=1) + "\n"


def _run(name: str, results: Results) -> dict[str, Any]:
    rules = sorted({verdict.rule for verdict in results.verdicts} | _found(results))
    place = {rule: i for i, rule in enumerate(rules)}
    findings, left_out = _chosen(results.findings)
    shown = [_result(finding, results, place) for finding in findings]
    unknown = [v for v in results.verdicts if v.verdict is Verdict.UNKNOWN]
    shown += [_open(each, results, place) for each in unknown[: MAX_RESULTS - len(shown)]]
    left_out += max(0, len(findings) + len(unknown) - MAX_RESULTS)
    return {
        "tool": {"driver": _driver(rules, results)},
        "automationDetails": {"id": f"uvtrace/{name}/"},
        "artifacts": [{"location": _artifact(results), "roles": ["analysisTarget"]}],
        "invocations": [_invocation(results, left_out)],
        "results": shown,
        "properties": {
            "transactions": results.transactions,
            "lost": results.lost,
            "kernel": printable(results.kernel),
            "verdicts": [_verdict(each) for each in results.verdicts],
        },
    }


def _found(results: Results) -> set[str]:
    return {finding.rule for finding in results.findings}


def _chosen(findings: Sequence[Finding]) -> tuple[list[Finding], int]:
    """The findings to tell, and how many are left out: those that count and are new go first."""
    firsts, others = first_of_each(findings)
    ranked = sorted((*firsts, *others), key=lambda finding: finding.suppression is not None)
    # Sorting keeps the first of each signature before the repetitions.
    return ranked[:MAX_RESULTS], max(0, len(ranked) - MAX_RESULTS)


def _driver(rules: Sequence[str], results: Results) -> dict[str, Any]:
    return {
        "name": "uvtrace",
        "version": VERSION,
        "rules": [_rule(rule, results) for rule in rules],
    }


def _rule(rule_id: str, results: Results) -> dict[str, Any]:
    described: dict[str, Any] = {"id": printable(rule_id)}
    rule = results.rules.get(rule_id)
    if rule is None:
        return described
    example = f" For example: {rule.example}." if rule.example else ""
    help_text = f"{rule.statement}.{example} Source: {rule.source}. More: uvtrace rules {rule.id}"
    return described | {
        "shortDescription": _message(rule.statement),
        "fullDescription": _message(f"{rule.statement}.{example}"),
        "help": _message(help_text),
        "defaultConfiguration": {"level": rule.severity.value},
        "properties": {"source": printable(rule.source)},
    }


def _invocation(results: Results, left_out: int) -> dict[str, Any]:
    notices = []
    if left_out:
        text = f"{left_out} results are left out: a run holds {MAX_RESULTS}; --format json has all"
        notices.append({"level": "warning", "message": _message(text)})
    if results.damage:
        notices.append({"level": "warning", "message": _message(results.damage)})
    if results.lost:
        text = f"{results.lost} records were lost; rules that need them are unknown"
        notices.append({"level": "note", "message": _message(text)})
    return {"executionSuccessful": True, "toolExecutionNotifications": notices}


def _result(finding: Finding, results: Results, place: dict[str, int]) -> dict[str, Any]:
    counted = finding.suppression is None
    return {
        "ruleId": printable(finding.rule),
        "ruleIndex": place[finding.rule],
        "kind": "fail",
        "level": finding.severity.value,
        "message": _message(finding.message),
        "locations": [_location(finding.site, finding.seq, finding.function, results)],
        "occurrenceCount": finding.occurrences,
        "partialFingerprints": {"uvtraceSignature/v1": printable(finding.signature)},
        "codeFlows": [{"threadFlows": [_flow(finding, results)]}],
        # A reader may conclude something from their absence: every result has the list.
        "suppressions": [] if counted else [_suppression(finding.suppression)],
        "properties": {
            "function": function_name(finding.function),
            "seq": finding.seq,
            "timeNs": finding.time_ns,
        },
    }


def _open(verdict: RuleVerdict, results: Results, place: dict[str, int]) -> dict[str, Any]:
    where = function_name(verdict.function)
    return {
        "ruleId": printable(verdict.rule),
        "ruleIndex": place[verdict.rule],
        "kind": "open",
        "level": "none",
        "message": _message(f"{verdict.rule} is unknown for {where}: {verdict.reason}"),
        "locations": [_location("", None, verdict.function, results)],
        "suppressions": [],
        "properties": {"function": where},
    }


def _flow(finding: Finding, results: Results) -> dict[str, Any]:
    """The evidence and the finding's own record, in the order they happened."""
    steps = [(each.seq, each.role, each.text, each.site) for each in finding.evidence]
    steps = sorted(steps, key=lambda step: step[0])[: MAX_LOCATIONS - 1]
    steps.append((finding.seq, "here", finding.text or finding.message, finding.site))
    return {
        "locations": [
            {
                "location": {
                    **_location(site, seq, finding.function, results),
                    "message": _message(f"#{seq} {role}: {text}" if text else f"#{seq} {role}"),
                },
                "executionOrder": order,
            }
            for order, (seq, role, text, site) in enumerate(steps)
        ]
    }


def _location(site: str, seq: int | None, function: str, results: Results) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {**_artifact(results), "index": 0}}
    if seq is not None:
        # What lies at an offset in the recording: a record, by its number.
        physical["address"] = {"kind": "record", "name": f"#{seq}"}
    return {"physicalLocation": physical, "logicalLocations": _logical(site, function)}


def _logical(site: str, function: str) -> list[dict[str, Any]]:
    """The driver's function and module; then the PCI function."""
    places: list[dict[str, Any]] = []
    symbol, _, rest = stable_site(site).partition(" [")
    module = printable(rest.removesuffix("]"))
    if symbol != "?":
        name = printable(symbol)
        full = f"{module}!{name}" if module else name
        places.append({"name": name, "fullyQualifiedName": full, "kind": "function"})
    if module:
        places.append({"name": module, "kind": "module"})
    if function != WHOLE_TRACE:
        places.append({"name": printable(function), "kind": "resource"})
    return places


def _artifact(results: Results) -> dict[str, Any]:
    return {"uri": _uri(results.file or "trace")}


def _uri(path: str) -> str:
    """A relative or absolute reference; the bytes of a name that is not UTF-8 are kept."""
    try:
        return quote(os.fsencode(path))
    except UnicodeEncodeError:
        return quote(path.encode("utf-8", "backslashreplace"))


def _suppression(suppression: Suppression | None) -> dict[str, Any]:
    assert suppression is not None
    told: dict[str, Any] = {
        "kind": "external",
        "status": "accepted",
        "justification": printable(suppression.reason),
    }
    if suppression.file and suppression.line:
        place = {
            "artifactLocation": {"uri": _uri(suppression.file)},
            "region": {"startLine": suppression.line},
        }
        told["location"] = {"physicalLocation": place}
    return told


def _verdict(verdict: RuleVerdict) -> dict[str, Any]:
    return {
        "function": printable(verdict.function),
        "rule": printable(verdict.rule),
        "verdict": verdict.verdict.value,
        "checked": verdict.checked,
        "reason": printable(verdict.reason),
    }


def _message(text: str) -> dict[str, str]:
    """Text of a trace must not make a link, ``[text](address)``, of itself."""
    return {"text": printable(text).replace("](", "] (")}
