# SPDX-License-Identifier: Apache-2.0
"""The fixtures as a driver team uses them: a stock kernel, a driver, a model, and the verdicts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from uvtrace.check.results import Results
from uvtrace.testing import Recorder, Run, Verdicts
from uvtrace.trace.enums import Kind, Status

pytestmark = pytest.mark.vm

STRAY = """
from uvtrace.devices.uvnic1.model import Uvnic1


class Stray(Uvnic1):
    '''Also writes where nothing is mapped, each time it sends.'''

    async def transmit(self):
        self.dma_write(0x1234_5000, b"stray")
        await super().transmit()
"""


def test_ping_through_a_model_breaks_no_rule(
    record: Recorder, verdicts: Callable[[Run | Results], Verdicts]
) -> None:
    run = record(device="model:uvnic1", command="ping -c 3 10.0.2.2")
    assert "3 received" in run.output
    verdicts(run).clean().passes("DMA001", "DMA004", "IRQ001", "CPL001", "ORD001")


def test_a_model_s_stray_write_touches_nothing_and_is_reported(
    record: Recorder, verdicts: Callable[[Run | Results], Verdicts], tmp_path: Path
) -> None:
    model = tmp_path / "stray.py"
    model.write_text(STRAY)
    run = record(device=f"model:{model}", command="ping -c 2 10.0.2.2")
    verdicts(run).fails("DMA001")
    events = run.trace.to_pandas()
    stray = events[(events.kind == Kind.DMA_WRITE) & (events.address == 0x1234_5000)]
    assert len(stray) >= 2
    assert set(stray.status) == {Status.REFUSED}
