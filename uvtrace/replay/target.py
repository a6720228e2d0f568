# SPDX-License-Identifier: Apache-2.0
"""What a recording is replayed against: something that is told things and says things."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Protocol

from uvtrace.device.device import Device
from uvtrace.device.machine import Machine
from uvtrace.device.messages import (
    Command,
    Complete,
    Completed,
    ConfigSet,
    DmaRead,
    DmaWrite,
    Event,
    FrameArrived,
    Interrupt,
    InterruptMessage,
    Intx,
    Limits,
    Plugged,
    Read,
    Reset,
    ResetKind,
    SendFrame,
    Write,
)
from uvtrace.replay.function import VirtualFunction, unpredictable_config
from uvtrace.replay.said import Said
from uvtrace.replay.script import Script, Told
from uvtrace.trace.enums import Kind, Status

POWER_ON_NS: Final = 1_000_000_000
"""How long the function has had power when the recording begins."""


class Target(Protocol):
    """A device that a recording is replayed against.

    Attributes:
        shows_reads: it says what memory it reads, and waits for the answer; else memory is made
            to hold it before.
        shows_writes: it says what it writes to memory; else that is found there.
        frames: what it has sent to the network.
    """

    shows_reads: bool
    shows_writes: bool
    frames: list[bytes]

    def tell(self, told: Told, now_ns: int | None) -> list[Said]:
        """The host does something; ``now_ns``: the time, where it goes on."""

    def answer(self, tag: int, told: Told) -> list[Said]:
        """Memory answers the device's read of that tag."""

    def set_memory(self, address: int, data: bytes) -> None:
        """The driver has put this into memory; only where it does not show its reads."""

    def memory(self, address: int, length: int) -> bytes:
        """What memory holds; only where it does not show its writes."""

    def frame(self, frame: bytes, now_ns: int | None) -> list[Said]:
        """A frame comes in from the network."""

    def advance(self, now_ns: int) -> list[Said]:
        """Time goes on."""

    def unpredictable(self, said: Said) -> int:
        """Bits of an answer that the bus decides, and a replay cannot know."""

    @property
    def deadline_ns(self) -> int | None:
        """When it will do something by itself; None: not before it is told something."""

    def wait(self) -> list[Said] | None:
        """Let time go on until something may happen by itself; None: nothing will."""

    @property
    def settled(self) -> bool:
        """Its whole state is in its attributes, so that it can be copied."""

    def close(self) -> None:
        """It is not needed any more."""


