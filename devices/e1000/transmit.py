# SPDX-License-Identifier: Apache-2.0
"""The transmit side: the ring, its three kinds of descriptors, what becomes of their data.

Source: Intel, *PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual*,
3.3 (descriptors), 3.5 (segmentation), chapter 13 (registers, 13.4.37 to 13.4.40: the ring's).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvtrace.devices.e1000.offload import NO_CONTEXT, Context, Insertion, segments
from uvtrace.devices.e1000.statistics import Statistics

if TYPE_CHECKING:
    from uvtrace.devices.e1000.model import E1000

DESCRIPTOR = 16
BATCH = 64
"""Descriptors fetched at once: what the part's own store holds."""
FRAME_MIN = 60
PACKET_MAX = 1 << 18
"""Bytes of one packet, before it is segmented; a chain that never ends is dropped there."""

ENABLE = 1 << 1
TXDW, TXQE = 1 << 0, 1 << 1
# Byte 11, the command, and byte 12, the status.
EOP, IC_OR_TSE, RS, DEXT = 1 << 0, 1 << 2, 1 << 3, 1 << 5
DD = 1 << 0
IXSM, TXSM = 1 << 0, 1 << 1
CONTEXT_TYPE = 0


class Transmitter:
    """Works through the ring from TDH to TDT."""

    def __init__(self, device: E1000) -> None:
        self._device = device
        self._head = device.reg.cell("TDH")
        self._tail = device.reg.cell("TDT")
        self._control = device.reg.cell("TCTL")
        self._segmented = device.reg.cell("TSCTC")
        self._statistics = Statistics(device.reg, "T")
        self.reset()

    def reset(self) -> None:
        """Nothing is on its way, no context is loaded."""
        self.busy = False
        self._packet = bytearray()
        self._first: tuple[int, int] | None = None
        self._context = NO_CONTEXT

    def begin(self) -> None:
        """The tail or the enable bit was written."""
        if not self.busy and self._control.value & ENABLE and self._head.value != self._tail.value:
            self.busy = True
            self._device.start(self._run())

    async def _run(self) -> None:
        device = self._device
        while self._control.value & ENABLE and self._head.value != self._tail.value:
            base = device.reg["TDBAL"] | device.reg["TDBAH"] << 32
            size = device.reg["TDLEN"] // DESCRIPTOR
            head, tail = self._head.value, self._tail.value
            if head >= size or tail > size:
                break
            count = min((tail if tail > head else size) - head, BATCH)
            ring = await device.dma_read(base + head * DESCRIPTOR, count * DESCRIPTOR)
            causes = 0
            for number in range(count):
                descriptor = ring[number * DESCRIPTOR : (number + 1) * DESCRIPTOR]
                causes |= await self._work_on(descriptor, base + (head + number) * DESCRIPTOR)
                self._head.value = (head + number + 1) % size
            if self._head.value == self._tail.value:
                causes |= TXQE
            device.set_causes(causes)
        self.busy = False

    async def _work_on(self, descriptor: bytes, where: int) -> int:
        """Do what one descriptor says; gives the interrupt causes."""
        command = descriptor[11]
        extended = bool(command & DEXT)
        if extended and descriptor[10] >> 4 == CONTEXT_TYPE:
            self._context = Context.of(descriptor)
        else:
            await self._collect(descriptor, extended)
            if command & EOP:
                self._finish(descriptor, extended)
        if not command & RS:
            return 0
        status = bytes([descriptor[12] | DD]) + descriptor[13:16]
        self._device.dma_write(where + 12, status)
        return TXDW

    async def _collect(self, descriptor: bytes, extended: bool) -> None:
        low = int.from_bytes(descriptor[8:12], "little")
        length = low & (0xFFFFF if extended else 0xFFFF)
        if self._first is None:
            # Which checksums to insert counts in the first descriptor, segmentation too.
            self._first = (descriptor[11], descriptor[13])
        if length and len(self._packet) + length <= PACKET_MAX:
            address = int.from_bytes(descriptor[0:8], "little")
            self._packet += await self._device.dma_read(address, length)

    def _finish(self, descriptor: bytes, extended: bool) -> None:
        packet, self._packet = self._packet, bytearray()
        command, options = self._first or (0, 0)
        self._first = None
        if not packet:
            return
        if extended:
            self._offload(packet, command, options)
        else:
            if descriptor[11] & IC_OR_TSE:
                Insertion(descriptor[13], descriptor[10], 0).insert(packet)
            self._send(bytes(packet))

    def _offload(self, packet: bytearray, command: int, options: int) -> None:
        context = self._context
        insert_ip, insert_transport = bool(options & IXSM), bool(options & TXSM)
        if command & IC_OR_TSE:
            self._segmented.value = min(self._segmented.value + 1, self._segmented.mask)
            for frame in segments(packet, context, insert_ip, insert_transport):
                self._send(frame)
            return
        if insert_ip:
            context.ip.insert(packet)
        if insert_transport:
            context.transport.insert(packet)
        self._send(bytes(packet))

    def _send(self, frame: bytes) -> None:
        frame = frame.ljust(FRAME_MIN, b"\0")  # TCTL.PSP, which drivers set
        self._statistics.count(frame)
        self._device.port.send(frame)
