# SPDX-License-Identifier: Apache-2.0
"""Reads a suppressions file; see :mod:`uvtrace.check.suppression` for what it holds."""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from uvtrace.check.results import Suppression
from uvtrace.errors import UsageError

_TEXTS = ("rule", "site", "reason", "function", "device")
_REQUIRED = ("rule", "site", "reason")
_KEYS = (*_TEXTS, "expires")
_HEADER = re.compile(r"\s*\[\[\s*[\"']?suppression[\"']?\s*\]\]")
_TOML_PLACE = re.compile(r"(?P<what>.*) \(at (?:line (?P<line>\d+), column \d+|end of document)\)")


def read_suppressions(path: str | Path, known: Iterable[str] = ()) -> tuple[Suppression, ...]:
    """The suppressions of a file, in its order.

    Args:
        path: the file.
        known: IDs of the rules there are; a suppression of none of them is refused. Empty: any.

    Raises:
        UsageError: the file cannot be read, or not understood; says which line and why.
    """
    file = str(path)
    text = _text(file)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _not_toml(file, text, error) from error
    entries = document.pop("suppression", [])
    places = _Places(file, text, len(entries) if isinstance(entries, list) else 0)
    if document:
        key = next(iter(document))
        raise places.error(f"{key!r} is not known here", hint="entries begin with [[suppression]]")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise places.error("suppression is no array of tables", hint="write [[suppression]]")
    ids = tuple(known)
    return tuple(_suppression(places, i, entry, ids) for i, entry in enumerate(entries))


def _text(file: str) -> str:
    try:
        data = Path(file).read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(reason, where=file, hint="--suppressions names a TOML file") from error
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError("not UTF-8", where=f"{file}:{line}") from error


def _not_toml(file: str, text: str, error: tomllib.TOMLDecodeError) -> UsageError:
    found = _TOML_PLACE.fullmatch(str(error))
    what = found["what"] if found else str(error)
    line = found["line"] if found and found["line"] else str(max(1, len(text.splitlines())))
    return UsageError(f"not TOML: {what[:1].lower()}{what[1:]}", where=f"{file}:{line}")


class _Places:
    """The lines that entries and their keys stand on, as tomllib does not tell them."""

    def __init__(self, file: str, text: str, count: int) -> None:
        self.file = file
        self._lines = text.splitlines()
        headers = [i for i, line in enumerate(self._lines) if _HEADER.match(line)]
        # Otherwise entries are written in another way, or text looks like a header: no guesses.
        self._headers = headers if len(headers) == count else []

    def line(self, entry: int, key: str = "") -> int:
        """The line of an entry's key, or of its header, counted from 1; 0 if not known."""
        if entry >= len(self._headers):
            return 0
        begin = self._headers[entry]
        end = self._headers[entry + 1] if entry + 1 < len(self._headers) else len(self._lines)
        named = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=") if key else None
        for i in range(begin, end):
            if named is not None and named.match(self._lines[i]):
                return i + 1
        return begin + 1

    def error(
        self, what: str, entry: int = -1, key: str = "", hint: str | None = None
    ) -> UsageError:
        """An error that names the line, where it is known."""
        line = self.line(entry, key) if entry >= 0 else self._line_of(what)
        return UsageError(what, where=f"{self.file}:{line}" if line else self.file, hint=hint)

    def _line_of(self, what: str) -> int:
        quoted = re.search(r"'([^']+)'|^(suppression)", what)
        name = (quoted[1] or quoted[2]) if quoted else ""
        for i, line in enumerate(self._lines):
            if name and re.match(rf"\s*\[*\s*[\"']?{re.escape(name)}\b", line):
                return i + 1
        return 0


def _suppression(
    places: _Places, number: int, entry: dict[str, Any], known: tuple[str, ...]
) -> Suppression:
    for key, value in entry.items():
        if key not in _KEYS:
            hint = f"there are {', '.join(_KEYS)}"
            raise places.error(f"{key!r} is not known here", number, key, hint)
        if key in _TEXTS and not (isinstance(value, str) and value.strip()):
            raise places.error(f"{key} is no text, or empty", number, key)
    for key in _REQUIRED:
        if key not in entry:
            raise places.error(f"a suppression without {key}", number)
    rule = entry["rule"].strip().upper()
    if known and not any(each.startswith(rule) for each in known):
        raise places.error(f"{rule} names no rule", number, "rule", "uvtrace rules lists them")
    return Suppression(
        rule=rule,
        site=entry["site"],
        reason=entry["reason"],
        function=entry.get("function", "*"),
        device=entry.get("device", "*"),
        expires=_day(places, number, entry.get("expires")),
        file=str(places.file),
        line=places.line(number),
    )


def _day(places: _Places, number: int, value: object) -> datetime.date | None:
    # A datetime is a date, too, to isinstance.
    if value is not None and type(value) is not datetime.date:
        hint = "as expires = 2027-03-31, without quotes"
        raise places.error("expires is no date", number, "expires", hint)
    return value
