# SPDX-License-Identifier: Apache-2.0
"""The register map: what it refuses, and how elements are named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from uvtrace.errors import UvtraceError
from uvtrace.registers import Access, AddressSpace, Dimension, Field, Register, RegisterMap

SPACES = (AddressSpace(0), AddressSpace(1, port=True))
PLAIN = Register("R", 0, 0x10, 32, (4,), (Field("f", 0, 32),))


def described(*registers: Register) -> RegisterMap:
    return RegisterMap("device", SPACES, registers)


def refusal(*registers: Register) -> str:
    with pytest.raises(UvtraceError) as refused:
        described(*registers)
    return str(refused.value)


def test_registers_side_by_side_are_accepted_and_a_byte_less_is_an_overlap() -> None:
    assert described(PLAIN, replace(PLAIN, name="S", offset=0x14))
    assert refusal(PLAIN, replace(PLAIN, name="S", offset=0x13)) == (
        "register S: overlaps register R at 0x13 of BAR0"
    )


def test_the_same_offset_in_another_bar_is_no_overlap() -> None:
    assert described(PLAIN, replace(PLAIN, name="S", bar=1))


def test_an_element_in_the_middle_of_an_array_overlaps() -> None:
    array = replace(PLAIN, name="A[]", offset=0, dimensions=(Dimension(16, 8),))
    assert refusal(array, replace(PLAIN, name="S", offset=0x28)).startswith("register ")
    assert described(array, replace(PLAIN, name="S", offset=0x2C))


def test_an_array_whose_stride_is_less_than_its_width_overlaps_itself() -> None:
    assert "overlaps" in refusal(replace(PLAIN, name="A[]", dimensions=(Dimension(2, 2),)))


def test_a_register_for_reads_may_share_its_address_with_one_for_writes_only() -> None:
    read = replace(PLAIN, name="RBR", fields=(Field("f", 0, 8, Access.R),))
    write = replace(PLAIN, name="THR", fields=(Field("f", 0, 8, Access.W),))
    both = described(read, write)
    names = [both.element_name(int(e)) for e in both.lookup([0, 0], [0x10, 0x10], [False, True])]
    assert names == ["RBR", "THR"]
    assert "overlaps" in refusal(read, write, replace(read, name="IIR"))


def test_a_wide_register_for_reads_over_narrow_ones_for_writes_is_found_at_every_byte() -> None:
    read = replace(PLAIN, name="STATUS", fields=(Field("f", 0, 32, Access.R),))
    writes = [
        Register(f"COMMAND{n}", 0, 0x10 + n, 8, (1,), (Field("f", 0, 8, Access.W),))
        for n in range(4)
    ]
    both = described(read, *writes)
    offsets = [0x10, 0x11, 0x12, 0x13]
    assert {both.element_name(int(e)) for e in both.lookup([0] * 4, offsets)} == {"STATUS"}
    assert [both.element_name(int(e)) for e in both.lookup([0] * 4, offsets, [True] * 4)] == [
        "COMMAND0",
        "COMMAND1",
        "COMMAND2",
        "COMMAND3",
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"width": 24}, "24 bits wide"),
        ({"width": 128}, "split it"),
        ({"bar": 3}, "BAR3, which is not declared"),
        ({"access_bytes": ()}, "cannot be accessed"),
        ({"access_bytes": (3,)}, "cannot be accessed"),
        ({"fields": (Field("high", 32, 1),)}, "field high lies outside"),
        ({"fields": (Field("a", 0, 4), Field("b", 3, 4))}, "field b overlaps"),
        ({"fields": (Field("a", 0, 4, reset=16),)}, "does not fit into 4 bits"),
        ({"dimensions": (Dimension(2, 4),)}, "1 dimensions"),
        ({"name": "R[]", "dimensions": (Dimension(0, 4),)}, "no elements"),
        ({"name": "R[]", "dimensions": (Dimension(1 << 40, 4),)}, "more than 1048576"),
        ({"offset": -4}, "beyond any BAR"),
        ({"alias_of": "Q"}, "alias of Q, which is not there"),
    ],
)
def test_nonsense_is_refused_with_its_reason(change: dict[str, object], reason: str) -> None:
    said = refusal(replace(PLAIN, **change))  # type: ignore[arg-type]
    assert said.startswith("register R")
    assert reason in said


def test_two_registers_of_one_name_are_refused() -> None:
    assert refusal(PLAIN, replace(PLAIN, offset=0x20)) == "register R: declared twice"


def test_an_elements_name_carries_its_index_in_every_dimension() -> None:
    nested = replace(
        PLAIN, name="Q[].E[].LOW", dimensions=(Dimension(2, 0x100), Dimension(3, 0x10))
    )
    names = [nested.element_name(number) for number in range(nested.elements)]
    assert names[0] == "Q[0].E[0].LOW"
    assert names[4] == "Q[1].E[1].LOW"
    assert nested.element_offsets()[4] == 0x10 + 0x100 + 0x10


def test_an_alias_shares_its_elements_with_the_primary() -> None:
    primary = replace(PLAIN, name="M[]", offset=0x100, dimensions=(Dimension(4, 4),))
    alias = replace(primary, name="N[]", offset=0, alias_of="M[]")
    tables = described(primary, alias).tables
    by_offset = {int(offset): element for element, offset in enumerate(tables.offset)}
    assert tables.primary[by_offset[8]] == by_offset[0x108]
    assert tables.primary[by_offset[0x108]] == by_offset[0x108]


def test_an_empty_map_holds_no_register_anywhere() -> None:
    assert described().lookup([0, 1], [0, 4]).tolist() == [-1, -1]
