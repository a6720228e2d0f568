# SPDX-License-Identifier: Apache-2.0
"""XML that others wrote, read without trust: no document types, so no entities to expand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from uvtrace.errors import InputError


class Document:
    """A parsed file that remembers on which line each element began.

    Raises:
        InputError: it cannot be read, is not well-formed, or has a document type.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path
        self._lines: dict[Element, int] = {}
        self._builder = TreeBuilder()
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._builder.end
        self._parser.CharacterDataHandler = self._builder.data
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self.root = self._parse()

    def line(self, element: Element) -> int | None:
        """The line, from 1, of an element's start tag."""
        return self._lines.get(element)

    def refused(self, element: Element, what: str) -> InputError:
        """The error that says what is wrong with an element."""
        return InputError(what, path=self.path, line=self.line(element))

    def _parse(self) -> Element:
        try:
            self._parser.Parse(Path(self.path).read_bytes(), True)
            return self._builder.close()
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", path=self.path) from error
        except expat.ExpatError as error:
            raise InputError(
                f"not well-formed XML: {expat.ErrorString(error.code)}",
                path=self.path,
                line=error.lineno,
            ) from error

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._lines[self._builder.start(tag, attributes)] = self._parser.CurrentLineNumber

    def _refuse_doctype(self, *_: object) -> NoReturn:
        raise InputError(
            "has a document type, which may hide entities that expand without end",
            path=self.path,
            line=self._parser.CurrentLineNumber,
            hint="remove the <!DOCTYPE ...>",
        )
