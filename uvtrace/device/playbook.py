# SPDX-License-Identifier: Apache-2.0
"""A test of a model that reads like a trace: what the driver does, what the device must say to it.

    book = Playbook(Uvnic1())
    book.write("TX_DESC", 0x1000)
    book.write("TX_DOORBELL", 1).expect(DmaRead(0x1000, 16)).reply(descriptor)
    book.expect(DmaRead(0x2000, 60)).reply(frame)
    book.expect(SendFrame(frame), DmaWrite(0x1000, done), Interrupt(0)).done()

Or with memory that answers by itself: ``book.memory.map(0x1000, descriptor)``; then only the
outcome is looked at: ``book.frames``, ``book.interrupts``, ``book.memory.read(…)``.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TypeVar

from uvtrace.device.device import Device
from uvtrace.device.machine import Machine
from uvtrace.device.memory import Memory
from uvtrace.device.messages import (
    Command,
    Complete,
    Completed,
    ConfigWritten,
    DmaRead,
    DmaWrite,
    Event,
    FrameArrived,
    Interrupt,
    Limits,
    Plugged,
    Read,
    Reset,
    ResetKind,
    SendFrame,
    Write,
)
from uvtrace.trace.enums import Status

UNCUT = Limits(max_payload=1 << 30, max_read_request=1 << 30, reads=1 << 16)
"""No limits: a test sees what the model says, not what becomes of it."""
_FUNCTION = 0x10000 << 16
_HISTORY_SHOWN = 12

C = TypeVar("C", bound=Command)
Place = str | tuple[int, int]
"""A register's name, or a BAR's number and an offset."""


class Playbook:
    """Plays the bus, the driver and the network for one model.

    Args:
        device: the model.
        limits: cut requests as a bus with these limits does; without, they come as the model
            makes them (but for 4 KiB boundaries).

    Attributes:
        memory: what is mapped here is read and written by the device without being expected.
        time_ns: now.
        commands: everything that the device has said.
    """

    def __init__(self, device: Device, limits: Limits | None = None) -> None:
        self.device = device
        self.machine = Machine(device, limits or UNCUT)
        self.memory = Memory()
        self.time_ns = 0
        self.commands: list[Command] = []
        self._happened: list[str] = []
        self._open: list[Command] = []
        self._reads: dict[int, DmaRead] = {}
        self._served: deque[Completed] = deque()
        self._last_read: DmaRead | None = None
        self._answers: dict[int, Complete] = {}
        self._tag = 0
        self._tell(Reset(ResetKind.POWER_ON))
        self._tell(Plugged(_FUNCTION))

    # ------------------------------------------------------ what happens to it

    def write(self, place: Place, value: int, length: int | None = None) -> Playbook:
        """The driver writes a register, whole or its first ``length`` bytes."""
        bar, offset, size = self._place(place, write=True)
        self._tell(Write(bar, offset, length or size, value))
        return self

    def read(self, place: Place, length: int | None = None) -> int:
        """The driver reads a register, whole or its first ``length`` bytes.

        Raises:
            AssertionError: the device has not answered yet; see :meth:`start_read`.
        """
        tag = self.start_read(place, length)
        answer = self.answer(tag)
        assert answer is not None, self._complaint(f"the read of {place} was not answered")
        return answer

    def start_read(self, place: Place, length: int | None = None) -> int:
        """The driver begins to read; gives the tag for :meth:`answer`."""
        bar, offset, size = self._place(place, write=False)
        self._tag += 1
        self._tell(Read(bar, offset, length or size, self._tag))
        return self._tag

    def answer(self, tag: int) -> int | None:
        """What the device has answered to a read; None: nothing yet.

        Raises:
            AssertionError: an answer that says that the read failed.
        """
        answer = self._answers.get(tag)
        if answer is None:
            return None
        assert answer.status is Status.OK, self._complaint(f"the read ended with {answer}")
        return answer.value

    def frame(self, frame: bytes) -> Playbook:
        """A frame comes in from the network."""
        self._tell(FrameArrived(frame))
        return self

    def advance(self, time_ns: int) -> Playbook:
        """Let time go on."""
        self.time_ns += time_ns
        self._happened.append(f"… {time_ns} ns")
        self._take(self.machine.advance(self.time_ns))
        return self

    def reset(self, kind: ResetKind = ResetKind.FLR) -> Playbook:
        """The bus resets the function."""
        self._reads.clear()
        self._tell(Reset(kind))
        return self

    def write_config(self, offset: int, length: int, value: int) -> Playbook:
        """The driver has written config space, which holds ``value`` now."""
        self._tell(ConfigWritten(offset, length, value))
        return self

    def tell(self, event: Event) -> Playbook:
        """Any event, as it is."""
        self._tell(event)
        return self

    # --------------------------------------------------- what is expected of it

    def expect(self, *expected: Command) -> Playbook:
        """The device has said this next. A DMA read's tag is only compared if it is given.

        Raises:
            AssertionError: it has said something else, or nothing.
        """
        for command in expected:
            assert self._open, self._complaint(f"expected {command}, and the device said nothing")
            said = self._open[0]
            if isinstance(said, DmaRead) and isinstance(command, DmaRead):
                self._last_read = said
                said = said if command.tag else replace(said, tag=0)
            assert said == command, self._complaint(f"expected {command}, and it said {said}")
            self._open.pop(0)
        return self

    def reply(self, data: bytes) -> Playbook:
        """Memory answers the DMA read that was expected last.

        Raises:
            AssertionError: no read waits for an answer, or it asked for another length.
        """
        read = self._take_last_read()
        assert len(data) == read.length, self._complaint(
            f"{read} asked for {read.length} bytes, not {len(data)}"
        )
        self._tell(Completed(read.tag, Status.OK, data, read.address, len(data)))
        return self

    def refuse(self, status: Status = Status.UNSUPPORTED) -> Playbook:
        """The bus refuses the DMA read that was expected last."""
        self._tell(Completed(self._take_last_read().tag, status))
        return self

    def done(self) -> Playbook:
        """The device has said nothing more than was expected.

        Raises:
            AssertionError: it has.
        """
        assert not self._open, self._complaint(f"not expected: {self._open}")
        return self

    def forget(self) -> Playbook:
        """What the device has said up to here is of no interest."""
        self._open.clear()
        return self

    @property
    def frames(self) -> list[bytes]:
        """The frames that the device has sent."""
        return [said.frame for said in self.said(SendFrame)]

    @property
    def interrupts(self) -> list[int]:
        """The vectors of the interrupts that it has sent."""
        return [said.vector for said in self.said(Interrupt)]

    def said(self, kind: type[C]) -> list[C]:
        """Everything of one kind that the device has said."""
        return [command for command in self.commands if isinstance(command, kind)]

    # ---------------------------------------------------------------- within

    def _place(self, place: Place, write: bool) -> tuple[int, int, int]:
        if isinstance(place, tuple):
            bar, offset = place
            cell = self.device.reg.exact(bar, offset, 4, write)
            return bar, offset, cell.length if cell is not None else 4
        cell = self.device.reg.cell(place)
        return cell.bar, cell.offset, cell.length

    def _tell(self, event: Event) -> None:
        self._happened.append(f"> {event}")
        self._take(self.machine.receive(event, self.time_ns))

    def _take(self, commands: list[Command]) -> None:
        self._sort(commands)
        while self._served:  # memory answers once everything was said that was said before
            event = self._served.popleft()
            self._happened.append(f"> {event}")
            self._sort(self.machine.receive(event, self.time_ns))

    def _sort(self, commands: list[Command]) -> None:
        for command in commands:
            self._happened.append(f"< {command}")
            self.commands.append(command)
            if isinstance(command, Complete):
                self._complete(command)
            elif isinstance(command, DmaRead):
                self._serve_read(command)
            elif isinstance(command, DmaWrite) and self.memory.holds(
                command.address, len(command.data)
            ):
                self.memory.write(command.address, command.data)
            else:
                self._open.append(command)

    def _complete(self, answer: Complete) -> None:
        assert answer.tag not in self._answers, self._complaint(f"answered twice: {answer}")
        self._answers[answer.tag] = answer

    def _serve_read(self, read: DmaRead) -> None:
        if self.memory.holds(read.address, read.length):
            data = self.memory.read(read.address, read.length)
            answer = Completed(read.tag, Status.OK, data, read.address, read.length)
            self._served.append(answer)
        else:
            self._reads[read.tag] = read
            self._open.append(read)

    def _take_last_read(self) -> DmaRead:
        read = self._last_read
        waiting = self._reads.pop(read.tag, None) if read is not None else None
        assert waiting is not None, self._complaint("no DMA read waits: expect one first")
        return waiting

    def _complaint(self, what: str) -> str:
        shown = self._happened[-_HISTORY_SHOWN:]
        return "\n".join([what, "What happened (> to the device, < from it):", *shown])
