# SPDX-License-Identifier: Apache-2.0
"""What the recordings under traces/ tell of the machine that made them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import uvtrace

TRACES = Path(__file__).parent.parent / "traces"
RECORDINGS = sorted(TRACES.rglob("*.pcapng.zst"))


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: str(path.relative_to(TRACES)))
def test_a_recording_tells_no_path_of_the_machine_that_made_it(path: Path) -> None:
    session = uvtrace.open(path).metadata.session
    command = session.pop("command", None)
    assert command
    told = json.dumps(session)
    assert "/root" not in told
    assert "/home" not in told
    assert ".cache" not in told
