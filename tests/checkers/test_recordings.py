# SPDX-License-Identifier: Apache-2.0
"""The rules on what stock drivers really do."""

from __future__ import annotations

from pathlib import Path

import pytest

import uvtrace
from uvtrace.check.results import Verdict

TRACES = Path(__file__).parent.parent.parent / "traces"
RECORDINGS = sorted(TRACES.glob("*.pcapng*"))


@pytest.mark.parametrize("path", RECORDINGS, ids=[path.name for path in RECORDINGS])
def test_stock_drivers_are_not_accused(path: Path) -> None:
    results = uvtrace.check(uvtrace.open(path))
    assert [finding.message for finding in results.findings] == []
    assert Verdict.PASS in {verdict.verdict for verdict in results.verdicts}
