# SPDX-License-Identifier: Apache-2.0
"""A recording whose every text tries to be something else."""

from __future__ import annotations

import re
from pathlib import Path

from tests.story import Story

ATTACKS = (
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    "<img src=x onerror=alert(3)>",
    '" onmouseover="alert(4)" x=\'',
    "</title></style></textarea><svg onload=alert(5)>",
    "<!--<script>alert(6)</script>-->]]>",
    "javascript:alert(7)",
    "\u202egpj.exe\u2066 \x00\x1b[31m\u2028${alert(8)}`",
    "&lt;b&gt;{{constructor.constructor('alert(9)')()}}",
    "long" * 1500,
)
ALL = " ".join(ATTACKS)


def hostile(path: Path) -> None:
    """Write it: faults that are found, with such names wherever a recording has names."""
    site = re.sub(r"[\s+]", "_", ALL) + "+0x10"
    story = (
        Story("0000:00:03.0", driver="e1000", os=f"6.1 {ALL}")
        .session(command=["sh", "-c", ALL], kernel=f"6.1.0 {ALL}", host=ALL)
        .begin(driver=ALL)
        .module_load(ALL)
        .probe()
        .mark(ALL)
        .comment(ALL)
        .map(0x1000, 2048, site=f"{site} [m{ATTACKS[0]}]")
        .comment(f"{ATTACKS[1]}\n{ATTACKS[7]}")
        .unmap(0x1000, 1522, site=f"{site} [m{ATTACKS[2]}]")
        .unmap(0x5000, 64, site=f"{site} [m{ATTACKS[1].replace('[', '')}]")
        .function("0000:00:04.0<script>alert(10)</script>", driver="x")
        .mmio_write(0x10, 1)
        .console(ALL)
        .result(exit_code=0)
        .converted(ALL)
    )
    story.write(path)
