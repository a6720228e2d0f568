# SPDX-License-Identifier: Apache-2.0
"""What it takes for a rule to fire, as claims about a few events."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

from uvtrace.check.columns import record
from uvtrace.check.expression import FALSE, Literal, Number, Parameter, Truth
from uvtrace.check.latest import Latest
from uvtrace.check.lint.scene import STEP_NS, Scene
from uvtrace.check.obligation import AtEnd, Obligation
from uvtrace.check.rule import END, Rule, kinds_of
from uvtrace.check.window import Measure, Window

Key = tuple[Number | Latest, ...]

EARLIER: Final = 4
"""Events before a scene that is judged by columns: what its event columns can point at."""
_LATE_NS: Final = 1 << 60
_ROWS_MAX: Final = 64
_RECORD: Final = frozenset(record.COLUMNS) - {record.position}


def is_of_record(rule: Rule) -> bool:
    """Whether whether it fires is seen in the records alone, without what passes derive."""
    violation = rule.violation
    terms = (rule.applies, violation) if isinstance(violation, Truth) else violation.terms()
    return all(column in _RECORD for term in terms for column in term.columns())


def stage(rule: Rule) -> Scene | None:
    """A scene in which the rule fires, if that can be; None: there is no saying how.

    The parameters that limit a window are small in it.
    """
    first = 0 if is_of_record(rule) else EARLIER
    match rule.violation:
        case Truth():
            return _event(rule.applies & rule.violation, first)
        case Obligation():
            return _duty(rule.violation, first)
        case Window():
            return _aggregate(rule.violation, first)
    return None


def _event(term: Truth, first: int) -> Scene:
    kinds = kinds_of(term)
    scene = Scene(first=first, with_end=kinds is not None and END in kinds)
    scene.claim(scene.truth(term).certain)
    return scene


# ----------------------------------------------------------------- obligations


def _duty(duty: Obligation, first: int) -> Scene | None:
    """It is opened, and then broken by an event, by its deadline, or by the end."""
    if duty.broken_by is not FALSE:
        scene = Scene(2, first=first)
        key = duty.key if duty.break_key is None else duty.break_key
        scene.claim(scene.truth(duty.broken_by, 1).certain)
        if duty.break_key is not None:
            scene.claim(*same(scene, duty.key, key))
    elif duty.deadline_ns is not None:
        scene = Scene(2, first=first, times_ns=(STEP_NS, _LATE_NS))
        deadline = scene.number(duty.deadline_ns)
        scene.claim(deadline.known, deadline.value >= 0, deadline.value < _LATE_NS - 2 * STEP_NS)
    elif duty.at_end is AtEnd.BROKEN:
        scene = Scene(1, first=first)
    else:
        return None
    scene.claim(scene.truth(duty.opened_by).certain)
    if len(scene.times_ns) > 1:
        scene.claim(scene.z3.Not(scene.truth(duty.discharged_by, 1).certain))
    return scene


def discharge(duty: Obligation) -> Scene:
    """It is opened and then discharged."""
    scene = Scene(2, first=EARLIER)
    key = duty.key if duty.discharge_key is None else duty.discharge_key
    scene.claim(scene.truth(duty.opened_by).certain, scene.truth(duty.discharged_by, 1).certain)
    scene.claim(*same(scene, duty.key, key))
    return scene


def same(scene: Scene, key: Key, other: Key, row: int = 1) -> Any:
    """The key of the first event is the other key of another one.

    What is remembered of earlier events is left open: two events do not show it.
    """
    return [
        scene.number(one).value == scene.number(two, row).value
        for one, two in zip(key, other, strict=True)
        if isinstance(one, Number) and isinstance(two, Number)
    ]


# --------------------------------------------------------------------- windows


def _aggregate(window: Window, first: int) -> Scene | None:
    """Just enough events count, one after the other, none of which resets."""
    limit, parameters = 1, {}
    if isinstance(window.limit, Parameter):
        parameters[window.limit.name] = limit
    elif isinstance(window.limit, Literal):
        limit = window.limit.value
    else:
        return None
    rows = limit + (3 if window.measure is Measure.GROWTH else 1)
    if not 1 <= rows <= _ROWS_MAX:
        return None
    step_ns = 0 if window.measure is not Measure.GROWTH else _span(window) + 1
    times_ns = tuple(STEP_NS + row * step_ns for row in range(rows))
    scene = Scene(rows, first=first, times_ns=times_ns, parameters=parameters)
    for row in range(rows):
        scene.claim(scene.truth(window.counts, row).certain)
        scene.claim(*same(scene, window.key, window.key, row))
        # An event that does both starts over before it counts.
        scene.claim(scene.z3.Not(scene.truth(window.reset_by, row).certain))
    if window.of is not None:
        _measure(scene, window.of, window.measure, limit, rows)
    return scene


def _measure(scene: Scene, of: Number, measure: Measure, limit: int, rows: int) -> None:
    values = [scene.number(of, row) for row in range(rows)]
    scene.claim(*(value.known for value in values))
    if measure is Measure.SUM:
        most = (1 << 62) // rows
        scene.claim(*(scene.z3.And(value.value >= 0, value.value < most) for value in values))
        scene.claim(sum(value.value for value in values[1:]) + values[0].value > limit)
        return
    for before, after in pairwise(values):
        scene.claim(after.value > before.value)


def _span(window: Window) -> int:
    span = window.span_ns
    if isinstance(span, Parameter):
        return span.default
    return span.value if isinstance(span, Literal) else span if isinstance(span, int) else 0
