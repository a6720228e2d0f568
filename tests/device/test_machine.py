# SPDX-License-Identifier: Apache-2.0
"""A model at work: coroutines, DMA within the bus's limits, frames, resets, errors."""

from __future__ import annotations

import pytest

from tests.device.tiny import Tiny
from uvtrace.device import (
    UVPCI,
    ConfigSpace,
    Device,
    DmaError,
    DmaRead,
    DmaWrite,
    Interrupt,
    Intx,
    Limits,
    Log,
    MemoryBar,
    ModelError,
    Msi,
    MsiX,
    PciExpress,
    Playbook,
    PortBar,
    ResetKind,
    SendFrame,
    on_read,
    on_write,
)
from uvtrace.device.messages import Completed, ConfigWritten, Plugged, PowerChanged, Unplugged
from uvtrace.errors import UsageError, UvtraceError
from uvtrace.registers.map import AddressSpace, Field, Register, RegisterMap
from uvtrace.trace.enums import Status

DESCRIPTOR = (0x2000).to_bytes(8, "little") + (60).to_bytes(8, "little")
FRAME = bytes(range(60))


class Bare(Device):
    """A device without registers."""

    config = ConfigSpace(vendor=1, device=1, class_code=0, bars=[MemoryBar(0, 4096)])


def test_a_frame_is_sent_step_by_step() -> None:
    book = Playbook(Tiny())
    book.write("TX_DESC", 0x1000).done()
    book.write("TX_DOORBELL", 1).expect(DmaRead(0x1000, 16)).done()
    book.reply(DESCRIPTOR).expect(DmaRead(0x2000, 60)).done()
    book.reply(FRAME)
    book.expect(SendFrame(FRAME), DmaWrite(0x100C, b"\x01\x00\x00\x00"), Interrupt(0)).done()
    assert book.read("STATUS") == 0x101


def test_registers_answer_while_a_handler_waits() -> None:
    book = Playbook(Tiny())
    book.write("TX_DOORBELL", 1).write("SCRATCH", 5)
    assert book.read("SCRATCH") == 5
    book.expect(DmaRead(0, 16))


def test_a_read_whose_answer_takes_time_is_answered_later() -> None:
    book = Playbook(Tiny(delay_ns=1000))
    tag = book.start_read("SLOW")
    assert book.read("SCRATCH") == 0x12345678
    book.advance(999)
    assert book.answer(tag) is None
    book.advance(1)
    assert book.answer(tag) == 0x5105


def test_a_part_of_a_slow_register_is_a_part_of_its_answer() -> None:
    book = Playbook(Tiny(delay_ns=10))
    tags = [book.start_read((0, 0x21), 1), book.start_read((0, 0x1C), 8)]
    book.advance(10)
    assert [book.answer(tag) for tag in tags] == [0x51, 0x5105 << 32]


def test_frames_come_one_at_a_time() -> None:
    book = Playbook(Tiny())
    book.frame(b"one").frame(b"two").done()
    book.write("POST", 0x3000).expect(DmaWrite(0x3000, b"one"), Interrupt(0)).done()
    book.write("POST", 0x4000).expect(DmaWrite(0x4000, b"two"), Interrupt(0)).done()


def test_frames_that_nobody_takes_are_dropped_after_a_while() -> None:
    book = Playbook(Tiny())
    for number in range(600):
        book.frame(b"%d" % number)
    assert book.machine.frames_dropped == 600 - 512 - 1


# ------------------------------------------------------------------- limits


class Reader(Bare):
    async def read(self, address: int, length: int) -> None:
        self.result = await self.dma_read(address, length)


def _reading(address: int, length: int, limits: Limits) -> tuple[Playbook, Reader]:
    device = Reader()
    book = Playbook(device, limits)
    device.start(device.read(address, length))
    book.advance(0)
    return book, device


def test_reads_are_cut_by_size_and_at_pages() -> None:
    book, device = _reading(0xFF0, 300, Limits(max_read_request=128))
    cuts = [(0xFF0, 16), (0x1000, 128), (0x1080, 128), (0x1100, 28)]
    for fill, (address, length) in enumerate(cuts):
        book.expect(DmaRead(address, length)).reply(bytes([fill]) * length)
    assert device.result == b"\0" * 16 + b"\1" * 128 + b"\2" * 128 + b"\3" * 28


