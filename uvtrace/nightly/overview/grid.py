# SPDX-License-Identifier: Apache-2.0
"""The matrix as a table: a row for each device and workload, a column for each kernel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from uvtrace.nightly.overview.cells import Cell, Look, ended_words
from uvtrace.nightly.overview.words import counted, look_class, took
from uvtrace.report.markup import Markup, joined, tag

FOLDED_FROM: Final = 60
"""From so many rows on, devices of which everything passed take one row."""

SIGNS: Final = {
    Look.NEW: "✕",
    Look.JOB: "!",
    Look.KNOWN: "●",
    Look.FLAKY: "~",
    Look.ACCEPTED: "○",
    Look.NOT_RUN: "\N{EN DASH}",
    Look.PASSED: "✓",
}


def grid(cells: Sequence[Cell]) -> Markup:
    """The section's content."""
    kernels = list(dict.fromkeys(cell.place.kernel for cell in cells))
    devices = list(dict.fromkeys(cell.place.device for cell in cells))
    rows = {(cell.place.device, cell.place.workload) for cell in cells}
    head = tag(
        "tr",
        tag("th", "device", scope="col"),
        tag("th", "workload", scope="col"),
        [tag("th", kernel, scope="col") for kernel in kernels],
    )
    bodies = [
        _device([each for each in cells if each.place.device == device], kernels, len(rows))
        for device in devices
    ]
    return joined(
        [
            _chips(cells),
            tag(
                "div",
                tag("table", tag("thead", head), bodies, class_="matrix", id="matrix-table"),
                tag("p", "No cell is one of these.", class_="empty", hidden=True),
                class_="scroll grid",
                tabindex=0,
                role="region",
                aria_label="what each kernel, device and workload came to",
            ),
        ]
    )


def _chips(cells: Sequence[Cell]) -> Markup:
    counts = Counter(cell.look for cell in cells)
    chips = [
        tag(
            "button",
            tag("i", SIGNS[look], class_="sign", aria_hidden="true"),
            f" {look} ",
            tag("b", f"{counts[look]:,}"),
            type="button",
            class_=f"chip {look_class(look)}",
            data_look=look_class(look),
            aria_pressed="true",
        )
        for look in Look
        if counts[look]
    ]
    return tag("div", chips, class_="chips", id="matrix-filter", role="group", aria_label="show")


def _device(cells: Sequence[Cell], kernels: Sequence[str], rows: int) -> Markup:
    """The rows of a device, which may be folded into one."""
    name = cells[0].place.device
    workloads = list(dict.fromkeys(cell.place.workload for cell in cells))
    at = {(cell.place.workload, cell.place.kernel): cell for cell in cells}
    quiet = all(cell.look is Look.PASSED for cell in cells)
    folded = rows >= FOLDED_FROM and quiet and len(workloads) > 1
    drawn = [
        tag(
            "tr",
            tag("th", name if index == 0 else "", scope="row"),
            tag("td", tag("code", workload)),
            [_cell(at.get((workload, kernel))) for kernel in kernels],
        )
        for index, workload in enumerate(workloads)
    ]
    if not folded:
        return tag("tbody", drawn)
    return joined(
        [
            tag("tbody", _folded(name, cells, workloads, kernels), class_="sum"),
            tag("tbody", drawn, class_="folded"),
        ]
    )


def _folded(
    name: str, cells: Sequence[Cell], workloads: Sequence[str], kernels: Sequence[str]
) -> Markup:
    fold = tag(
        "button",
        counted(len(workloads), "workload"),
        type="button",
        class_="fold",
        aria_expanded="true",
    )
    sums = []
    for kernel in kernels:
        own = [cell for cell in cells if cell.place.kernel == kernel]
        told = tag("span", f"✓ all {len(own)}", class_=f"all {look_class(Look.PASSED)}")
        sums.append(tag("td", told if own else ""))
    return tag("tr", tag("th", name, scope="row"), tag("td", fold), sums)


def _cell(cell: Cell | None) -> Markup:
    if cell is None:
        return tag("td", class_="none", title="not in the matrix")
    look = look_class(cell.look)
    return tag(
        "td",
        tag(
            "a",
            tag("i", SIGNS[cell.look], class_="sign", aria_hidden="true"),
            tag("b", cell_words(cell)),
            tag("small", ", ".join(_small(cell))),
            href=f"#cell-{cell.number}",
            class_=f"cell {look}",
            title=f"{cell.place}: {cell.look}",
        ),
        data_look=look,
    )


def cell_words(cell: Cell) -> str:
    """What a cell says: ``2 new``, ``panic, new``, ``passed``."""
    if cell.look is Look.NOT_RUN or cell.look is Look.PASSED:
        return str(cell.look)
    counts = Counter(str(each.status) for each in cell.failures)
    told = [f"{count} {status}" for status, count in counts.items()]
    if cell.look is not Look.JOB:
        return ", ".join(told)
    # Both repetitions may have ended badly, each in its own way.
    how = ", ".join(dict.fromkeys(ended_words(each.ended) for each in cell.broken))
    return f"{how}: {', '.join(told)}"


def _small(cell: Cell) -> Iterator[str]:
    if not cell.results:
        yield cell.absent or counted(cell.planned, "job")
        return
    done = len(cell.results)
    if done < cell.planned:
        yield f"{done} of {counted(cell.planned, 'run')}"
    elif cell.planned > 1:
        yield counted(done, "run")
    yield took(cell.seconds)
    minor = len(cell.findings) - len(cell.failures)
    if minor:
        yield counted(minor, "warning")
