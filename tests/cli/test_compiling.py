# SPDX-License-Identifier: Apache-2.0
"""The first check after an installation says why it takes so long; no other does."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from uvtrace.cli.compiling import TEXT, compiling_told

_COMMAND = "from uvtrace.cli.main import run; run()"
LOOP = """
from uvtrace.check.compiled import loop


@loop
def total(numbers):
    found = 0
    for number in numbers:
        found += number
    return found
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A module with a loop that nobody has compiled."""
    path = tmp_path / "loops.py"
    path.write_text(LOOP)
    return path


def loaded(path: Path) -> Any:
    """The module, as a new process would have it."""
    spec = importlib.util.spec_from_file_location("loops", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_whoever_waits_for_loops_to_be_compiled_is_told_once(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loops = loaded(source)
    with compiling_told():
        loops.total(np.arange(2))
        loops.total(np.arange(1.5, 4))
    assert capsys.readouterr().err == f"{TEXT}\n"


def test_what_is_compiled_and_kept_is_not_told_of(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded(source).total(np.arange(2))
    with compiling_told():
        loaded(source).total(np.arange(3))
    assert capsys.readouterr().err == ""


def test_nothing_is_told_of_what_is_compiled_later(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with compiling_told():
        pass
    loaded(source).total(np.arange(2))
    assert capsys.readouterr().err == ""


@pytest.mark.long
def test_the_first_check_tells_of_it_on_stderr_and_the_second_does_not(
    clean: Path, tmp_path: Path
) -> None:
    told = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", _COMMAND, "check", str(clean)],
            env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
            check=True,
        )
        assert TEXT not in done.stdout
        told.append(done.stderr.count(TEXT))
    assert told == [1, 0]
