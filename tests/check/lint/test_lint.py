# SPDX-License-Identifier: Apache-2.0
"""Proofs about rules: what passes, and what each proof catches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from checkers import address, dma_device
from uvtrace.check.automaton import ANY, Automaton, Edge
from uvtrace.check.columns import config, life, mapping, record
from uvtrace.check.expression import FALSE, TRUE, Parameter, Truth
from uvtrace.check.lint import Report, Shown, lint
from uvtrace.check.obligation import AtEnd, Obligation
from uvtrace.check.rule import Rule, Violation, rule
from uvtrace.check.terms import is_end, is_mmio, is_unbound
from uvtrace.check.window import Measure, Window
from uvtrace.trace.enums import Kind

COVERING = (*address.RULES, *dma_device.RULES)
"""Rules that see windows that overlap."""
IS_READ = record.kind == Kind.MMIO_READ


def declare(id: str, violation: Violation, applies: Truth = TRUE, **more: Any) -> Rule:
    """A rule of which only the conditions matter."""
    return rule(
        id, "wrong", violation=violation, applies=applies, message="#{seq}", source="test", **more
    )


def report_of(*rules: Rule, automata: Sequence[Automaton] = (), timeout_ms: int = 60_000) -> Report:
    """What lint says of some rules alone."""
    return lint(rules, automata, timeout_ms=timeout_ms)


def failures(*rules: Rule, automata: Sequence[Automaton] = ()) -> list[str]:
    """The failures, but for windows that no rule sees: these rules are not about them."""
    report = report_of(*rules, automata=automata)
    assert report.unknown == ()
    return [str(each) for each in report.failures if not each.about.startswith("two windows")]


def shown(violation: Violation, applies: Truth = TRUE) -> Shown:
    """By what it is shown that a rule fires."""
    one = declare("ACME001", violation, applies)
    assert failures(one) == []
    return report_of(one).rules[0].shown


# ------------------------------------------------------------------ can it fire


def test_a_rule_about_records_fires_on_a_trace_of_what_z3_found() -> None:
    assert (
        shown(record.offset > record.length, IS_READ & (record.payload_length > 3)) is Shown.TRACE
    )


def test_a_rule_about_derived_columns_fires_on_columns_of_what_z3_found() -> None:
    assert shown(mapping.live_mappings > 3, record.kind == Kind.MAP) is Shown.COLUMNS


def test_a_rule_about_a_device_s_first_state_fires_on_a_trace_that_opens_with_its_probe() -> None:
    disabled = ~config.memory_enable & (config.memory_enable_since >= 0)
    assert shown(disabled, is_mmio) is Shown.TRACE


def test_a_rule_about_the_end_of_a_trace_fires() -> None:
    assert shown(mapping.live_mappings > 3, is_end) is Shown.COLUMNS


@pytest.mark.parametrize(
    ("applies", "violation", "why"),
    [
        (IS_READ, (record.offset > 8) & (record.offset < 8), "violation is contradictory"),
        (IS_READ & (record.kind == Kind.MAP), record.offset > 8, "applies is contradictory"),
        (IS_READ, record.kind == Kind.MAP, "violation contradicts applies"),
        (IS_READ, record.nents > 0, "violation contradicts applies"),
        (record.width > 0, record.width > 255, "violation is contradictory"),
    ],
)
def test_a_contradictory_rule_fails(applies: Truth, violation: Truth, why: str) -> None:
    assert failures(declare("ACME001", violation, applies)) == [
        f"ACME001: it can never fire: {why}"
    ]


def test_a_rule_that_accuses_every_event_it_applies_to_fails() -> None:
    always = declare("ACME001", (record.offset >= 8) | (record.offset < 8), is_mmio)
    assert failures(always) == ["ACME001: it accuses every event that it applies to"]


def test_that_the_engine_does_not_fire_where_z3_says_so_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("uvtrace.check.lint.firing.fires_on_trace", lambda *_: False)
    found = failures(declare("ACME001", record.offset == 8, IS_READ))
    assert found == [
        "ACME001: z3 says that it fires, the engine does not, on: MMIO_READ, offset=0x8"
    ]


def test_what_takes_z3_too_long_is_unknown_and_no_failure() -> None:
    # Two odd factors of a product of two primes of 31 bits.
    factors = record.value * record.tag == 2147483647 * 2147483629
    small = (record.value < 1 << 32) & (record.tag < 1 << 32) & (record.tag > 1)
    report = report_of(declare("ACME001", factors & small & (record.value > 1)), timeout_ms=1)
    reasons = [str(each) for each in report.unknown]
    assert "ACME001: whether it can fire: z3 ran out of time" in reasons
    assert not [each for each in report.failures if each.about == "ACME001"]
    assert report.rules[0].shown is Shown.NOT


def test_a_message_tells_of_what_is_unknown_in_any_format() -> None:
    unknown = ~config.msi_enable & ~config.msi_address.is_known
    one = rule(
        "ACME001", "wrong", violation=unknown, source="test", message="{msi_address:#x} {msi_since}"
    )
    assert failures(one) == []


def test_a_message_that_cannot_be_written_fails() -> None:
    one = rule("ACME001", "wrong", violation=IS_READ, source="test", message="{kind_name:#x}")
    assert failures(one) == [
        "ACME001: its finding cannot be told: Unknown format code 'x' for object of type 'str',"
        " of: MMIO_READ"
    ]


# -------------------------------------------------- obligations, windows


def duty(**more: Any) -> Obligation:
    """IOMAP obliges to IOUNMAP."""
    terms = {
        "opened_by": (record.kind == Kind.IOMAP) & (record.iomap > 7),
        "discharged_by": record.kind == Kind.IOUNMAP,
        "key": (record.iomap,),
    }
    return Obligation(**{**terms, **more})


@pytest.mark.parametrize(
    "more",
    [
        {"broken_by": is_unbound},
        {"broken_by": record.kind == Kind.IOMAP, "break_key": (record.iomap,)},
        {"deadline_ns": Parameter("ACME001.wait_ns", 1000, "the wait", "ns")},
        {"at_end": AtEnd.BROKEN},
    ],
)
def test_an_obligation_fires_however_it_is_broken(more: dict[str, Any]) -> None:
    assert shown(duty(**more)) is Shown.TRACE


def test_an_obligation_whose_opening_is_contradictory_fails() -> None:
    never = duty(opened_by=IS_READ & is_unbound, broken_by=is_unbound)
    assert failures(declare("ACME001", never)) == [
        "ACME001: it can never fire: no events open its obligation and then break it"
    ]


def test_an_obligation_that_nothing_can_discharge_fails() -> None:
    stuck = duty(broken_by=is_unbound, discharge_key=(record.iomap & 7,))
    assert failures(declare("ACME001", stuck)) == ["ACME001: what it opens can never be discharged"]


@pytest.mark.parametrize(
    "window",
    [
        Window(counts=IS_READ, key=(record.offset,), limit=Parameter("ACME001.n", 100_000, "n")),
        Window(
            counts=IS_READ, limit=Parameter("ACME001.n", 9, "n"), span_ns=5, reset_by=is_unbound
        ),
        Window(
            counts=IS_READ & (record.length < 90),
            measure=Measure.SUM,
            of=record.length,
            limit=Parameter("ACME001.n", 100, "n"),
        ),
        Window(
            counts=IS_READ,
            measure=Measure.GROWTH,
            of=record.length,
            span_ns=Parameter("ACME001.span_ns", 1000, "the span", "ns"),
            limit=Parameter("ACME001.n", 100, "n"),
        ),
    ],
)
def test_a_window_fires_whatever_it_measures(window: Window) -> None:
    assert shown(window) is Shown.TRACE


def test_a_window_that_is_reset_by_what_it_counts_fails() -> None:
    window = Window(counts=IS_READ, limit=Parameter("ACME001.n", 9, "n"), reset_by=is_mmio)
    assert failures(declare("ACME001", window)) == [
        "ACME001: it can never fire: no events exceed its limit"
    ]


# ------------------------------------------------------------------- implied


WIDE = declare("ACME001", record.offset > 8, IS_READ)
NARROW = ("ACME002", (record.offset > 8) & life.in_handler, IS_READ)


def test_a_rule_that_another_of_its_family_implies_fails() -> None:
    assert failures(WIDE, declare(*NARROW)) == [
        "ACME002: it is implied by ACME001, which reports every event that it reports:"
        ' declare supersedes={"ACME001"}, or tell them apart'
    ]


def test_a_rule_that_supersedes_the_one_that_implies_it_passes() -> None:
    assert failures(WIDE, declare(*NARROW, supersedes={"ACME001"})) == []


def test_rules_that_merely_overlap_or_are_of_two_families_pass() -> None:
    assert failures(WIDE, declare("ACME002", record.offset < 16, IS_READ)) == []
    assert failures(WIDE, declare("ACMF002", *NARROW[1:])) == []


def test_a_variant_that_another_one_implies_fails() -> None:
    variants = declare("ACME001", WIDE.violation, IS_READ, variant="b")
    assert len(failures(WIDE, variants)) == 2


def test_a_rule_that_is_superseded_wherever_it_fires_fails() -> None:
    low = declare("ACMF001", record.offset < 16, IS_READ, supersedes={"ACME001"})
    high = declare("ACMG001", record.offset > 15, IS_READ, supersedes={"ACME001"})
    assert failures(WIDE, low) == []
    assert failures(WIDE, low, high) == [
        "ACME001: it is never reported: ACMF001, ACMG001 supersede it wherever it fires"
    ]


# ------------------------------------------------------------------ automata


def machine(*edges: Edge) -> Automaton:
    """An automaton of two states."""
    return Automaton(name="acme", states=("off", "on"), initial="off", edges=edges)


def writes(value: int) -> Truth:
    """A write that has these bits."""
    return (record.kind == Kind.MMIO_WRITE) & record.value.has(value)


TURNS_ON = Edge("off", "on", writes(1), "EN = 1")


def test_overlapping_guards_fail_with_the_event_that_takes_both() -> None:
    automaton = machine(TURNS_ON, Edge("off", "off", writes(2) & writes(4), "again"))
    (failure,) = failures(declare("ACME001", automaton))
    begin = "automaton acme: the guards out of 'off' overlap: 'EN = 1' (to on) and 'again' (to off)"
    assert failure.startswith(f"{begin} are both taken by MMIO_WRITE, value=")
    assert int(failure.rpartition("value=")[2].partition(",")[0], 16) & 7 == 7


def test_disjoint_guards_pass_and_a_state_s_own_edge_goes_before_that_of_every_state() -> None:
    edges = (TURNS_ON, Edge("on", "off", ~writes(1) & writes(2), "EN = 0"))
    report = report_of(automata=[machine(*edges, Edge(ANY, "off", writes(1), "reset"))])
    assert not [each for each in report.failures if each.about.startswith("automaton")]
    (line,) = report.automata
    assert [state for state, _ in line.stays] == ["off", "on"]


def test_an_automaton_that_has_an_edge_for_every_event_leaves_none_open() -> None:
    edges = (TURNS_ON, Edge("off", "off", ~writes(1), "else"), Edge("on", "on", TRUE, "all"))
    report = report_of(automata=[machine(*edges)])
    assert report.automata[0].stays == ()


def test_an_edge_that_no_event_can_take_and_a_state_without_a_way_there_fail() -> None:
    dead = machine(Edge("off", "off", writes(1) & IS_READ, "never"), Edge("on", "on", TRUE, "all"))
    assert failures(automata=[dead]) == [
        "automaton acme: no event can take the edge 'never' (to off)",
        "automaton acme: no edges lead to the state 'on'",
    ]


# ------------------------------------------------------------------- windows


def test_windows_that_can_overlap_are_shown_with_the_rule_that_sees_it() -> None:
    report = report_of(*COVERING)
    assert report.failures == ()
    assert [sentence.rpartition("; ")[2] for sentence in report.windows] == [
        *["reported by ADR002"] * 3,
        "reported by DMA001",
    ]


def test_windows_that_can_overlap_and_that_no_rule_sees_fail() -> None:
    report = report_of(declare("ACME001", FALSE | (record.offset == 8), IS_READ))
    assert [each.about for each in report.failures] == [
        "two windows, 32-bit memory BAR and 32-bit memory BAR",
        "two windows, 64-bit memory BAR and 64-bit memory BAR",
        "two windows, I/O BAR and I/O BAR",
        "two windows, 32-bit memory BAR and descriptor ring",
    ]
    assert all("and no rule fires on a trace of it" in each.reason for each in report.failures)
