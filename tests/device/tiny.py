# SPDX-License-Identifier: Apache-2.0
"""A small NIC: the model that the tests of the API use."""

from __future__ import annotations

from uvtrace.device import ConfigSpace, Device, MemoryBar, Msi, ResetKind, on_read, on_write


class Tiny(Device):
    """One descriptor to send, one buffer (POST) to receive."""

    config = ConfigSpace(
        vendor=0x5556,
        device=0x0001,
        class_code=0x020000,
        bars=[MemoryBar(0, 4096)],
        capabilities=[Msi()],
    )
    registers = "registers.rdl"

    def __init__(self, mac: bytes = b"\x52\x54\x00\x12\x34\x56", delay_ns: int = 1000) -> None:
        self.mac = mac
        self.delay_ns = delay_ns
        self.writes: list[tuple[int, int]] = []
        self.resets: list[ResetKind] = []
        self.posted = self.flag()

    def on_reset(self, kind: ResetKind) -> None:
        self.resets.append(kind)

    @on_write("TX_DOORBELL")
    async def transmit(self, value: int) -> None:
        descriptor = await self.dma_read(self.reg["TX_DESC"], 16)
        address = int.from_bytes(descriptor[:8], "little")
        length = int.from_bytes(descriptor[8:12], "little")
        self.port.send(await self.dma_read(address, length))
        self.reg["STATUS.DONE"] = 1
        self.dma_write(self.reg["TX_DESC"] + 12, b"\x01\x00\x00\x00")
        self.interrupt(0)

    @on_write("POST")
    def post(self, value: int) -> None:
        self.posted.set()

    async def on_frame(self, frame: bytes) -> None:
        await self.posted.wait()
        self.posted.clear()
        self.dma_write(self.reg["POST"], frame)
        self.interrupt(0)

    @on_write("TABLE[]")
    def table(self, index: int, value: int) -> None:
        self.writes.append((index, value))

    @on_write("SET", "STATUS")
    def raw(self, value: int) -> None:
        self.writes.append((-1, value))

    @on_read("SLOW")
    async def slow(self, value: int) -> int:
        await self.sleep(self.delay_ns)
        return 0x5105
