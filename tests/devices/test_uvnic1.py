# SPDX-License-Identifier: Apache-2.0
"""The 1-in-1-out NIC's model, told as what its driver does."""

from __future__ import annotations

import struct

import pytest
from uvtrace.devices.uvnic1.contract import CONTRACT
from uvtrace.devices.uvnic1.model import Uvnic1

from tests.devices.contracts import forbidden
from tests.story import Story
from uvtrace.device import (
    Complete,
    DmaRead,
    DmaWrite,
    Interrupt,
    Intx,
    Playbook,
    SendFrame,
)
from uvtrace.errors import UsageError
from uvtrace.trace.enums import Status

TX, RX, RESET = 1 << 0, 1 << 1, 1 << 31
DONE, ERROR = 1 << 31, 1 << 30
TX_DESC, RX_DESC, BUFFER = 0x1000, 0x1010, 0x2000
FRAME = bytes(range(60))


def descriptor(address: int, length: int) -> bytes:
    return struct.pack("<IIII", address, length, 0, 0)


def status(value: int) -> bytes:
    return value.to_bytes(4, "little")


@pytest.fixture
def book() -> Playbook:
    """A NIC with both descriptors placed and MSI enabled."""
    book = Playbook(Uvnic1())
    control = book.device.config.offsets()[1] + 2
    book.write_config(control, 2, 0x81)
    return book.write("TX_DESC", TX_DESC).write("RX_DESC", RX_DESC).forget()


def test_sending_reads_the_descriptor_then_the_frame_and_says_so_last(book: Playbook) -> None:
    book.write("CONTROL", TX)
    book.expect(DmaRead(TX_DESC, 16)).reply(descriptor(BUFFER, 60))
    book.expect(DmaRead(BUFFER, 60)).reply(FRAME)
    book.expect(SendFrame(FRAME), DmaWrite(TX_DESC + 8, status(DONE)), Interrupt(0)).done()
    assert book.read("EVENTS") & TX


@pytest.mark.parametrize("length", [0, 13, 1519, 0xFFFFFFFF])
def test_a_length_that_no_frame_has_is_an_error_and_nothing_is_sent(
    book: Playbook, length: int
) -> None:
    book.write("CONTROL", TX)
    book.expect(DmaRead(TX_DESC, 16)).reply(descriptor(BUFFER, length))
    book.expect(DmaWrite(TX_DESC + 8, status(DONE | ERROR)), Interrupt(0)).done()


def test_a_frame_that_cannot_be_read_is_an_error(book: Playbook) -> None:
    book.write("CONTROL", TX)
    book.expect(DmaRead(TX_DESC, 16)).reply(descriptor(BUFFER, 60))
    book.expect(DmaRead(BUFFER, 60)).refuse(Status.UNSUPPORTED)
    book.expect(DmaWrite(TX_DESC + 8, status(DONE | ERROR)), Interrupt(0)).done()


def test_a_frame_is_in_memory_before_its_status_and_both_before_the_interrupt(
    book: Playbook,
) -> None:
    book.write("CONTROL", RX).done()
    book.frame(FRAME)
    book.expect(DmaRead(RX_DESC, 16)).reply(descriptor(BUFFER, 1536))
    book.expect(DmaWrite(BUFFER, FRAME), DmaWrite(RX_DESC + 8, status(DONE | 60)), Interrupt(0))
    book.done()
    assert book.read("EVENTS") & RX


def test_a_frame_longer_than_the_buffer_does_not_touch_it(book: Playbook) -> None:
    book.write("CONTROL", RX).frame(FRAME)
    book.expect(DmaRead(RX_DESC, 16)).reply(descriptor(BUFFER, 59))
    book.expect(DmaWrite(RX_DESC + 8, status(DONE | ERROR)), Interrupt(0)).done()


def test_frames_without_a_buffer_wait_and_come_one_for_each_doorbell_in_order(
    book: Playbook,
) -> None:
    book.memory.map(RX_DESC, descriptor(BUFFER, 1536))
    book.memory.map(BUFFER, 1536)
    for number in range(3):
        book.frame(bytes([number]) * 60)
    book.done()
    for number in range(3):
        book.write("CONTROL", RX)
        assert book.memory.read(BUFFER, 60) == bytes([number]) * 60
        assert len(book.interrupts) == number + 1


def test_the_line_stays_up_until_the_last_cause_is_acknowledged() -> None:
    book = Playbook(Uvnic1(msi=False))
    book.memory.map(TX_DESC, descriptor(BUFFER, 60))
    book.memory.map(RX_DESC, descriptor(BUFFER + 0x1000, 60))
    book.memory.map(BUFFER, FRAME)
    book.memory.map(BUFFER + 0x1000, 60)
    book.write("TX_DESC", TX_DESC).write("RX_DESC", RX_DESC).write("CONTROL", TX | RX)
    book.frame(FRAME).expect(SendFrame(FRAME), Interrupt(0), Interrupt(0)).done()
    book.write("EVENTS", TX).expect(Intx(True))
    book.write("EVENTS", RX).expect(Intx(False)).done()


