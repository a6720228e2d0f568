# SPDX-License-Identifier: Apache-2.0
"""Signatures: the same fault keeps the same name from night to night and kernel to kernel."""

from __future__ import annotations

import re
from collections.abc import Iterable

# symbol, the compiler's suffixes (.isra.0, .cold, .constprop.0 …), +offset[/size], [module]
_SITE = re.compile(
    r"(?P<symbol>[^\s+.]+)(?:\.[\w.]+)?(?:\+0x[0-9a-f]+(?:/0x[0-9a-f]+)?)?(?:\s+\[(?P<module>[^\]]+)\])?\Z"
)


def stable_site(site: str) -> str:
    """A call site without what changes from build to build: offset, size, compiler suffixes.

    A site that is no symbol (a bare address) becomes ``?``, as it is another one every night.
    """
    match = _SITE.match(site)
    if match is None or match["symbol"].startswith("0x"):
        return "?"
    module = match["module"]
    return f"{match['symbol']} [{module}]" if module else match["symbol"]


def signature(rule_id: str, roles: Iterable[tuple[str, str]]) -> str:
    """The signature of a finding from its rule and its (role, site) pairs.

    It holds no address, time or bus number.
    """
    parts = [f"{role}={stable_site(site)}" for role, site in roles]
    return ":".join([rule_id, *parts])
