# SPDX-License-Identifier: Apache-2.0
"""Whether the model that a recording was made on does again what a part of it shows.

What proves a finding may be the device's own doing: its reads and writes of memory, its
interrupts. A part that is replayed to the model confirms the finding if the model does the same
by itself, which takes more records than the proof: those that make the device do it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.errors import UsageError, UvtraceError
from uvtrace.minimize.target import Target
from uvtrace.replay.api import Options, replay
from uvtrace.trace.enums import Kind
from uvtrace.trace.trace import Trace

Positions = NDArray[np.int64]

OF_DEVICE: Final = (
    *(Kind.DMA_READ, Kind.DMA_WRITE, Kind.MSI, Kind.MSIX),
    *(Kind.INTX_ASSERT, Kind.INTX_DEASSERT),
)


def model_of(trace: Trace) -> str:
    """The model that a recording was made on, as ``model:NAME``.

    Raises:
        UsageError: it was made on something else, or on several devices.
    """
    devices: Any = trace.metadata.session.get("devices")
    named = [str(each) for each in devices] if isinstance(devices, list) else []
    if len(named) == 1 and named[0].startswith("model:"):
        return named[0]
    made_on = f"it was made on {', '.join(named)}" if named else "it does not say on what it was"
    raise UsageError("no recording of a model", where=trace.path, hint=made_on)


class Confirmation:
    """Replays parts of a trace to a model.

    Args:
        trace: the whole.
        target: the finding.
        device: ``model:NAME``.

    Attributes:
        device: the same.
        of_device: positions of what the device does in the proof; if there are none, nothing is
            left to a model to confirm.
    """

    def __init__(self, trace: Trace, target: Target, device: str) -> None:
        proof = np.array(target.proof, np.int64)
        kinds = trace.column("kind")[proof]
        self.device = device
        self.of_device: tuple[int, ...] = tuple(proof[np.isin(kinds, OF_DEVICE)].tolist())
        names = [function.name for function in trace.functions]
        found = target.finding.function
        self._options = Options(function=names.index(found) if found in names else None)

    def why_not(self, part: Trace, positions: Positions) -> str:
        """What the model does differently in a part; empty if it does what the proof shows."""
        if not self.of_device:
            return ""
        try:
            outcome = replay(part, self.device, self._options)
        except UvtraceError as error:
            return error.what
        rows = _rows_of(positions, self.of_device)
        for each in outcome.divergences:
            if each.row in rows:
                got = each.got or "nothing"
                return f"{self.device} does something else: {got} instead of {each.expected}"
        return ""


def _rows_of(positions: Positions, wanted: Collection[int]) -> frozenset[int]:
    found = np.flatnonzero(np.isin(positions, np.array(sorted(wanted), np.int64)))
    return frozenset(found.tolist())