def test_with_msi_no_acknowledgement_moves_the_line(book: Playbook) -> None:
    book.write("EVENTS", TX | RX).done()


def test_a_reset_forgets_the_descriptors_the_buffer_and_what_was_being_sent(
    book: Playbook,
) -> None:
    book.write("CONTROL", RX).write("CONTROL", TX).expect(DmaRead(TX_DESC, 16))
    book.write("CONTROL", RESET).forget()
    book.reply(descriptor(BUFFER, 60)).frame(FRAME).done()
    assert (book.read("TX_DESC"), book.read("RX_DESC")) == (0, 0)
    assert book.read("EVENTS") == 1 << 8, "the link is up, and nothing has happened"


def test_a_second_doorbell_waits_for_the_first_to_be_done(book: Playbook) -> None:
    book.write("CONTROL", TX).write("CONTROL", TX)
    book.expect(DmaRead(TX_DESC, 16)).done()
    book.reply(descriptor(BUFFER, 60)).expect(DmaRead(BUFFER, 60)).reply(FRAME)
    book.expect(SendFrame(FRAME), DmaWrite(TX_DESC + 8, status(DONE)), Interrupt(0))
    book.expect(DmaRead(TX_DESC, 16)).done()


def test_the_stations_address_stands_in_the_vendor_specific_capability() -> None:
    config = Uvnic1(mac="02:00:00:00:00:07").config
    at, values = config.offsets()[-1], config.images().values
    assert values[at] == 0x09
    assert values[at + 2 : at + 9] == bytes([9, 2, 0, 0, 0, 0, 7])


@pytest.mark.parametrize("mac", ["yes", "01:00:5e:00:00:01", "52:54:00"])
def test_what_is_no_stations_address_is_refused(mac: str) -> None:
    with pytest.raises(UsageError, match="no station"):
        Uvnic1(mac=mac)


def test_reads_of_control_give_0(book: Playbook) -> None:
    assert book.write("CONTROL", RX).read("CONTROL") == 0
    assert not [said for said in book.commands if said == Complete(1, RX, 4)]


def test_the_contract_is_for_this_device() -> None:
    config = Uvnic1().config
    assert (config.vendor, config.device) in CONTRACT.devices


def bound() -> Story:
    registers = {"TX_DESC": 0x0, "RX_DESC": 0x4, "CONTROL": 0x8, "EVENTS": 0xC}
    return Story(registers=registers, driver="uvnic1", vendor=0x5556, device=0x0001).probe()


def working() -> Story:
    told = bound().irq_request(11).mmio_write("TX_DESC", TX_DESC).mmio_write("RX_DESC", RX_DESC)
    return told.mmio_write("CONTROL", RX).mmio_write("CONTROL", TX)


def test_a_driver_that_resets_before_it_leaves_keeps_the_contract() -> None:
    told = working().mmio_write("CONTROL", TX | RX).mmio_write("CONTROL", RESET)
    assert forbidden(told.mmio_write("TX_DESC", 0x3000).irq_free(11).unbound(), CONTRACT) == []


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (
            bound().irq_request(11).mmio_write("RX_DESC", RX_DESC).mmio_write("CONTROL", TX),
            "uvnic1.transmit: CONTROL.TX before TX_DESC",
        ),
        (
            bound().irq_request(11).mmio_write("TX_DESC", TX_DESC).mmio_write("CONTROL", RX),
            "uvnic1.receive: CONTROL.RX before RX_DESC",
        ),
        (
            working().mmio_write("TX_DESC", 0x3000),
            "uvnic1.transmit: TX_DESC while in use",
        ),
        (working().mmio_write("RX_DESC", 0x3000), "uvnic1.receive: RX_DESC while in use"),
        (
            bound().mmio_write("TX_DESC", TX_DESC).mmio_write("CONTROL", TX),
            "uvnic1.interrupts: doorbell without a handler",
        ),
        (working().irq_free(11), "uvnic1.interrupts: free_irq while at work"),
        (
            working().mmio_write("CONTROL", RESET).mmio_write("CONTROL", TX),
            "uvnic1.transmit: CONTROL.TX before TX_DESC",
        ),
    ],
)
def test_each_step_that_the_contract_forbids_is_told_alone(told: Story, expected: str) -> None:
    assert forbidden(told, CONTRACT) == [expected]
