# SPDX-License-Identifier: Apache-2.0
"""Masks and lookup, against slow and obvious versions of themselves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from uvtrace.registers import (
    Access,
    AddressSpace,
    Dimension,
    Field,
    OnRead,
    OnWrite,
    Register,
    RegisterMap,
)
from uvtrace.registers.tables import masks


@st.composite
def fields(draw: st.DrawFn, width: int) -> tuple[Field, ...]:
    found: list[Field] = []
    low = draw(st.integers(0, 3))
    while low < width:
        bits = draw(st.integers(1, width - low))
        reset = draw(st.none() | st.integers(0, (1 << bits) - 1))
        found.append(
            Field(
                name=f"f{low}",
                low=low,
                width=bits,
                access=draw(st.sampled_from(Access)),
                on_read=draw(st.none() | st.sampled_from(OnRead)),
                on_write=draw(st.none() | st.sampled_from(OnWrite)),
                reset=reset,
                volatile=draw(st.booleans()),
                reserved=draw(st.booleans()),
                required=draw(st.none() | st.integers(0, (1 << bits) - 1)),
            )
        )
        low += bits + draw(st.integers(0, 5))
    return tuple(found)


@st.composite
def registers(draw: st.DrawFn) -> Register:
    width = draw(st.sampled_from([8, 16, 32, 64]))
    return Register(
        "R",
        0,
        0,
        width,
        (width // 8,),
        draw(fields(width)),
        required=draw(st.none() | st.integers(0, (1 << width) - 1)),
    )


def bits_where(register: Register, holds: Callable[[Field], bool]) -> int:
    """The bits of which the field that owns them satisfies something, bit by bit."""
    mask = 0
    for bit in range(register.width):
        for field in register.fields:
            if field.low <= bit < field.low + field.width and holds(field):
                mask |= 1 << bit
    return mask


@given(registers())
def test_every_mask_is_what_each_bits_field_says(register: Register) -> None:
    if not register.fields:
        return
    got = masks(register)
    alive = bits_where(register, lambda f: not f.reserved)
    assert got["fields"] == alive
    assert got["reserved"] == register.mask & ~alive
    assert got["readable"] == alive & bits_where(register, lambda f: f.access.readable)
    assert got["writable"] == alive & bits_where(register, lambda f: f.access.writable)
    assert got["ro"] == got["readable"] & ~got["writable"]
    assert got["rclr"] == alive & bits_where(register, lambda f: f.on_read is OnRead.RCLR)
    assert got["woclr"] == got["writable"] & bits_where(
        register, lambda f: f.on_write is OnWrite.WOCLR
    )
    assert got["volatile"] == alive & bits_where(register, lambda f: f.volatile)
    assert got["reset_known"] == bits_where(register, lambda f: f.reset is not None)
    assert got["reset"] & ~got["reset_known"] == 0
    assert got["required_value"] & ~got["required"] == 0


@given(registers())
def test_the_effects_of_a_write_share_no_bit_and_leave_none_out(register: Register) -> None:
    got = masks(register)
    parts = [got["plain"], *(got[effect.value] for effect in OnWrite)]
    together = 0
    for part in parts:
        assert part & together == 0
        together |= part
    assert together == got["writable"]


@given(registers())
def test_a_fields_own_required_value_wins_over_its_registers(register: Register) -> None:
    got = masks(register)
    for field in register.fields:
        if field.required is not None:
            assert got["required"] & field.mask == field.mask
            assert got["required_value"] & field.mask == field.required << field.low
        elif field.reserved and register.required is not None:
            assert got["required_value"] & field.mask == register.required & field.mask
        elif not field.reserved:
            assert got["required"] & field.mask == 0


@given(registers())
def test_reset_values_come_back_field_by_field(register: Register) -> None:
    got = masks(register)
    for field in register.fields:
        if field.reset is not None:
            assert got["reset"] >> field.low & ((1 << field.width) - 1) == field.reset


@st.composite
def maps(draw: st.DrawFn) -> RegisterMap:
    found: list[Register] = []
    for bar in (0, 2):
        offset = 0
        for number in range(draw(st.integers(0, 6))):
            offset += draw(st.integers(0, 12))
            width = draw(st.sampled_from([1, 2, 4, 8]))
            count = draw(st.integers(1, 4))
            stride = width + draw(st.integers(0, 5))
            array = count > 1
            found.append(
                Register(
                    f"B{bar}R{number}" + "[]" * array,
                    bar,
                    offset,
                    width * 8,
                    (width,),
                    dimensions=(Dimension(count, stride),) * array,
                )
            )
            offset += count * stride
    order = draw(st.permutations(found))
    return RegisterMap("device", (AddressSpace(0), AddressSpace(2)), tuple(order))


@given(maps())
def test_lookup_finds_what_a_walk_over_all_elements_finds(described: RegisterMap) -> None:
    truth: dict[tuple[int, int], str] = {}
    for register in described.registers:
        for number, offset in enumerate(register.element_offsets()):
            for byte in range(register.width // 8):
                truth[register.bar, offset + byte] = register.element_name(number)
    asked = [(bar, offset) for bar in (0, 1, 2) for offset in range(220)]
    bars, offsets = np.array(asked).T
    found = described.lookup(bars, offsets)
    assert found.dtype == np.int32
    for place, element in zip(asked, found.tolist(), strict=True):
        expected = truth.get(place)
        assert (None if element < 0 else described.element_name(element)) == expected


@given(maps())
def test_elements_are_numbered_in_order_of_bar_and_offset(described: RegisterMap) -> None:
    tables = described.tables
    places = list(zip(tables.bar.tolist(), tables.offset.tolist(), strict=True))
    assert places == sorted(places)
    assert described.lookup(tables.bar, tables.offset).tolist() == list(range(len(tables)))


def test_a_register_without_fields_is_volatile_and_free_to_read_and_write() -> None:
    got = masks(Register("R", 0, 0, 16, (2,)))
    assert got["readable"] == got["writable"] == got["volatile"] == 0xFFFF
    assert got["reserved"] == got["reset_known"] == got["ro"] == 0