def test_no_more_reads_are_outstanding_than_allowed() -> None:
    book, _ = _reading(0, 128 * 5, Limits(reads=2))
    book.expect(DmaRead(0, 128), DmaRead(0x80, 128)).done()
    book.reply(bytes(128)).expect(DmaRead(0x100, 128)).done()


def test_the_answer_to_a_read_may_come_in_parts() -> None:
    book, device = _reading(0x1000, 100, Limits())
    tag = book.said(DmaRead)[0].tag
    book.tell(Completed(tag, Status.OK, b"a" * 60, 0x1000, 100))
    assert not hasattr(device, "result")
    book.tell(Completed(tag, Status.OK, b"b" * 40, 0x103C, 40))
    assert device.result == b"a" * 60 + b"b" * 40


def test_on_a_bus_of_dwords_reads_are_widened_and_cut_back() -> None:
    book, device = _reading(0x1002, 5, UVPCI)
    book.expect(DmaRead(0x1000, 8)).reply(b"01234567")
    assert device.result == b"23456"


def test_on_a_bus_of_dwords_an_unaligned_write_is_the_model_s_error() -> None:
    device = Bare()
    Playbook(device, UVPCI)
    with pytest.raises(UvtraceError, match="3 bytes at 0x1000 is not aligned to 4"):
        device.dma_write(0x1000, b"abc")


def test_writes_are_cut_by_size_and_at_pages() -> None:
    device = Bare()
    book = Playbook(device, Limits())
    device.dma_write(0xFFE, bytes(200))
    book.advance(0).expect(DmaWrite(0xFFE, bytes(2)), DmaWrite(0x1000, bytes(128)))
    book.expect(DmaWrite(0x1080, bytes(70))).done()


def test_an_empty_read_asks_for_nothing() -> None:
    book, device = _reading(0x1000, 0, Limits())
    book.done()
    assert device.result == b""


class Express(Reader):
    config = ConfigSpace(vendor=1, device=1, class_code=0, capabilities=[PciExpress(512)])
    limits = Limits(512, 4096)


def test_device_control_limits_what_is_asked_for() -> None:
    device = Express()
    book = Playbook(device, device.limits)
    device.dma_write(0, bytes(256))
    book.advance(0).expect(DmaWrite(0, bytes(128)), DmaWrite(128, bytes(128))).done()
    book.write_config(0x48, 2, 0x5040)  # 512 bytes, and reads of 4096
    device.dma_write(0, bytes(1024))
    device.start(device.read(0, 4096))
    book.advance(0).expect(DmaWrite(0, bytes(512)), DmaWrite(512, bytes(512)), DmaRead(0, 4096))
    book.done()


# ----------------------------------------------------------- refused memory


def test_memory_that_cannot_be_read_ends_the_handler_not_the_device() -> None:
    book = Playbook(Tiny())
    book.write("TX_DOORBELL", 1).expect(DmaRead(0, 16)).refuse()
    text = "model: DMA read of 16 bytes at 0x0: the bus answered UNSUPPORTED"
    book.expect(Log(text)).done()
    book.write("TX_DOORBELL", 1).expect(DmaRead(0, 16))


def test_a_model_may_handle_memory_that_cannot_be_read() -> None:
    class Careful(Reader):
        async def read(self, address: int, length: int) -> None:
            try:
                await super().read(address, length)
            except DmaError as error:
                self.result = error.status.name.encode()

    device = Careful()
    book = Playbook(device)
    device.start(device.read(0x10, 4))
    book.advance(0).expect(DmaRead(0x10, 4)).refuse(Status.ABORT).done()
    assert device.result == b"ABORT"


def test_a_read_whose_handler_fails_at_memory_is_answered_all_the_same() -> None:
    class Indirect(Tiny):
        @on_read("SLOW")
        async def slow(self, value: int) -> int:
            return (await self.dma_read(0x10, 1))[0]

    book = Playbook(Indirect())
    tag = book.start_read("SLOW")
    book.expect(DmaRead(0x10, 1)).refuse()
    assert book.answer(tag) == 0


