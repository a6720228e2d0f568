# SPDX-License-Identifier: Apache-2.0
"""Address windows that software programs: can two of them decode one address, and who sees it.

A BAR of size s, a power of two, decodes [value & -s, value & -s + s) (PCI Express Base
Specification 5.0, 7.5.1.2.1); a descriptor ring lies where its base register says. z3 is asked
for programmable values with which two of them overlap. Where there are any, they are written as a
trace of the config writes and accesses that do it, on which a rule must fire.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np

from uvtrace.check.columns import mapping, windows
from uvtrace.check.engine import check
from uvtrace.check.lint.acting import trace_of
from uvtrace.check.lint.firing import TIMED_OUT, name_of
from uvtrace.check.lint.opening import (
    IORESOURCE_IO,
    IORESOURCE_MEM,
    IORESOURCE_MEM_64,
    config_write,
    record_of,
    snapshot,
)
from uvtrace.check.lint.report import Problem
from uvtrace.check.rule import Rule
from uvtrace.check.rules import Sight
from uvtrace.check.solver import load_z3
from uvtrace.trace.enums import Kind, Phase, Snapshot
from uvtrace.trace.layout import BAR
from uvtrace.trace.trace import Trace

_COMMAND, _BAR0, _HEADER_BYTES = 0x04, 0x10, 64
_DECODE: Final = 0x7
"""Command: I/O Space, Memory Space and Bus Master Enable."""
_BITS: Final = 64


@dataclass(frozen=True)
class Form:
    """A form of window.

    Attributes:
        name: in the report.
        address_bits: of the addresses that it can decode.
        least, most: its sizes, powers of two (bytes).
        flags: the resource's flags.
        type_bits: the read-only low bits of its BAR.
    """

    name: str
    address_bits: int
    least: int
    most: int
    flags: int
    type_bits: int


FORMS: Final = (
    Form("32-bit memory BAR", 32, 16, 1 << 31, IORESOURCE_MEM, 0x0),
    Form("64-bit memory BAR", 64, 16, 1 << 40, IORESOURCE_MEM | IORESOURCE_MEM_64, 0x4),
    Form("I/O BAR", 32, 4, 256, IORESOURCE_IO, 0x1),
)
_RING: Final = Form("descriptor ring", 64, 128, 1 << 20, 0, 0)


@dataclass(frozen=True)
class Placed:
    """A window where software has put it."""

    form: Form
    begin: int
    size: int

    def __str__(self) -> str:
        return f"[{self.begin:#x}, {self.begin + self.size:#x})"


@dataclass(frozen=True)
class Apertures:
    """What is proven of windows: sentences, failures, and what is unknown."""

    sentences: tuple[str, ...]
    failures: tuple[Problem, ...]
    unknown: tuple[Problem, ...]


def prove_apertures(rules: Sequence[Rule], timeout_ms: int) -> Apertures:
    """Find windows that overlap, and prove that a rule sees each form of it."""
    sentences: list[str] = []
    failures: list[Problem] = []
    unknown: list[Problem] = []
    pairs = [(form, form) for form in FORMS] + [(FORMS[0], _RING)]
    for one, other in pairs:
        about = f"two windows, {one.name} and {other.name}"
        clash, apart, torn = _solutions(one, other, timeout_ms)
        if None in (clash, apart, torn):
            unknown.append(Problem(about, TIMED_OUT))
        elif clash == ():
            sentences.append(f"{about}: no programmable values make them overlap")
        else:
            assert clash is not None
            assert apart is not None
            covering = _covering(rules, other)
            found = _fired(clash, covering)
            text = f"{about} can overlap: {clash[0]} and {clash[1]}"
            wrong = _fired(apart, covering) if apart else ()
            if torn:
                failures.append(Problem(about, f"neither contains the other: {torn[0]} {torn[1]}"))
            if not found:
                failures.append(Problem(about, f"{text}, and no rule fires on a trace of it"))
            elif wrong and other is not _RING:
                names = ", ".join(wrong)
                failures.append(Problem(about, f"{names} accuses {apart[0]} and {apart[1]}"))
            else:
                sentences.append(f"{text}; reported by {', '.join(found)}")
    return Apertures(tuple(sentences), tuple(failures), tuple(unknown))


@cache
def _solutions(
    one: Form, other: Form, timeout_ms: int
) -> tuple[tuple[Placed, ...] | None, tuple[Placed, ...] | None, tuple[Placed, ...] | None]:
    """Windows that overlap, that touch, and that overlap though neither contains the other."""
    query = _Query(one, other, timeout_ms)
    torn = query.solve(query.torn) if other is not _RING else ()
    return query.solve(query.overlap), query.solve(query.touch), torn


def _covering(rules: Sequence[Rule], other: Form) -> tuple[Rule, ...]:
    """The rules that are about such a clash, by the columns that they use."""
    if other is _RING:
        return tuple(
            rule
            for rule in rules
            if Sight.DMA in rule.needs and mapping.mapping_state in frozenset(rule.columns())
        )
    return tuple(rule for rule in rules if windows.clash_bar in frozenset(rule.columns()))


def _fired(placed: Sequence[Placed], rules: Sequence[Rule]) -> tuple[str, ...]:
    """The rules that fire on a trace in which windows are put there."""
    if not rules:
        return ()
    found = {finding.rule for finding in check(_trace(placed), rules=rules).findings}
    return tuple(dict.fromkeys(name_of(rule) for rule in rules if rule.id in found))


class _Query:
    """Two windows of unknown place and size, as z3 sees them."""

    def __init__(self, one: Form, other: Form, timeout_ms: int) -> None:
        self.z3 = load_z3()
        self._timeout_ms = timeout_ms
        self._forms = (one, other)
        self._values = [self.z3.BitVec(f"value{number}", _BITS) for number in range(2)]
        self._sizes = [self.z3.BitVec(f"size{number}", _BITS) for number in range(2)]
        self._begins = [v & -s for v, s in zip(self._values, self._sizes, strict=True)]
        begin, end = self._begins, self._ends()
        less = self.z3.ULT
        self.overlap = self.z3.And(less(begin[0], end[1]), less(begin[1], end[0]))
        self.touch = end[0] == begin[1]
        inside = [self._contains(0, 1), self._contains(1, 0)]
        self.torn = self.z3.And(self.overlap, self.z3.Not(self.z3.Or(*inside)))

    def _ends(self) -> list[Any]:
        return [begin + size for begin, size in zip(self._begins, self._sizes, strict=True)]

    def _contains(self, outer: int, inner: int) -> Any:
        z3, ends = self.z3, self._ends()
        return z3.And(
            z3.ULE(self._begins[outer], self._begins[inner]), z3.UGE(ends[outer], ends[inner])
        )

    def _facts(self, number: int) -> list[Any]:
        z3, form = self.z3, self._forms[number]
        size, begin = self._sizes[number], self._begins[number]
        # 0 was never given an address, all ones are being sized: neither is decoded.
        top = (1 << (form.address_bits - 1)) - 1
        return [
            size & (size - 1) == 0,
            z3.UGE(size, form.least),
            z3.ULE(size, form.most),
            z3.ULE(self._values[number], z3.BitVecVal(top, _BITS)),
            begin != 0,
        ]

    def solve(self, claim: Any) -> tuple[Placed, ...] | None:
        """Windows that meet a claim, none if there are none; None: z3 ran out of time."""
        solver = self.z3.Solver()
        solver.set("timeout", self._timeout_ms)
        solver.add(claim, *self._facts(0), *self._facts(1))
        result = solver.check()
        if result != self.z3.sat:
            return () if result == self.z3.unsat else None
        model = solver.model()
        return tuple(
            Placed(form, *(model.eval(term).as_long() for term in (begin, size)))
            for form, begin, size in zip(self._forms, self._begins, self._sizes, strict=True)
        )


# ------------------------------------------------------------------- the trace


def _trace(placed: Sequence[Placed]) -> Trace:
    """A driver that puts windows there, enables decode and lets the device fetch descriptors."""
    bars = [(2 * number, each) for number, each in enumerate(placed) if each.form is not _RING]
    header = bytearray(_HEADER_BYTES)
    for index, each in bars:
        header[_BAR0 + 4 * index] = each.form.type_bits
    array = np.array([(0, each.size, 0, each.form.flags, index) for index, each in bars], BAR)
    told = [
        record_of(Kind.PROBE, phase=Phase.REQUEST),
        snapshot(Snapshot.CONFIG, len(header)),
        snapshot(Snapshot.BARS, array.nbytes),
    ]
    for index, each in bars:
        value = each.begin | each.form.type_bits
        told.append(config_write(_BAR0 + 4 * index, 4, value & 0xFFFFFFFF))
        if each.form.address_bits > 32:
            told.append(config_write(_BAR0 + 4 * index + 4, 4, each.begin >> 32))
    told.append(config_write(_COMMAND, 2, _DECODE))
    for ring in (each for each in placed if each.form is _RING):
        told.append(record_of(Kind.DMA_READ, address=ring.begin, length=16, tag=1))
    records = np.concatenate(told)
    records["seq"] = np.arange(len(records))
    records["time_ns"] = 1000 * (1 + np.arange(len(records)))
    return trace_of(records, {1: bytes(header), 2: array.tobytes()})
