# SPDX-License-Identifier: Apache-2.0
"""A TOML file whose errors name the line, as tomllib does not tell where a key stands."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from uvtrace.errors import UsageError

Key = tuple[str | int, ...]
"""The names of tables and keys from the outside in; a number for an entry of ``[[tables]]``."""

_TOML_PLACE = re.compile(r"(?P<what>.*) \(at (?:line (?P<line>\d+), column \d+|end of document)\)")
_HEADER = re.compile(r"\s*(\[\[?)(.*?)(\]\]?)\s*(?:#.*)?")


class TomlFile:
    """What a TOML file holds, and on which line.

    Args:
        path: the file.
        hint: what the reader may do where there is no such file.

    Attributes:
        path: the file.
        content: as tomllib reads it.

    Raises:
        UsageError: the file cannot be read, or is no TOML; says which line and why.
    """

    def __init__(self, path: str | Path, hint: str | None = None) -> None:
        self.path = Path(path)
        text = _text(self.path, hint)
        self.content = _content(self.path, text)
        self._lines = dict(_statements(text.splitlines()))

    def line(self, key: Key) -> int:
        """The line of a key, counted from 1; that of the table around it where it has none."""
        for end in range(len(key), 0, -1):
            if key[:end] in self._lines:
                return self._lines[key[:end]]
        return 0

    def error(self, what: str, key: Key = (), hint: str | None = None) -> UsageError:
        """An error that names the file, and the line where a key stands."""
        line = self.line(key)
        return UsageError(what, where=f"{self.path}:{line}" if line else str(self.path), hint=hint)


def _text(path: Path, hint: str | None) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(reason, where=str(path), hint=hint) from error
    try:
        # As tomllib.load does, so that a line's end is one character.
        return data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError("not UTF-8", where=f"{path}:{line}") from error


def _content(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _TOML_PLACE.fullmatch(str(error))
        what = found["what"] if found else str(error)
        line = found["line"] if found and found["line"] else max(1, len(text.splitlines()))
        what = f"not TOML: {what[:1].lower()}{what[1:]}"
        raise UsageError(what, where=f"{path}:{line}") from error


def _statements(lines: list[str]) -> Iterator[tuple[Key, int]]:
    """Keys and the lines, from 1, that they stand on, of a text that is TOML."""
    table: Key = ()
    counts: dict[Key, int] = {}
    number = 0
    while number < len(lines):
        header = _header(lines[number])
        if header is not None:
            names, is_array = header
            table = _numbered(names, counts, is_array)
            yield table, number + 1
            number += 1
            continue
        length, found = _statement(lines, number)
        for key in _paths(found):
            yield (*table, *key), number + 1
        number += length


def _header(line: str) -> tuple[tuple[str, ...], bool] | None:
    """The names of a table's header, and whether it begins an entry of an array of tables."""
    match = _HEADER.fullmatch(line)
    if match is None:
        return None
    try:
        ((names, _),) = _leaves(tomllib.loads(f"[{match[2]}]"))
    except (tomllib.TOMLDecodeError, ValueError):
        return None
    return names, match[1] == "[["


def _numbered(names: tuple[str, ...], counts: dict[Key, int], is_array: bool) -> Key:
    """A header's key: entries of arrays of tables are counted, their own tables in the last."""
    key: Key = ()
    for position, name in enumerate(names):
        key = (*key, name)
        if is_array and position == len(names) - 1:
            counts[key] = counts.get(key, 0) + 1
        if key in counts:
            key = (*key, counts[key] - 1)
    return key


def _statement(lines: list[str], first: int) -> tuple[int, Mapping[str, Any]]:
    """How many lines a ``key = value`` takes, and what it says; empty for no statement."""
    text = ""
    for number in range(first, len(lines)):
        text += lines[number] + "\n"
        try:
            return number - first + 1, tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            continue
    return 1, {}


def _paths(table: Mapping[str, Any]) -> Iterator[Key]:
    """Every key of a table and of the tables in it."""
    for name, value in table.items():
        yield (name,)
        if isinstance(value, dict):
            for rest in _paths(value):
                yield (name, *rest)


def _leaves(table: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """The innermost tables, by their names from the outside in."""
    for name, value in table.items():
        if value:
            for rest, leaf in _leaves(value):
                yield (name, *rest), leaf
        else:
            yield (name,), value
