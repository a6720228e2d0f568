# SPDX-License-Identifier: Apache-2.0
"""Reads a suppressions file; see :mod:`uvtrace.check.suppression` for what it holds."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from uvtrace.check.results import Suppression
from uvtrace.toml_file import TomlFile
from uvtrace.toml_table import Table

_KEYS = ("rule", "site", "reason", "function", "device", "expires")


def read_suppressions(path: str | Path, known: Iterable[str] = ()) -> tuple[Suppression, ...]:
    """The suppressions of a file, in its order.

    Args:
        path: the file.
        known: IDs of the rules there are; a suppression of none of them is refused. Empty: any.

    Raises:
        UsageError: the file cannot be read, or not understood; says which line and why.
    """
    file = TomlFile(path, hint="--suppressions names a TOML file")
    whole = Table(file, (), file.content, ("suppression",))
    ids = tuple(known)
    return tuple(_suppression(entry, ids) for entry in whole.entries("suppression", _KEYS))


def _suppression(entry: Table, known: tuple[str, ...]) -> Suppression:
    rule = entry.text("rule").strip().upper()
    if known and not any(each.startswith(rule) for each in known):
        raise entry.error(f"{rule!r} names no rule", "rule", "uvtrace rules lists them")
    return Suppression(
        rule=rule,
        site=entry.text("site"),
        reason=entry.text("reason"),
        function=entry.text("function", "*"),
        device=entry.text("device", "*"),
        expires=entry.day("expires"),
        file=str(entry.file.path),
        line=entry.file.line(entry.key),
    )
