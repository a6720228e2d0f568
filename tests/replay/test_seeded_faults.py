# SPDX-License-Identifier: Apache-2.0
"""Faults planted into models: each is found, at the transaction that shows it first."""

# Packs are installed under another name than their folder's, where mypy does not find them.
# mypy: disable-error-code="misc"

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from uvtrace.devices.e1000.model import E1000
from uvtrace.devices.e1000.transmit import TXDW
from uvtrace.devices.regs_msi.model import RegsMsi
from uvtrace.devices.uvnic1.model import DESCRIPTOR, DONE, STATUS_OFFSET, Uvnic1

import uvtrace
from uvtrace.device import Device, ResetKind, on_read, on_write
from uvtrace.replay import Difference, Divergence, Options, Outcome, replay
from uvtrace.trace.enums import Kind, Phase
from uvtrace.trace.trace import Trace

TRACES = Path(__file__).parents[2] / "traces"
BEGINNING = {"uvnic1": 1200, "e1000": 20400, "regs_msi": 400}


@cache
def recording(model: str) -> Trace:
    """The beginning of a recording: enough to show the fault."""
    trace = uvtrace.open(TRACES / f"model-{model}-6.12.pcapng.zst")
    return trace[: BEGINNING[model]]


def nth(model: str, kind: Kind, number: int, **fields: int) -> int:
    """The row of a transaction: the ``number``-th of its kind, from 0, with these fields."""
    records = recording(model).records
    matches = records["kind"] == kind
    for name, value in fields.items():
        matches &= records[name] == value
    return int(np.flatnonzero(matches)[number])


def behind(model: str, row: int, *kinds: Kind) -> int:
    """The row of the first transaction of these kinds behind another."""
    records = recording(model).records
    rows = np.flatnonzero(np.isin(records["kind"], [int(kind) for kind in kinds]))
    return int(rows[rows > row][0])


def outcome_of(model: str, faulty: type[Device], divergences: int = 1) -> Outcome:
    return replay(recording(model), faulty, Options(divergences=divergences))


def first(model: str, faulty: type[Device]) -> Divergence:
    divergences = outcome_of(model, faulty).divergences
    assert divergences, "the fault was not found"
    return divergences[0]


@pytest.mark.parametrize(
    ("model", "sound"), [("uvnic1", Uvnic1), ("e1000", E1000), ("regs_msi", RegsMsi)]
)
def test_the_models_without_a_fault_agree(model: str, sound: type[Device]) -> None:
    assert outcome_of(model, sound).divergences == []


# ------------------------------------------------------------------- uvnic1


class NoLink(Uvnic1):
    """A wrong register value: the link never comes up."""

    def on_reset(self, kind: ResetKind) -> None:
        super().on_reset(kind)
        self.reg["EVENTS.UP"] = 0


def test_a_wrong_register_value_is_found_at_the_first_read_of_it() -> None:
    found = first("uvnic1", NoLink)
    assert found.row == nth("uvnic1", Kind.MMIO_READ, 0, phase=Phase.COMPLETION)
    assert (found.difference, found.what) == (Difference.VALUE, "EVENTS")
    assert found.expected == "MMIO read BAR0+0xc (4) = 0x00000100 (EVENTS)"
    assert found.got == "MMIO read BAR0+0xc (4) = 0x00000000 (EVENTS)"


class ForgetsToInterrupt(Uvnic1):
    """The fourth interrupt is missing."""

    def __init__(self) -> None:
        super().__init__()
        self.finished = 0

    def interrupt(self, vector: int = 0) -> None:
        self.finished += 1
        if self.finished != 4:
            super().interrupt(vector)


def test_a_missing_interrupt_is_found_where_it_was() -> None:
    found = first("uvnic1", ForgetsToInterrupt)
    assert found.row == nth("uvnic1", Kind.MSI, 3)
    assert (found.difference, found.what, found.got) == (Difference.MISSING, "MSI", None)


class InterruptsTwice(Uvnic1):
    """One interrupt too many behind the third."""

    def __init__(self) -> None:
        super().__init__()
        self.finished = 0

    def interrupt(self, vector: int = 0) -> None:
        self.finished += 1
        super().interrupt(vector)
        if self.finished == 3:
            super().interrupt(vector)


