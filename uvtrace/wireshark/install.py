# SPDX-License-Identifier: Apache-2.0
"""Puts the dissector and a profile where Wireshark looks for them, and takes them away again.

The capture program, a script that starts :mod:`uvtrace.cli.extcap`, goes to Wireshark's folder of
such programs: the user's own, or, before Wireshark 4.2, the machine's, which needs root.

The dissector becomes one file in the personal plugins folder. Colours and columns go into a
profile of their own, ``uvtrace``, so that the user's are not touched; a file in it that the user
(or Wireshark, on the user's behalf) has changed is kept.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from uvtrace.errors import UvtraceError
from uvtrace.wireshark.tshark import DISSECTOR

PROFILE: Final = "uvtrace"
"""Name of the profile; ``wireshark -C uvtrace`` starts in it."""

CAPTURE_PROGRAM: Final = "uvtrace"

_HERE: Final = Path(__file__).parent
_PROFILE_FILES: Final = ("colorfilters", "dfilter_buttons", "preferences")
_PROFILE_MARK: Final = "# uvtrace wireshark install:"
_DISSECTOR_MARK: Final = "Wireshark dissector for uvtrace recordings"
_FOLDERS_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Folders:
    """Where Wireshark looks.

    Attributes:
        plugins: for Lua scripts.
        configuration: the personal configuration; profiles are below it.
        asked: Wireshark said so itself; otherwise these are its defaults.
        extcap: for capture programs; None where it is not known.
    """

    plugins: Path
    configuration: Path
    asked: bool
    extcap: Path | None = None

    @property
    def profile(self) -> Path:
        """The folder of the profile."""
        return self.configuration / "profiles" / PROFILE


@dataclass(frozen=True, slots=True)
class Step:
    """What was done to a file: installed, updated, unchanged, kept, removed or refused."""

    action: str
    path: Path


def find_folders() -> Folders:
    """Where Wireshark looks, from ``tshark -G folders``, or its defaults if that is missing."""
    told = _ask_for_folders()
    plugins = told.get("Personal Lua Plugins")
    configuration = told.get("Personal configuration")
    if plugins and configuration:
        # As root, Wireshark looks past the variable; we do what it says all the same.
        own = os.environ.get("WIRESHARK_EXTCAP_DIR") or told.get("Personal Extcap path")
        extcap = own or told.get("Extcap path")
        return Folders(
            Path(plugins), Path(configuration), asked=True, extcap=Path(extcap) if extcap else None
        )
    base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return Folders(_default_plugins(), base / "wireshark", asked=False)


def _default_plugins() -> Path:
    return Path.home() / ".local" / "lib" / "wireshark" / "plugins"


def differing_installation() -> Path | None:
    """The installed dissector, if it is not this version's: it wins over one given with ``-X``.

    Looks in Wireshark's default folder only; to ask tshark would take half a second.
    """
    plugin = _plugin_file(_default_plugins())
    if not plugin.is_file() or plugin.read_text("utf-8", "replace") == bundle():
        return None
    return plugin


def _ask_for_folders() -> dict[str, str]:
    tshark = shutil.which("tshark")
    if tshark is None:
        return {}
    try:
        done = subprocess.run(
            [tshark, "-G", "folders"],
            capture_output=True,
            text=True,
            timeout=_FOLDERS_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    pairs = (line.partition(":") for line in done.stdout.splitlines())
    return {name.strip(): folder.strip() for name, colon, folder in pairs if colon}


def bundle() -> str:
    """The dissector and its parts as one Lua script: one file is all there is to install."""
    parts = sorted((_HERE / "uvbus").glob("*.lua"))
    pieces = ["-- SPDX-License-Identifier: Apache-2.0\n", f"-- {_DISSECTOR_MARK}, in one file.\n"]
    pieces.append("local uvbus_parts = {}\n")
    for path in parts:
        text = path.read_text(encoding="utf-8")
        pieces.append(f"uvbus_parts[{path.stem!r}] = function()\n{text}end\n")
    pieces.append(DISSECTOR.read_text(encoding="utf-8"))
    return "".join(pieces)


def capture_program() -> str:
    """The script that Wireshark starts: this Python, with our answers to its questions."""
    start = f"exec {shlex.quote(sys.executable)} -m uvtrace.cli.extcap"
    return f'#!/bin/sh\n{_PROFILE_MARK} starts the capture program\n{start} "$@"\n'


def install(
    folders: Folders, *, plugins: Path | None = None, replace: bool = False
) -> tuple[Step, ...]:
    """Install the dissector, the profile and the capture program; again changes nothing.

    Args:
        folders: where Wireshark looks.
        plugins: where to put the dissector instead of ``folders.plugins``.
        replace: also replace files of the profile that the user has changed.

    Raises:
        UvtraceError: a file cannot be written.
    """
    steps = [_write(_plugin_file(plugins or folders.plugins), bundle())]
    for name in _PROFILE_FILES:
        target = folders.profile / name
        text = (_HERE / "profile" / name).read_text(encoding="utf-8")
        if _is_users(target) and not replace:
            steps.append(Step("kept", target))
        else:
            steps.append(_write(target, text))
    if folders.extcap is not None:
        steps.append(_install_program(folders.extcap / CAPTURE_PROGRAM))
    return tuple(steps)


def _install_program(target: Path) -> Step:
    """Write the capture program, where this user may."""
    there = next(each for each in target.parents if each.exists())
    if not os.access(there, os.W_OK):
        same = target.is_file() and target.read_text("utf-8", "replace") == capture_program()
        return Step("unchanged" if same else "refused", target)
    step = _write(target, capture_program())
    target.chmod(0o755)
    return step


def uninstall(
    folders: Folders, *, plugins: Path | None = None, replace: bool = False
) -> tuple[Step, ...]:
    """Remove what :func:`install` has put there; what the user has changed stays.

    Args:
        folders: where Wireshark looks.
        plugins: as given to :func:`install`.
        replace: remove files of the profile that the user has changed, too.

    Raises:
        UvtraceError: a file cannot be removed.
    """
    steps = []
    plugin = _plugin_file(plugins or folders.plugins)
    if plugin.is_file() and _DISSECTOR_MARK in plugin.read_text("utf-8", "replace"):
        steps.append(_remove(plugin))
    for name in _PROFILE_FILES:
        target = folders.profile / name
        if not target.exists():
            continue
        kept = _is_users(target) and not replace
        steps.append(Step("kept", target) if kept else _remove(target))
    program = None if folders.extcap is None else folders.extcap / CAPTURE_PROGRAM
    if program is not None and _is_ours(program):
        steps.append(_remove(program))
    if not any(step.action == "kept" for step in steps):
        _remove_profile(folders.profile)
    return tuple(steps)


def _plugin_file(plugins: Path) -> Path:
    return plugins / DISSECTOR.name


def _is_ours(program: Path) -> bool:
    return program.is_file() and _PROFILE_MARK in program.read_text("utf-8", "replace")


def _is_users(path: Path) -> bool:
    """Whether a file of the profile is there and no longer ours."""
    return path.exists() and not path.read_text("utf-8", "replace").startswith(_PROFILE_MARK)


def _write(path: Path, text: str) -> Step:
    before = path.read_text("utf-8", "replace") if path.is_file() else None
    if before == text:
        return Step("unchanged", path)
    # Written aside and renamed: a Wireshark that starts now sees the old file or the new one.
    aside = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(text, encoding="utf-8")
        aside.replace(path)
    except OSError as error:
        raise UvtraceError(f"cannot write it: {error.strerror}", where=str(path)) from error
    return Step("installed" if before is None else "updated", path)


def _remove(path: Path) -> Step:
    try:
        path.unlink()
    except OSError as error:
        raise UvtraceError(f"cannot remove it: {error.strerror}", where=str(path)) from error
    return Step("removed", path)


def _remove_profile(profile: Path) -> None:
    """The folder, with the list of recent files that Wireshark keeps in it; nothing else."""
    if not profile.is_dir():
        return
    for name in ("recent", "language"):
        (profile / name).unlink(missing_ok=True)
    if not any(profile.iterdir()):
        profile.rmdir()
