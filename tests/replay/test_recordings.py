# SPDX-License-Identifier: Apache-2.0
"""Recordings made on a model replay against that model without a difference."""

from __future__ import annotations

from pathlib import Path

import pytest

import uvtrace
from uvtrace.replay import replay

TRACES = Path(__file__).parents[2] / "traces"
KERNELS = ("6.1", "6.1-rt", "6.12")


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_recordings_on_uvnic1_agree_with_uvnic1(kernel: str) -> None:
    outcome = replay(uvtrace.open(TRACES / f"model-uvnic1-{kernel}.pcapng.zst"), "model:uvnic1")
    assert outcome.divergences == []
    assert outcome.agreed["MSI"] > 600
    assert outcome.agreed["DMA write"] >= 305  # long frames in parts
    assert outcome.agreed["DMA write (uvnic1.receive)"] == 305
    assert outcome.agreed["DMA write (uvnic1.transmit)"] > 300
    assert outcome.agreed["EVENTS"] > 500
    assert outcome.frames_in == 305  # 303 pings answered, ARP, the router's


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_recordings_on_the_e1000_model_agree_with_it(kernel: str) -> None:
    outcome = replay(uvtrace.open(TRACES / f"model-e1000-{kernel}.pcapng.zst"), "model:e1000")
    assert outcome.divergences == []
    assert outcome.agreed["INTx assert"] > 300
    assert outcome.agreed["DMA read (e1000.transmit)"] > 300
    assert outcome.agreed["DMA write"] > 300
    assert outcome.agreed["DMA write (e1000.receive)"] == 305
    assert outcome.agreed["DMA write (e1000.transmit)"] > 300
    assert outcome.agreed["ICR"] > 300
    assert outcome.frames_in == 305
    # Where BARs lie is the host's choice.
    assert all("BAR" in what or "ROM" in what for what in outcome.not_compared)


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_recordings_on_the_interrupt_generator_agree_with_it(kernel: str) -> None:
    trace = uvtrace.open(TRACES / f"model-regs_msi-{kernel}.pcapng.zst")
    outcome = replay(trace, "model:regs_msi")
    assert outcome.divergences == []
    assert outcome.agreed["MSI-X"] == 40
    assert outcome.agreed["SENT"] == 2


@pytest.mark.parametrize("kernel", KERNELS)
def test_memory_that_was_recorded_feeds_the_model_and_is_compared(kernel: str) -> None:
    """Recorded of QEMU's e1000: what differs is in docs/replay-e1000.md."""
    trace = uvtrace.open(TRACES / f"memory-e1000-{kernel}.pcapng.zst")
    outcome = replay(trace, "model:e1000,negotiation_ms=500")
    assert outcome.frames_in > 10
    assert outcome.frames_out > 15
    assert outcome.agreed["memory (e1000.transmit)"] > 5
    for each in outcome.divergences:
        assert each.what != "memory (e1000.transmit)"
        if each.what == "memory (e1000.receive)":
            assert "; from byte 10 on" in str(each.got)  # the packet checksum
        elif each.what == "memory":
            assert "came 00" not in str(each.got)  # the frame's checksum, which QEMU leaves out


def test_another_model_than_the_recorded_one_diverges() -> None:
    trace = uvtrace.open(TRACES / "model-uvnic1-6.12.pcapng.zst")
    outcome = replay(trace, "model:uvnic1,mac=02:00:00:00:00:01")
    # The capability that holds the address; two of its bytes are the same.
    assert [each.what for each in outcome.divergences] == ["0x5b", "0x5c", "0x5e", "0x5f"]
    first = outcome.divergences[0]
    assert first.expected == "config read 0x5b (1) = 0x52"
    assert first.got == "config read 0x5b (1) = 0x02"
