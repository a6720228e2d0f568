# SPDX-License-Identifier: Apache-2.0
"""ORD: PCIe transaction ordering (Table 2-40) and its use; see docs/ordering.md."""

from __future__ import annotations

from typing import Final

from uvtrace.check.columns import ordering, record
from uvtrace.check.expression import Truth
from uvtrace.check.pcie import attributes
from uvtrace.check.rule import END, Case, Rule, rule
from uvtrace.check.rules import Sight
from uvtrace.check.terms import CONFIG, MESSAGE
from uvtrace.trace.enums import Kind, Phase

_TABLE: Final = "PCI Express Base Specification 5.0, 2.4.1 Transaction Ordering Rules, Table 2-40"
_INTERRUPT: Final = MESSAGE | {Kind.INTX_ASSERT, Kind.INTX_DEASSERT}
_POSTED: Final = frozenset({Kind.MMIO_WRITE, Kind.DMA_WRITE}) | _INTERRUPT
_NON_POSTED: Final = CONFIG | {Kind.MMIO_READ, Kind.PIO_READ, Kind.PIO_WRITE, Kind.DMA_READ}

_is_request = record.phase != Phase.COMPLETION
_posted = record.kind.is_in(_POSTED) & ordering.is_delivery
_request = record.kind.is_in(_NON_POSTED) & _is_request & ordering.is_delivery
_answer = record.kind.is_in(_NON_POSTED) & ~_is_request & ordering.is_delivery


def _passing(
    number: int, statement: str, applies: Truth, needs: set[Sight], clause: str, example: str
) -> Rule:
    """A rule about what a message must not pass."""
    return rule(
        f"ORD{number:03}",
        statement,
        needs=needs,
        applies=applies,
        violation=ordering.passed_rule == number,
        message="{kind} of {address:#x} arrived before {passed}, which was issued first"
        " ({passed_count} passed in all; clause {passed_clause})",
        role="passing",
        roles={"passed": ordering.passed},
        source=f"{_TABLE}, {clause}",
        example=example,
    )


ORD001 = _passing(
    1,
    "a posted request passed an earlier posted request without RO or IDO allowing it",
    _posted,
    {Sight.CPL, Sight.DMA, Sight.IRQ},
    "A2",
    "the second of two register writes takes effect first",
)
ORD002 = _passing(
    2,
    "a non-posted request passed an earlier posted request without leave",
    _request,
    {Sight.CPL},
    "B2, C2",
    "a read overtakes the write that it was to flush",
)
ORD003 = _passing(
    3,
    "a read completion passed an earlier posted request of the same direction without leave",
    _answer,
    {Sight.CPL, Sight.DMA},
    "D2",
    "a register's answer arrives before the data that the device wrote first",
)
ORD004 = _passing(
    4,
    "completions of one request returned out of address order",
    _answer,
    {Sight.CPL},
    "D5",
    "the second half of a read's data comes first",
)
ORD005 = _passing(
    5,
    "an interrupt message overtook DMA writes that it announces",
    record.kind.is_in(_INTERRUPT) & ordering.is_delivery,
    {Sight.DMA, Sight.IRQ},
    "A2",
    "the handler runs before the descriptor's write-back has arrived",
)
ORD006 = rule(
    "ORD006",
    "relaxed ordering or ID ordering used while its enable bit is 0",
    needs={Sight.CFG, Sight.DMA},
    applies=attributes.is_own_request | attributes.is_own_completion,
    violation=attributes.without_leave,
    cases=[
        Case(attributes.relaxed_interrupt, "{kind} of vector {vector} carries RO"),
        Case(
            attributes.relaxed_without_leave,
            "{kind} of {address:#x} carries RO, and Enable Relaxed Ordering is 0"
            " (since {device_control_since})",
        ),
    ],
    message="{kind} of {address:#x} carries IDO, and its enable bit in Device Control 2 is 0",
    role="request",
    source="PCI Express Base Specification 5.0, 7.5.3.4, 7.5.3.16 Device Control, Device Control 2",
    example="the device sets RO in its writes although the driver cleared the enable bit",
)
ORD007 = rule(
    "ORD007",
    "posted traffic or completions blocked behind non-posted traffic",
    needs={Sight.CPL},
    applies=record.kind.is_in({*_NON_POSTED, END}),
    violation=ordering.held_up >= 0,
    message="{held_up} was held up for {held_up_ns} ns by the non-posted request of {held_up_by}",
    role="request",
    roles={"held": ordering.held_up, "by": ordering.held_up_by},
    source=_TABLE + ", A3, A4, D3, D4: must be allowed to pass",
    example="the device answers no read until its own read is answered",
)

RULES = (ORD001, ORD002, ORD003, ORD004, ORD005, ORD006, ORD007)
