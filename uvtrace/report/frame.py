# SPDX-License-Identifier: Apache-2.0
"""A page's frame: style sheets and scripts stand in it, and nothing else may run or load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources.abc import Traversable
from string import Template

from uvtrace.report.markup import Markup, policy_hash
from uvtrace.version import VERSION


def framed(
    frame: Traversable,
    parts: Mapping[str, Markup],
    *,
    styles: Sequence[Traversable],
    scripts: Sequence[Traversable],
) -> str:
    """A page as one file.

    Args:
        frame: HTML with ``$name`` for each part, and for policy, style, script and version.
        parts: by name.
        styles: style sheets, one after the other.
        scripts: run as one, in a scope of their own.
    """
    style = "".join(each.read_text(encoding="utf-8") for each in styles)
    script = "".join(each.read_text(encoding="utf-8") for each in scripts)
    script = f'(() => {{\n"use strict";\n{script}}})();\n'
    policy = (
        f"default-src 'none'; script-src {policy_hash(script)}; style-src {policy_hash(style)};"
        " base-uri 'none'; form-action 'none'"
    )
    whole = Template(frame.read_text(encoding="utf-8")).substitute(
        parts, policy=policy, style=style, script=script, version=VERSION
    )
    # A lone surrogate, of a file name that is not UTF-8, is no text that a file could hold.
    return whole.encode("utf-8", "backslashreplace").decode("utf-8")
