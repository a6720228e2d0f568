# SPDX-License-Identifier: Apache-2.0
"""A page's frame: style sheets and scripts stand in it, and nothing else may run or load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from string import Template
from typing import Final

from uvtrace.report.markup import Markup, policy_hash
from uvtrace.version import VERSION

_NOTHING: Final = Markup("")


def framed(
    content: Traversable,
    parts: Mapping[str, Markup],
    *,
    title: Markup,
    generator: str,
    styles: Sequence[Traversable],
    scripts: Sequence[Traversable],
    data: Markup = _NOTHING,
) -> str:
    """A page as one file.

    Args:
        content: HTML of what is seen, with ``$name`` for each part and for the version.
        parts: by name.
        title: of the window.
        generator: what has made the page, ours.
        styles: style sheets, one after the other.
        scripts: run as one, in a scope of their own.
        data: what the scripts read.
    """
    style = "".join(each.read_text(encoding="utf-8") for each in styles)
    script = "".join(each.read_text(encoding="utf-8") for each in scripts)
    script = f'(() => {{\n"use strict";\n{script}}})();\n'
    policy = (
        f"default-src 'none'; script-src {policy_hash(script)}; style-src {policy_hash(style)};"
        " base-uri 'none'; form-action 'none'"
    )
    frame = (resources.files("uvtrace.report") / "page/frame.html").read_text(encoding="utf-8")
    whole = Template(frame).substitute(
        body=Template(content.read_text(encoding="utf-8")).substitute(parts, version=VERSION),
        title=title,
        generator=generator,
        policy=policy,
        style=style,
        script=script,
        data=data,
    )
    # A lone surrogate, of a file name that is not UTF-8, is no text that a file could hold.
    return whole.encode("utf-8", "backslashreplace").decode("utf-8")
