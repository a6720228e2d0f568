# SPDX-License-Identifier: Apache-2.0
"""A model at work, without I/O: events in, commands out.

A host (a link, a Playbook, a replay) calls :meth:`Machine.receive` for everything that the bus says
and carries out what comes back. Register accesses go to the register file and the model's handlers;
handlers that wait are kept, and go on when their answer has come.
"""

from __future__ import annotations

import inspect
import traceback
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from uvtrace.device.device import MARK, Device, refuse_undescribed
from uvtrace.device.messages import (
    Command,
    Complete,
    Completed,
    ConfigWritten,
    Event,
    FrameArrived,
    Limits,
    Plugged,
    PowerChanged,
    Read,
    Reset,
    ResetKind,
    Unplugged,
    Write,
)
from uvtrace.device.registerfile import Cell, Part
from uvtrace.errors import UvtraceError
from uvtrace.trace.enums import Status

FRAMES_MAX = 512
"""Frames that wait for the model; more are dropped, as a full wire does."""


class ModelError(UvtraceError):
    """The model raised.

    Attributes:
        cause: the event that it was handling.
        report: the traceback, and the event, as text of several lines.
    """

    def __init__(self, error: Exception, cause: object) -> None:
        lines = traceback.extract_tb(error.__traceback__)
        at = f"{lines[-1].filename}:{lines[-1].lineno}" if lines else None
        super().__init__(f"the model raised {type(error).__name__}: {error}", where=at)
        self.cause = cause
        trace = "".join(traceback.format_exception(error))
        self.report = f"{trace}It was handling {cause!r}."


