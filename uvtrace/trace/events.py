# SPDX-License-Identifier: Apache-2.0
"""Which records tell what happened, and which tell of the trace itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from uvtrace.trace.enums import Kind


def is_event(kinds: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Whether records of these kinds are events, on the bus or in the driver.

    Snapshots, metadata, marks and loss tell of the trace. So do modules: whenever one comes to be
    known, and also of a log that another tool made.
    """
    event: NDArray[np.bool_] = (
        (kinds < Kind.SNAPSHOT) & (kinds != Kind.MODULE_LOAD) & (kinds != Kind.MODULE_UNLOAD)
    )
    return event
