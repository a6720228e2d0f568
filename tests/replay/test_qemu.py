# SPDX-License-Identifier: Apache-2.0
"""Recordings against QEMU's devices, driven by qtest."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import uvtrace
from tests.story import Story
from uvtrace.errors import EnvironmentLacksError, UsageError
from uvtrace.replay import Difference, Options, replay
from uvtrace.replay.qtest import PROGRAM, Qtest

TRACES = Path(__file__).parents[2] / "traces"
pytestmark = pytest.mark.skipif(shutil.which(PROGRAM) is None, reason=f"no {PROGRAM}")


def test_ports_memory_and_interrupt_lines_of_a_machine() -> None:
    qtest = Qtest(["-machine", "pc", "-m", "64M"])
    try:
        assert qtest.port_in(0xCF8, 4) == 0
        qtest.port_out(0xCF8, 4, 0x80000000)
        assert qtest.port_in(0xCFC, 4) == 0x12378086  # the i440FX
        qtest.set_memory(0x100000, bytes(range(256)) * 200)
        assert qtest.memory(0x100010, 4) == bytes([0x10, 0x11, 0x12, 0x13])
        assert qtest.memory(0x100000, 51200) == bytes(range(256)) * 200
        assert qtest.read(0x100000, 4) == 0x03020100
    finally:
        qtest.close()


def test_a_recording_of_qemus_e1000_agrees_with_qemus_e1000() -> None:
    outcome = replay(uvtrace.open(TRACES / "e1000-6.12.pcapng.zst"), "qemu:e1000")
    # QEMU's clock is the wall's: on a busy machine the link may be up where it was not yet.
    assert {each.what for each in outcome.divergences} <= {"STATUS"}
    assert outcome.agreed["STATUS"] > 5000
    assert outcome.agreed["EECD"] > 1500
    assert outcome.agreed["MDIC"] > 100
    assert any("does not show DMA" in note for note in outcome.notes)


def test_another_address_in_the_eeprom_is_found_where_it_is_read() -> None:
    trace = uvtrace.open(TRACES / "e1000-6.12.pcapng.zst")
    outcome = replay(trace, "qemu:e1000,mac=02:00:00:00:00:01", Options(divergences=1))
    first = outcome.divergences[0]
    assert (first.difference, first.what) == (Difference.VALUE, "EECD")


def test_frames_get_into_qemus_memory_and_out_of_it() -> None:
    trace = uvtrace.open(TRACES / "model-e1000-6.12.pcapng.zst")[:20900]
    outcome = replay(trace, "qemu:e1000")
    # QEMU computes neither the frames' checksum nor the packet checksum: all else agrees.
    received = [each for each in outcome.divergences if each.what == "DMA write"]
    assert received
    for each in received:
        assert each.got is not None
        assert each.got.endswith(("came 00 00 00 00", "came 00 00 00", "came 00 00"))
    assert outcome.agreed["DMA write (e1000.transmit)"] > 10
    assert outcome.frames_in > 10
    assert outcome.frames_out > 10


def test_a_device_that_qemu_does_not_have_is_one_line() -> None:
    trace = uvtrace.open(TRACES / "e1000-6.12.pcapng.zst")
    with pytest.raises(UsageError, match=r"qemu-system-x86_64: .*'nothing'"):
        replay(trace, "qemu:nothing")
    with pytest.raises(UsageError, match="which device"):
        replay(trace, "qemu:")


def test_memory_that_was_recorded_agrees_with_qemus() -> None:
    outcome = replay(uvtrace.open(TRACES / "memory-e1000-6.12.pcapng.zst"), "qemu:e1000")
    assert {each.what for each in outcome.divergences} <= {"STATUS"}
    assert outcome.agreed["memory (e1000.transmit)"] == 18
    assert outcome.agreed["memory (e1000.receive)"] == 12
    assert (outcome.frames_in, outcome.frames_out) == (13, 19)


def test_addresses_that_qemus_machine_does_not_have_are_one_line() -> None:
    story = Story().mmio_write(0, 1).map(0xFFFF0000, 64).dma_read(0xFFFF0000, 64, bytes(64))
    with pytest.raises(UsageError, match="uses memory at 0xffff1000, QEMU's has 3 GiB"):
        replay(story.trace(), "qemu:e1000")


def test_without_qemu_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(EnvironmentLacksError, match="apt install qemu-system-x86"):
        Qtest([])