class Machine:
    """Runs a model.

    Args:
        device: the model.
        limits: the bus's, instead of the model's.

    Raises:
        UvtraceError: handlers for registers that it does not have.
    """

    def __init__(self, device: Device, limits: Limits | None = None) -> None:
        refuse_undescribed(device)
        self.device = device
        self.frames_dropped = 0
        self._registers = device.reg
        self._bus = device.bus
        self._bus.failed = self._failed
        self._bus.resetting = self._reset
        self._frames: deque[bytes] = deque()
        self._frame_busy = False
        self._owed: dict[int, int] = {}
        self._index_cells = device.reg.index_cells()
        self._bus.describe(device.config, limits or device.limits)
        self._connect_handlers()

    def _connect_handlers(self) -> None:
        kind = type(self.device)
        for name in dir(kind):
            for access, register in getattr(getattr(kind, name), MARK, ()):
                method = getattr(self.device, name)
                for cell in self._registers.matching(register):
                    setattr(cell, f"on_{access}", method)

    # --------------------------------------------------- what the host calls

    def power_on(self, now_ns: int = 0) -> list[Command]:
        """Begin: registers at their reset values, ``on_reset(POWER_ON)``."""
        self._bus.outgoing.clear()
        return self.receive(Reset(ResetKind.POWER_ON), now_ns)

    def receive(self, event: Event, now_ns: int | None = None) -> list[Command]:
        """What the device says to an event, in order.

        Args:
            now_ns: the time, where it has gone on since the last call.

        Raises:
            ModelError: the model raised; it is of no use any more.
        """
        bus = self._bus
        bus.cause = event
        scheduler = bus.scheduler
        if now_ns is not None:
            scheduler.advance(now_ns)
        _ACTIONS[type(event)](self, event)
        if scheduler.ready:
            scheduler.run()
        return self._take()

    def advance(self, now_ns: int) -> list[Command]:
        """What the device says as time goes on. Raises as :meth:`receive`."""
        self._bus.scheduler.advance(now_ns)
        return self._take()

    @property
    def allowed(self) -> Limits:
        """The limits to ask the bus for."""
        return self._bus.allowed

    def restrict(self, data_max: int) -> None:
        """The way to the bus carries no more bytes in one message."""
        self._bus.restrict(1 << data_max.bit_length() - 1)

    @property
    def deadline_ns(self) -> int | None:
        """When :meth:`advance` must be called; None: not before another event."""
        return self._bus.scheduler.deadline_ns

    @property
    def idle(self) -> bool:
        """Nothing is under way: no handler waits, no timer runs."""
        return self._bus.scheduler.idle

    def _take(self) -> list[Command]:
        taken = self._bus.outgoing
        self._bus.outgoing = []
        return taken

    # ----------------------------------------------------------------- reads

    def _read(self, event: Read) -> None:
        cell = self._registers.exact(event.bar, event.offset, event.length, write=False)
        if cell is not None and cell.on_read is None and cell.data_of is None:
            value = cell.fetch(cell.mask)  # the way of almost all reads
            self._bus.outgoing.append(Complete(event.tag, value, event.length))
            return
        value, pending = self._load(event.bar, event.offset, event.length)
        if pending:
            self._wait_for(event, value, pending)
        else:
            self._bus.outgoing.append(Complete(event.tag, value, event.length))

    def _wait_for(self, event: Read, value: int, pending: list[_Pending]) -> None:
        self._owed[event.tag] = event.length
        self._bus.scheduler.start(
            _whole(value, pending), event, lambda whole: self._answer(event, value, whole)
        )

    def _load(self, bar: int, offset: int, length: int) -> tuple[int, list[_Pending]]:
        """What an access reads, and the handlers that must say the rest."""
        cell = self._registers.exact(bar, offset, length, write=False)
        if cell is not None:
            if cell.on_read is None and cell.data_of is None:
                return cell.fetch(cell.mask), []
            parts = [Part(cell, offset, 0, cell.mask)]
        else:
            parts = self._registers.plan(bar, offset, length, write=False)
        if all(part.cell is None for part in parts):
            mask = (1 << 8 * length) - 1
            got = self._bus.guarded(self._bus.cause, self.device.unknown_read, bar, offset, length)
            return int(got or 0) & mask, []
        value, pending = 0, []
        for part in parts:
            got = self._read_part(bar, part)
            if isinstance(got, int):
                value |= part.to_access(got & part.lanes)
            else:
                pending.append((part, *got))
        return value, pending

    def _read_part(self, bar: int, part: Part) -> int | tuple[int, Coroutine[Any, Any, Any]]:
        cell = part.cell
        if cell is None:
            value = self._bus.guarded(
                self._bus.cause, self.device.unknown_read, bar, part.offset, 1
            )
            return int(value or 0)
        if cell.data_of is not None:
            return self._load_indirectly(cell)
        value = cell.fetch(part.lanes)
        if cell.on_read is None:
            return value
        result = self._bus.guarded(self._bus.cause, cell.on_read, *cell.indices, value)
        if inspect.iscoroutine(result):
            return value, result
        return value if result is None else int(result)

    def _load_indirectly(self, cell: Cell) -> int | tuple[int, Coroutine[Any, Any, Any]]:
        bar = cell.data_of or 0
        value, pending = self._load(bar, self._index_cells[bar].value, cell.length)
        return (value, _whole(value, pending)) if pending else value

    def _answer(self, event: Read, known: int, whole: int | None) -> None:
        """The handlers have said what they have to say, or could not read memory: None."""
        if self._owed.pop(event.tag, None) is not None:
            value = known if whole is None else whole
            self._bus.outgoing.append(Complete(event.tag, value, event.length))

    # ---------------------------------------------------------------- writes

    def _write(self, event: Write) -> None:
        self._store(event.bar, event.offset, event.length, event.value)
        if event.tag:
            self._bus.outgoing.append(Complete(event.tag, 0, event.length))

    def _store(self, bar: int, offset: int, length: int, value: int) -> None:
        cell = self._registers.exact(bar, offset, length, write=True)
        if cell is not None:
            self._write_cell(cell, value, cell.mask)
            return
        parts = self._registers.plan(bar, offset, length, write=True)
        if all(part.cell is None for part in parts):
            call = self.device.unknown_write
            self._bus.guarded(self._bus.cause, call, bar, offset, length, value)
            return
        for part in parts:
            if part.cell is None:
                byte = value >> part.shift & 0xFF
                call = self.device.unknown_write
                self._bus.guarded(self._bus.cause, call, bar, part.offset, 1, byte)
            else:
                self._write_cell(part.cell, part.to_register(value), part.lanes)

    def _write_cell(self, cell: Cell, data: int, lanes: int) -> None:
        if cell.data_of is not None:
            index = self._index_cells[cell.data_of]
            self._store(cell.data_of, index.value, cell.length, data)
            return
        written = cell.store(data, lanes)
        if cell.on_write is not None:
            result = self._bus.guarded(self._bus.cause, cell.on_write, *cell.indices, written)
            if inspect.iscoroutine(result):
                self._bus.scheduler.start(result, self._bus.cause)
        if cell.singlepulse:
            cell.settle()
        if cell.resets and cell.triggers_reset(data, lanes):
            self._reset(ResetKind.SOFTWARE)

    # ---------------------------------------------------------------- frames

    def _frame(self, event: FrameArrived) -> None:
        if len(self._frames) >= FRAMES_MAX:
            self.frames_dropped += 1
            return
        self._frames.append(event.frame)
        self._deliver()

    def _frame_done(self, _: object) -> None:
        self._frame_busy = False
        self._deliver()

    def _deliver(self) -> None:
        while self._frames and not self._frame_busy:
            cause = FrameArrived(self._frames.popleft())
            result = self._bus.guarded(cause, self.device.on_frame, cause.frame)
            if inspect.iscoroutine(result):
                self._frame_busy = True
                self._bus.scheduler.start(result, cause, self._frame_done)

    # ------------------------------------------------------- the rest of it

    def _completed(self, event: Completed) -> None:
        self._bus.completed(event)

    def _config_written(self, event: ConfigWritten) -> None:
        self._bus.config_written(event)
        call = self.device.on_config_write
        self._bus.guarded(event, call, event.offset, event.length, event.value)

    def _bus_reset(self, event: Reset) -> None:
        self._bus.restore_config()
        self._reset(event.kind)

    def _reset(self, kind: ResetKind) -> None:
        self._bus.forget()
        for tag, length in self._owed.items():
            ones = (1 << 8 * length) - 1
            self._bus.outgoing.append(Complete(tag, ones, length, Status.UNSUPPORTED))
        self._owed.clear()
        self._frames.clear()
        self._frame_busy = False
        self._registers.reset()
        if kind is ResetKind.SOFTWARE:
            self._bus.intx(False)
        else:
            self._bus.line_is_down()
        self._bus.guarded(self._bus.cause, self.device.on_reset, kind)
        if type(self.device).run is not Device.run:
            self._bus.scheduler.start(self.device.run(), Reset(kind))

    def _power_changed(self, event: PowerChanged) -> None:
        self._bus.guarded(event, self.device.on_power, event.state)

    def _plugged(self, event: Plugged) -> None:
        self._bus.guarded(event, self.device.on_plugged)

    def _unplugged(self, event: Unplugged) -> None:
        self._bus.guarded(event, self.device.on_unplugged)

    def _failed(self, error: Exception, cause: object) -> None:
        raise ModelError(error, cause) from error


_Pending = tuple[Part, int, Coroutine[Any, Any, Any]]
"""Where the bits belong, what the register file has, and who knows better."""


async def _whole(value: int, pending: list[_Pending]) -> int:
    for part, stored, coroutine in pending:
        result = await coroutine
        value |= part.to_access((stored if result is None else int(result)) & part.lanes)
    return value


_ACTIONS: dict[type, Callable[[Machine, Any], None]] = {
    Read: Machine._read,
    Write: Machine._write,
    Completed: Machine._completed,
    ConfigWritten: Machine._config_written,
    Reset: Machine._bus_reset,
    PowerChanged: Machine._power_changed,
    Plugged: Machine._plugged,
    Unplugged: Machine._unplugged,
    FrameArrived: Machine._frame,
}
