# SPDX-License-Identifier: Apache-2.0
"""Stock drivers on every kernel that is installed: traffic works, nothing is lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.vm.conftest import complete_kernels, record
from uvtrace.trace.enums import Flag, Kind

pytestmark = [pytest.mark.vm, pytest.mark.long]

PING = ("ping", "-c", "3", "10.0.2.2")
READ_DISK = ("sh", "-c", 'dd if="$UVTRACE_DISK" of=/dev/null bs=64k count=32')
PORTS = {Kind.PIO_READ, Kind.PIO_WRITE}
MMIO = {Kind.MMIO_READ, Kind.MMIO_WRITE}

DRIVERS = {
    "e1000": ("qemu:e1000", PING, MMIO),
    "e1000e": ("qemu:e1000e", PING, MMIO),
    "8139cp": ("qemu:8139cp", PING, MMIO),
    "vmxnet3": ("qemu:vmxnet3", PING, MMIO),
    "pcnet32": ("qemu:pcnet", PING, PORTS),
    "nvme": ("qemu:nvme", READ_DISK, MMIO),
    "xhci": ("qemu:qemu-xhci", READ_DISK, MMIO),
    "ahci": ("qemu:ahci", READ_DISK, MMIO),
}


@pytest.mark.parametrize("release", complete_kernels())
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_stock_driver_works_and_all_it_does_is_recorded(
    driver: str, release: str, tmp_path: Path
) -> None:
    device, command, accesses = DRIVERS[driver]
    recorded = record(tmp_path / "run.pcapng", device, *command, options=["--kernel", release])
    assert recorded.code == 0, recorded.stderr
    trace = recorded.trace
    kinds = trace.column("kind")
    present = set(kinds)
    assert trace.metadata.result["exit_code"] == 0, recorded.stdout + recorded.stderr
    assert accesses <= present
    assert {Kind.PROBE, Kind.BIND, Kind.UNBIND, Kind.MAP, Kind.HANDLER_ENTER} <= present
    assert Kind.LOSS not in present
    assert np.array_equal(trace.column("seq"), np.arange(len(trace)))
    assert not (trace.column("flags") & Flag.UNDECODED).any()
    assert trace.metadata.result["cpus"] == [2, 2]