# ------------------------------------------------------------------- errors


class Faulty(Tiny):
    @on_write("SCRATCH")
    def scratch(self, value: int) -> None:
        raise ZeroDivisionError("of course")

    @on_write("TX_DOORBELL")
    async def transmit(self, value: int) -> None:
        await self.sleep(10)
        raise ZeroDivisionError("later")


def test_what_a_model_raises_comes_with_the_transaction() -> None:
    book = Playbook(Faulty())
    with pytest.raises(ModelError, match="ZeroDivisionError: of course") as caught:
        book.write("SCRATCH", 7)
    assert "Write(bar=0, offset=20, length=4, value=7, tag=0)" in caught.value.report
    assert "in scratch" in caught.value.report


def test_what_a_model_raises_later_comes_with_the_transaction_that_began_it() -> None:
    book = Playbook(Faulty()).write("TX_DOORBELL", 1)
    with pytest.raises(ModelError, match="ZeroDivisionError: later") as caught:
        book.advance(10)
    assert "offset=8" in repr(caught.value.cause)


def test_a_handler_for_a_register_that_is_not_there_is_refused() -> None:
    class Wrong(Tiny):
        @on_write("NOTHING")
        def nothing(self, value: int) -> None: ...

    with pytest.raises(UvtraceError, match="no register NOTHING"):
        Playbook(Wrong())


def test_a_device_without_a_config_space_is_refused() -> None:
    class Nothing(Device):
        pass

    with pytest.raises(UsageError, match="Nothing: has no config space"):
        Playbook(Nothing())


# ------------------------------------------------------------------- resets


def test_a_reset_ends_what_was_going_on() -> None:
    book = Playbook(Tiny(delay_ns=5))
    book.write("TX_DOORBELL", 1).expect(DmaRead(0, 16))
    tag = book.start_read("SLOW")
    read = book.said(DmaRead)[0].tag
    book.reset(ResetKind.FLR)
    with pytest.raises(AssertionError, match="UNSUPPORTED"):
        book.answer(tag)
    book.tell(Completed(read, Status.OK, DESCRIPTOR, 0, 16)).advance(100).done()


def test_who_waits_for_a_lock_or_a_frame_is_let_go_by_a_reset() -> None:
    class Locked(Tiny):
        def __init__(self) -> None:
            super().__init__()
            self.mutex = self.lock()

        @on_write("SCRATCH")
        async def work(self, value: int) -> None:
            async with self.mutex:
                await self.sleep(10)
                self.interrupt(value)

    book = Playbook(Locked())
    book.write("SCRATCH", 1).write("SCRATCH", 2).advance(10).expect(Interrupt(1)).done()
    book.write("SCRATCH", 3).reset().write("SCRATCH", 4).advance(10).expect(Interrupt(4)).done()
    book.advance(50).done()
    book.frame(b"lost").reset().frame(b"found").write("POST", 0)
    book.expect(DmaWrite(0, b"found"), Interrupt(0)).done()


def test_a_lock_lets_in_one_after_the_other_in_order() -> None:
    class Locked(Bare):
        def __init__(self) -> None:
            self.mutex = self.lock()

        async def work(self, value: int) -> None:
            async with self.mutex:
                await self.sleep(10)
                self.interrupt(value)

    device = Locked()
    book = Playbook(device)
    for number in range(3):
        device.start(device.work(number))
    for number in range(3):
        book.advance(10).expect(Interrupt(number)).done()


def test_what_a_device_does_by_itself_begins_anew_after_a_reset() -> None:
    class Ticking(Bare):
        async def run(self) -> None:
            for number in range(100):
                await self.sleep(10)
                self.interrupt(number)

    book = Playbook(Ticking())
    book.advance(10).advance(10).expect(Interrupt(0), Interrupt(1)).done()
    book.reset(ResetKind.BUS).advance(10).expect(Interrupt(0)).done()


