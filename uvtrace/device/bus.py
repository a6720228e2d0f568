# SPDX-License-Identifier: Apache-2.0
"""A device's side of the bus: what it says, cut to the bus's limits, and the reads it awaits."""

from __future__ import annotations

import inspect
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from typing import Any

from uvtrace.device.config import ConfigSpace, Msi, MsiX, PciExpress
from uvtrace.device.messages import (
    Command,
    Completed,
    ConfigSet,
    ConfigWritten,
    DmaRead,
    DmaWrite,
    Interrupt,
    Intx,
    Limits,
    Log,
    ResetKind,
    SendFrame,
    Unplug,
)
from uvtrace.device.scheduler import Flag, Future, Lock, Scheduler, Task, Timer
from uvtrace.errors import UvtraceError
from uvtrace.trace.enums import Status

_PAGE = 4096
_UNKNOWN_MAX = 256

log = logging.getLogger(__name__)


class DmaError(UvtraceError):
    """Memory that the device read could not be read: not mapped, not allowed, or no device left.

    A handler that does not catch it ends there; the device lives on.
    """

    def __init__(self, address: int, length: int, status: Status) -> None:
        super().__init__(
            f"the bus answered {status.name}", where=f"DMA read of {length} bytes at {address:#x}"
        )
        self.address = address
        self.length = length
        self.status = status


class Port:
    """A network link's end: what the model sends; what arrives comes to ``on_frame``."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def send(self, frame: bytes) -> None:
        """Send a frame, without its checksum (FCS)."""
        self._bus.send(SendFrame(bytes(frame)))


class _Read:
    """A read of the model's: answered when every request that it was cut into is."""

    __slots__ = ("address", "data", "future", "length", "missing")

    def __init__(self, address: int, length: int, future: Future[bytes]) -> None:
        self.address = address
        self.length = length
        self.data = bytearray(length)
        self.missing = length
        self.future = future


class _Request:
    """One request of a read. ``at`` is where its next completion's data belong."""

    __slots__ = ("at", "end", "read")

    def __init__(self, read: _Read, at: int, end: int) -> None:
        self.read = read
        self.at = at
        self.end = end


