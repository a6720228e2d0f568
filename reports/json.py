# SPDX-License-Identifier: Apache-2.0
"""Results as JSON; the schema is bound (format 1, ``result.schema.json``) and only ever grows.

``findings`` holds those that count; suppressed ones stand in a list of their own, which is there
only when there are any, so that a reader who knows nothing of them counts right.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from uvtrace.check.page import PLAIN, Page
from uvtrace.check.results import Finding, Results, RuleVerdict, Suppression

from .escaping import no_surrogates

FORMAT = 1


def render(results: Sequence[Results], page: Page = PLAIN) -> str:
    """One document for all traces; ``trace`` in it is the index into ``traces``."""
    document: dict[str, Any] = {
        "format": FORMAT,
        "traces": [_trace(result) for result in results],
        "verdicts": [_verdict(i, v) for i, result in enumerate(results) for v in result.verdicts],
        "findings": [_finding(i, f) for i, result in enumerate(results) for f in result.counted],
    }
    suppressed = [
        {**_finding(i, f), "suppression": _suppression(f.suppression)}
        for i, result in enumerate(results)
        for f in result.findings
        if f.suppression is not None
    ]
    if suppressed:
        document["suppressed"] = suppressed
    return json.dumps(no_surrogates(document), indent=1) + "\n"


def _trace(result: Results) -> dict[str, Any]:
    return {
        "file": result.file,
        "transactions": result.transactions,
        "lost": result.lost,
        "seconds": round(result.seconds, 6),
    }


def _verdict(trace: int, verdict: RuleVerdict) -> dict[str, Any]:
    return {
        "trace": trace,
        "function": verdict.function,
        "rule": verdict.rule,
        "verdict": verdict.verdict.value,
        "checked": verdict.checked,
        "reason": verdict.reason,
    }


def _finding(trace: int, finding: Finding) -> dict[str, Any]:
    return {
        "trace": trace,
        "rule": finding.rule,
        "severity": finding.severity.value,
        "function": finding.function,
        "seq": finding.seq,
        "time_ns": finding.time_ns,
        "site": finding.site,
        "message": finding.message,
        "signature": finding.signature,
        "evidence": [{"seq": each.seq, "role": each.role} for each in finding.evidence],
    }


def _suppression(suppression: Suppression) -> dict[str, Any]:
    expires = suppression.expires
    return {
        "file": suppression.file,
        "line": suppression.line,
        "reason": suppression.reason,
        "expires": None if expires is None else expires.isoformat(),
    }
