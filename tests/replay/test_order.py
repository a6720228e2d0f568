# SPDX-License-Identifier: Apache-2.0
"""What PCI Express lets pass may pass, what must not must not; causes come before effects."""

from __future__ import annotations

import pytest

from tests.story import Story
from uvtrace.check.pcie.ordering import Fact
from uvtrace.device import ConfigSpace, Device, MemoryBar, Msi, on_read, on_write
from uvtrace.registers import AddressSpace, Field, Register, RegisterMap
from uvtrace.replay import Difference, Outcome, replay
from uvtrace.replay.said import Said, may_pass
from uvtrace.trace.enums import Kind, Phase

GO = Register("GO", 0, 0, 32, (4,), (Field("value", 0, 32, reset=0),))
STATUS = Register("STATUS", 0, 4, 32, (4,), (Field("value", 0, 32, reset=0, volatile=True),))
MSI_ENABLED = 1
STATUS_IS = 0x1


class Writer(Device):
    """Writes memory when it is told to go, interrupts, and says so in STATUS."""

    config = ConfigSpace(
        vendor=0x1234,
        device=1,
        class_code=0xFF0000,
        bars=[MemoryBar(0, 4096)],
        capabilities=[Msi()],
    )
    registers = RegisterMap("writer", (AddressSpace(0),), (GO, STATUS))

    @on_write("GO")
    def go(self, value: int) -> None:
        self.dma_write(0x1000, b"data")
        self.reg["STATUS"] = STATUS_IS
        self.interrupt()


class AnswersFirst(Writer):
    """Writes memory when STATUS is read, behind the answer."""

    @on_write("GO")
    def go(self, value: int) -> None:
        self.reg["STATUS"] = STATUS_IS

    @on_read("STATUS")
    def read(self, value: int) -> int:
        self.after(1000, lambda: self.dma_write(0x1000, b"data"))
        return value


def recorded() -> Story:
    """A function that may master the bus, with MSI enabled."""
    story = Story(driver="writer", vendor=0x1234, device=1, bars={0: (0xFEB80000, 4096)})
    return story.config_write(0x04, 0x6).config_write(0x42, MSI_ENABLED)


def outcome_of(story: Story, device: type[Device] = Writer) -> Outcome:
    return replay(story.trace(), device)


def reads_status(story: Story, value: int, tag: int = 7) -> Story:
    """A read whose request and completion are recorded apart."""
    story.mmio_read(4, 0, phase=Phase.REQUEST, tag=tag)
    return story.mmio_read(4, value, phase=Phase.COMPLETION, tag=tag)


def test_what_came_in_the_order_of_saying_agrees() -> None:
    story = recorded().mmio_write(0, 1).dma_write(0x1000, 4, b"data").msi()
    assert outcome_of(reads_status(story, STATUS_IS)).divergences == []


def test_a_posted_write_may_pass_the_answer_that_was_said_before_it() -> None:
    story = recorded().mmio_write(0, 1).mmio_read(4, 0, phase=Phase.REQUEST, tag=7)
    story.dma_write(0x1000, 4, b"data").mmio_read(4, 1, phase=Phase.COMPLETION, tag=7)
    assert outcome_of(story, AnswersFirst).divergences == []


def test_an_interrupt_must_not_pass_the_data_before_it() -> None:
    story = recorded().mmio_write(0, 1).msi().dma_write(0x1000, 4, b"data")
    first = outcome_of(reads_status(story, STATUS_IS)).divergences[0]
    assert (first.row, first.difference) == (3, Difference.UNEXPECTED)
    assert first.got == "DMA write 0x1000 (4): 64 61 74 61"


def test_an_answer_must_not_pass_the_data_before_it() -> None:
    story = recorded().mmio_write(0, 1)
    story = reads_status(story, STATUS_IS).dma_write(0x1000, 4, b"data").msi()
    first = outcome_of(story).divergences[0]
    assert (first.row, first.difference, first.what) == (4, Difference.UNEXPECTED, "DMA write")


def test_nothing_is_told_before_its_cause() -> None:
    """STATUS is 0 as long as GO is not written, whatever came in between."""
    story = reads_status(recorded(), 0, tag=1).mmio_write(0, 1).dma_write(0x1000, 4, b"data").msi()
    assert outcome_of(reads_status(story, STATUS_IS, tag=2)).divergences == []


def test_without_bus_mastering_no_message_is_sent() -> None:
    story = Story(driver="writer", vendor=0x1234, device=1, bars={0: (0xFEB80000, 4096)})
    story.config_write(0x04, 0x2).config_write(0x42, MSI_ENABLED)
    story.mmio_write(0, 1).dma_write(0x1000, 4, b"data")
    assert outcome_of(reads_status(story, STATUS_IS)).divergences == []


def test_a_poll_that_is_answered_earlier_agrees() -> None:
    story = recorded().mmio_write(0, 1)
    for tag in range(1, 5):
        story.mmio_read(4, int(tag == 4), tag=tag)
    outcome = replay(story.trace(), Writer)
    assert outcome.divergences == []
    assert outcome.agreed["STATUS"] == 4


def test_a_poll_that_never_gets_there_does_not() -> None:
    story = recorded().mmio_write(0, 1).mmio_read(4, 0).mmio_read(4, 0)
    outcome = replay(story.trace(), Writer)
    assert [each.what for each in outcome.divergences] == ["STATUS", "STATUS"]


@pytest.mark.parametrize(
    ("later", "earlier", "facts", "may"),
    [
        (Kind.DMA_WRITE, Kind.DMA_WRITE, Fact(0), False),
        (Kind.DMA_WRITE, Kind.DMA_WRITE, Fact.RELAXED, True),
        (Kind.MSI, Kind.DMA_WRITE, Fact(0), False),
        (Kind.DMA_READ, Kind.DMA_WRITE, Fact(0), False),
        (Kind.DMA_WRITE, Kind.DMA_READ, Fact(0), True),
        (Kind.DMA_READ, Kind.DMA_READ, Fact(0), True),
        (Kind.MMIO_READ, Kind.DMA_WRITE, Fact(0), False),
        (Kind.DMA_WRITE, Kind.MMIO_READ, Fact(0), True),
        (Kind.PIO_WRITE, Kind.DMA_WRITE, Fact.WRITE_COMPLETION, True),
    ],
)
def test_what_may_pass_what_is_the_tables_word(
    later: Kind, earlier: Kind, facts: Fact, may: bool
) -> None:
    assert may_pass(Said(later, facts=facts), Said(earlier)) is may