def test_a_spurious_interrupt_is_found_before_what_must_not_pass_it() -> None:
    found = first("uvnic1", InterruptsTwice)
    third = nth("uvnic1", Kind.MSI, 2)
    # The next that the device said: neither a read of memory nor an answer passes a message.
    answers = nth("uvnic1", Kind.MMIO_READ, 0, phase=Phase.COMPLETION)
    assert answers < third < found.row
    assert found.row == min(
        behind("uvnic1", third, Kind.DMA_READ, Kind.DMA_WRITE),
        _answer_behind("uvnic1", third),
    )
    assert (found.difference, found.what) == (Difference.UNEXPECTED, "MSI")


def _answer_behind(model: str, row: int) -> int:
    records = recording(model).records
    answers = (records["kind"] == Kind.MMIO_READ) & (records["phase"] == Phase.COMPLETION)
    rows = np.flatnonzero(answers)
    return int(rows[rows > row][0])


class WritesElsewhere(Uvnic1):
    """Received frames go to the wrong address."""

    def dma_write(self, address: int, data: bytes, flags: int = 0) -> None:
        super().dma_write(address + 16 if len(data) > 4 else address, data, flags)


def test_dma_to_a_wrong_address_is_found_at_the_write() -> None:
    found = first("uvnic1", WritesElsewhere)
    frame = nth("uvnic1", Kind.DMA_WRITE, 0, length=64)
    address = int(recording("uvnic1")[frame]["address"])
    assert found.row == frame
    assert found.difference is Difference.OTHER
    assert found.expected is not None
    assert found.got is not None
    assert found.expected.startswith(f"DMA write {address:#x} (64)")
    assert found.got.startswith(f"DMA write {address + 16:#x} (64)")


class KeepsTheDescriptor(Uvnic1):
    """The status of a frame that was sent does not get into memory."""

    def finish(self, descriptor: int, status: int, event: str) -> None:
        if event == "RX":
            super().finish(descriptor, status, event)
        else:
            self.reg["EVENTS.TX"] = 1
            self.interrupt()


def test_a_descriptor_that_is_not_written_back_is_found_at_its_write() -> None:
    found = first("uvnic1", KeepsTheDescriptor)
    assert found.row == nth("uvnic1", Kind.DMA_WRITE, 0)
    assert (found.difference, found.what) == (Difference.MISSING, "DMA write (uvnic1.transmit)")
    assert found.got is None


class ReadsTooMuch(Uvnic1):
    """Frames are read with two bytes too many."""

    async def dma_read(self, address: int, length: int, flags: int = 0) -> bytes:
        more = 2 if length != DESCRIPTOR.size else 0
        got: bytes = await super().dma_read(address, length + more, flags)
        return got[:length]


def test_a_wrong_length_is_found_at_the_read() -> None:
    found = first("uvnic1", ReadsTooMuch)
    assert found.row == nth("uvnic1", Kind.DMA_READ, 0, phase=Phase.REQUEST, length=90)
    assert found.difference is Difference.OTHER
    assert (found.expected, found.got) == ("DMA read 0x104002 (90)", "DMA read 0x104002 (92)")


class InterruptsFirst(Uvnic1):
    """The interrupt of a received frame comes before its data."""

    async def on_frame(self, frame: bytes) -> None:
        await self.buffer_posted.wait()
        self.buffer_posted.clear()
        where = self.reg["RX_DESC"]
        address, _, _, _ = DESCRIPTOR.unpack(await self.dma_read(where, DESCRIPTOR.size))
        self.reg["EVENTS.RX"] = 1
        self.interrupt()
        self.dma_write(address, frame)
        status = DONE | len(frame)
        self.dma_write(where + STATUS_OFFSET, status.to_bytes(4, "little"))


def test_an_interrupt_before_its_data_is_found_at_the_data() -> None:
    found = first("uvnic1", InterruptsFirst)
    assert found.row == nth("uvnic1", Kind.DMA_WRITE, 0, length=64)
    assert (found.difference, found.what) == (Difference.UNEXPECTED, "MSI")


class StatusFirst(Uvnic1):
    """The status of a received frame is written before the frame."""

    async def on_frame(self, frame: bytes) -> None:
        await self.buffer_posted.wait()
        self.buffer_posted.clear()
        where = self.reg["RX_DESC"]
        address, _, _, _ = DESCRIPTOR.unpack(await self.dma_read(where, DESCRIPTOR.size))
        status = DONE | len(frame)
        self.dma_write(where + STATUS_OFFSET, status.to_bytes(4, "little"))
        self.dma_write(address, frame)
        self.reg["EVENTS.RX"] = 1
        self.interrupt()


