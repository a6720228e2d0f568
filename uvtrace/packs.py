# SPDX-License-Identifier: Apache-2.0
"""Packs: what rules, devices and renderers are installed, found through entry points.

The core imports no pack by name; a package of a user's own joins in by declaring entry points
in the groups ``uvtrace.checkers``, ``uvtrace.devices`` or ``uvtrace.reports``, or gives the path
of a Python file.
"""

from __future__ import annotations

import importlib.util
import traceback
from functools import cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from uvtrace.errors import EnvironmentLacksError, InputError, UvtraceError


@cache
def installed() -> Any:
    """What all packages declare, to be asked by ``select``; to look through them takes long."""
    return entry_points()


def names(group: str) -> tuple[str, ...]:
    """The names declared in an entry-point group, sorted, without importing anything."""
    return tuple(sorted({entry.name for entry in installed().select(group=group)}))


def load(group: str, name: str | None = None) -> list[Any]:
    """The objects declared in a group, or only those called ``name``, in order of their names.

    Raises:
        EnvironmentLacksError: an installed pack cannot be imported; the message names it.
    """
    found: EntryPoints = installed().select(group=group)
    found = found if name is None else found.select(name=name)
    return [_load(entry) for entry in sorted(found, key=lambda entry: (entry.name, entry.value))]


def _load(entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except (ImportError, AttributeError) as error:
        raise EnvironmentLacksError(
            f"the pack {entry.name!r} cannot be imported: {error}",
            where=entry.group,
            hint="reinstall the package that declares it, or remove it",
        ) from error


def module_of_file(path: str | Path) -> ModuleType:
    """A Python file run as a module.

    Raises:
        InputError: there is no such file, it is no Python, or it raises; with the line where.
    """
    file = Path(path)
    spec = importlib.util.spec_from_file_location(f"uvtrace_file_{file.stem}", file)
    if spec is None or spec.loader is None or not file.is_file():
        raise InputError("there is no such Python file", path=file)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except UvtraceError:
        raise
    except Exception as error:  # somebody else's code: it may raise whatever it likes
        raise InputError(
            f"cannot be run: {type(error).__name__}: {error}",
            path=file,
            line=_line_in(file, error),
        ) from error
    return module


def _line_in(file: Path, error: Exception) -> int | None:
    """The line of a file that an error comes from, or passed through last."""
    if isinstance(error, SyntaxError):
        return error.lineno
    lines = [
        at.lineno for at in traceback.extract_tb(error.__traceback__) if at.filename == str(file)
    ]
    return lines[-1] if lines else None
