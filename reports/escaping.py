# SPDX-License-Identifier: Apache-2.0
"""Text from a trace, made fit for what it is written into."""

from __future__ import annotations

from typing import Any

_SURROGATES = {code: f"\\u{code:04x}" for code in range(0xD800, 0xE000)}


def no_surrogates(value: Any) -> Any:
    """A JSON document in which no text holds a lone surrogate, which is no Unicode.

    They come from file names that are not UTF-8. Control characters stay: JSON has escapes for
    them, and a reader gets what the trace holds.
    """
    if isinstance(value, str):
        return value if value.isascii() else value.translate(_SURROGATES)
    if isinstance(value, dict):
        return {key: no_surrogates(each) for key, each in value.items()}
    if isinstance(value, list):
        return [no_surrogates(each) for each in value]
    return value
