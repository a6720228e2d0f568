# SPDX-License-Identifier: Apache-2.0
"""What else there is to know: coverage lost, what is accepted, the charts, and every night."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from uvtrace.nightly.acceptance import Acceptance
from uvtrace.nightly.compare import Comparison
from uvtrace.nightly.overview.charts import Bar, bars, spark
from uvtrace.nightly.overview.links import Links
from uvtrace.nightly.overview.past import Series, Tally
from uvtrace.nightly.overview.subject import Overview
from uvtrace.nightly.overview.words import counted, took
from uvtrace.report.folder import PAGE
from uvtrace.report.markup import Markup, joined, tag

_DEVICES_MAX: Final = 40
_LOST_MAX: Final = 100
_SOON_DAYS: Final = 14
_UNITS: Final = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns"))


def coverage(comparison: Comparison) -> Markup:
    """What every repetition did before, and none does now."""
    if not comparison.coverage_lost:
        return tag("p", "Everything that was covered before is covered still.", class_="empty good")
    rows = []
    for lost in comparison.coverage_lost[:_LOST_MAX]:
        states = [f"state {state}" for _, state in lost.states]
        edges = [f"{source} → {target} ({label})" for _, source, target, label in lost.edges]
        automata = dict.fromkeys([name for name, *_ in (*lost.states, *lost.edges)])
        items = [tag("li", tag("code", each)) for each in (*states, *edges)]
        rows.append(
            tag(
                "tr",
                tag("th", str(lost.place), scope="row"),
                tag("td", ", ".join(automata)),
                tag("td", tag("ul", items)),
            )
        )
    more = len(comparison.coverage_lost) - _LOST_MAX
    note = tag("p", f"and {more:,} more places", class_="hint") if more > 0 else Markup("")
    return joined([_table(("where", "contract", "no longer covered"), rows, "coverage"), note])


def accepted(overview: Overview) -> Markup:
    """Findings that are no news, each with its reason and its last day."""
    if not overview.acceptances:
        return tag("p", "Nothing is accepted.", class_="empty")
    today = overview.night.day
    rows = [_acceptance(overview, each, today) for each in overview.acceptances]
    names = ("what", "where", "reason", "until", "this night", "by")
    return _table(names, rows, "accepted findings")


def _acceptance(overview: Overview, each: Acceptance, today: datetime.date) -> Markup:
    where = f"{each.kernel}/{each.device}"
    holds = each.holds_on(today)
    return tag(
        "tr",
        tag("th", tag("code", each.signature or each.rule), scope="row"),
        tag("td", "everywhere" if where == "*/*" else where),
        tag("td", each.reason),
        tag("td", *_until(each, today)),
        tag("td", _silenced(overview, each) if holds else ""),
        tag("td", os.path.basename(each.origin), class_="dim"),
        class_=None if holds else "over",
    )


def _until(each: Acceptance, today: datetime.date) -> Iterator[Markup | str]:
    if each.expires is None:
        yield tag("span", "no last day", class_="dim")
        return
    yield str(each.expires)
    days = (each.expires - today).days
    if days < 0:
        yield tag("strong", " expired", class_="bad")
    elif days <= _SOON_DAYS:
        left = "today is its last day" if days == 0 else f"{counted(days, 'day')} left"
        yield tag("strong", f" {left}", class_="soon")


def _silenced(overview: Overview, acceptance: Acceptance) -> Markup | str:
    count = sum(
        1
        for change in overview.comparison.changes
        for spot in change.spots
        if spot.acceptance == acceptance and spot.found
    )
    return f"silences {count:,}" if count else tag("span", "not found", class_="dim")


def trends(overview: Overview) -> Markup:
    """Charts of the whole matrix, and a line for each device."""
    tallies = overview.past.shown
    charts = [
        bars("failures", [Bar(_failures_told(each), _failures(each)) for each in tallies], _whole),
        bars("jobs that failed", [_broken(each) for each in tallies], _whole),
        bars("steps of contracts covered", list(_edges(overview)), _whole),
        bars("wall time of all jobs", [_time(each) for each in tallies], took),
    ]
    legend = tag(
        "p",
        *(tag("span", tag("i", "", class_=f"swatch {name}"), f" {name} ") for name in _PARTS),
        f" over the last {counted(len(tallies), 'night')}, the newest on the right",
        class_="hint legend",
    )
    return joined([tag("div", charts, class_="charts"), legend, _devices(overview)])


_PARTS: Final = ("new", "known", "accepted")


def _failures(tally: Tally) -> tuple[tuple[str, float], ...]:
    return tuple((name, float(getattr(tally, name))) for name in _PARTS)


def _failures_told(tally: Tally) -> str:
    counts = f"{tally.new} new, {tally.known} known, {tally.accepted} accepted"
    return f"{_night(tally)}: {counts}"


def _night(tally: Tally) -> str:
    return f"night {tally.night.number} of {tally.night.day}"


def _broken(tally: Tally) -> Bar:
    jobs = sum(tally.ended.values())
    title = f"{_night(tally)}: {tally.broken} of {counted(jobs, 'job')} failed"
    return Bar(title, (("broken", float(tally.broken)),))


def _edges(overview: Overview) -> Iterator[Bar]:
    for tally in overview.past.shown:
        number = tally.night.number
        steps = sum(each.get(number, 0.0) for each in overview.past.edges.values())
        yield Bar(f"{_night(tally)}: {counted(int(steps), 'step')}", (("covered", steps),))


def _time(tally: Tally) -> Bar:
    return Bar(f"{_night(tally)}: {took(tally.seconds)}", (("time", tally.seconds),))


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _devices(overview: Overview) -> Markup:
    """A row for each device: what it covers, how long things take."""
    past = overview.past
    devices = list(dict.fromkeys(cell.place.device for cell in overview.cells))
    # What takes no time tells nothing: a posted write is over at once.
    whats = sorted({what for (_, what), series in past.latencies.items() if any(series.values())})
    columns: list[tuple[str, Callable[[str], Series], Callable[[float], str]]] = [
        ("contract steps", lambda device: past.edges.get(device, {}), _whole),
        ("wall time of a job", lambda device: past.seconds.get(device, {}), took),
        *(
            (what, lambda device, what=what: past.latencies.get((device, what), {}), _time_ns)
            for what in whats
        ),
    ]
    rows = [
        tag(
            "tr",
            tag("th", device, scope="row"),
            [_spark(overview, name, series(device), told) for name, series, told in columns],
        )
        for device in devices[:_DEVICES_MAX]
    ]
    more = len(devices) - _DEVICES_MAX
    note = tag("p", f"and {more:,} more devices", class_="hint") if more > 0 else Markup("")
    return joined([_table(("device", *(name for name, *_ in columns)), rows, "trends"), note])


def _spark(overview: Overview, name: str, series: Series, told: Callable[[float], str]) -> Markup:
    values = [series.get(each.night.number) for each in overview.past.shown]
    there = [value for value in values if value is not None]
    if not there:
        return tag("td", class_="none")
    span = f"{told(min(there))} to {told(max(there))}"
    label = f"{name}: {told(there[-1])} last, {span} in {counted(len(there), 'night')}"
    return tag(
        "td",
        spark(values, label),
        tag("b", told(there[-1])),
        tag("small", span) if told(min(there)) != told(max(there)) else None,
        class_="trend",
        title=label,
    )


def _time_ns(value: float) -> str:
    size, unit = next((each for each in _UNITS if abs(value) >= each[0]), _UNITS[-1])
    return f"{value / size:.3g} {unit}"


def nights(overview: Overview, links: Links) -> Markup:
    """Every night, the newest first."""
    names = ("night", "begun", "jobs", "failed jobs", "new", "known", "accepted", "job time")
    rows = [_night_row(each, links, overview) for each in reversed(overview.past.tallies)]
    return _table(names, rows, "nights")


def _night_row(tally: Tally, links: Links, overview: Overview) -> Markup:
    night = tally.night
    page = links.folder.path.parent / str(night.number) / PAGE
    own = night.number == overview.night.number
    name = f"{night.number}{' (this one)' if own else ''}"
    return tag(
        "tr",
        tag("th", (None if own else links.to(page, name)) or name, scope="row"),
        tag("td", f"{night.started:%Y-%m-%d %H:%M}"),
        tag("td", f"{sum(tally.ended.values()):,}"),
        *(
            tag("td", f"{count:,}" if count else tag("span", "0", class_="dim"), class_=look)
            for count, look in (
                (tally.broken, "bad" if tally.broken else None),
                (tally.new, "bad" if tally.new else None),
                (tally.known, None),
                (tally.accepted, None),
            )
        ),
        tag("td", took(tally.seconds)),
    )


def _table(names: Sequence[str], rows: Sequence[Markup], label: str) -> Markup:
    head = tag("tr", [tag("th", name, scope="col") for name in names])
    return tag(
        "div",
        tag("table", tag("thead", head), tag("tbody", rows)),
        class_="scroll",
        tabindex=0,
        role="region",
        aria_label=label,
    )
