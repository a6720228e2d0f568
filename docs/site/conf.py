# SPDX-License-Identifier: Apache-2.0
"""How Sphinx makes a site of the documentation: ``make docs``.

The source folder is the repository, so that pages link to READMEs and sources elsewhere in it by
the same relative paths by which they do where the repository is browsed.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pygments.lexers.special import TextLexer

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from uvtrace.version import VERSION  # noqa: E402

project = "uvtrace"
author = "the authors of uvtrace"
copyright = author
release = VERSION
version = VERSION

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_external_toc"]
source_suffix = {".md": "markdown"}
include_patterns = [
    "docs/**",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "devices/*/README.md",
    "kmod/README.md",
    "kmod/faulty/README.md",
]
exclude_patterns = ["docs/site", ".*", "build", "demo", "traces", "**/build"]
external_toc_path = "docs/site/toc.yml"

# Headings are link targets as they are where the repository is browsed: page.md#a-heading.
myst_heading_anchors = 3
myst_links_external_new_tab = False

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
python_maximum_signature_line_length = 88

# Every reference must lead somewhere; types that have no page here are named all the same.
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r".*")]

html_theme = "furo"
html_title = f"uvtrace {VERSION}"
html_copy_source = False
html_show_sphinx = False
html_extra_path = ["index.html"]
pygments_style = "friendly"
highlight_language = "none"

_COMMENT = re.compile(r"\A<!-- SPDX-License-Identifier: [^>]*-->\n")


def _without_licence(app: Sphinx, name: str, source: list[str]) -> None:
    """A page begins with its title, as far as Sphinx is concerned."""
    source[0] = _COMMENT.sub("", source[0])


def _plain_attribute(
    app: Sphinx, what: str, name: str, value: object, options: object, lines: list[str]
) -> None:
    """An attribute's first sentence may hold a colon: what stands before it is no type."""
    if what in ("attribute", "property"):
        lines.insert(0, "")


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    # Before napoleon, whose priority is 500.
    app.connect("autodoc-process-docstring", _plain_attribute, priority=400)
    app.connect("source-read", _without_licence)
    # Pygments knows no SystemRDL.
    app.add_lexer("systemrdl", TextLexer)
