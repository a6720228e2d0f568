# SPDX-License-Identifier: Apache-2.0
"""The interrupt generator's model, told as what its driver does."""

from __future__ import annotations

import pytest
from uvtrace.devices.regs_msi.contract import CONTRACT
from uvtrace.devices.regs_msi.model import RegsMsi

from tests.devices.contracts import forbidden
from tests.story import Story
from uvtrace.device import Interrupt, Intx, Playbook
from uvtrace.errors import UsageError

US = 1_000


def test_it_interrupts_as_often_as_asked_with_the_vector_asked_for() -> None:
    book = Playbook(RegsMsi(vectors=8))
    book.write("VECTOR", 5).write("TRIGGER", 3)
    book.expect(Interrupt(5), Interrupt(5), Interrupt(5)).done()
    assert book.read("SENT") == 3
    assert book.read("TRIGGER") == 0
    assert book.read("PENDING") == 1 << 5


def test_the_delay_comes_before_each_interrupt() -> None:
    book = Playbook(RegsMsi())
    book.write("DELAY_US", 10).write("TRIGGER", 2).done()
    book.advance(9 * US).done()
    book.advance(1 * US).expect(Interrupt(0)).done()
    assert book.read("TRIGGER") == 1
    book.advance(10 * US).expect(Interrupt(0)).done()
    book.advance(1000 * US).done()


def test_0_stops_what_is_being_sent() -> None:
    book = Playbook(RegsMsi())
    book.write("DELAY_US", 10).write("TRIGGER", 100).advance(10 * US).expect(Interrupt(0))
    book.write("TRIGGER", 0).advance(1000 * US).done()
    book.write("TRIGGER", 1).advance(10 * US).expect(Interrupt(0)).done()


def test_a_reset_stops_what_is_being_sent() -> None:
    book = Playbook(RegsMsi())
    book.write("DELAY_US", 10).write("TRIGGER", 100).reset().forget()
    book.advance(1000 * US).done()
    book.write("TRIGGER", 1).expect(Interrupt(0)).done()


def test_the_line_is_up_while_something_is_pending() -> None:
    book = Playbook(RegsMsi(interrupts="intx"))
    book.write("VECTOR", 3).write("TRIGGER", 1).expect(Interrupt(0)).done()
    book.write("PENDING", 2).expect(Intx(True)).done()
    book.write("PENDING", 1).expect(Intx(False)).done()


def test_msi_uses_no_more_vectors_than_the_driver_was_given() -> None:
    book = Playbook(RegsMsi(vectors=8, interrupts="msi"))
    control = book.device.config.offsets()[-1] + 2
    book.write_config(control, 2, 1 << 4 | 1)
    book.write("VECTOR", 3).write("TRIGGER", 1).expect(Interrupt(1)).done()


def test_scratch_takes_bytes_and_wide_takes_halves() -> None:
    book = Playbook(RegsMsi())
    book.write((0, 0x5), 0xAB, length=1)
    assert book.read("SCRATCH") == 0xAB00
    assert book.read((0, 0x5), length=1) == 0xAB
    book.write((0, 0x24), 0x11223344, length=4)
    assert book.read("WIDE") == 0x11223344 << 32
    assert book.read("ID") == 0x55560002


@pytest.mark.parametrize(("vectors", "interrupts"), [(0, "msix"), (9, "msix"), (3, "msi"), (1, "")])
def test_interrupts_that_there_are_not_are_refused(vectors: int, interrupts: str) -> None:
    with pytest.raises(UsageError):
        RegsMsi(vectors=vectors, interrupts=interrupts)


def test_the_contract_is_for_this_device() -> None:
    config = RegsMsi().config
    assert (config.vendor, config.device) in CONTRACT.devices


def bound() -> Story:
    registers = {"VECTOR": 0x10, "TRIGGER": 0x14}
    return Story(registers=registers, driver="regs_msi", vendor=0x5556, device=0x0002).probe()


def sending() -> Story:
    told = bound().irq_request(11).mmio_write("VECTOR", 0).mmio_write("TRIGGER", 5)
    return told.mmio_read("TRIGGER", 2)


@pytest.mark.parametrize(
    "told",
    [
        sending().mmio_write("TRIGGER", 0).irq_free(11).unbound(),
        sending().mmio_read("TRIGGER", 0).mmio_write("VECTOR", 1).mmio_write("TRIGGER", 1),
    ],
    ids=["stopped", "over"],
)
def test_a_driver_that_waits_for_the_end_or_stops_it_keeps_the_contract(told: Story) -> None:
    assert forbidden(told, CONTRACT) == []


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (sending().mmio_write("TRIGGER", 1), "regs_msi.generator: TRIGGER = n while sending"),
        (sending().mmio_write("VECTOR", 1), "regs_msi.generator: VECTOR while sending"),
        (
            bound().mmio_write("TRIGGER", 1),
            "regs_msi.interrupts: TRIGGER = n without a handler",
        ),
        (sending().irq_free(11), "regs_msi.interrupts: free_irq while sending"),
    ],
)
def test_each_step_that_the_contract_forbids_is_told_alone(told: Story, expected: str) -> None:
    assert forbidden(told, CONTRACT) == [expected]
