# SPDX-License-Identifier: Apache-2.0
"""Registers at work: side effects, parts of registers, arrays, and what is not there."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.device.tiny import Tiny
from uvtrace.device import Device, Playbook, ResetKind
from uvtrace.device.registerfile import Cell, RegisterFile
from uvtrace.errors import UvtraceError
from uvtrace.registers.map import (
    Access,
    AddressSpace,
    Dimension,
    Field,
    OnRead,
    OnWrite,
    Register,
    RegisterMap,
)


@pytest.fixture
def book() -> Playbook:
    return Playbook(Tiny())


def _one(**field: object) -> Cell:
    """A register with one 8-bit field of that behaviour, which holds 0b1100."""
    whole = Field("f", 0, 8, reset=0b1100, **field)  # type: ignore[arg-type]
    register = Register("R", 0, 0, 32, (1, 2, 4), (whole,))
    return RegisterFile(RegisterMap("d", (AddressSpace(0),), (register,))).cell("R")


@pytest.mark.parametrize(
    ("effect", "after"),
    [
        (None, 0b1010),
        (OnWrite.WOCLR, 0b0100),
        (OnWrite.WOSET, 0b1110),
        (OnWrite.WOT, 0b0110),
        (OnWrite.WZC, 0b1000),
        (OnWrite.WZS, 0b11111101),
        (OnWrite.WZT, 0b11111001),
        (OnWrite.WCLR, 0),
        (OnWrite.WSET, 0xFF),
        (OnWrite.WUSER, 0b1100),
    ],
)
def test_every_effect_of_a_write(effect: OnWrite | None, after: int) -> None:
    cell = _one(on_write=effect)
    cell.store(0b1010, cell.mask)
    assert cell.value == after


@pytest.mark.parametrize(
    ("access", "after"),
    [(Access.RW, 0b1010), (Access.R, 0b1100), (Access.W, 0b1010), (Access.NA, 0b1100)],
)
def test_only_what_is_writable_is_written(access: Access, after: int) -> None:
    cell = _one(access=access)
    cell.store(0b1010, cell.mask)
    assert cell.value == after


def test_what_is_not_readable_reads_as_zero() -> None:
    assert _one(access=Access.W).fetch(0xFF) == 0


@pytest.mark.parametrize(("effect", "after"), [(OnRead.RCLR, 0), (OnRead.RSET, 0xFF)])
def test_every_effect_of_a_read(effect: OnRead, after: int) -> None:
    cell = _one(on_read=effect)
    assert cell.fetch(cell.mask) == 0b1100
    assert cell.value == after


def test_only_the_bytes_that_are_read_are_cleared(book: Playbook) -> None:
    book.device.reg["COUNTER"] = 0x11223344
    assert book.read((0, 0x11), 1) == 0x33
    assert book.read("COUNTER") == 0x11220044
    assert book.read("COUNTER") == 0


def test_bytes_are_merged_into_a_register(book: Playbook) -> None:
    book.write((0, 0x15), 0xEE, 1).write((0, 0x16), 0xABCD, 2)
    assert book.read("SCRATCH") == 0xABCDEE78
    assert book.read((0, 0x16), 2) == 0xABCD


def test_a_byte_does_not_clear_what_lies_beside_it(book: Playbook) -> None:
    book.device.reg["STATUS"] = 0x103
    book.write((0, 0x0D), 0x01, 1)
    assert book.read("STATUS") == 0x103
    book.write((0, 0x0C), 0x02, 1)
    assert book.read("STATUS") == 0x101


def test_a_64_bit_register_can_be_accessed_whole_and_by_halves(book: Playbook) -> None:
    book.write((0, 0x04), 0x11223344).write((0, 0x00), 0x55667788)
    assert book.device.reg["TX_DESC"] == 0x1122334455667788
    assert book.read("TX_DESC") == 0x1122334455667788
    assert book.read((0, 0x04), 4) == 0x11223344
    book.write("TX_DESC", 0xFFFFFFFF_00000000)
    assert book.read((0, 0x00), 4) == 0


def test_an_access_can_touch_two_registers(book: Playbook) -> None:
    book.write((0, 0x10), 0x99999999_00000007, 8)
    assert book.device.reg["SCRATCH"] == 0x99999999
    assert book.read((0, 0x10), 8) == 0x99999999_00000000


def test_elements_of_an_array_know_their_index(book: Playbook) -> None:
    device = book.device
    assert isinstance(device, Tiny)
    book.write("TABLE[2]", 7).write((0, 0x4D), 0x12, 1)
    assert device.writes == [(2, 7), (3, 0x1200)]
    assert device.reg["TABLE", 2] == device.reg["TABLE[2]"] == 7


def test_a_handler_is_told_what_was_written_not_what_became_of_it(book: Playbook) -> None:
    device = book.device
    assert isinstance(device, Tiny)
    book.write("SET", 0x10).write("SET", 0x01)
    assert device.writes == [(-1, 0x10), (-1, 0x01)]
    assert device.reg["SET"] == 0x11


def test_a_register_that_is_written_once_keeps_it_until_a_reset(book: Playbook) -> None:
    book.write("ONCE", 0x1234).write("ONCE", 0x5678)
    assert book.read("ONCE") == 0x1234
    book.reset().write("ONCE", 0x5678)
    assert book.read("ONCE") == 0x5678


def test_a_pulse_is_over_when_it_was_acted_upon(book: Playbook) -> None:
    book.write("TX_DOORBELL", 1)
    assert book.read("TX_DOORBELL") == 0


def test_a_field_that_resets_the_device_does(book: Playbook) -> None:
    device = book.device
    assert isinstance(device, Tiny)
    book.write("SCRATCH", 1).write("CTRL", 0x30)
    assert book.read("CTRL") == 0x30
    book.write("CTRL", 0x31)
    assert (book.read("SCRATCH"), book.read("CTRL")) == (0x12345678, 0)
    assert device.resets == [ResetKind.POWER_ON, ResetKind.SOFTWARE]


def test_an_offset_without_a_register_reads_zero_and_says_so_once(
    book: Playbook, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    book.write((0, 0x800), 1)
    assert [book.read((0, 0x800)) for _ in range(3)] == [0, 0, 0]
    assert [record.getMessage() for record in caplog.records] == [
        "write of 4 bytes at 0x800 of BAR0: no register",
        "read of 4 bytes at 0x800 of BAR0: no register",
    ]


def test_what_lies_beside_a_register_reads_zero(book: Playbook) -> None:
    assert book.read((0, 0x28), 4) == 0xAB
    book.write((0, 0x28), 0xFFFFFF01, 4)
    assert book.read("SMALL") == 0x01


def test_fields_are_numbers_of_their_own(book: Playbook) -> None:
    registers = book.device.reg
    assert registers["STATUS.LINK"] == 1
    registers["STATUS.ERROR"] = 1
    assert registers["STATUS"] == 0x102
    with pytest.raises(UvtraceError, match="no field LUNK"):
        registers["STATUS.LUNK"] = 1
    with pytest.raises(UvtraceError, match="no register STATOS"):
        _ = registers["STATOS"]


def _aliased() -> RegisterMap:
    f = (Field("f", 0, 32, reset=5),)
    registers = (
        Register("MASK", 0, 0, 32, (4,), f),
        Register("OTHER", 0, 8, 32, (4,), f, alias_of="MASK"),
    )
    return RegisterMap("d", (AddressSpace(0),), registers)


def test_an_alias_is_the_same_register_at_another_address() -> None:
    registers = RegisterFile(_aliased())
    assert registers.exact(0, 8, 4, write=True) is registers.cell("MASK")
    registers["OTHER"] = 9
    assert registers["MASK"] == 9


def test_registers_that_share_an_address_are_told_apart_by_the_access() -> None:
    read = Register("IN", 0, 0, 8, (1,), (Field("f", 0, 8, Access.R, reset=1),))
    write = Register("OUT", 0, 0, 8, (1,), (Field("f", 0, 8, Access.W, reset=2),))
    registers = RegisterFile(RegisterMap("d", (AddressSpace(0),), (read, write)))
    for exact in (True, False):
        found = [
            registers.exact(0, 0, 1, kind) if exact else registers.plan(0, 0, 1, kind)[0].cell
            for kind in (False, True)
        ]
        assert [cell and cell.name for cell in found] == ["IN", "OUT"]


def _grid() -> RegisterMap:
    f = (Field("f", 0, 32, reset=7),)
    dimensions = (Dimension(100, 0x1000), Dimension(300, 8))
    registers = (
        Register("GRID[].CELL[]", 0, 0, 32, (4,), f, dimensions=dimensions),
        Register("SHADOW[]", 0, 4, 32, (4,), f, (Dimension(2, 8),), alias_of="GRID[].CELL[]"),
    )
    return RegisterMap("d", (AddressSpace(0),), registers)


def test_an_array_s_registers_are_found_by_name_and_by_address() -> None:
    registers = RegisterFile(_grid())
    cell = registers.exact(0, 42 * 0x1000 + 17 * 8, 4, write=True)
    assert cell is registers.cell("GRID[42].CELL[17]") is registers.cell("GRID[].CELL[]", 42, 17)
    assert cell.indices == (42, 17)
    assert registers.cell("SHADOW[1]") is registers.cell("GRID[0].CELL[1]")
    assert len(registers.matching("GRID[].CELL[]")) == 30_000
    names = list(registers)
    assert len(names) == len(set(names)) == 30_002
    assert "GRID[99].CELL[299]" in names


@pytest.mark.parametrize(
    "name",
    [
        "GRID[100].CELL[0]",
        "GRID[0].CELL[300]",
        "GRID[0].CELL[01]",
        "GRID[1]",
        "GRID[].CELL[1]",
        "X",
    ],
)
def test_a_name_that_is_none_is_refused(name: str) -> None:
    registers = RegisterFile(_grid())
    assert name not in registers
    with pytest.raises(UvtraceError, match="there is no register"):
        registers[name]


def test_a_register_first_touched_after_a_reset_has_its_reset_value() -> None:
    registers = RegisterFile(_grid())
    registers["GRID[0].CELL[1]"] = 1
    registers.reset()
    assert registers["GRID[0].CELL[1]"] == registers["GRID[0].CELL[2]"] == 7


def test_registers_cost_nothing_before_they_are_touched() -> None:
    described = _grid()
    described.lookup([0], [0])  # its tables are made once for all files
    begin = time.perf_counter()
    registers = RegisterFile(described)
    registers["GRID[5].CELL[5]"] = 1
    registers.reset()
    assert time.perf_counter() - begin < 0.1, "30,000 registers take a second when all are made"


@given(
    st.lists(
        st.tuples(st.integers(0, 31), st.sampled_from([1, 2, 4, 8]), st.integers(0, 2**64 - 1))
    )
)
def test_plain_registers_of_any_width_are_memory(writes: list[tuple[int, int, int]]) -> None:
    layout = ((0, 64), (8, 32), (12, 8), (13, 8), (14, 16), (16, 64), (24, 32), (28, 32))
    described = RegisterMap(
        "d",
        (AddressSpace(0),),
        tuple(
            Register(f"R{at}", 0, at, width, (1, 2, 4, 8), (Field("f", 0, width, reset=0),))
            for at, width in layout
        ),
    )

    class Plain(Device):
        config = Tiny.config
        registers = described

    book = Playbook(Plain())
    memory = bytearray(64)
    for at, length, value in writes:
        if at + length <= 32:
            value &= (1 << 8 * length) - 1
            book.write((0, at), value, length)
            memory[at : at + length] = value.to_bytes(length, "little")
        for start in range(0, 32, 8):
            expected = int.from_bytes(memory[start : start + 8], "little")
            assert book.read((0, start), 8) == expected
