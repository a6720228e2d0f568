# SPDX-License-Identifier: Apache-2.0
"""A recorded device plays: to a driver whose buffers lie elsewhere, which does a bit otherwise."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.story import Story
from uvtrace.device.machine import Machine
from uvtrace.device.messages import (
    Command,
    Complete,
    Completed,
    DmaRead,
    DmaWrite,
    Event,
    Intx,
    Log,
    Read,
    Write,
)
from uvtrace.errors import InputError, UsageError
from uvtrace.play.course import PREFIX
from uvtrace.play.device import Played
from uvtrace.trace.enums import MemoryMoment, Status

CTRL, STATUS, RCTL = 0x0, 0x8, 0x100
ICR, ICS, IMS, IMC = 0xC0, 0xC8, 0xD0, 0xD8
RDBAL, RDLEN, RDH, RDT = 0x2800, 0x2808, 0x2810, 0x2818
TDBAL, TDLEN, TDH, TDT = 0x3800, 0x3808, 0x3810, 0x3818
TXDW, RXT0 = 1 << 0, 1 << 7
FRAME = bytes(range(64))
TO_CPU, TO_DEVICE = int(MemoryMoment.TO_CPU), int(MemoryMoment.TO_DEVICE)


def received(buffer: int, length: int) -> bytes:
    return struct.pack("<QHHBBH", buffer, length, 0, 0x07, 0, 0)


def to_send(buffer: int, length: int, status: int = 0) -> bytes:
    return struct.pack("<QHBBBBH", buffer, length, 0, 0x0B, status, 0, 0)


def old_run() -> Story:
    """A driver sends a frame of 60 bytes, and receives one of 64."""
    story = Story()
    story.snapshot_config(story.config_space()).snapshot_bars()
    story.mmio_write(CTRL, 0x40).mmio_read(STATUS, 0x80).mmio_read(STATUS, 0x83)
    for base, length, at in ((TDBAL, TDLEN, 0x10000), (RDBAL, RDLEN, 0x20000)):
        story.mmio_write(base, at).mmio_write(base + 4, 0).mmio_write(length, 128)
    story.mmio_write(IMS, 0x9D).mmio_write(RCTL, 0x8002).mmio_write(RDT, 7)
    story.memory(0x10000, to_send(0x5000, 60), value=TO_DEVICE).mmio_write(TDT, 1)
    story.memory(0x20000, received(0x6000, 64), value=TO_CPU)
    story.memory(0x6000, FRAME, value=TO_CPU)
    return story


@dataclass
class LiveHost:
    """A host with memory, before which a device stands."""

    machine: Machine
    memory: bytearray = field(default_factory=lambda: bytearray(1 << 20))
    line: bool = False
    logs: list[str] = field(default_factory=list)
    answer: int = 0

    def tell(self, event: Event) -> None:
        waiting = list(self.machine.receive(event))
        while waiting:
            waiting += self._carry_out(waiting.pop(0))

    def _carry_out(self, command: Command) -> list[Command]:
        if isinstance(command, DmaRead):
            data = bytes(self.memory[command.address : command.address + command.length])
            done = Completed(command.tag, Status.OK, data, command.address, command.length)
            return list(self.machine.receive(done))
        if isinstance(command, DmaWrite):
            end = command.address + len(command.data)
            self.memory[command.address : end] = command.data
        elif isinstance(command, Intx):
            self.line = command.asserted
        elif isinstance(command, Complete):
            self.answer = command.value
        elif isinstance(command, Log):
            self.logs.append(command.text)
        return []

    def write(self, offset: int, value: int, bar: int = 0) -> None:
        self.tell(Write(bar, offset, 4, value))

    def read(self, offset: int) -> int:
        self.tell(Read(0, offset, 4, 1))
        return self.answer

    def put(self, address: int, contents: bytes) -> None:
        self.memory[address : address + len(contents)] = contents


def host_of(story: Story, folder: Path) -> LiveHost:
    path = folder / "old.pcapng"
    story.write(path)
    machine = Machine(Played(path))
    machine.power_on()
    return LiveHost(machine)


def set_up(host: LiveHost) -> None:
    """The live driver: as the old one, but its rings are elsewhere, and it polls once more."""
    host.write(CTRL, 0x40)
    assert [host.read(STATUS) for _ in range(3)] == [0x80, 0x83, 0x83]
    for base, length, at in ((TDBAL, TDLEN, 0x30000), (RDBAL, RDLEN, 0x40000)):
        host.write(base, at)
        host.write(base + 4, 0)
        host.write(length, 128)
    host.write(IMS, 0x9D)
    host.write(RCTL, 0x8002)
    host.put(0x40000, struct.pack("<QQ", 0x70000, 0) * 8)
    host.write(RDT, 7)


def send(host: LiveHost, number: int = 0) -> None:
    host.put(0x30000 + 16 * number, to_send(0x50000, 60))
    host.write(TDT, number + 1)


@pytest.fixture
def host(tmp_path: Path) -> LiveHost:
    return host_of(old_run(), tmp_path)


def test_what_was_received_comes_into_the_live_driver_s_buffer(host: LiveHost) -> None:
    set_up(host)
    assert host.memory[0x70000:0x70040] == bytes(64)
    send(host)
    assert host.memory[0x70000:0x70040] == FRAME
    assert host.memory[0x40000:0x40010] == received(0x70000, 64)
    assert host.read(RDH) == 1


def test_nothing_is_received_before_as_much_was_sent_as_then(host: LiveHost) -> None:
    set_up(host)
    host.write(RDT, 6)
    assert host.memory[0x70000:0x70040] == bytes(64)


def test_nothing_is_received_without_a_descriptor_for_it(tmp_path: Path) -> None:
    host = host_of(old_run(), tmp_path)
    set_up(host)
    host.write(RDT, 0)
    send(host)
    assert host.memory[0x70000:0x70040] == bytes(64)
    host.write(RDT, 7)
    assert host.memory[0x70000:0x70040] == FRAME


def test_what_the_driver_sends_is_reported_as_sent(host: LiveHost) -> None:
    set_up(host)
    send(host)
    assert host.memory[0x3000C] & 1
    assert host.read(TDH) == 1


def test_interrupts_follow_from_what_is_enabled_and_end_when_their_cause_is_read(
    host: LiveHost,
) -> None:
    set_up(host)
    host.write(IMC, 0xFFFFFFFF)
    send(host)
    assert not host.line
    host.write(IMS, RXT0)
    assert host.line
    assert host.read(ICR) & (TXDW | RXT0) == TXDW | RXT0
    assert not host.line
    assert host.read(ICR) == 0


def test_a_cause_that_the_driver_raises_interrupts(host: LiveHost) -> None:
    set_up(host)
    host.write(ICS, 0x10)
    assert host.line
    assert host.read(ICR) == 0x10


def test_a_reset_empties_the_rings_and_takes_the_line_down(host: LiveHost) -> None:
    set_up(host)
    host.write(ICS, 0x10)
    host.write(CTRL, 1 << 26)
    assert not host.line
    assert host.read(TDT) == 0


def test_a_driver_that_keeps_to_the_recording_is_not_complained_of(host: LiveHost) -> None:
    set_up(host)
    send(host)
    assert host.logs == []


def test_where_the_driver_leaves_the_recording_is_told_with_what_comes_next(
    host: LiveHost,
) -> None:
    host.write(CTRL, 0x41)
    host.read(STATUS)
    first, then = host.logs
    assert first.startswith(f"{PREFIX}the driver writes CTRL = 0x41")
    assert "another value" in first
    assert then == f"{PREFIX}then the driver reads STATUS = 0x80"


def test_a_departure_is_told_once_however_often_it_happens(host: LiveHost) -> None:
    for _ in range(5):
        assert host.read(0x5400) == 0
    assert [text for text in host.logs if "never did" in text] == host.logs[:1]


def test_a_recorded_virtual_device_plays_from_its_own_dma(tmp_path: Path) -> None:
    story = Story()
    story.snapshot_config(story.config_space()).snapshot_bars()
    story.mmio_write(RDBAL, 0x20000).mmio_write(RDBAL + 4, 0).mmio_write(RDLEN, 128)
    story.mmio_write(RCTL, 0x8002).mmio_write(RDT, 7)
    story.dma_read(0x20000, 16, struct.pack("<QQ", 0x6000, 0))
    story.dma_write(0x6000, 64, FRAME).dma_write(0x20008, 8, received(0, 64)[8:])
    host = host_of(story, tmp_path)
    host.put(0x40000, struct.pack("<QQ", 0x70000, 0) * 8)
    host.write(RDBAL, 0x40000)
    host.write(RDLEN, 128)
    host.write(RCTL, 0x8002)
    host.write(RDT, 7)
    assert host.memory[0x70000:0x70040] == FRAME


def test_a_recording_without_contents_cannot_play(tmp_path: Path) -> None:
    story = Story()
    story.snapshot_config(story.config_space()).snapshot_bars().mmio_write(CTRL, 1)
    with pytest.raises(InputError, match="what memory held"):
        host_of(story, tmp_path)


def test_a_recording_without_config_space_cannot_play(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="config space"):
        host_of(Story().mmio_write(CTRL, 1).memory(0x1000, b"x"), tmp_path)


def test_a_device_without_a_contract_cannot_play(tmp_path: Path) -> None:
    story = Story(vendor=0x1234, device=0x5678)
    story.snapshot_config(story.config_space()).snapshot_bars().mmio_write(CTRL, 1)
    with pytest.raises(UsageError, match="no contract is known"):
        host_of(story, tmp_path)


def test_the_recorded_function_is_the_same_again(tmp_path: Path) -> None:
    path = tmp_path / "old.pcapng"
    old_run().write(path)
    config = Played(path).config
    assert (config.vendor, config.device) == (0x8086, 0x100E)
    assert [bar.size for bar in config.bars] == [0x20000, 0x40]
