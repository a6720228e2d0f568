# SPDX-License-Identifier: Apache-2.0
"""A night as JUnit XML: a suite for each kernel, device and workload, a case for each rule.

A new failure is a failure. What failed and is no news is skipped, with the reason, as is what
could not be judged.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence

from uvtrace.nightly.cases import Case, Outcome, cases_of
from uvtrace.nightly.compare import Comparison
from uvtrace.nightly.outcome import JobResult

_SKIPPED = (Outcome.KNOWN, Outcome.UNKNOWN, Outcome.VACUOUS)


def as_junit(comparison: Comparison, results: Sequence[JobResult]) -> str:
    """One ASCII document."""
    root = ET.Element("testsuites", name="uvtrace nightly")
    everything: list[Case] = []
    for place, cases in cases_of(comparison, results).items():
        suite = ET.SubElement(root, "testsuite", name=str(place))
        for case in cases:
            _case(suite, case)
        _count(suite, cases)
        everything += cases
    _count(root, everything)
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="us-ascii", xml_declaration=True)
    return document.decode() + "\n"


def _case(suite: ET.Element, case: Case) -> None:
    element = ET.SubElement(suite, "testcase", name=case.name, classname=str(case.place))
    text = "\n".join(case.lines)
    if case.outcome is Outcome.FAILED:
        failure = ET.SubElement(element, "failure", type=case.name, message=case.lines[0])
        failure.text = text
    elif case.outcome in _SKIPPED:
        ET.SubElement(element, "skipped", message=case.reason)
    if text and case.outcome is not Outcome.FAILED:
        ET.SubElement(element, "system-out").text = text


def _count(element: ET.Element, cases: Sequence[Case]) -> None:
    element.set("tests", str(len(cases)))
    element.set("failures", str(sum(case.outcome is Outcome.FAILED for case in cases)))
    element.set("skipped", str(sum(case.outcome in _SKIPPED for case in cases)))
    element.set("errors", "0")
