# SPDX-License-Identifier: Apache-2.0
"""The kernel's end of a link in a file, slow and obvious: what a model is tested against."""

from __future__ import annotations

import mmap
import os
import select
import struct
import time
from pathlib import Path

from uvtrace.device.link import Home, Taken
from uvtrace.device.linkabi import (
    LINK_HEADER_SIZE,
    LINK_MAGIC,
    LINK_VERSION,
    MESSAGE,
    MESSAGE_SIZE,
    Header,
    LinkReason,
    LinkState,
    Message,
)

PATIENCE_S = 20.0


class KernelEnd:
    """Makes a link in a file, and is its kernel's end."""

    def __init__(self, folder: Path, slots: int = 64, data: int = 128) -> None:
        path = folder / "link"
        self.slots, self.size = slots, MESSAGE_SIZE + data
        ring = slots * self.size
        path.write_bytes(bytes(LINK_HEADER_SIZE + 2 * ring))
        with open(path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 0)
        offsets = (LINK_HEADER_SIZE, LINK_HEADER_SIZE + ring)
        struct.pack_into("<IIIII", self.memory, 8, LINK_VERSION, self.size, slots, *offsets)
        struct.pack_into("<Q", self.memory, 32, len(self.memory))
        struct.pack_into("<Q", self.memory, 0, LINK_MAGIC)
        self.home = Home(path, 0, os.eventfd(0), os.eventfd(0))
        self.number = 0
        self.kicks = 0
        self.set_state(LinkState.WAITING)

    def set_state(self, state: LinkState, reason: LinkReason = LinkReason.NONE) -> None:
        struct.pack_into("<II", self.memory, Header.STATE, state, reason)

    def word(self, offset: int) -> int:
        return int(struct.unpack_from("<Q", self.memory, offset)[0])

    def set_word(self, offset: int, value: int) -> None:
        struct.pack_into("<Q", self.memory, offset, value)

    def wait_while(self, offset: int, value: int) -> None:
        """Wait until the model writes another value."""
        deadline = time.monotonic() + PATIENCE_S
        while self.word(offset) == value:
            assert time.monotonic() < deadline, "the model has not moved"
            time.sleep(0.001)

    def ring_doorbell(self) -> None:
        os.eventfd_write(self.home.wake_fd or 0, 1)

    def send(self, kind: int, data: bytes = b"", signal: bool | None = None, **fields: int) -> None:
        """Put a message; ``signal`` None: only if the model has asked for it, as the bus does."""
        head = self.word(Header.TO_MODEL_HEAD)
        at = LINK_HEADER_SIZE + head % self.slots * self.size
        names = ("status", "bar", "flags", "address", "length", "byte_count", "tag", "value")
        values = [fields.get(name, 0) for name in names]
        MESSAGE.pack_into(self.memory, at, kind, *values, self.number, 0, time.monotonic_ns())
        self.memory[at + MESSAGE_SIZE : at + MESSAGE_SIZE + len(data)] = data
        self.number += 1
        self.set_word(Header.TO_MODEL_HEAD, head + 1)
        wanted = self.word(Header.TO_MODEL_NOTIFY_AT) == head
        if wanted if signal is None else signal:
            self.ring_doorbell()

    def take(self) -> Taken | None:
        """The next message of the model's, or None."""
        tail = self.word(Header.TO_KERNEL_TAIL)
        if tail == self.word(Header.TO_KERNEL_HEAD):
            return None
        at = LINK_HEADER_SIZE + self.slots * self.size + tail % self.slots * self.size
        fields = MESSAGE.unpack_from(self.memory, at)
        data = bytes(self.memory[at + MESSAGE_SIZE : at + self.size])
        self.set_word(Header.TO_KERNEL_TAIL, tail + 1)
        if self.word(Header.TO_KERNEL_ROOM_AT) == tail:
            self.ring_doorbell()
        return Taken._make((*fields, data[: fields[5]]))

    def expect(self, kind: int) -> Taken:
        """The next message, which is of this type."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            self.set_word(Header.TO_KERNEL_NOTIFY_AT, self.word(Header.TO_KERNEL_TAIL))
            said = self.take()
            if said is not None:
                assert said.type == kind, f"expected {kind}, not {said}"
                return said
            if select.select([self.home.kick_fd or 0], [], [], 0.01)[0]:
                os.eventfd_read(self.home.kick_fd or 0)
                self.kicks += 1
        raise AssertionError(f"the model has not sent {kind}")

    def welcome(self) -> dict[int, bytearray]:
        """Take what a model says of itself, and welcome it; gives the config space's images."""
        assert self.expect(Message.HELLO).value == LINK_VERSION
        images: dict[int, bytearray] = {0: bytearray(), 1: bytearray(), 2: bytearray()}
        said = self.expect(Message.CONFIG)
        while True:
            assert len(images[said.bar]) == said.address
            images[said.bar] += said.data
            if said.bar == 2 and len(images[2]) == len(images[0]):
                break
            said = self.expect(Message.CONFIG)
        self.limits = struct.unpack("<IIIII12xQ8x", self.expect(Message.LIMITS).data)
        self.expect(Message.PLUG)
        self.set_state(LinkState.ATTACHED)
        self.number = 0
        self.send(Message.WELCOME, value=1)
        self.send(Message.PLUGGED, value=0x1000000008)
        return images

    def read(self, offset: int, length: int = 4, tag: int = 1) -> int:
        """An MMIO read, to its end."""
        self.send(Message.READ, address=offset, length=length, tag=tag)
        answer = self.expect(Message.COMPLETION)
        assert (answer.tag, answer.status, answer.length) == (tag, 0, length)
        return answer.value

    def write(self, offset: int, value: int, length: int = 4) -> None:
        self.send(Message.WRITE, address=offset, length=length, value=value)
