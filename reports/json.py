# SPDX-License-Identifier: Apache-2.0
"""Results as JSON; the schema is bound (format 1) and only ever grows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from uvtrace.check.results import Finding, Results, RuleVerdict

FORMAT = 1


def render(results: Sequence[Results]) -> str:
    """One document for all traces; ``trace`` in it is the index into ``traces``."""
    document = {
        "format": FORMAT,
        "traces": [_trace(result) for result in results],
        "verdicts": [_verdict(i, v) for i, result in enumerate(results) for v in result.verdicts],
        "findings": [_finding(i, f) for i, result in enumerate(results) for f in result.findings],
    }
    return json.dumps(document, indent=1) + "\n"


def _trace(result: Results) -> dict[str, Any]:
    return {
        "file": result.file,
        "transactions": result.transactions,
        "lost": result.lost,
        "seconds": round(result.seconds, 6),
    }


def _verdict(trace: int, verdict: RuleVerdict) -> dict[str, Any]:
    return {"trace": trace, **asdict(verdict)}


def _finding(trace: int, finding: Finding) -> dict[str, Any]:
    return {"trace": trace, **asdict(finding)}
