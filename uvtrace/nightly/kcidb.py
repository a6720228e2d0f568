# SPDX-License-Identifier: Apache-2.0
"""A night as a KCIDB submission (schema 5.3): a test for each kernel, device, workload and rule.

KCIDB knows for itself what is news: a failure is FAIL, however old. Unknown is MISS and vacuous
is SKIP, never PASS.

Source: the kcidb-io package, schema V5_3.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any, Final

from uvtrace.errors import UsageError
from uvtrace.nightly.cases import Case, Outcome, cases_of
from uvtrace.nightly.compare import Comparison
from uvtrace.nightly.outcome import JobResult, Night
from uvtrace.trace.texts import printable

STATUSES: Final = {
    Outcome.PASSED: "PASS",
    Outcome.FAILED: "FAIL",
    Outcome.KNOWN: "FAIL",
    Outcome.WARNED: "DONE",
    Outcome.UNKNOWN: "MISS",
    Outcome.VACUOUS: "SKIP",
}
_EXCERPT_MAX: Final = 16_384


def as_kcidb(
    night: Night,
    comparison: Comparison,
    results: Sequence[JobResult],
    *,
    origin: str = "uvtrace",
) -> str:
    """One submission.

    Args:
        night: whose results they are.
        comparison: with the nights before.
        results: of its jobs.
        origin: the name of the CI system that submits; lower-case letters, digits, underscores.

    Raises:
        UsageError: KCIDB does not take such an origin.
    """
    if not re.fullmatch(r"[a-z0-9_]+", origin):
        raise UsageError(f"KCIDB takes no origin {origin!r}", hint="as in my_lab_7")
    releases = {each.place.kernel: printable(each.release) or "unknown" for each in results}
    named = sorted(set(releases.values()))
    cases = cases_of(comparison, results).values()
    document = {
        "version": {"major": 5, "minor": 3},
        "checkouts": [_kernel(release, origin) | {"valid": True} for release in named],
        "builds": [
            _kernel(release, origin) | {"checkout_id": f"{origin}:{release}"} for release in named
        ],
        "tests": [
            _test(case, releases[case.place.kernel], night, origin)
            for of_place in cases
            for case in of_place
        ],
    }
    return json.dumps(document, indent=1) + "\n"


def _kernel(release: str, origin: str) -> dict[str, Any]:
    return {"id": f"{origin}:{release}", "origin": origin, "comment": f"Linux {release}"}


def _test(case: Case, release: str, night: Night, origin: str) -> dict[str, Any]:
    facts = (night.matrix, night.started.isoformat(), str(case.place), case.name)
    digest = hashlib.sha256(repr(facts).encode("utf-8", "backslashreplace")).hexdigest()[:32]
    nodes = ("uvtrace", case.place.device, case.place.workload, case.name)
    test: dict[str, Any] = {
        "id": f"{origin}:{digest}",
        "origin": origin,
        "build_id": f"{origin}:{release}",
        "path": ".".join(re.sub(r"[^a-zA-Z0-9_-]", "_", node) for node in nodes),
        "status": STATUSES[case.outcome],
        "comment": f"{case.name} on {case.place}",
        "start_time": night.started.isoformat(),
        "misc": {"kernel": case.place.kernel, "reason": case.reason},
    }
    if case.lines:
        test["log_excerpt"] = "\n".join(case.lines)[:_EXCERPT_MAX]
    return test
