# SPDX-License-Identifier: Apache-2.0
"""What lies behind each cell: its recordings, reports and logs, and the guest's last words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from uvtrace.check.results import Verdict
from uvtrace.nightly.outcome import JobResult
from uvtrace.nightly.overview.cells import Cell, CellFinding, Look, ended_words
from uvtrace.nightly.overview.grid import SIGNS, cell_words
from uvtrace.nightly.overview.links import Links
from uvtrace.nightly.overview.news import Numbers
from uvtrace.nightly.overview.words import counted, look_class, took
from uvtrace.report.markup import Markup, joined, tag

_FINDINGS_MAX: Final = 40
_QUIET_MAX: Final = 8
"""More cells with nothing to tell than these are told in a table."""
_RUN: Final = ("run", "ended", "took", "records", "lost", "size", "files")


def jobs(cells: Sequence[Cell], links: Links, numbers: Numbers) -> Markup:
    """The section's content: the cells with something to tell first."""
    order = list(Look)
    told = sorted(cells, key=lambda cell: (order.index(cell.look), cell.number))
    parts = [_cell(cell, links, numbers) for cell in told if not _is_quiet(cell)]
    for look, words in ((Look.NOT_RUN, "did not run"), (Look.PASSED, "passed")):
        own = [cell for cell in told if cell.look is look and _is_quiet(cell)]
        if len(own) > _QUIET_MAX:
            summary = tag("summary", f"{len(own):,} that {words}")
            parts.append(tag("details", summary, _list(own, links), class_="quiet"))
        else:
            parts += [_cell(cell, links, numbers) for cell in own]
    return joined(parts)


def _is_quiet(cell: Cell) -> bool:
    return cell.look in (Look.PASSED, Look.NOT_RUN) and not cell.findings


def _list(cells: Sequence[Cell], links: Links) -> Markup:
    """Cells of which there is little to tell, one row for each run."""
    head = tag("tr", [tag("th", name, scope="col") for name in ("job", *_RUN[1:])])
    bodies = []
    for cell in cells:
        rows = [_run(result, links, result.key) for result in cell.results]
        if not rows:
            where = tag("th", str(cell.place), scope="row")
            rows = [tag("tr", where, tag("td", cell.absent or "not run", colspan=len(_RUN) - 1))]
        bodies.append(tag("tbody", rows, id=f"cell-{cell.number}", tabindex=-1))
    return tag("div", tag("table", tag("thead", head), bodies), class_="spots")


def _cell(cell: Cell, links: Links, numbers: Numbers) -> Markup:
    look = look_class(cell.look)
    summary = tag(
        "summary",
        tag("i", SIGNS[cell.look], class_=f"sign {look}", aria_hidden="true"),
        tag("code", str(cell.place), class_="id"),
        tag("span", cell_words(cell), class_="message"),
        tag("span", took(cell.seconds) if cell.results else "", class_="where"),
    )
    return tag(
        "details",
        summary,
        tag("div", _body(cell, links, numbers), class_="body"),
        class_=f"finding job {look}",
        id=f"cell-{cell.number}",
    )


def _body(cell: Cell, links: Links, numbers: Numbers) -> Iterator[Markup]:
    if not cell.results:
        why = cell.absent or "No job of it has been done."
        yield tag("p", why, class_="dim")
        return
    yield tag("div", _runs(cell, links), class_="spots")
    for result in cell.results:
        said = links.console(result)
        if said:
            yield tag("p", f"What the guest's kernel said (run {result.repetition}):")
            yield tag("pre", said, class_="console", tabindex=0)
    if cell.findings:
        items = [_finding(each, cell, numbers) for each in cell.findings[:_FINDINGS_MAX]]
        yield tag("ul", items, class_="found")
        more = len(cell.findings) - _FINDINGS_MAX
        if more > 0:
            yield tag("p", f"and {more:,} more", class_="hint")
    counts = [(verdict, cell.verdicts(verdict)) for verdict in Verdict]
    rules = ", ".join(f"{count} {verdict}" for verdict, count in counts if count)
    if rules:
        yield tag("p", f"Rules: {rules}.", class_="hint")


def _runs(cell: Cell, links: Links) -> Markup:
    head = tag("tr", [tag("th", name, scope="col") for name in _RUN])
    rows = [_run(result, links, str(result.repetition)) for result in cell.results]
    return tag("table", tag("thead", head), tag("tbody", rows))


def _run(result: JobResult, links: Links, name: str) -> Markup:
    trace = result.trace
    how = ended_words(result.ended)
    return tag(
        "tr",
        tag("th", name, scope="row"),
        tag("td", f"{how}: {result.reason}" if result.reason else how),
        tag("td", took(result.seconds)),
        tag("td", f"{trace.records:,}" if trace else ""),
        tag(
            "td", f"{trace.lost:,}" if trace else "", class_="bad" if trace and trace.lost else None
        ),
        tag("td", _size(trace.size_bytes) if trace else ""),
        tag("td", joined(links.of_job(result), " ")),
    )


def _size(size_bytes: int) -> str:
    if size_bytes < 1 << 20:
        return f"{max(size_bytes / 1024, 0.1):.0f} kB"
    return f"{size_bytes / (1 << 20):.1f} MB"


def _finding(each: CellFinding, cell: Cell, numbers: Numbers) -> Markup:
    finding = each.finding
    number = numbers.get((each.status, finding.signature))
    name = tag("code", finding.rule)
    some = f" in {each.found} of {counted(len(cell.results), 'run')}"
    return tag(
        "li",
        tag("a", name, href=f"#news-{number}") if number else name,
        f" {finding.message}",
        tag(
            "span", f" {each.status}{some if each.found < len(cell.results) else ''}", class_="dim"
        ),
    )
