# SPDX-License-Identifier: Apache-2.0
"""The model's end of a link: two rings in memory shared with uvbus.ko, and how to be woken.

Ordering: a position is stored after what it stands for, and x86 keeps stores in order. Where a
store must be seen before a later load (the event index: store a wish, then look again), a lock is
taken and released between them, which is a locked instruction.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import select
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from uvtrace.device.linkabi import (
    IOC_MAKE,
    LIMITS,
    LINK_HEADER_SIZE,
    LINK_MAGIC,
    LINK_VERSION,
    MESSAGE,
    MESSAGE_SIZE,
    SIGNAL_MESSAGES,
    ConfigImage,
    Header,
    LinkReason,
    LinkState,
    Make,
    Message,
)
from uvtrace.device.messages import Limits
from uvtrace.errors import EnvironmentLacksError, InputError, UvtraceError

_WORD = 8
_ALL = (1 << 64) - 1
_EIGHT_BYTES = 8
_HELLO_S = 2.0
"""In which a HELLO is accepted, if it ever is."""
_HINTS = {
    errno.ENOENT: "modprobe uvbus virtual=1 makes /dev/uvbus1 and more",
    errno.EACCES: "run as root",
    errno.EPERM: "run as root",
    errno.EBUSY: "another model has it",
    errno.ENODEV: "a model on the machine of its driver needs a second CPU",
}
LOCAL_SLOTS, LOCAL_DATA = 1024, 1024
"""What a local link is made with."""


class Taken(NamedTuple):
    """A message, as it came out of its slot."""

    type: int
    status: int
    bar: int
    flags: int
    address: int
    length: int
    byte_count: int
    tag: int
    value: int
    number: int
    vector: int
    time_ns: int
    data: bytes


@dataclass(frozen=True)
class Home:
    """Where a link lies, and how its two ends wake each other.

    Attributes:
        path: the file, or ``/dev/uvbusN``.
        offset: of the link in the file, bytes.
        wake_fd: an eventfd that the kernel's end signals; None on a local home.
        kick_fd: an eventfd that signals the kernel's end; None on a local home.
    """

    path: Path
    offset: int = 0
    wake_fd: int | None = None
    kick_fd: int | None = None

    @property
    def local(self) -> bool:
        """The device node does the signalling."""
        return self.kick_fd is None


class Link:
    """The model's end of one link. A context; what it holds is released at its end.

    Args:
        home: where it is.

    Raises:
        EnvironmentLacksError: it cannot be opened.
        InputError: there is no link in it.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._barrier = threading.Lock()
        self._fd = _open(home.path)
        self._waiter = select.epoll()
        with ExitStack() as undo:
            undo.callback(os.close, self._fd)
            undo.callback(self._waiter.close)
            self._map()
            undo.pop_all()
        self._wake = self._fd if home.local else home.wake_fd
        os.set_blocking(self._wake or 0, False)
        self._waiter.register(self._wake or 0, select.EPOLLIN)
        self._backlog: deque[tuple[tuple[int, ...], bytes]] = deque()
        self._number = 0
        self._welcome = False
        self._hello_ns = 0

    def _map(self) -> None:
        if self._home.local:
            make = Make(slots=LOCAL_SLOTS, data=LOCAL_DATA)
            fcntl.ioctl(self._fd, IOC_MAKE, make)
            self._memory = mmap.mmap(self._fd, make.bytes)
        else:
            size = os.fstat(self._fd).st_size - self._home.offset
            if size < LINK_HEADER_SIZE:
                raise InputError("holds no link", path=self._home.path, offset=self._home.offset)
            self._memory = mmap.mmap(self._fd, size, offset=self._home.offset)
        self._words = memoryview(self._memory).cast("Q")
        self._halves = memoryview(self._memory).cast("I")
        if self._words[0] != LINK_MAGIC or self._half(Header.VERSION) != LINK_VERSION:
            raise InputError(
                "holds no link of this version", path=self._home.path, offset=self._home.offset
            )
        self._slots = self._half(Header.SLOTS)
        self._size = self._half(Header.MESSAGE_SIZE)
        self._incoming = self._half(Header.TO_MODEL_OFFSET)
        self._outgoing = self._half(Header.TO_KERNEL_OFFSET)
        # As uv_link_model_end() in kmod/link.h: what an earlier model has left to the kernel
        # stays; what the kernel had to say to it does not concern this one.
        self._head = self._word(Header.TO_KERNEL_HEAD)
        # An earlier model may have died before it notified: HELLO's step covers its messages.
        self._told = self._word(Header.TO_KERNEL_TAIL)
        if (self._head - self._told) & _ALL > self._slots:
            self._skip_one()
        self._tail = self._freed = self._word(Header.TO_MODEL_HEAD)
        self._set(Header.TO_MODEL_TAIL, self._tail)

    def _skip_one(self) -> None:
        """Leave the slot at the kernel's position, which is yet to move, to a message of nothing.

        An earlier model has written a position that cannot be: the kernel takes nothing more, but
        may still be at this message.
        """
        at = self._outgoing + (self._told & self._slots - 1) * self._size
        self._memory[at : at + MESSAGE_SIZE] = bytes(MESSAGE_SIZE)
        self._head = (self._told + 1) & _ALL

    def _word(self, offset: int) -> int:
        return self._words[offset // _WORD]

    def _half(self, offset: int) -> int:
        return self._halves[offset // 4]

    def _set(self, offset: int, value: int) -> None:
        self._words[offset // _WORD] = value & _ALL

    def _full_barrier(self) -> None:
        with self._barrier:
            pass

    # --------------------------------------------------------------- its state

    @property
    def state(self) -> LinkState:
        """What the kernel's end says of itself."""
        return LinkState(self._half(Header.STATE))

    @property
    def reason(self) -> LinkReason:
        """Why it is dead."""
        return LinkReason(self._half(Header.REASON))

    @property
    def data_max(self) -> int:
        """Bytes that one message carries."""
        return self._size - MESSAGE_SIZE

    @property
    def attached(self) -> bool:
        """The kernel has accepted this model's HELLO."""
        return self._welcome

    @property
    def refused(self) -> bool:
        """The kernel has had time to accept the HELLO, and is dead."""
        waited_s = (time.monotonic_ns() - self._hello_ns) / 1e9
        return self.state is LinkState.DEAD and not self._welcome and waited_s > _HELLO_S

    def fileno(self) -> int:
        """Readable when the kernel's end has signalled; :meth:`wait` looks at it."""
        return self._waiter.fileno()

    def watch(self, fd: int) -> None:
        """Let :meth:`wait` return when this is readable, too."""
        self._waiter.register(fd, select.EPOLLIN)

    # ----------------------------------------------------------------- sending

    def hello(self, images: Any, limits: Limits) -> None:
        """Become a device: say who this is, what its config space is, and plug it.

        Args:
            images: of its config space (:class:`~uvtrace.device.config.Images`).
            limits: that it wants.
        """
        self._number = 0
        self._welcome = False
        self._hello_ns = time.monotonic_ns()
        self.send(Message.HELLO, value=LINK_VERSION)
        for which, image in (
            (ConfigImage.VALUES, images.values),
            (ConfigImage.WRITABLE, images.writable),
            (ConfigImage.CLEARABLE, images.clearable),
        ):
            for at in range(0, len(image), self.data_max):
                part = bytes(image[at : at + self.data_max])
                self.send(Message.CONFIG, bar=which, address=at, data=part)
        expanded = int(len(images.values) > 256)
        packed = LIMITS.pack(
            limits.max_payload,
            limits.max_read_request,
            limits.alignment,
            limits.reads,
            expanded,
            limits.timeout_ns,
        )
        self.send(Message.LIMITS, data=packed)
        self.send(Message.PLUG)
        self.flush()
        # Told even if it did not ask: it may wait for the room that dropping what it had said
        # to an earlier model has made.
        self._kick(SIGNAL_MESSAGES)

    def send(
        self,
        kind: int,
        *,
        status: int = 0,
        bar: int = 0,
        flags: int = 0,
        address: int = 0,
        length: int | None = None,
        tag: int = 0,
        value: int = 0,
        vector: int = 0,
        data: bytes = b"",
    ) -> None:
        """Queue a message; :meth:`flush` shows it to the kernel."""
        size = len(data) if length is None else length
        fields = (kind, status, bar, flags, address, size, 0, tag, value, self._number, vector, 0)
        self._number = self._number + 1 & 0xFFFFFFFF
        if self._backlog or self._head - self._word(Header.TO_KERNEL_TAIL) >= self._slots:
            self._backlog.append((fields, data))
        else:
            self._put(fields, data)

    def _put(self, fields: tuple[int, ...], data: bytes) -> None:
        at = self._outgoing + (self._head & self._slots - 1) * self._size
        MESSAGE.pack_into(self._memory, at, *fields)
        if data:
            self._memory[at + MESSAGE_SIZE : at + MESSAGE_SIZE + len(data)] = data
        self._head += 1

    def flush(self) -> bool:
        """Show what was sent, and wake the kernel's end if it sleeps.

        Returns:
            Whether all of it is there; if not, the ring is full, and it wakes us when there is
            room again.
        """
        self._publish()
        while self._backlog:
            room = self._slots - (self._head - self._word(Header.TO_KERNEL_TAIL))
            if room <= 0:
                seen = self._word(Header.TO_KERNEL_TAIL)
                self._set(Header.TO_KERNEL_ROOM_AT, seen)
                self._full_barrier()
                if self._word(Header.TO_KERNEL_TAIL) == seen:
                    return False
                continue
            for _ in range(min(room, len(self._backlog))):
                self._put(*self._backlog.popleft())
            self._publish()
        return True

    def _publish(self) -> None:
        before, now = self._told, self._head
        if before == now:
            return
        self._told = now
        self._set(Header.TO_KERNEL_HEAD, now)
        self._full_barrier()
        wish = self._word(Header.TO_KERNEL_NOTIFY_AT)
        if (now - wish - 1) & _ALL < now - before:
            self._kick(SIGNAL_MESSAGES)

    def _kick(self, signals: int) -> None:
        if self._home.local:
            os.write(self._fd, signals.to_bytes(_EIGHT_BYTES, "little"))
            return
        # The kernel's end exchanges the word for 0 meanwhile, at worst: then a signal that it
        # has seen is seen again.
        self._set(Header.MODEL_SIGNALS, self._word(Header.MODEL_SIGNALS) | signals)
        os.eventfd_write(self._home.kick_fd or 0, 1)

    # ----------------------------------------------------------------- taking

    def take(self, most: int = 256) -> Iterator[Taken]:
        """The messages that are there, at most so many.

        Raises:
            UvtraceError: the kernel's position cannot be.
        """
        head = self._word(Header.TO_MODEL_HEAD)
        if (head - self._tail) & _ALL > self._slots:
            raise UvtraceError("the kernel's end of the link has lost its position")
        for _ in range(min(most, head - self._tail)):
            taken = self._get()
            self._tail += 1
            if taken.type == Message.WELCOME:
                self._welcome = True
            if self._welcome:
                yield taken
        self._free()

    def _get(self) -> Taken:
        at = self._incoming + (self._tail & self._slots - 1) * self._size
        fields = MESSAGE.unpack_from(self._memory, at)
        data = b""
        if fields[0] == Message.COMPLETION and fields[5]:
            end = at + MESSAGE_SIZE + min(fields[5], self.data_max)
            data = self._memory[at + MESSAGE_SIZE : end]
        return Taken._make((*fields, data))

    def _free(self) -> None:
        before, now = self._freed, self._tail
        if before == now:
            return
        self._freed = now
        self._set(Header.TO_MODEL_TAIL, now)
        self._full_barrier()
        wish = self._word(Header.TO_MODEL_ROOM_AT)
        if (now - wish - 1) & _ALL < now - before:
            self._kick(SIGNAL_MESSAGES)

    @property
    def pending(self) -> bool:
        """There are messages to take."""
        return self._word(Header.TO_MODEL_HEAD) != self._tail

    def wait(self, timeout_s: float | None, spin_s: float = 0.0) -> None:
        """Until there is something to take, a watched file is readable, or time is over.

        Args:
            timeout_s: at most this long; None: for ever.
            spin_s: look so long before going to sleep: waking up costs more than this.
        """
        if self._spin(spin_s if timeout_s is None else min(spin_s, timeout_s)):
            return
        self._set(Header.TO_MODEL_NOTIFY_AT, self._tail)
        self._full_barrier()
        if not self.pending:
            for fd, _ in self._waiter.poll(timeout_s):
                if fd == self._wake:
                    self._woken()
        # From now on no signals: the kernel's end need not pay for waking who is awake.
        self._set(Header.TO_MODEL_NOTIFY_AT, self._tail - 1)

    def _spin(self, spin_s: float) -> bool:
        if spin_s <= 0:
            return self.pending
        until = time.monotonic() + spin_s
        while time.monotonic() < until:
            for _ in range(64):
                if self.pending:
                    return True
            # Whoever else wants this CPU may be the one that is waited for.
            os.sched_yield()
        return self.pending

    def _woken(self) -> None:
        try:
            os.read(self._wake or 0, _EIGHT_BYTES)
        except BlockingIOError:
            return
        if not self._home.local:
            self._set(Header.KERNEL_SIGNALS, 0)

    # ---------------------------------------------------------------- the end

    def close(self) -> None:
        """Let go; the kernel's end of a local home notices."""
        self._waiter.close()
        self._words.release()
        self._halves.release()
        self._memory.close()
        os.close(self._fd)

    def __enter__(self) -> Link:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        hint = _HINTS.get(error.errno or 0)
        raise EnvironmentLacksError(
            error.strerror or "cannot be opened", where=str(path), hint=hint
        ) from error
