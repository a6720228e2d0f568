# SPDX-License-Identifier: Apache-2.0
"""The findings of a night, new ones first: what, why, where, since when, and the proof."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from uvtrace.nightly.compare import Change, Spot, Status
from uvtrace.nightly.outcome import JOB_RULE, REQUIRED, KeptFinding
from uvtrace.nightly.overview.cells import Cell, Look
from uvtrace.nightly.overview.charts import strip
from uvtrace.nightly.overview.links import Links
from uvtrace.nightly.overview.past import Key, key_of
from uvtrace.nightly.overview.subject import Overview
from uvtrace.nightly.overview.words import counted, look_class
from uvtrace.report.markup import Markup, joined, tag
from uvtrace.trace.texts import printable

_TOLD_MAX: Final = 200
"""So many findings of one status are told."""
_SPOTS_MAX: Final = 60
_STRIP_NIGHTS: Final = 30

_TITLES: Final = {
    Status.NEW: "New",
    Status.FLAKY: "Flaky",
    Status.STILL: "Still there",
    Status.NOT_JUDGED: "Known, and not judged this night",
    Status.FIXED: "Fixed",
    Status.ACCEPTED: "Accepted",
}
_LOOKS: Final = {
    Status.NEW: Look.NEW,
    Status.FLAKY: Look.FLAKY,
    Status.STILL: Look.KNOWN,
    Status.NOT_JUDGED: Look.NOT_RUN,
    Status.FIXED: Look.PASSED,
    Status.ACCEPTED: Look.ACCEPTED,
}
_OF_JOBS: Final = {
    "panic": "The guest's kernel panicked; what was recorded before is judged.",
    "timeout": "The workload did not end in its time and was ended; what it did is judged.",
    "died": "The VM went away while it was recorded.",
    "bounds": "The job took more time, memory or room than the matrix allows.",
    "failed": "Nothing could be recorded.",
    "worker-died": "Every worker that tried it died over it.",
    "store": "The recording could not be put into the store, and stayed where it was made.",
    "oops": "The guest's kernel warned, or had an oops and lived on.",
    "exit": "The workload ended with an exit code other than 0.",
    "damaged": "The recording is damaged before its end.",
}

Numbers = Mapping[tuple[Status, str], int]
"""By status and signature: the number of the finding on the page."""


def in_order(overview: Overview) -> list[Change]:
    """The findings in the order in which they are told, new failures first."""
    order = list(_TITLES)
    return sorted(
        overview.comparison.changes,
        key=lambda each: (order.index(each.status), not each.finding.is_failure),
    )


def numbers(overview: Overview) -> Numbers:
    """Where on the page each finding is told."""
    return {
        (change.status, change.finding.signature): number
        for number, change in enumerate(in_order(overview), 1)
    }


def news(overview: Overview, links: Links) -> Markup:
    """The section's content."""
    numbered = list(enumerate(in_order(overview), 1))
    if not numbered:
        return tag("p", "Nothing was found.", class_="empty good")
    parts: list[Markup] = []
    for status, title in _TITLES.items():
        own = [(number, change) for number, change in numbered if change.status is status]
        if not own:
            continue
        parts.append(tag("h3", f"{title} ", tag("span", str(len(own)), class_="dim")))
        parts += [_finding(overview, links, *each) for each in own[:_TOLD_MAX]]
        if len(own) > _TOLD_MAX:
            parts.append(tag("p", f"and {len(own) - _TOLD_MAX:,} more", class_="hint"))
    return joined(parts)


def _finding(overview: Overview, links: Links, number: int, change: Change) -> Markup:
    finding = change.finding
    severity = None if finding.is_failure else tag("span", str(finding.severity), class_="dim")
    summary = tag(
        "summary",
        tag("span", str(change.status), class_=f"badge {look_class(_LOOKS[change.status])}"),
        tag("code", finding.rule, class_="id"),
        severity,
        tag("span", finding.message, class_="message"),
        tag("span", _where(change.spots), class_="where"),
    )
    facts = [
        tag("div", tag("dt", name), tag("dd", value))
        for name, value in _facts(overview, links, change)
    ]
    body = tag("div", tag("dl", facts), _spots(overview, change), class_="body")
    return tag(
        "details",
        summary,
        body,
        class_=f"finding {look_class(_LOOKS[change.status])}",
        id=f"news-{number}",
        open=change.is_new_failure and number <= 3,
    )


def _where(spots: Sequence[Spot]) -> str:
    first = f"{spots[0].kernel}/{spots[0].device}"
    return first if len(spots) == 1 else f"{first} and {len(spots) - 1} more"


def _facts(overview: Overview, links: Links, change: Change) -> Iterator[tuple[str, Markup]]:
    finding = change.finding
    yield "why", _why(overview, finding)
    if finding.site:
        yield "site", tag("code", finding.site)
    yield "signature", tag("code", finding.signature)
    if change.status is Status.NEW:
        yield from _proof(overview, links, change)
    if change.status in (Status.NEW, Status.STILL, Status.FLAKY) and finding.is_failure:
        yield "accept", tag("code", _command(overview, finding), class_="command")