def test_a_status_before_its_data_is_found_at_the_data() -> None:
    found = first("uvnic1", StatusFirst)
    assert found.row == nth("uvnic1", Kind.DMA_WRITE, 0, length=64)
    assert (found.difference, found.what) == (
        Difference.UNEXPECTED,
        "DMA write (uvnic1.receive)",
    )
    assert found.got is not None
    assert found.got.startswith("DMA write 0x100018 (4)")


class FlipsABit(Uvnic1):
    """One bit of received frames is wrong."""

    def dma_write(self, address: int, data: bytes, flags: int = 0) -> None:
        if len(data) > 4:
            data = data[:40] + bytes([data[40] ^ 1]) + data[41:]
        super().dma_write(address, data, flags)


def test_one_wrong_bit_of_a_frame_is_found_at_its_write() -> None:
    found = first("uvnic1", FlipsABit)
    assert found.row == nth("uvnic1", Kind.DMA_WRITE, 0, length=64)
    assert found.difference is Difference.OTHER


class KeepsEvents(Uvnic1):
    """A write is ignored: events stay when they are acknowledged."""

    @on_write("EVENTS")
    def acknowledge(self, value: int) -> None:
        self.reg["EVENTS"] |= value & 7


def test_an_ignored_write_is_found_at_the_next_read() -> None:
    found = first("uvnic1", KeepsEvents)
    acknowledged = nth("uvnic1", Kind.MMIO_WRITE, 0, address=0x8000000C)
    # The next reads follow the same event again; then comes one that finds nothing.
    nothing = [
        nth("uvnic1", Kind.MMIO_READ, n, phase=Phase.COMPLETION, value=0x100) for n in range(5)
    ]
    assert found.row == next(row for row in nothing if row > acknowledged)
    assert (found.difference, found.what) == (Difference.VALUE, "EVENTS")


# -------------------------------------------------------------------- e1000


class OtherReset(E1000):
    """A wrong reset value: CTRL.SDP0_DATA is 0."""

    def on_reset(self, kind: ResetKind) -> None:
        super().on_reset(kind)
        self.reg["CTRL.SDP0_DATA"] = 0


def test_a_wrong_reset_value_is_found_at_the_first_read() -> None:
    found = first("e1000", OtherReset)
    assert found.row == nth("e1000", Kind.MMIO_READ, 0, phase=Phase.COMPLETION, address=0x80000000)
    assert (found.difference, found.what) == (Difference.VALUE, "CTRL")


class KeepsCauses(E1000):
    """Reading ICR does not clear it."""

    @on_read("ICR")
    def read_causes(self, value: int) -> int:
        self.reg["ICR"] = value
        self.lower()
        return value


def test_causes_that_a_read_does_not_clear_are_found_where_they_show() -> None:
    found = first("e1000", KeepsCauses)
    # The line goes up again when causes are unmasked; the next answer must not pass that.
    handled = nth("e1000", Kind.HANDLER_EXIT, 0)
    writes = (nth("e1000", Kind.MMIO_WRITE, n, address=0x800000D0) for n in range(9))
    unmasked = next(row for row in writes if row > handled)
    assert found.row == _answer_behind("e1000", unmasked)
    assert (found.difference, found.what) == (Difference.UNEXPECTED, "INTx assert")


class StaleHead(E1000):
    """TDH falls back behind the second descriptor, which is sent once more."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = 0

    def set_causes(self, causes: int) -> None:
        super().set_causes(causes)
        if causes & TXDW:
            self.sent += 1
            self.reg["TDH"] -= self.sent == 2


def test_a_stale_head_is_found_at_the_next_descriptor() -> None:
    found = first("e1000", StaleHead)
    assert found.row == nth("e1000", Kind.DMA_READ, 0, phase=Phase.REQUEST, address=0x100020)
    assert found.difference is Difference.OTHER
    assert (found.expected, found.got) == ("DMA read 0x100020 (16)", "DMA read 0x100010 (16)")


# ----------------------------------------------------------------- regs_msi


class WrongVector(RegsMsi):
    """The seventh interrupt goes to another vector."""

    def interrupt(self, vector: int = 0) -> None:
        super().interrupt(vector ^ 1 if self.reg["SENT"] == 7 else vector)


def test_a_wrong_vector_is_found_at_the_message() -> None:
    found = first("regs_msi", WrongVector)
    assert found.row == nth("regs_msi", Kind.MSIX, 6)
    assert (found.expected, found.got) == ("MSI-X vector 2", "MSI-X vector 3")
