# SPDX-License-Identifier: Apache-2.0
"""The interrupt generator in a VM: what is asked for is sent, is recorded, and arrives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from uvtrace.testing import Recorder, Verdicts
from uvtrace.trace.enums import Kind, Status

pytestmark = [pytest.mark.vm, pytest.mark.long]

# One after the other: those that come faster than the handler runs become one.
COMMAND = """
cd "/sys/bus/pci/devices/$UVTRACE_FUNCTION"
cat id
echo 0x12345678 >scratch && cat scratch
echo 5000 >delay_us
for number in $(seq 20); do
    echo 1 {vector} >trigger
    for look in $(seq 100); do
        set -- $(cat interrupts)
        shift {vector}
        [ $1 -lt $number ] || break
        sleep 0.05
    done
done
cat sent interrupts
"""


@pytest.mark.parametrize(
    ("interrupts", "vector", "kind"),
    [("msix", 2, Kind.MSIX), ("msi", 3, Kind.MSI), ("intx", 0, Kind.INTX_ASSERT)],
)
def test_twenty_interrupts_are_sent_and_handled(
    interrupts: str, vector: int, kind: Kind, tmp_path: Path
) -> None:
    run = Recorder(tmp_path)(
        f"model:regs_msi,interrupts={interrupts}", COMMAND.format(vector=vector)
    )
    identity, scratch, sent, *handled = run.output.split()
    assert (int(identity, 0), int(scratch, 0), int(sent, 0)) == (0x55560002, 0x12345678, 20)
    assert int(handled[vector], 0) == sum(int(each, 0) for each in handled) == 20
    trace = run.trace
    told = np.flatnonzero((trace.column("kind") == kind) & (trace.column("status") == Status.OK))
    assert len(told) == 20
    Verdicts(run).clean()
