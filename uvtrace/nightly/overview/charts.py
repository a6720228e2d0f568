# SPDX-License-Identifier: Apache-2.0
"""Small charts of the nights, as SVG that needs no script and no style of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from uvtrace.report.markup import Markup, tag

_WIDTH: Final = 320.0
_HEIGHT: Final = 84.0
_BAR_MAX: Final = 16.0
_SPARK_WIDTH: Final = 132.0
_SPARK_HEIGHT: Final = 26.0
_DOT: Final = 6.0


@dataclass(frozen=True)
class Bar:
    """A night in a chart of bars.

    Attributes:
        title: what is told when it is pointed at.
        parts: name of the colour and height, from the bottom up.
    """

    title: str
    parts: tuple[tuple[str, float], ...]

    @property
    def height(self) -> float:
        """Of all parts."""
        return sum(height for _, height in self.parts)


def bars(title: str, nights: Sequence[Bar], number: Callable[[float], str]) -> Markup:
    """A chart with a bar for each night, the newest on the right.

    Args:
        title: of the chart.
        nights: oldest first.
        number: tells a height.
    """
    most = max((each.height for each in nights), default=0.0)
    step = min(_WIDTH / max(len(nights), 1), _BAR_MAX)
    first = _WIDTH - step * len(nights)
    drawn = [_bar(each, first + index * step, step, most) for index, each in enumerate(nights)]
    last = nights[-1].title if nights else "no night"
    return tag(
        "figure",
        tag("figcaption", tag("b", title), tag("span", number(most), class_="most")),
        tag(
            "svg",
            tag("line", x1=0, y1=_HEIGHT - 0.5, x2=_WIDTH, y2=_HEIGHT - 0.5, class_="axis"),
            drawn,
            viewBox=f"0 0 {_WIDTH:g} {_HEIGHT:g}",
            role="img",
            aria_label=f"{title}: {last}; at most {number(most)}",
            class_="bars",
        ),
        class_="chart",
    )


def _bar(bar: Bar, left: float, step: float, most: float) -> Markup:
    scale = (_HEIGHT - 6) / most if most else 0.0
    width = max(step - min(2.0, step / 4), 0.8)
    top = _HEIGHT - 1
    drawn = []
    for name, height in bar.parts:
        if not height:
            continue
        # What is there is seen, however little it is.
        tall = max(height * scale, 2.0)
        top -= tall
        drawn.append(
            tag("rect", x=_n(left), y=_n(top), width=_n(width), height=_n(tall), class_=name)
        )
    area = tag("rect", x=_n(left), y=0, width=_n(step), height=_HEIGHT, class_="area")
    return tag("g", tag("title", bar.title), area, drawn)


def spark(values: Sequence[float | None], label: str) -> Markup:
    """A line through the nights; gaps where there is no value, a dot at the last one.

    Args:
        values: oldest first.
        label: what a screen reader tells.
    """
    there = [value for value in values if value is not None]
    if not there:
        return Markup("")
    low, high = min(there), max(there)
    across = (_SPARK_WIDTH - 8) / max(len(values) - 1, 1)

    def point(index: int, value: float) -> tuple[float, float]:
        share = (value - low) / (high - low) if high > low else 0.5
        return 4 + index * across, _SPARK_HEIGHT - 4 - share * (_SPARK_HEIGHT - 8)

    lines = [
        tag("polyline", points=" ".join(f"{_n(x)},{_n(y)}" for x, y in run), class_="line")
        for run in _runs([None if v is None else point(i, v) for i, v in enumerate(values)])
        if len(run) > 1
    ]
    last = max(index for index, value in enumerate(values) if value is not None)
    x, y = point(last, there[-1])
    return tag(
        "svg",
        lines,
        tag("circle", cx=_n(x), cy=_n(y), r=2.6, class_="point"),
        viewBox=f"0 0 {_SPARK_WIDTH:g} {_SPARK_HEIGHT:g}",
        role="img",
        aria_label=label,
        class_="spark",
    )


def _runs(points: Sequence[tuple[float, float] | None]) -> list[list[tuple[float, float]]]:
    """Points that follow one another without a gap."""
    runs: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if point is None:
            runs.append([])
        else:
            runs[-1].append(point)
    return runs


def strip(nights: Sequence[int], seen: Mapping[int, str], label: str) -> Markup:
    """A square for each night: filled where something was seen.

    Args:
        nights: their numbers, oldest first.
        seen: numbers of the nights that saw it, and the day of each.
        label: what a screen reader tells.
    """
    squares = [
        tag(
            "rect",
            x=_n(index * _DOT),
            y=0,
            width=_DOT - 1,
            height=12,
            class_="on" if night in seen else "off",
        )
        for index, night in enumerate(nights)
    ]
    width = max(len(nights) * _DOT, _DOT)
    return tag(
        "svg",
        squares,
        viewBox=f"0 0 {width:g} 12",
        width=width,
        height=12,
        role="img",
        aria_label=label,
        class_="strip",
    )


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