class Bus:
    """What a device says to the bus.

    Attributes:
        limits: in force; the smaller of the model's and of Device Control.
        outgoing: what was said and not yet taken.
        scheduler: the model's coroutines.
    """

    def __init__(self) -> None:
        self.limits = Limits()
        self.outgoing: list[Command] = []
        self.scheduler = Scheduler(self._handler_failed)
        self.failed: Callable[[Exception, object], None] = _raise
        self.resetting: Callable[[ResetKind], None] = lambda kind: None
        self.cause: object = None
        self._allowed = Limits()
        self._config = bytearray()
        self._space: ConfigSpace | None = None
        self._express: int | None = None
        self._message_controls: list[tuple[int, int]] = []
        self._requests: dict[int, _Request] = {}
        self._queued: deque[tuple[DmaRead, _Request]] = deque()
        self._tag = 0
        self._line: bool | None = False
        self._unknown: set[tuple[str, int, int]] = set()

    # ------------------------------------------------------------ commands

    def send(self, command: Command) -> None:
        """Say something as it is: uncut, unchecked. For what a faulty device would do."""
        self.outgoing.append(command)

    async def read(self, address: int, length: int, flags: int = 0) -> bytes:
        """Read memory; see :meth:`Device.dma_read`."""
        if length <= 0:
            return b""
        margin = address % self.limits.alignment
        start = address - margin
        whole = margin + length
        whole += -whole % self.limits.alignment
        future: Future[bytes] = Future(self.scheduler)
        read = _Read(start, whole, future)
        for at, size in pieces(start, whole, self.limits.max_read_request):
            request = _Request(read, at - start, at - start + size)
            self._queued.append((DmaRead(at, size, self._new_tag(), flags), request))
        self._issue()
        data = await future
        return data[margin : margin + length]

    def write(self, address: int, data: bytes, flags: int = 0) -> None:
        """Write memory; see :meth:`Device.dma_write`."""
        alignment = self.limits.alignment
        if address % alignment or len(data) % alignment:
            raise UvtraceError(
                f"a write of {len(data)} bytes at {address:#x} is not aligned to {alignment} bytes",
                hint="limits = Limits(alignment=1) allows it",
            )
        for at, size in pieces(address, len(data), self.limits.max_payload):
            part = bytes(data[at - address : at - address + size])
            self.outgoing.append(DmaWrite(at, part, flags))

    def interrupt(self, vector: int) -> None:
        self.outgoing.append(Interrupt(vector))
        self._line = None  # it is the kernel that knows which kind it became

    def intx(self, asserted: bool) -> None:
        if self._line is not asserted:
            self._line = asserted
            self.outgoing.append(Intx(asserted))

    def line_is_down(self) -> None:
        """The bus has reset the function, and its line with it."""
        self._line = False

    def unplug(self) -> None:
        self.outgoing.append(Unplug())

    # ------------------------------------------------------------- waiting

    async def sleep(self, time_ns: int) -> None:
        future: Future[None] = Future(self.scheduler)
        self.scheduler.at(self.scheduler.now_ns + time_ns, lambda: future.resolve(None))
        await future

    def after(self, time_ns: int, call: Callable[[], Any]) -> Timer:
        def due() -> None:
            result = self.guarded(timer, call)
            if inspect.iscoroutine(result):
                self.scheduler.start(result, timer)

        timer = self.scheduler.at(self.scheduler.now_ns + time_ns, due)
        return timer

    def guarded(self, cause: object, call: Callable[..., Any], *arguments: Any) -> Any:
        """Call the model; what it raises goes where its coroutines' errors go."""
        try:
            return call(*arguments)
        except Exception as error:  # noqa: BLE001  # a model may raise whatever it likes
            self._handler_failed(error, cause)
            return None

    def _handler_failed(self, error: Exception, cause: object) -> None:
        if isinstance(error, DmaError):
            log.warning("%s", error)
            self.outgoing.append(Log(f"model: {error}"))
        else:
            self.failed(error, cause)

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> Task:
        return self.scheduler.start(coroutine, self.cause)

    def flag(self) -> Flag:
        return Flag(self.scheduler)

    def lock(self) -> Lock:
        return Lock(self.scheduler)

    # -------------------------------------------------------- config space

    def describe(self, space: ConfigSpace, allowed: Limits | None) -> None:
        """Begin as the function that a config space says, with the limits that it is allowed."""
        self._space = space
        self._express = None
        self._message_controls = []
        default = Limits()
        for at, capability in zip(space.offsets(), space.capabilities, strict=True):
            if isinstance(capability, PciExpress):
                self._express = at + 8
                default = Limits(capability.max_payload, _PAGE)
            elif isinstance(capability, Msi | MsiX):
                enable = 0x8000 if isinstance(capability, MsiX) else 1
                self._message_controls.append((at + 2, enable))
        self._allowed = default if allowed is None else allowed
        self.restore_config()

    def restore_config(self) -> None:
        """Config space as at power-on."""
        if self._space is not None:
            self._config = self._space.images().values
        self._apply_device_control()

    def config_written(self, event: ConfigWritten) -> None:
        end = event.offset + event.length
        if end <= len(self._config):
            self._config[event.offset : end] = event.value.to_bytes(event.length, "little")
        self._apply_device_control()

    def config_value(self, offset: int, length: int) -> int:
        return int.from_bytes(self._config[offset : offset + length], "little")

    def set_config(self, offset: int, length: int, value: int) -> None:
        self._config[offset : offset + length] = value.to_bytes(length, "little")
        self.outgoing.append(ConfigSet(offset, length, value))

    @property
    def uses_messages(self) -> bool:
        """The driver has enabled MSI or MSI-X."""
        return any(self.config_value(at, 2) & enable for at, enable in self._message_controls)

    def restrict(self, max_payload: int) -> None:
        """The way to the bus carries no more in one message."""
        if max_payload < self._allowed.max_payload:
            self._allowed = replace(self._allowed, max_payload=max_payload)
            self._apply_device_control()

    @property
    def allowed(self) -> Limits:
        """The limits that the function may reach, whatever Device Control says now."""
        return self._allowed

    def _apply_device_control(self) -> None:
        self.limits = self._allowed
        if self._express is not None:
            control = self.config_value(self._express, 2)
            self.limits = replace(
                self._allowed,
                max_payload=min(self._allowed.max_payload, 128 << (control >> 5 & 7)),
                max_read_request=min(self._allowed.max_read_request, 128 << (control >> 12 & 7)),
            )

    # ---------------------------------------------------------- DMA reads

    def _new_tag(self) -> int:
        self._tag += 1
        return self._tag

    def _issue(self) -> None:
        while self._queued and len(self._requests) < self.limits.reads:
            command, request = self._queued.popleft()
            if request.read.future.done:
                continue  # another part of it has failed
            self._requests[command.tag] = request
            self.outgoing.append(command)

    def completed(self, event: Completed) -> None:
        """An answer has come; one that nobody waits for (after a reset) is dropped."""
        request = self._requests.get(event.tag)
        if request is None:
            return
        read, size = request.read, len(event.data)
        if event.status is not Status.OK:
            read.future.fail(DmaError(read.address, read.length, event.status))
            request.at = request.end
        else:
            size = min(size, request.end - request.at)
            read.data[request.at : request.at + size] = event.data[:size]
            request.at += size
            read.missing -= size
        if request.at >= request.end:
            del self._requests[event.tag]
            self._issue()
        if read.missing == 0:
            read.future.resolve(bytes(read.data))

    @property
    def reads_outstanding(self) -> int:
        """Requests to memory that are not answered."""
        return len(self._requests)

    # -------------------------------------------------------------- resets

    def reset(self, kind: ResetKind) -> None:
        self.resetting(kind)

    def forget(self) -> None:
        """A reset: coroutines end, reads in flight are no longer awaited, the line is down."""
        self.scheduler.cancel_all()
        self._requests.clear()
        self._queued.clear()

    def note_unknown(self, access: str, bar: int, offset: int, length: int) -> None:
        seen = (access, bar, offset)
        if seen not in self._unknown and len(self._unknown) < _UNKNOWN_MAX:
            self._unknown.add(seen)
            log.info("%s of %d bytes at %#x of BAR%d: no register", access, length, offset, bar)


def _raise(error: Exception, cause: object) -> None:
    raise error


def pieces(address: int, length: int, largest: int) -> Iterator[tuple[int, int]]:
    """Cut an access into requests: none over ``largest`` bytes, none across 4 KiB."""
    end = address + length
    while address < end:
        size = min(largest, end - address, _PAGE - address % _PAGE)
        yield address, size
        address += size
