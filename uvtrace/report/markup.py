# SPDX-License-Identifier: Apache-2.0
"""HTML and SVG, made so that no text can become markup.

What :func:`tag` is given as a plain string is text: it is made printable (no control characters,
nothing that turns the direction of writing round) and escaped. Only what this module made itself,
a :class:`Markup`, is put in as it is.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Iterable
from typing import Any, Final

from uvtrace.trace.texts import printable

_VOID: Final = frozenset({"meta", "br", "input", "wbr"})

_IN_SCRIPT: Final = str.maketrans(
    {
        "<": "\\u003c",
        ">": "\\u003e",
        "&": "\\u0026",
        "\N{LINE SEPARATOR}": "\\u2028",
        "\N{PARAGRAPH SEPARATOR}": "\\u2029",
    }
)


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


Content = str | Iterable[str] | None
Attribute = str | int | float | bool | None


def text(value: str) -> Markup:
    """Text of a trace or of ours, escaped."""
    return Markup(html.escape(printable(value)))


def joined(parts: Iterable[str], between: str = "") -> Markup:
    """Parts one after the other; those that are no markup are escaped, as is what is between."""
    return Markup(_escaped(between).join(_escaped(part) for part in parts))


def tag(name: str, *children: Content, **attributes: Attribute) -> Markup:
    """An element.

    Args:
        name: of the element; ours, never a trace's.
        children: text, markup, or several of them; None is left out.
        attributes: underscores become hyphens, one at the end is dropped (``class_``); True is
            an attribute without a value, False and None leave it out.
    """
    begin = f"<{name}{''.join(_attribute(key, value) for key, value in attributes.items())}>"
    if name in _VOID:
        return Markup(begin)
    return Markup(f"{begin}{''.join(_content(child) for child in children)}</{name}>")


def data_block(identifier: str, value: Any) -> Markup:
    """A JSON document that a script can read, and that cannot end the element it stands in."""
    # Lone surrogates, of file names that are not UTF-8, stay escapes: ensure_ascii is the default.
    content = json.dumps(value, separators=(",", ":")).translate(_IN_SCRIPT)
    return Markup(f'<script type="application/json" id="{identifier}">{content}</script>')


def bytes_block(identifier: str, value: bytes) -> Markup:
    """Bytes that a script can read, in base64."""
    content = base64.b64encode(value).decode("ascii")
    return Markup(f'<script type="application/octet-stream" id="{identifier}">{content}</script>')


def policy_hash(source: str) -> str:
    """What a content security policy names an inline script or style by."""
    digest = hashlib.sha256(source.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _escaped(value: str) -> str:
    return value if isinstance(value, Markup) else text(value)


def _content(child: Content) -> str:
    if child is None:
        return ""
    if isinstance(child, str):
        return _escaped(child)
    return "".join(_escaped(each) for each in child)


def _attribute(key: str, value: Attribute) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{text(str(value))}"'
