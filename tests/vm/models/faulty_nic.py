# SPDX-License-Identifier: Apache-2.0
"""The 1-in-1-out NIC with faults: each frame that it sends out brings the next one."""

from __future__ import annotations

from uvtrace.devices.uvnic1.model import DESCRIPTOR, Uvnic1

from uvtrace.device import ConfigSpace, MemoryBar, MsiX, PowerManagement, on_read, on_write
from uvtrace.device.messages import Complete, DmaRead, DmaWrite, InterruptMessage, Read

NOWHERE = 0x7FFF0000
"""An address that no driver was ever given."""
CONTROL = 0x42
"""Message Control of the MSI-X capability, the first of all."""
ENABLE, FUNCTION_MASK = 1 << 15, 1 << 14
MESSAGE = InterruptMessage(0xFEE00000, 0)
"""What uvbus.ko programs for the first vector."""
STRAY_TAG = 0x5EED
CONFIG_DELAY_NS = 50_000_000


class FaultyNic(Uvnic1):  # type: ignore[misc]  # an installed pack is not known to mypy
    """Carries traffic as it should, and breaks one rule at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.config = ConfigSpace(
            vendor=0x5556,
            device=0x0001,
            class_code=0x020000,
            bars=[MemoryBar(0, 4096)],
            capabilities=[MsiX(1, bar=0, table=0x800), PowerManagement()],
        )
        self.sent = 0
        self.before = 0
        self.doubled = False

    async def transmit(self) -> None:
        """Misbehave, then send."""
        self.sent += 1
        where = self.reg["TX_DESC"]
        address = DESCRIPTOR.unpack(await self.dma_read(where, DESCRIPTOR.size))[0]
        match self.sent:
            case 3:
                self.bus.send(DmaWrite(NOWHERE, bytes(16)))  # DMA001
            case 4:
                self.bus.send(DmaWrite(address, bytes(16)))  # DMA004: the driver's to read from
            case 5:
                self.bus.send(DmaRead(self.before, 16, STRAY_TAG))  # DMA002: unmapped by now
            case 6:
                self.bus.send(DmaWrite(where + 8, bytes(64)))  # DMA003: past its end
            case 7:
                self.doubled = True
        self.before = address
        await super().transmit()

    @on_read("EVENTS")
    def events(self, value: int) -> int | None:
        """Answer once more than asked for (CPL002)."""
        cause = self.bus.cause
        if self.doubled and isinstance(cause, Read):
            self.doubled = False
            self.bus.send(Complete(cause.tag, value, cause.length))
        return None

    @on_write("EVENTS")
    def acknowledge(self, value: int) -> None:
        """As it should be."""
        super().acknowledge(value)

    def on_config_write(self, offset: int, length: int, value: int) -> None:
        """Interrupt right after the driver's side has said not to (IRQ001, IRQ002)."""
        control = self.config_value(CONTROL, 2)
        unwanted = not control & ENABLE or control & FUNCTION_MASK
        if self.sent and offset == CONTROL and unwanted:
            self.after(CONFIG_DELAY_NS, lambda: self.bus.send(MESSAGE))