def test_timers_fire_in_order_and_can_be_cancelled() -> None:
    class Timed(Bare):
        def on_plugged(self) -> None:
            self.after(20, lambda: self.interrupt(2))
            self.after(10, lambda: self.interrupt(1))
            self.after(15, lambda: self.interrupt(9)).cancel()
            self.after(30, self.wait)

        async def wait(self) -> None:
            await self.sleep(5)
            self.interrupt(self.now_ns)

    book = Playbook(Timed())
    assert book.machine.deadline_ns == 10
    book.advance(20).expect(Interrupt(1), Interrupt(2)).done()
    book.advance(10).done().advance(5).expect(Interrupt(35)).done()
    assert book.machine.deadline_ns is None


# --------------------------------------------------- interrupts, config, ports


def test_the_interrupt_line_is_only_told_of_when_it_changes() -> None:
    device = Bare()
    book = Playbook(device)
    for level in (False, True, True, False):
        device.intx(level)
    book.advance(0).expect(Intx(True), Intx(False)).done()
    device.interrupt()
    device.intx(False)
    book.advance(0).expect(Interrupt(0), Intx(False)).done()


@pytest.mark.parametrize(("capability", "enable"), [(Msi(), 1), (MsiX(4, 0), 0x8000)])
def test_a_model_knows_whether_the_driver_uses_messages(
    capability: Msi | MsiX, enable: int
) -> None:
    class Messaging(Bare):
        config = ConfigSpace(
            vendor=1,
            device=1,
            class_code=0,
            bars=[MemoryBar(0, 4096)],
            capabilities=[capability],
        )

    device = Messaging()
    book = Playbook(device)
    assert not device.uses_messages
    book.write_config(0x42, 2, enable)
    assert device.uses_messages
    book.reset(ResetKind.FLR)
    assert not device.uses_messages


def test_a_model_is_told_of_config_power_and_plugging() -> None:
    class Told(Bare):
        def __init__(self) -> None:
            self.told: list[object] = []

        def on_config_write(self, offset: int, length: int, value: int) -> None:
            self.told.append((offset, length, value))

        def on_power(self, state: int) -> None:
            self.told.append(state)

        def on_plugged(self) -> None:
            self.told.append("plugged")

        def on_unplugged(self) -> None:
            self.told.append("unplugged")

    device = Told()
    book = Playbook(device)
    book.tell(ConfigWritten(4, 2, 6)).tell(PowerChanged(3)).tell(Unplugged()).tell(Plugged(1))
    assert device.told == ["plugged", (4, 2, 6), 3, "unplugged", "plugged"]
    assert device.config_value(4, 2) == 6


def _windowed() -> RegisterMap:
    value = (Field("f", 0, 32, reset=0),)
    registers = (
        Register("CTRL", 0, 0, 32, (4,), value),
        Register("IMS", 0, 8, 32, (4,), value),
        Register("IOADDR", 1, 0, 32, (4,), value, index_into=0),
        Register("IODATA", 1, 4, 32, (4,), value, data_of=0),
    )
    return RegisterMap("windowed", (AddressSpace(0), AddressSpace(1, port=True)), registers)


def test_registers_are_reached_through_a_window_of_ports() -> None:
    class Windowed(Device):
        config = ConfigSpace(
            vendor=1, device=1, class_code=0, bars=[MemoryBar(0, 4096), PortBar(1, 8)]
        )
        registers = _windowed()

        @on_write("IMS")
        def enable(self, value: int) -> None:
            self.interrupt(value)

        @on_read("CTRL")
        async def control(self, value: int) -> int:
            await self.sleep(10)
            return value + 1

    book = Playbook(Windowed())
    book.write("IOADDR", 8).write("IODATA", 3).expect(Interrupt(3)).done()
    assert book.read("IMS") == book.read("IODATA") == 3
    book.write("IOADDR", 0).write("IODATA", 7)
    tag = book.start_read("IODATA")
    book.advance(10)
    assert book.answer(tag) == 8


def test_a_port_write_is_completed() -> None:
    from uvtrace.device import Complete
    from uvtrace.device.messages import Write

    book = Playbook(Tiny()).tell(Write(0, 0x14, 4, 1, tag=77))
    assert book.said(Complete) == [Complete(77, 0, 4)]


def test_a_faulty_device_can_say_anything() -> None:
    device = Bare()
    book = Playbook(device, Limits())
    device.bus.send(DmaWrite(0xFFE, bytes(4096)))
    book.advance(0).expect(DmaWrite(0xFFE, bytes(4096))).done()
