# SPDX-License-Identifier: Apache-2.0
"""The 1-in-1-out NIC: one frame on its way out, one buffer for a frame to come in.

The hardware's description is README.md; its driver is ``kmod/drivers/uvnic1.c``.
"""

from __future__ import annotations

import struct

from uvtrace.device import (
    ConfigSpace,
    Device,
    DmaError,
    MemoryBar,
    Msi,
    PowerManagement,
    ResetKind,
    Vendor,
    on_write,
)
from uvtrace.errors import UsageError

DESCRIPTOR = struct.Struct("<IIII")
"""Address of the frame's memory, its length, status, reserved."""
STATUS_OFFSET = 8
DONE, ERROR = 1 << 31, 1 << 30
FRAME_MIN, FRAME_MAX = 14, 1518
TX, RX = 1 << 0, 1 << 1
CAUSES = 7


class Uvnic1(Device):
    """The model.

    Args:
        mac: the address that the vendor-specific capability holds; empty: no such capability.
        msi: whether it has MSI; else it has its interrupt line only.
    """

    registers = "registers.rdl"
    driver = "uvnic1"

    def __init__(self, mac: str = "52:54:00:75:76:01", msi: bool = True) -> None:
        self.config = ConfigSpace(
            vendor=0x5556,
            device=0x0001,
            class_code=0x020000,
            bars=[MemoryBar(0, 4096)],
            capabilities=[
                PowerManagement(),
                *([Msi()] if msi else []),
                *([Vendor(_address(mac))] if mac else []),
            ],
        )

    def on_reset(self, kind: ResetKind) -> None:
        """Nothing is posted, and the cable is in."""
        self.buffer_posted = self.flag()
        self.sending = self.lock()
        self.reg["EVENTS.UP"] = 1

    @on_write("CONTROL")
    def doorbell(self, value: int) -> None:
        """Begin what the driver asks for."""
        if value & RX:
            self.buffer_posted.set()
        if value & TX:
            self.start(self.transmit())

    async def transmit(self) -> None:
        """Fetch the descriptor, then the frame; send; say that it is done."""
        async with self.sending:
            where = self.reg["TX_DESC"]
            address, length, _, _ = DESCRIPTOR.unpack(await self.dma_read(where, DESCRIPTOR.size))
            status = DONE
            if FRAME_MIN <= length <= FRAME_MAX:
                try:
                    self.port.send(await self.dma_read(address, length))
                except DmaError:
                    status |= ERROR
            else:
                status |= ERROR
            self.finish(where, status, "TX")

    async def on_frame(self, frame: bytes) -> None:
        """Wait for a buffer, and put the frame there; meanwhile, others wait for this one."""
        await self.buffer_posted.wait()
        self.buffer_posted.clear()
        where = self.reg["RX_DESC"]
        address, length, _, _ = DESCRIPTOR.unpack(await self.dma_read(where, DESCRIPTOR.size))
        if len(frame) <= length:
            self.dma_write(address, frame)
            self.finish(where, DONE | len(frame), "RX")
        else:
            self.finish(where, DONE | ERROR, "RX")

    def finish(self, descriptor: int, status: int, event: str) -> None:
        """Status into the descriptor, then the event, then the interrupt."""
        self.dma_write(descriptor + STATUS_OFFSET, status.to_bytes(4, "little"))
        self.reg[f"EVENTS.{event}"] = 1
        self.interrupt()

    @on_write("EVENTS")
    def acknowledge(self, _: int) -> None:
        """The line, where it is used, is up as long as there is a cause."""
        if not self.bus.uses_messages:
            self.intx(bool(self.reg["EVENTS"] & CAUSES))


def _address(mac: str) -> bytes:
    try:
        address = bytes.fromhex(mac.replace(":", ""))
    except ValueError:
        address = b""
    if len(address) != 6 or address[0] & 1:
        raise UsageError(f"{mac} is no station's address", hint="mac=52:54:00:75:76:01")
    return address
