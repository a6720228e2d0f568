# SPDX-License-Identifier: Apache-2.0
"""Results as JUnit XML: a suite per trace and function, a test case per rule.

An error is a failure. Unknown, vacuous and suppressed are skipped, with the reason. Warnings and
notes are the standard output of a case that passes. The document is ASCII, and valid by
``tests/reports/junit.xsd``.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence

from uvtrace.check.page import PLAIN, Page
from uvtrace.check.results import Results
from uvtrace.trace.texts import printable

from .cases import Case, Outcome, cases_of, function_name, names_of, told

_SKIPPED = (Outcome.UNKNOWN, Outcome.VACUOUS, Outcome.SUPPRESSED)


def render(results: Sequence[Results], page: Page = PLAIN) -> str:
    """One document for all traces."""
    root = ET.Element("testsuites", name="uvtrace check")
    totals: Counter[str] = Counter()
    for name, each in zip(names_of(results), results, strict=True):
        for function, cases in cases_of(each).items():
            totals += _suite(root, name, function, cases, each)
    _count(root, totals)
    ET.indent(root)
    # Printable text holds no character that XML cannot; what is not ASCII becomes a reference.
    document: bytes = ET.tostring(root, encoding="us-ascii", xml_declaration=True)
    return document.decode() + "\n"


def _suite(
    root: ET.Element, trace: str, function: str, cases: Sequence[Case], results: Results
) -> Counter[str]:
    name = f"{trace} {function_name(function)}"
    suite = ET.SubElement(root, "testsuite", name=name)
    _properties(suite, function, results)
    counts: Counter[str] = Counter()
    for case in cases:
        _case(suite, name, case, results)
        counts["tests"] += 1
        counts["failures"] += case.outcome is Outcome.FAILED
        counts["skipped"] += case.outcome in _SKIPPED
    _count(suite, counts)
    return counts


def _count(element: ET.Element, counts: Counter[str]) -> None:
    for name in ("tests", "failures", "skipped"):
        element.set(name, str(counts[name]))
    element.set("errors", "0")


def _properties(suite: ET.Element, function: str, results: Results) -> None:
    known = results.functions.get(function)
    facts = {
        "file": results.file,
        "function": function,
        "device": known.description if known else "",
        "kernel": results.kernel,
        "transactions": str(results.transactions),
        "lost": str(results.lost),
        "damage": results.damage or "",
    }
    properties = ET.SubElement(suite, "properties")
    for name, value in facts.items():
        if value:
            ET.SubElement(properties, "property", name=name, value=printable(value))


def _case(suite: ET.Element, class_name: str, case: Case, results: Results) -> None:
    verdict, outcome = case.verdict, case.outcome
    element = ET.SubElement(
        suite,
        "testcase",
        classname=class_name,
        name=printable(verdict.rule),
        assertions=str(verdict.checked),
    )
    if outcome in _SKIPPED:
        ET.SubElement(element, "skipped", message=f"{outcome}: {_reason(case)}")
    # A verdict without findings still has its reason.
    text = "\n".join(told(case.findings, results)) or case.reason
    if outcome is Outcome.FAILED:
        message = printable(case.first.message) if case.first else case.reason
        failure = ET.SubElement(element, "failure", message=message, type=printable(verdict.rule))
        failure.text = text
    elif case.findings:
        ET.SubElement(element, "system-out").text = text


def _reason(case: Case) -> str:
    return case.reason.removeprefix("suppressed: ")
