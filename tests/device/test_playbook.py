# SPDX-License-Identifier: Apache-2.0
"""A Playbook: what it lets a test say, and what it complains of."""

from __future__ import annotations

import pytest

from tests.device.tiny import Tiny
from uvtrace.device import DmaRead, DmaWrite, Interrupt, Memory, Playbook, on_write

FRAME = b"x" * 60
DESCRIPTOR = (0x2000).to_bytes(8, "little") + (60).to_bytes(8, "little")


def test_mapped_memory_answers_by_itself() -> None:
    book = Playbook(Tiny())
    book.memory.map(0x1000, DESCRIPTOR)
    book.memory.map(0x2000, FRAME)
    book.write("TX_DESC", 0x1000).write("TX_DOORBELL", 1)
    assert book.frames == [FRAME]
    assert book.interrupts == [0]
    assert book.memory.read(0x100C, 4) == b"\x01\x00\x00\x00"


def test_memory_answers_after_what_the_device_said_before() -> None:
    class Eager(Tiny):
        @on_write("SCRATCH")
        async def both(self, value: int) -> None:
            self.start(self.late())
            self.interrupt(1)

        async def late(self) -> None:
            await self.dma_read(0x1000, 4)
            self.interrupt(2)

    book = Playbook(Eager())
    book.memory.map(0x1000, 4)
    book.write("SCRATCH", 0).expect(Interrupt(1), Interrupt(2)).done()


def test_memory_that_is_only_partly_mapped_is_not_touched() -> None:
    book = Playbook(Tiny())
    book.memory.map(0x1000, bytes(8))
    book.write("TX_DESC", 0x1000).write("TX_DOORBELL", 1).expect(DmaRead(0x1000, 16)).done()


@pytest.fixture
def asked() -> Playbook:
    return Playbook(Tiny()).write("TX_DESC", 0x1000).write("TX_DOORBELL", 1)


def test_a_wrong_expectation_shows_what_came_and_what_led_to_it(asked: Playbook) -> None:
    with pytest.raises(AssertionError) as caught:
        asked.expect(DmaRead(0x1000, 8))
    text = str(caught.value)
    assert "expected DmaRead(address=4096, length=8" in text
    assert "and it said DmaRead(address=4096, length=16" in text
    assert "> Write(bar=0, offset=8, length=4, value=1, tag=0)" in text


def test_an_expectation_of_something_that_never_comes_fails(asked: Playbook) -> None:
    asked.expect(DmaRead(0x1000, 16))
    with pytest.raises(AssertionError, match="the device said nothing"):
        asked.expect(Interrupt(0))


def test_something_that_was_not_expected_fails_at_the_end(asked: Playbook) -> None:
    with pytest.raises(AssertionError, match=r"not expected: .*DmaRead"):
        asked.done()
    asked.forget().done()


def test_an_answer_has_the_length_that_was_asked_for(asked: Playbook) -> None:
    with pytest.raises(AssertionError, match="asked for 16 bytes, not 3"):
        asked.expect(DmaRead(0x1000, 16)).reply(b"abc")


def test_only_a_read_that_waits_can_be_answered(asked: Playbook) -> None:
    with pytest.raises(AssertionError, match="no DMA read waits"):
        asked.reply(b"")
    asked.expect(DmaRead(0x1000, 16)).reply(DESCRIPTOR)
    with pytest.raises(AssertionError, match="no DMA read waits"):
        asked.reply(DESCRIPTOR)


def test_a_read_that_is_not_answered_fails() -> None:
    with pytest.raises(AssertionError, match="the read of SLOW was not answered"):
        Playbook(Tiny()).read("SLOW")


def test_a_device_that_answers_twice_fails() -> None:
    from uvtrace.device import Complete

    device = Tiny()
    book = Playbook(device)
    book.read("SCRATCH")
    device.bus.send(Complete(1, 0, 4))
    with pytest.raises(AssertionError, match="answered twice"):
        book.advance(0)


def test_memory_refuses_what_overlaps_and_what_is_not_there() -> None:
    memory = Memory()
    memory.map(0x1000, 16)
    for address, length in ((0xFF8, 9), (0x100F, 1), (0x1004, 4)):
        with pytest.raises(ValueError, match="overlap"):
            memory.map(address, length)
    memory.map(0x1010, b"beside")
    assert memory.read(0x1010, 6) == b"beside"
    for address, length in ((0xFFF, 2), (0x100C, 8), (0x2000, 1)):
        with pytest.raises(KeyError, match="not mapped"):
            memory.read(address, length)
    memory.unmap(0x1000)
    assert not memory.holds(0x1000, 1)
    memory.write(0x1012, b"!!")
    assert memory.read(0x1010, 6) == b"be!!de"


def test_a_write_outside_mapped_memory_is_to_be_expected() -> None:
    book = Playbook(Tiny()).frame(b"in").write("POST", 0x5000)
    book.expect(DmaWrite(0x5000, b"in"), Interrupt(0)).done()