class ModelTarget:
    """A model, with what the bus would keep of its function."""

    shows_reads = True
    shows_writes = True

    def __init__(self, device: Device, script: Script) -> None:
        self._machine = Machine(device, _limits(device, script))
        if script.limits.payload:
            self._machine.restrict(script.limits.payload)
        self._function = VirtualFunction(device.config, script.config)
        if not any(_touches_table(self._function, step.told) for step in script.steps):
            self._function.unmask_all()
        self._kinds: dict[int, tuple[Kind, tuple[int, int]]] = {}
        self.frames: list[bytes] = []
        start_ns = max(0, script.start_ns - POWER_ON_NS)
        self._carry_out(self._machine.power_on(start_ns))
        self._event(Plugged(1 << 32))
        for event in self._function.initial_writes():
            self._event(event)
        self.advance(script.start_ns)

    @property
    def device(self) -> Device:
        """The model."""
        return self._machine.device

    @property
    def deadline_ns(self) -> int | None:
        """When its next timer is due."""
        return self._machine.deadline_ns

    def tell(self, told: Told, now_ns: int | None) -> list[Said]:
        """The host does something."""
        said = [] if now_ns is None else self.advance(now_ns)
        if told.kind == Kind.CONFIG_READ:
            value = self._function.get(told.address, told.length)
            answer = Said(told.kind, told.place, told.address, told.length, value, tag=told.tag)
            return [*said, answer]
        if told.kind == Kind.CONFIG_WRITE:
            events, interrupts = self._function.write(told.address, told.length, told.value)
            for event in events:
                said += self._event(event)
            return said + interrupts
        if told.kind == Kind.RESET:
            self._function.reset()
            return said + self._event(Reset(ResetKind(told.value)))
        return said + self._access(told)

    def _access(self, told: Told) -> list[Said]:
        bar, offset = told.place
        if self._function.holds_table(bar, offset):
            if _writes(told):
                return self._function.write_table(bar, offset, told.length, told.value)
            value = self._function.read_table(bar, offset, told.length)
            return [Said(told.kind, told.place, 0, told.length, value, tag=told.tag)]
        if told.kind in (Kind.MMIO_READ, Kind.PIO_READ):
            self._kinds[told.tag] = (told.kind, told.place)
            return self._event(Read(bar, offset, told.length, told.tag))
        tag = told.tag if told.kind == Kind.PIO_WRITE else 0
        if tag:
            self._kinds[tag] = (told.kind, told.place)
        return self._event(Write(bar, offset, told.length, told.value, tag))

    def answer(self, tag: int, told: Told) -> list[Said]:
        """Memory answers."""
        return self._event(Completed(tag, told.status, told.data, told.address, told.left))

    def set_memory(self, address: int, data: bytes) -> None:
        """It asks."""

    def memory(self, address: int, length: int) -> bytes:
        """It says what it writes."""
        return b""

    def frame(self, frame: bytes, now_ns: int | None) -> list[Said]:
        """A frame comes in."""
        said = [] if now_ns is None else self.advance(now_ns)
        return said + self._event(FrameArrived(frame))

    def advance(self, now_ns: int) -> list[Said]:
        """Time goes on."""
        return self._carry_out(self._machine.advance(now_ns))

    def unpredictable(self, said: Said) -> int:
        """What stands in BARs and the like; pending bits of MSI-X."""
        if said.kind == Kind.CONFIG_READ:
            return unpredictable_config(said.address, said.length)
        return -1 if self._function.is_pending_array(*said.place) else 0

    def _event(self, event: Event) -> list[Said]:
        return self._carry_out(self._machine.receive(event))

    def _carry_out(self, commands: list[Command]) -> list[Said]:
        said: list[Said] = []
        for command in commands:
            said += self._said(command)
        return said

    def _said(self, command: Command) -> list[Said]:
        if isinstance(command, Complete):
            kind, place = self._kinds.pop(command.tag)
            mask = (1 << 8 * command.length) - 1
            value = command.value & mask if kind != Kind.PIO_WRITE else 0
            answer = Said(kind, place, 0, command.length, value, tag=command.tag)
            answer.status = Status(command.status)
            return [answer]
        if isinstance(command, DmaRead):
            read = Said(Kind.DMA_READ, address=command.address, length=command.length)
            read.tag = command.tag
            return [read]
        if isinstance(command, DmaWrite):
            length = len(command.data)
            return [Said(Kind.DMA_WRITE, address=command.address, length=length, data=command.data)]
        if isinstance(command, Interrupt):
            return self._function.interrupt(command.vector)
        if isinstance(command, Intx):
            return self._function.intx(command.asserted)
        if isinstance(command, InterruptMessage):
            return [Said(Kind.MSI, address=command.address, value=command.value)]
        if isinstance(command, ConfigSet):
            self._function.put(command.offset, command.length, command.value)
        elif isinstance(command, SendFrame):
            self.frames.append(command.frame)
        return []

    def wait(self) -> list[Said] | None:
        """Until the next timer is due."""
        deadline = self.deadline_ns
        return None if deadline is None else self.advance(deadline)

    @property
    def settled(self) -> bool:
        """No coroutine and no timer is under way."""
        return self._machine.idle

    def close(self) -> None:
        """Nothing to give back."""


def _touches_table(function: VirtualFunction, told: Told | None) -> bool:
    return told is not None and told.kind == Kind.MMIO_WRITE and function.holds_table(*told.place)


def _writes(told: Told) -> bool:
    return told.kind in (Kind.MMIO_WRITE, Kind.PIO_WRITE)


def _limits(device: Device, script: Script) -> Limits | None:
    """The model's limits; the recorded bus may have allowed smaller reads."""
    limits = device.limits
    recorded = script.limits.read_request
    if limits is None or not recorded:
        return limits
    return replace(limits, max_read_request=min(limits.max_read_request, recorded))