def _why(overview: Overview, finding: KeptFinding) -> Markup:
    rule = overview.rules.get(finding.rule)
    if finding.rule == JOB_RULE:
        how = finding.signature.split(":")[1:2]
        return joined([_OF_JOBS.get("".join(how), "The job itself went wrong.")])
    if rule is None:
        return joined(["a rule that is not installed here"])
    required = finding.signature.startswith(REQUIRED)
    told = "The matrix requires that this rule passes: " if required else ""
    return joined([f"{told}{rule.statement} ", tag("span", f"({rule.source})", class_="dim")])


def _proof(overview: Overview, links: Links, change: Change) -> Iterator[tuple[str, Markup]]:
    """The minimised trace, and the reports of the jobs that had the finding."""
    told = links.minimal_told(change.finding)
    file = links.minimal(change.finding)
    if told:
        title = "its records" if file is not None else "there is none"
        lines = tag("details", tag("summary", title), tag("pre", told), class_="lines")
        yield "minimised", joined([*([file, " "] if file is not None else []), lines])
    reports = [
        link
        for cell in _cells(overview, change)
        for result in cell.results
        if any(each.signature == change.finding.signature for each in result.findings)
        and (link := links.report(result)) is not None
    ]
    if reports:
        more = len(reports) - 4
        yield "reports", joined([joined(reports[:4], " "), f" and {more} more" if more > 0 else ""])


def _cells(overview: Overview, change: Change) -> Iterator[Cell]:
    for spot in change.spots:
        yield from overview.cells_of(spot.kernel, spot.device, spot.workloads)


def _command(overview: Overview, finding: KeptFinding) -> str:
    words = ("uvtrace", "nightly", "accept", overview.matrix.path.name, finding.signature)
    where = overview.folder.path.parent.parent.name or "."
    return f"{shlex.join(words)} -o {shlex.quote(where)} --reason '…' --expires YYYY-MM-DD"


def _spots(overview: Overview, change: Change) -> Markup:
    names = ("where", "workloads", "this night", "first seen", "last seen", "nights", "lately")
    head = tag("tr", [tag("th", name, scope="col") for name in names])
    rows = [_spot(overview, change, spot) for spot in change.spots[:_SPOTS_MAX]]
    rows += [_elsewhere(overview, change, key) for key in _other_keys(overview, change)]
    return tag(
        "div",
        tag("table", tag("thead", head), tag("tbody", rows)),
        class_="spots",
        tabindex=0,
        role="region",
        aria_label="where and since when",
    )


def _spot(overview: Overview, change: Change, spot: Spot) -> Markup:
    key = key_of(change.finding.signature, spot.kernel, spot.device)
    cells = overview.cells_of(spot.kernel, spot.device, spot.workloads)
    links = [tag("a", cell.place.workload, href=f"#cell-{cell.number}") for cell in cells]
    return tag(
        "tr",
        tag("th", f"{spot.kernel}/{spot.device}", scope="row"),
        tag("td", joined(links, ", ") if links else ", ".join(spot.workloads)),
        tag("td", _tonight(spot)),
        _history_cells(overview, key),
    )


def _tonight(spot: Spot) -> str:
    told = [f"{spot.found} of {counted(spot.judged, 'run')}" if spot.judged else "not run"]
    if spot.acceptance is not None:
        told.append(f"accepted: {printable(spot.acceptance.reason)}")
    elif spot.lapsed is not None:
        told.append(f"was accepted until {spot.lapsed.expires}: {printable(spot.lapsed.reason)}")
    return ", ".join(told)


def _other_keys(overview: Overview, change: Change) -> list[Key]:
    """Where else it was on earlier nights."""
    told = {
        key_of(change.finding.signature, spot.kernel, spot.device)
        for each in overview.comparison.changes
        if each.finding.signature == change.finding.signature
        for spot in each.spots
    }
    digest = key_of(change.finding.signature, "", "").digest
    return sorted(key for key in overview.seen_by(digest) if key not in told)[:_SPOTS_MAX]


def _elsewhere(overview: Overview, change: Change, key: Key) -> Markup:
    return tag(
        "tr",
        tag("th", f"{key.kernel}/{key.device}", scope="row"),
        tag("td"),
        tag("td", "not this night"),
        _history_cells(overview, key),
        class_="dim",
    )


def _history_cells(overview: Overview, key: Key) -> list[Markup]:
    days = {each.night.number: str(each.night.day) for each in overview.past.tallies}
    seen = {night: days[night] for night in overview.past.seen.get(key, ()) if night in days}
    if not seen:
        return [tag("td"), tag("td"), tag("td"), tag("td")]
    nights = list(days)[-_STRIP_NIGHTS:]
    first, last = min(seen), max(seen)
    lately = sum(1 for night in nights if night in seen)
    label = f"on {lately} of the last {counted(len(nights), 'night')}"
    return [
        tag("td", seen[first], " ", tag("small", f"night {first}")),
        tag("td", seen[last], " ", tag("small", f"night {last}")),
        tag("td", f"{len(seen):,} of {len(days):,}"),
        tag("td", strip(nights, seen, label)),
    ]
