# SPDX-License-Identifier: Apache-2.0
"""What the machine code of rules depends on besides the rules."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from uvtrace.loops import code
from uvtrace.loops.store import digest_of

_OTHERS: Final = ("by_kind.py", "flat.py", "followers.py", "keys.py", "layout.py")
"""What makes the code, too."""


@cache
def sources() -> str:
    """A digest of what makes the code."""
    here = Path(__file__).parent
    others = (here.parent / name for name in _OTHERS)
    return digest_of(*sorted(here.glob("*.py")), *others, Path(code.__file__))
