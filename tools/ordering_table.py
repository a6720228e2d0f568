# SPDX-License-Identifier: Apache-2.0
"""The table of PCI Express ordering for docs/ordering.md, from its declaration."""

from __future__ import annotations

from uvtrace.check.pcie.ordering import as_markdown


def ordering_table(name: str) -> str:
    """The lines between the markers.

    Raises:
        ValueError: there is no table of this name.
    """
    if name != "table":
        raise ValueError(f"no table of ordering called {name}")
    return "\n".join(as_markdown()) + "\n"
