# SPDX-License-Identifier: Apache-2.0
"""Packs: what rules, devices and renderers are installed, found through entry points.

The core imports no pack by name; a package of a user's own joins in by declaring entry points
in the groups ``uvtrace.checkers``, ``uvtrace.devices`` or ``uvtrace.reports``.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from uvtrace.errors import EnvironmentLacksError


def names(group: str) -> tuple[str, ...]:
    """The names declared in an entry-point group, sorted, without importing anything."""
    return tuple(sorted({entry.name for entry in entry_points(group=group)}))


def load(group: str, name: str | None = None) -> list[Any]:
    """The objects declared in a group, or only those called ``name``, in order of their names.

    Raises:
        EnvironmentLacksError: an installed pack cannot be imported; the message names it.
    """
    found = entry_points(group=group) if name is None else entry_points(group=group, name=name)
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
