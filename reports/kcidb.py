# SPDX-License-Identifier: Apache-2.0
"""Results as a KCIDB submission (schema 5.3): a test run per trace, function and rule.

Unknown is MISS and vacuous is SKIP, never PASS; findings that are only warnings, or suppressed,
are DONE: the test completed and says neither that the driver is right nor that it is wrong.

Source: the kcidb-io package, schema V5_3.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from uvtrace.check.explain import first_of_each
from uvtrace.check.page import PLAIN, Page
from uvtrace.check.results import WHOLE_TRACE, Finding, Results
from uvtrace.trace.texts import printable

from .cases import Case, Outcome, cases_of, function_name, names_of, told

STATUSES: Final = {
    Outcome.PASSED: "PASS",
    Outcome.FAILED: "FAIL",
    Outcome.WARNED: "DONE",
    Outcome.SUPPRESSED: "DONE",
    Outcome.UNKNOWN: "MISS",
    Outcome.VACUOUS: "SKIP",
}
_EXCERPT_MAX: Final = 16_384
_FINDINGS_MAX: Final = 100


def render(
    results: Sequence[Results],
    page: Page = PLAIN,
    *,
    origin: str = "uvtrace",
    build_id: str | None = None,
) -> str:
    """One submission for all traces.

    Args:
        results: one per trace.
        page: not looked at.
        origin: the name of the CI system that submits; lower-case letters, digits, underscores.
        build_id: the build that was tested, as submitted by others. By default a checkout and
            a build are submitted for each kernel release, with IDs made of its name.

    Raises:
        ValueError: KCIDB does not take such an origin or build ID.
    """
    if not re.fullmatch(r"[a-z0-9_]+", origin):
        raise ValueError(f"KCIDB takes no origin {origin!r}")
    if build_id is not None and not re.fullmatch(r"[a-z0-9_]+:[^\0]*", build_id):
        raise ValueError(f"KCIDB takes no build ID {build_id!r}")
    document: dict[str, Any] = {"version": {"major": 5, "minor": 3}}
    if build_id is None:
        kernels = list(dict.fromkeys(_kernel(each) for each in results))
        document["checkouts"] = [_checkout(kernel, origin) for kernel in kernels]
        document["builds"] = [_build(kernel, origin) for kernel in kernels]
    document["tests"] = [
        _test(case, name, each, origin, build_id or f"{origin}:{_kernel(each)}")
        for name, each in zip(names_of(results), results, strict=True)
        for cases in cases_of(each).values()
        for case in cases
    ]
    return json.dumps(document, indent=1) + "\n"


def _kernel(results: Results) -> str:
    return printable(results.kernel) or "unknown"


def _checkout(kernel: str, origin: str) -> dict[str, Any]:
    return {
        "id": f"{origin}:{kernel}",
        "origin": origin,
        "comment": f"Linux {kernel}, as it was recorded",
        "valid": True,
    }


def _build(kernel: str, origin: str) -> dict[str, Any]:
    return {
        "id": f"{origin}:{kernel}",
        "checkout_id": f"{origin}:{kernel}",
        "origin": origin,
        "comment": f"Linux {kernel}, as it was recorded",
    }


def _test(case: Case, name: str, results: Results, origin: str, build_id: str) -> dict[str, Any]:
    verdict = case.verdict
    test: dict[str, Any] = {
        "id": f"{origin}:{_digest(case, name, results, build_id)}",
        "origin": origin,
        "build_id": build_id,
        "path": _path(case, results),
        "status": STATUSES[case.outcome],
        "comment": f"{_statement(case, results)} ({function_name(verdict.function)} in {name})",
        "environment": {"misc": _environment(case, results)},
        "misc": {
            "verdict": verdict.verdict.value,
            "checked": verdict.checked,
            "reason": printable(verdict.reason),
            "findings": [_finding(each) for each in first_of_each(case.findings)[0]][
                :_FINDINGS_MAX
            ],
        },
    }
    if case.findings:
        test["log_excerpt"] = "\n".join(told(case.findings, results))[:_EXCERPT_MAX]
    if (start := _time(results.start_real_ns)) is not None:
        test["start_time"] = start
    return test


def _digest(case: Case, name: str, results: Results, build_id: str) -> str:
    """The same for the same recording, so that submitting it again adds nothing."""
    facts = (build_id, name, results.start_real_ns, case.verdict.function, case.verdict.rule)
    return hashlib.sha256(repr(facts).encode("utf-8", "backslashreplace")).hexdigest()[:32]


def _path(case: Case, results: Results) -> str:
    """``uvtrace.e1000.DMA007``; a history of its own for each driver."""
    function = results.functions.get(case.verdict.function)
    group = "trace" if case.verdict.function == WHOLE_TRACE else "function"
    if function is not None and function.driver:
        group = function.driver
    return ".".join(_node(part) for part in ("uvtrace", group, case.verdict.rule))


def _node(text: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_-]", "_", text) or "_"


def _statement(case: Case, results: Results) -> str:
    rule = results.rules.get(case.verdict.rule)
    return printable(f"{rule.id}: {rule.statement}" if rule else case.verdict.rule)


def _environment(case: Case, results: Results) -> dict[str, Any]:
    function = results.functions.get(case.verdict.function)
    return {
        "trace": printable(results.file),
        "function": printable(case.verdict.function),
        "device": printable(function.description) if function else "",
        "kernel": printable(results.kernel),
        "transactions": results.transactions,
        "lost": results.lost,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    suppression = finding.suppression
    return {
        "signature": printable(finding.signature),
        "severity": finding.severity.value,
        "message": printable(finding.message),
        "site": printable(finding.site),
        "seq": finding.seq,
        "suppressed": None if suppression is None else printable(suppression.reason),
    }


def _time(real_ns: int | None) -> str | None:
    """RFC 3339, or None where the clock says what no calendar holds."""
    if real_ns is None:
        return None
    try:
        moment = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=real_ns // 1000)
    except OverflowError:
        return None
    return moment.isoformat()
