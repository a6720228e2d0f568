# SPDX-License-Identifier: Apache-2.0
"""The private folder of a run, and what is left by runs that were killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from uvtrace.record import workspace


@pytest.fixture(autouse=True)
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(workspace, "SHARED_MEMORY", tmp_path)
    return tmp_path


def test_a_folder_is_private_and_gone_afterwards(parent: Path) -> None:
    with workspace.private_folder() as folder:
        assert folder.parent == parent
        assert folder.stat().st_mode & 0o077 == 0
    assert not folder.exists()


def test_the_folder_of_a_killed_run_is_removed_by_the_next(parent: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from uvtrace.record import workspace
workspace.SHARED_MEMORY = Path({str(parent)!r})
with workspace.private_folder():
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    assert len(list(parent.iterdir())) == 1
    with workspace.private_folder() as folder:
        assert list(parent.iterdir()) == [folder]


def test_the_folder_of_a_running_one_is_left_alone() -> None:
    with workspace.private_folder() as first, workspace.private_folder() as second:
        assert first.exists()
        assert second.exists()


def test_without_room_in_memory_it_lies_on_disk(
    parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workspace, "ROOMY_BYTES", 1 << 60)
    with workspace.private_folder() as folder:
        assert folder.parent != parent
