# SPDX-License-Identifier: Apache-2.0
"""tshark with the dissector, whether that is installed or not."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from uvtrace.errors import EnvironmentLacksError

DISSECTOR: Final = Path(__file__).with_name("uvbus.lua")
"""The dissector as it stands in the package; its parts are in the folder ``uvbus`` beside it."""

INSTALL_HINT: Final = "apt install tshark"


def find_tshark() -> Path:
    """Where tshark is.

    Raises:
        EnvironmentLacksError: it is not installed.
    """
    found = shutil.which("tshark")
    if found is None:
        raise EnvironmentLacksError("tshark is not installed", hint=INSTALL_HINT)
    return Path(found)


def dissector_arguments() -> list[str]:
    """What makes tshark or Wireshark load the package's dissector.

    Where the dissector is installed as well, the installed one wins: Wireshark loads it first,
    and the second one sees that and stays out of the way.
    """
    return ["-X", f"lua_script:{DISSECTOR}"]


def run_tshark(
    arguments: Sequence[str | os.PathLike[str]],
    *,
    timeout_s: float | None = None,
    environment: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run tshark with the dissector and keep what it says; its exit code is the caller's to judge.

    Args:
        arguments: what follows the name of the program.
        timeout_s: kill it after so many seconds.
        environment: variables of the process; this process's own by default.

    Raises:
        EnvironmentLacksError: tshark is not installed, or cannot be started.
        subprocess.TimeoutExpired: it took longer.
    """
    tshark = find_tshark()
    words = [os.fspath(argument) for argument in arguments]
    # -G counts only as the very first argument.
    command = (
        [*words, *dissector_arguments()] if "-G" in words else [*dissector_arguments(), *words]
    )
    try:
        return subprocess.run(
            [str(tshark), *command],
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout_s,
            env=environment,
            check=False,
        )
    except OSError as error:
        raise EnvironmentLacksError(
            f"tshark cannot be started: {error.strerror}", where=str(tshark), hint=INSTALL_HINT
        ) from error


def complaint(stderr: str) -> str:
    """What tshark complains of, as one line: its first ``tshark: …`` line, or its last line."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    told = [line.removeprefix("tshark: ") for line in lines if line.startswith("tshark: ")]
    return (told or lines[-1:] or ["it does not say why"])[0]
