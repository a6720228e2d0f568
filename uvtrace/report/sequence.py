# SPDX-License-Identifier: Apache-2.0
"""A sequence diagram around a finding: what went between host, bus and device, as SVG.

What the host does goes to the device, what only changes the bus's mind (a mapping, a call that was
not let through) ends at the bus. A read comes back. Rows of the proof are shaded and bear their
role; a mapping that belongs to the proof is a bar along the bus for as long as it lives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from uvtrace.report.around import HERE, Place, Surroundings
from uvtrace.report.markup import Markup, tag
from uvtrace.trace import descriptions
from uvtrace.trace.enums import Flag, Kind, Phase, Status
from uvtrace.trace.layout import kinds_of
from uvtrace.trace.trace import Trace

REACH: Final = 3
"""Records shown around each record of the proof."""
ROWS_MAX: Final = 40
_PROOF_MAX: Final = 10

_WIDTH: Final = 1010
_ROW: Final = 44
_GAP: Final = 26
_HEAD: Final = 46
_HOST, _BUS, _DEVICE = 180, 500, 820
_SEQ, _TIME, _ROLE = 60, 136, 846
MINUS: Final = "\N{MINUS SIGN}"
_CHARACTER: Final = 6.9
"""Width of a character of a label, in pixels."""

_READS: Final = (Kind.CONFIG_READ, Kind.MMIO_READ, Kind.PIO_READ)
_ACCESSES: Final = kinds_of("access")
_TO_BUS: Final = tuple(kind for kind in kinds_of("dma") if kind < Kind.MEMORY)
_FROM_DEVICE: Final = (*kinds_of("bus"), Kind.ERROR)
_TO_DEVICE: Final = (Kind.POWER, Kind.RESET)
_BANDS: Final = (*kinds_of("meta"), Kind.MODULE_LOAD, Kind.MODULE_UNLOAD)
_BEGINS: Final = {
    Kind.MAP: Kind.UNMAP,
    Kind.ALLOC: Kind.FREE,
    Kind.POOL_ALLOC: Kind.POOL_FREE,
}
_STOPPED: Final = Flag.OUTSIDE | Flag.STALE
_LABEL_PIXELS: Final = _DEVICE - _HOST - 24


@dataclass(frozen=True)
class _Row:
    """A record in the diagram, and where its line is."""

    position: int
    part: Trace
    y: int
    role: str

    @property
    def record(self) -> np.void:
        return self.part[0]

    @property
    def kind(self) -> int:
        return int(self.record["kind"])

    @property
    def phase(self) -> int:
        return int(self.record["phase"])


def diagram(trace: Trace, around: Surroundings, place: Place, title: str) -> Markup:
    """The diagram of a finding; empty where none of its records is in the trace.

    Args:
        trace: what :func:`uvtrace.open` gives.
        around: of that trace.
        place: where the finding's records are.
        title: what the picture shows, for those who cannot see it.
    """
    shown = chosen_rows(around, place)
    if not shown:
        return Markup("")
    rows, gaps, height = _laid_out(trace, around, place, shown)
    zero = int(trace[place.row]["time_ns"]) if place.row >= 0 else int(rows[0].record["time_ns"])
    return tag(
        "svg",
        tag("title", title),
        _lanes(height),
        [_shade(row) for row in rows if row.role],
        _bars(rows, height),
        [_gap(y, count, time_ns) for y, count, time_ns in gaps],
        [_row(row, before, zero) for row, before in zip(rows, [None, *rows], strict=False)],
        class_="sequence",
        viewBox=f"0 0 {_WIDTH} {height}",
        role="img",
        width=_WIDTH,
        height=height,
    )


def chosen_rows(around: Surroundings, place: Place) -> list[int]:
    """The rows that a diagram shows: the proof, and as many around it as there is room for."""
    proof = list(place.roles)
    if len(proof) > _PROOF_MAX:
        # The beginning, and what breaks the rule.
        kept = dict.fromkeys([*proof[: _PROOF_MAX - 1], place.row if place.row >= 0 else proof[-1]])
        place = Place(place.row, {row: place.roles[row] for row in sorted(kept)}, place.function)
    for reach in range(REACH, -1, -1):
        rows: list[int] = around.neighbours(place, reach).tolist()
        if len(rows) <= ROWS_MAX:
            return rows
    return rows[:ROWS_MAX]


def _laid_out(
    trace: Trace, around: Surroundings, place: Place, shown: Sequence[int]
) -> tuple[list[_Row], list[tuple[int, int, int]], int]:
    """The rows, the gaps between them (where, how many records, how long), the height."""
    own = around.own(place.function)
    rows: list[_Row] = []
    gaps = []
    y = _HEAD
    for position in shown:
        part = trace[position : position + 1]
        if rows:
            between = np.searchsorted(own, [rows[-1].position, position])
            hidden = int(between[1] - between[0]) - 1
            if hidden > 0:
                passed = int(part[0]["time_ns"]) - int(rows[-1].record["time_ns"])
                gaps.append((y + _GAP // 2, hidden, passed))
                y += _GAP
        rows.append(_Row(position, part, y + _ROW // 2 + 4, place.roles.get(position, "")))
        y += _ROW
    return rows, gaps, y + 14


def _lanes(height: int) -> Iterator[Markup]:
    for x, name in ((_HOST, "host"), (_BUS, "bus"), (_DEVICE, "device")):
        yield tag("line", x1=x, x2=x, y1=36, y2=height - 6, class_="lane")
        yield tag("rect", x=x - 44, y=8, width=88, height=26, rx=6, class_="head")
        yield tag("text", name, x=x, y=26, text_anchor="middle", class_="head-text")


def _shade(row: _Row) -> Markup:
    look = "shade here" if HERE in row.role.split(", ") else "shade"
    return tag("rect", x=2, y=row.y - 23, width=_WIDTH - 4, height=_ROW - 2, rx=5, class_=look)


def _bars(rows: Sequence[_Row], height: int) -> Iterator[Markup]:
    """How long what belongs to the proof lived: mappings along the bus, handlers along the host."""
    for index, row in enumerate(rows):
        if row.kind in _BEGINS and row.role and row.record["status"] == Status.OK:
            ends = _BEGINS[Kind(row.kind)]
            later = (
                each.y
                for each in rows[index + 1 :]
                if each.kind == ends and each.record["address"] == row.record["address"]
            )
            yield _bar(_BUS, row.y, next(later, height - 6), "alive")
        if row.kind == Kind.HANDLER_ENTER:
            later = (each.y for each in rows[index + 1 :] if each.kind == Kind.HANDLER_EXIT)
            end = next(later, None)
            if end is not None:
                yield _bar(_HOST, row.y, end, "running")


def _bar(x: int, top: int, bottom: int, look: str) -> Markup:
    return tag("rect", x=x - 4, y=top, width=8, height=max(bottom - top, 1), rx=2, class_=look)


def _gap(y: int, hidden: int, passed_ns: int) -> Markup:
    count = f"{hidden:,} record{'' if hidden == 1 else 's'}"
    return tag(
        "g",
        tag("line", x1=_SEQ, x2=_DEVICE + 40, y1=y, y2=y, class_="gap"),
        tag("rect", x=_BUS - 110, y=y - 9, width=220, height=18, rx=9, class_="gap-back"),
        tag("text", f"{count}, {_span(passed_ns)}", x=_BUS, y=y + 4, class_="gap-text"),
    )


def _row(row: _Row, before: _Row | None, zero: int) -> Markup:
    seq = int(row.record["seq"])
    since = int(row.record["time_ns"]) - zero
    return tag(
        "g",
        tag("title", descriptions.line(row.part, 0)),
        tag("text", f"#{seq}", x=_SEQ, y=row.y + 1, class_="seq"),
        tag("text", _signed(since), x=_TIME, y=row.y + 1, class_="time"),
        _drawing(row),
        _site(row, before),
        _role(row),
        class_="step",
        data_seq=seq,
    )


def _role(row: _Row) -> Markup | None:
    if not row.role:
        return None
    label = _fit(row.role, _WIDTH - _ROLE - 34)
    look = "role here" if HERE in row.role.split(", ") else "role"
    width = round(len(label) * _CHARACTER) + 18
    return tag(
        "g",
        tag("rect", x=_ROLE, y=row.y - 12, width=width, height=20, rx=10),
        tag("text", label, x=_ROLE + width // 2, y=row.y + 2),
        class_=look,
    )


def _site(row: _Row, before: _Row | None) -> Markup | None:
    """The call site below the arrow, where it is another than that of the row before."""
    site = row.part.site(0)
    if not site or row.kind in _BANDS or (before is not None and before.part.site(0) == site):
        return None
    return tag("text", _fit(site, _LABEL_PIXELS), x=_HOST + 12, y=row.y + 16, class_="site")


def _drawing(row: _Row) -> Markup:
    label = descriptions.summary(row.part, 0)
    kind = row.kind
    if kind in _BANDS:
        return _band(row, label)
    if kind in _ACCESSES or kind in _TO_DEVICE:
        return _access(row, label)
    if kind in _FROM_DEVICE:
        return _message(row, label)
    if kind in _TO_BUS:
        return _arrow(row.y, _HOST, _BUS, label, "mapping", room=_LABEL_PIXELS)
    return tag(
        "g",
        tag("circle", cx=_HOST, cy=row.y - 2, r=4.5),
        _label(label, _HOST + 12, row.y + 1, _LABEL_PIXELS),
        class_="local",
    )


def _access(row: _Row, label: str) -> Markup:
    """An access by the driver: over there, and back if it reads."""
    stopped = bool(int(row.record["flags"]) & _STOPPED) or row.record["status"] == Status.REFUSED
    end = _BUS if stopped else _DEVICE
    look = "stopped" if stopped else "config" if row.kind in (1, 2) else "access"
    if row.phase == Phase.COMPLETION:
        return _arrow(row.y, end, _HOST, label, f"{look} back")
    arrow = _arrow(row.y, _HOST, end, label, look, room=_LABEL_PIXELS)
    if row.kind in _READS and row.phase != Phase.REQUEST:
        return tag("g", arrow, _line(row.y + 5, end, _HOST, f"{look} back"))
    return arrow


def _message(row: _Row, label: str) -> Markup:
    """What the device sends; what the bus does not let through ends there."""
    look = "interrupt" if row.kind in range(Kind.MSI, Kind.INTX_DEASSERT + 1) else "device"
    if row.kind == Kind.DMA_READ and row.phase == Phase.COMPLETION:
        return _arrow(row.y, _HOST, _DEVICE, label, f"{look} back")
    if row.record["status"] not in (Status.OK, Status.UNKNOWN):
        return _arrow(row.y, _DEVICE, _BUS, label, "stopped", room=_LABEL_PIXELS)
    arrow = _arrow(row.y, _DEVICE, _HOST, label, look)
    if row.kind == Kind.DMA_READ and row.phase == Phase.WHOLE:
        return tag("g", arrow, _line(row.y + 5, _HOST, _DEVICE, f"{look} back"))
    return arrow


def _band(row: _Row, label: str) -> Markup:
    look = "band lost" if row.kind == Kind.LOSS else "band"
    return tag(
        "g",
        tag("rect", x=_HOST, y=row.y - 14, width=_DEVICE - _HOST, height=24, rx=4),
        _label(label, _HOST + 12, row.y + 2, _LABEL_PIXELS),
        class_=look,
    )


def _arrow(y: int, start: int, end: int, label: str, look: str, room: int | None = None) -> Markup:
    left = min(start, end)
    width = room if room is not None else abs(end - start) - 24
    cross = None
    if look == "stopped":
        cross = tag("path", d=f"M{_BUS - 5} {y - 5}l10 10m0 -10l-10 10", class_="cross")
    return tag(
        "g",
        _line(y, start, end, look, headless=look == "stopped"),
        cross,
        _label(label, left + 12, y - 7, width),
        class_=f"arrow {look}",
    )


def _line(y: int, start: int, end: int, look: str, *, headless: bool = False) -> Markup:
    step = -7 if end > start else 7
    head = None if headless else tag("path", d=f"M{end} {y}l{step} -4v8z", class_="point")
    return tag("g", tag("line", x1=start, x2=end, y1=y, y2=y), head, class_=f"wire {look}")


def _label(label: str, x: int, y: int, pixels: int) -> Markup:
    return tag("text", _fit(label, pixels), x=x, y=y, class_="label")


def _fit(label: str, pixels: int) -> str:
    most = max(int(pixels / _CHARACTER), 1)
    return label if len(label) <= most else label[: most - 1] + "…"


def _signed(time_ns: int) -> str:
    if time_ns == 0:
        return "0"
    return f"{MINUS if time_ns < 0 else '+'}{_span(abs(time_ns))}"


def _span(time_ns: int) -> str:
    for unit_ns, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if abs(time_ns) >= unit_ns:
            return (
                f"{time_ns / unit_ns:.3g} {unit}"
                if abs(time_ns) < 1e12
                else f"{time_ns // 10**9} s"
            )
    return f"{time_ns} ns"
