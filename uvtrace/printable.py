# SPDX-License-Identifier: Apache-2.0
"""Text from a trace is untrusted: what must not reach a terminal as it is."""

from __future__ import annotations

import re

# C0 and C1 controls and DEL, line and paragraph separators, marks that reorder what is shown,
# and lone surrogates, which no stream can encode.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    """The text on one line, with whatever could steer a terminal as a visible escape."""
    return _UNSAFE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
