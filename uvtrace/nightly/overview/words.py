# SPDX-License-Identifier: Apache-2.0
"""The headline: what a night came to, in words and numbers."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Iterator

from uvtrace.graph.dot import TIMES
from uvtrace.nightly.compare import Change, Status
from uvtrace.nightly.overview.cells import Cell, Look, ended_words
from uvtrace.nightly.overview.subject import Overview
from uvtrace.report.markup import Markup, joined, tag
from uvtrace.trace.texts import printable

_NAMED = 3
"""So many places a sentence names."""


def counted(count: int, what: str, many: str = "") -> str:
    """``1 job``, ``2 jobs``."""
    return f"{count:,} {what if count == 1 else many or what + 's'}"


def moment(time: datetime.datetime) -> str:
    """A time in UTC, to the minute."""
    return f"{time.astimezone(datetime.UTC):%Y-%m-%d %H:%M} UTC"


def took(seconds: float) -> str:
    """A length of time as people say it: ``34 s``, ``5 min``, ``3 h 20 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def outcome(overview: Overview) -> str:
    """The judgement in a few words."""
    new = len(overview.comparison.new_failures)
    told = counted(new, "new failure") if new else "no new failure"
    return told if overview.night.finished is not None else f"not finished, {told} so far"


def headline(overview: Overview) -> Markup:
    """Outcome, sentences and facts."""
    facts = [tag("div", tag("dt", name), tag("dd", value)) for name, value in _facts(overview)]
    sentences = [tag("li", sentence) for sentence in _sentences(overview)]
    return joined(
        [
            _outcome(overview),
            tag("ul", sentences, class_="sentences"),
            tag("dl", facts, class_="facts"),
        ]
    )


def _outcome(overview: Overview) -> Markup:
    failed = bool(overview.comparison.new_failures)
    look = "failed" if failed else "passed" if overview.night.finished is not None else "open"
    tiles = [
        _tile(len(overview.comparison.of(status)), name, look_of, "#news")
        for status, name, look_of in (
            (Status.NEW, "new", Look.NEW),
            (Status.STILL, "still there", Look.KNOWN),
            (Status.FLAKY, "flaky", Look.FLAKY),
            (Status.FIXED, "fixed", Look.PASSED),
            (Status.ACCEPTED, "accepted", Look.ACCEPTED),
        )
    ]
    broken = sum(len(cell.broken) for cell in overview.cells)
    tiles.append(_tile(broken, f"failed job{'' if broken == 1 else 's'}", Look.JOB, "#matrix"))
    return tag(
        "p", tag("strong", outcome(overview), class_=f"verdict {look}"), tiles, class_="outcome"
    )


def _tile(count: int, name: str, look: Look, target: str) -> Markup:
    shade = f"tile {look_class(look)}" if count else "tile none"
    return tag("a", tag("b", f"{count:,}"), f" {name}", href=target, class_=shade)


def look_class(look: Look) -> str:
    """The class of the style sheet."""
    return f"look-{look.name.lower().replace('_', '-')}"


def _sentences(overview: Overview) -> Iterator[Markup | str]:
    """What a maintainer must know, the most urgent first."""
    if overview.night.finished is None:
        yield _unfinished(overview)
    if overview.is_first:
        yield "This is the first night: whatever was found is new."
    for number, change in enumerate(overview.comparison.new_failures[:_NAMED], 1):
        message = printable(change.finding.message)
        link = tag("a", tag("code", change.finding.rule), href=f"#news-{number}")
        yield joined(["New: ", link, f" on {_spots(change)}: {message}"])
    more = len(overview.comparison.new_failures) - _NAMED
    if more > 0:
        yield joined([f"and {counted(more, 'more new failure')}; ", tag("a", "all", href="#news")])
    yield from _jobs(overview)
    gone = overview.comparison.of(Status.FIXED)
    if gone:
        rules = ", ".join(sorted({printable(each.finding.rule) for each in gone}))
        yield f"Fixed: {counted(len(gone), 'finding')} ({rules})."
    lost = overview.comparison.coverage_lost
    if lost:
        places = _some([str(each.place) for each in lost])
        yield joined(
            [tag("a", "No longer covered", href="#coverage"), f": steps of contracts in {places}."]
        )
    expired = overview.comparison.expired
    if expired:
        yield f"{counted(len(expired), 'acceptance has', 'acceptances have')} expired."
    if not overview.comparison.changes and overview.results:
        yield "Nothing was found."


def _unfinished(overview: Overview) -> str:
    planned = sum(cell.planned for cell in overview.cells)
    return (
        f"This night is not finished: {len(overview.results):,} of {counted(planned, 'job')} are"
        " done. It runs still, or was interrupted; running uvtrace nightly again takes it up."
    )


def _jobs(overview: Overview) -> Iterator[str]:
    broken = [(cell, result) for cell in overview.cells for result in cell.broken]
    if broken:
        told = _some([f"{result.key} ({ended_words(result.ended)})" for _, result in broken])
        what = counted(len(broken), "job") + " did not get to the end"
        yield f"{what}: {told}."
    absent = sorted({cell.place.kernel for cell in overview.cells if cell.absent})
    if absent:
        yield f"Kernels that are not installed, so that their jobs were left out: {_some(absent)}."
    lost = sum(1 for each in overview.results if each.trace is not None and each.trace.lost)
    if lost:
        yield f"{counted(lost, 'recording has', 'recordings have')} lost records: see the jobs."


def _spots(change: Change) -> str:
    return _some([f"{spot.kernel}/{spot.device}" for spot in change.spots])


def _some(names: list[str]) -> str:
    told = ", ".join(printable(name) for name in names[:_NAMED])
    more = len(names) - _NAMED
    return f"{told} and {more:,} more" if more > 0 else told


def _facts(overview: Overview) -> Iterator[tuple[str, Markup | str]]:
    night = overview.night
    yield "matrix", joined([tag("code", night.matrix), f", {_size(overview.cells)}"])
    yield "night", f"{night.number}, begun {moment(night.started)}"
    yield "kernels", _kernels(overview)
    if night.finished is not None:
        jobs = overview.past.tallies[-1].seconds
        whole = took((night.finished - night.started).total_seconds())
        yield "took", f"{whole}; {took(jobs)} of jobs"
    yield "jobs", _ended(overview)
    before = [each.night for each in overview.past.tallies[:-1]]
    yield "before", f"night {before[-1].number} of {before[-1].day}" if before else "no night"
    yield "by", f"uvtrace {night.tool}"


def _size(cells: Iterable[Cell]) -> str:
    places = [cell.place for cell in cells]
    return f" {TIMES} ".join(
        counted(len(names), what)
        for what, names in (
            ("kernel", {each.kernel for each in places}),
            ("device", {each.device for each in places}),
            ("workload", {each.workload for each in places}),
        )
    )


def _kernels(overview: Overview) -> Markup:
    releases = {each.place.kernel: each.release for each in overview.results}
    names = dict.fromkeys(cell.place.kernel for cell in overview.cells)
    return joined(
        [tag("code", f"{name}: {releases.get(name) or 'not run'}") for name in names], ", "
    )


def _ended(overview: Overview) -> str:
    counts = Counter(ended_words(each.ended) for each in overview.results)
    planned = sum(cell.planned for cell in overview.cells)
    told = [f"{count:,} {how}" for how, count in counts.most_common()]
    if planned > len(overview.results):
        told.append(f"{planned - len(overview.results):,} not run")
    return f"{planned:,}: {', '.join(told)}" if told else "none"
