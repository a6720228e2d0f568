# SPDX-License-Identifier: Apache-2.0
"""How far a live driver kept to the recording that was played to it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from uvtrace.trace.enums import Kind
from uvtrace.trace.trace import open_trace

PREFIX: Final = "played: "
"""What marks begin with that a recorded device writes into the new recording."""


def departures(path: Path) -> list[str]:
    """What a driver did that the recorded one had not done, as a recording tells.

    Args:
        path: of the recording that was made while a recorded device played.
    """
    trace = open_trace(path)
    rows = np.flatnonzero(trace.column("kind") == Kind.MARK).tolist()
    texts = (trace.payload(row).decode(errors="replace") for row in rows)
    return [text.removeprefix(PREFIX) for text in texts if text.startswith(PREFIX)]
