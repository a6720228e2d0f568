# SPDX-License-Identifier: Apache-2.0
"""The values of a table of a TOML file, each of the type that it must have."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from uvtrace.errors import UsageError, UvtraceError
from uvtrace.toml_file import Key, TomlFile

_SIZE = re.compile(r"(\d+)([KMG]?)", re.IGNORECASE)
_SHIFTS = {"": 0, "K": 10, "M": 20, "G": 30}
_Value = TypeVar("_Value")


class Table:
    """One table.

    Args:
        file: where it stands.
        key: its names from the outside in; empty for the whole file.
        content: its keys and values.
        known: the keys that it may have; empty: any.

    Raises:
        UsageError: it is no table, or has another key.
    """

    def __init__(self, file: TomlFile, key: Key, content: object, known: tuple[str, ...]) -> None:
        self.file = file
        self.key = key
        name = str(key[-1]) if key else "the file"
        if not isinstance(content, dict):
            raise self.error(f"{name} is no table", hint=f"write [{'.'.join(map(str, key))}]")
        self.content: dict[str, Any] = content
        for each in content:
            if known and each not in known:
                raise self.error(f"{each!r} is not known here", each, f"there are {_list(known)}")

    def error(self, what: str, name: str = "", hint: str | None = None) -> UsageError:
        """An error that names the line of a key, or of the table."""
        return self.file.error(what, (*self.key, name) if name else self.key, hint)

    def table(self, name: str, known: tuple[str, ...]) -> Table:
        """A table in this one; an empty one where there is none."""
        return Table(self.file, (*self.key, name), self.content.get(name, {}), known)

    def tables(self, known: tuple[str, ...]) -> Iterator[tuple[str, Table]]:
        """Every key of this one with its table."""
        for name in self.content:
            yield name, self.table(name, known)

    def entries(self, name: str, known: tuple[str, ...]) -> Iterator[Table]:
        """The entries of an array of tables."""
        content = self.content.get(name, [])
        if not isinstance(content, list):
            raise self.error(f"{name} is no array of tables", name, f"write [[{name}]]")
        for number, entry in enumerate(content):
            yield Table(self.file, (*self.key, name, number), entry, known)

    def text(self, name: str, default: str | None = None) -> str:
        """A text that is not blank; it must be there if there is no default."""
        value = self.content.get(name, default)
        if value is None:
            raise self.error(f"{name} is missing")
        # A default may be empty; what is written may not.
        if not isinstance(value, str) or not (value.strip() or name not in self.content):
            raise self.error(f"{name} is no text, or empty", name)
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; empty where there is none."""
        value = self.content.get(name, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self.error(f"{name} is no list of texts", name, f'as in {name} = ["…", "…"]')
        return tuple(value)

    def flag(self, name: str, default: bool = False) -> bool:
        """true or false."""
        value = self.content.get(name, default)
        if not isinstance(value, bool):
            raise self.error(f"{name} is neither true nor false", name)
        return value

    def whole(self, name: str, default: int, least: int = 1) -> int:
        """A whole number, of ``least`` or more."""
        value = self.content.get(name, default)
        if type(value) is not int or value < least:
            raise self.error(f"{name} is no whole number from {least}", name)
        return value

    def seconds(self, name: str, default: float, *, or_none: bool = False) -> float:
        """Seconds, more than 0; with ``or_none`` also that."""
        value = self.content.get(name, default)
        fine = type(value) in (int, float) and (0 < value < 1e9 or (or_none and value == 0))
        if not fine:
            raise self.error(f"{name} is no number of seconds", name)
        return float(value)

    def size(self, name: str, default: str) -> int:
        """Bytes, as ``"64M"`` or a number."""
        value = self.content.get(name, default)
        found = _SIZE.fullmatch(str(value)) if type(value) in (int, str) else None
        if found is None or not int(found[1]):
            raise self.error(f"{name} is no size", name, f'as in {name} = "64M"')
        return int(found[1]) << _SHIFTS[found[2].upper()]

    def day(self, name: str) -> datetime.date | None:
        """A date, or None."""
        value = self.content.get(name)
        # A datetime is a date, too, to isinstance.
        if value is not None and type(value) is not datetime.date:
            raise self.error(f"{name} is no date", name, f"as {name} = 2027-03-31, without quotes")
        return value

    def understood(self, name: str, read: Callable[[], _Value]) -> _Value:
        """What ``read`` makes of a value; its errors are told of the value's line."""
        try:
            return read()
        except UvtraceError as error:
            what = error.what if error.where is None else f"{error.where}: {error.what}"
            raise self.error(what, name, error.hint) from error


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(names)
