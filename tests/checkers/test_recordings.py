# SPDX-License-Identifier: Apache-2.0
"""The rules on what stock drivers really do."""

from __future__ import annotations

from pathlib import Path

import pytest

import uvtrace
from uvtrace import registers
from uvtrace.check.engine import check
from uvtrace.check.results import Verdict

ROOT = Path(__file__).parent.parent.parent
RECORDINGS = sorted((ROOT / "traces").glob("*.pcapng*"))


def described(recording: Path) -> Path:
    """Where the registers of a recorded device would be described, be it QEMU's or ours."""
    device = recording.name.removeprefix("model-").partition("-")[0]
    return ROOT / "devices" / device / "registers.rdl"


DESCRIBED = [path for path in RECORDINGS if described(path).is_file()]
# docs/finds/qemu-e1000-reset.md; our models keep what is described
FOUND = {"e1000": {"TXDCTL reads 0x1010000"}}


@pytest.mark.parametrize("path", RECORDINGS, ids=[path.name for path in RECORDINGS])
def test_stock_drivers_are_not_accused(path: Path) -> None:
    results = uvtrace.check(uvtrace.open(path))
    assert [finding.message for finding in results.findings] == []
    assert Verdict.PASS in {verdict.verdict for verdict in results.verdicts}


@pytest.mark.parametrize("path", DESCRIBED, ids=[path.name for path in DESCRIBED])
def test_of_described_devices_only_what_is_written_up_is_found(path: Path) -> None:
    known = registers.load(described(path))
    results = check(uvtrace.open(path), registers=known)
    device = path.name.partition("-")[0]
    assert {finding.rule for finding in results.findings} <= {"REG007"}
    assert {finding.message.partition(" after")[0] for finding in results.findings} == FOUND.get(
        device, set()
    )
    judged = {v.rule for v in results.verdicts if v.verdict is Verdict.PASS}
    assert {"REG001", "REG002", "REG006", "REG008"} & judged
