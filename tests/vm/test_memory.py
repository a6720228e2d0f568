# SPDX-License-Identifier: Apache-2.0
"""``record --memory``: what a stock driver and its device write for each other is in the trace."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

import uvtrace
from tests.vm.conftest import complete_kernels, record
from uvtrace.trace.enums import Direction, Kind, LossCause, MemoryMoment
from uvtrace.trace.layout import view_of
from uvtrace.trace.trace import Trace

pytestmark = pytest.mark.vm

NEWEST, *OTHERS = complete_kernels() or [""]
KERNELS = [NEWEST, *(pytest.param(release, marks=pytest.mark.long) for release in OTHERS)]
PATTERN = b"00112233445566778899aabbccddeeff"
PING = ("ping", "-c", "3", "-p", PATTERN.decode(), "10.0.2.2")
WRITE_AND_READ = (
    "sh",
    "-c",
    'yes uvtrace | dd of="$UVTRACE_DISK" bs=4k count=8 iflag=fullblock oflag=direct;'
    ' dd if="$UVTRACE_DISK" of=/dev/null bs=4k count=8 iflag=direct',
)


def contents(trace: Trace, moment: MemoryMoment) -> list[tuple[int, int, bytes]]:
    """Position, address and bytes of the memory that was recorded for one side."""
    chosen = (trace.column("kind") == Kind.MEMORY) & (trace.column("value") == moment)
    address = trace.column("address")
    return [(row, int(address[row]), trace.payload(row)) for row in np.flatnonzero(chosen).tolist()]


def frames_of_pings(trace: Trace, moment: MemoryMoment) -> list[tuple[int, int]]:
    """Position and address of the buffers that hold a whole ping with our pattern."""
    wanted = bytes.fromhex(PATTERN.decode())
    return [(row, address) for row, address, held in contents(trace, moment) if wanted in held]


def is_told_at_once(trace: Trace) -> None:
    """The call that maps goes on to tell what the device may read; what it may not is not told.

    Other CPUs and interrupts write records in between.
    """
    kinds, address, value = (trace.column(name) for name in ("kind", "address", "value"))
    ip, tid = trace.column("ip"), trace.column("tid")
    direction = view_of(trace.records, "dma")["direction"]
    for row in np.flatnonzero(kinds == Kind.MAP).tolist():
        later = np.flatnonzero((ip[row + 1 :] == ip[row]) & (tid[row + 1 :] == tid[row]))
        of_call = row + 1 + later[:1]
        told = of_call[(kinds[of_call] == Kind.MEMORY) & (address[of_call] == address[row])]
        assert bool(told.size) == (direction[row] == Direction.TO_DEVICE)
        assert (value[told] == MemoryMoment.TO_DEVICE).all()


def is_told_whole(trace: Trace) -> None:
    assert uvtrace.check(trace).lost == 0
    lost = view_of(trace.records, "meta")["topic"][trace.column("kind") == Kind.LOSS]
    assert LossCause.MEMORY not in lost.tolist()


@pytest.mark.parametrize("release", KERNELS)
def test_frames_and_descriptors_of_a_stock_network_driver_are_seen(
    release: str, tmp_path: Path
) -> None:
    options = ["--memory", "--kernel", release]
    recorded = record(tmp_path / "run.pcapng", "qemu:e1000", *PING, options=options)
    assert recorded.code == 0, recorded.stderr
    trace = recorded.trace
    is_told_whole(trace)
    is_told_at_once(trace)
    sent = frames_of_pings(trace, MemoryMoment.TO_DEVICE)
    # A buffer that is given back at the end still holds what was received then.
    received = {address: row for row, address in frames_of_pings(trace, MemoryMoment.TO_CPU)}
    assert len(sent) == len(received) == 3
    # Legacy descriptors: buffer address, then length; status bit 0 is Descriptor Done.
    descriptors = [
        (row, *struct.unpack_from("<QHBBBBH", held, at))
        for moment in MemoryMoment
        for row, _, held in contents(trace, moment)
        if len(held) % 16 == 0 and len(held) <= 4096
        for at in range(0, len(held), 16)
    ]
    for row, address in sent:
        assert [each for each in descriptors if each[1] == address and each[0] > row]
    for address, row in received.items():
        done = [each for each in descriptors if each[1] == address and each[5] & 1]
        assert done, f"no descriptor gave back the frame of record {row}"


def test_commands_and_data_of_a_stock_disk_driver_are_seen(tmp_path: Path) -> None:
    recorded = record(tmp_path / "run.pcapng", "qemu:nvme", *WRITE_AND_READ, options=["--memory"])
    assert recorded.code == 0, recorded.stderr
    trace = recorded.trace
    is_told_whole(trace)
    block = (b"uvtrace\n" * 512)[:4096]
    written = [held for _, _, held in contents(trace, MemoryMoment.TO_DEVICE) if held == block]
    read = [held for _, _, held in contents(trace, MemoryMoment.TO_CPU) if held == block]
    assert len(written) >= 8
    assert len(read) >= 8
