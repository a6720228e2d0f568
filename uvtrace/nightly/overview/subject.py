# SPDX-License-Identifier: Apache-2.0
"""What the page of a night is about, gathered from matrix, history and folder."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from uvtrace.check.catalogue import installed_rules
from uvtrace.check.rule import Rule
from uvtrace.nightly.acceptance import Acceptance
from uvtrace.nightly.compare import Comparison, Status
from uvtrace.nightly.folder import NightFolder
from uvtrace.nightly.history import History
from uvtrace.nightly.job import Place
from uvtrace.nightly.matrix import Matrix, chosen
from uvtrace.nightly.night import compared
from uvtrace.nightly.outcome import JobResult, Night
from uvtrace.nightly.overview.cells import Cell, cells
from uvtrace.nightly.overview.past import Key, Past, past


@dataclass(frozen=True, kw_only=True)
class Overview:
    """What a page tells.

    Attributes:
        matrix: as it is now.
        night: the night.
        results: of its jobs.
        comparison: with the nights before.
        cells: of the matrix.
        acceptances: of command and matrix, whether in force or not.
        past: the nights up to this one.
        rules: by ID; the first declaration of each.
        folder: where the night's files lie.
        made: when the page is made.
    """

    matrix: Matrix
    night: Night
    results: tuple[JobResult, ...]
    comparison: Comparison
    cells: tuple[Cell, ...]
    acceptances: tuple[Acceptance, ...]
    past: Past
    rules: Mapping[str, Rule]
    folder: NightFolder
    made: datetime.datetime

    @property
    def is_first(self) -> bool:
        """Whether there was no finished night before."""
        return len(self.past.tallies) < 2

    @cached_property
    def _by_place(self) -> dict[Place, Cell]:
        return {cell.place: cell for cell in self.cells}

    @cached_property
    def _by_digest(self) -> dict[str, list[Key]]:
        found: dict[str, list[Key]] = {}
        for key in self.past.seen:
            found.setdefault(key.digest, []).append(key)
        return found

    def seen_by(self, digest: str) -> list[Key]:
        """Everywhere that a signature was ever seen, by its digest."""
        return self._by_digest.get(digest, [])

    def cells_of(self, kernel: str, device: str, workloads: Iterable[str]) -> list[Cell]:
        """The cells of a finding's spot."""
        places = (Place(kernel, device, workload) for workload in workloads)
        return [self._by_place[place] for place in places if place in self._by_place]


def overview_of(
    matrix: Matrix,
    history: History,
    night: Night,
    folder: Path,
    *,
    missing: Iterable[str] = (),
    made: datetime.datetime | None = None,
) -> Overview:
    """Gather it.

    Args:
        matrix: whose night it is.
        history: of the nights.
        night: finished or not.
        folder: of the night, with its recordings.
        missing: names of kernels that are not installed.
        made: when the page is made; now by default.
    """
    planned = _planned(matrix)
    results = tuple(each for each in history.results(night) if each.place in planned)
    comparison = compared(history, night, results, matrix.expected)
    if night.finished is None:
        # What has not been judged may yet be.
        judged = (each for each in comparison.changes if each.status is not Status.NOT_JUDGED)
        comparison = replace(comparison, changes=tuple(judged))
    acceptances = (*history.accepted(night.matrix), *matrix.expected)
    absent_kernels = set(missing)
    absent = {
        place: "the kernel is not installed" for place in planned if place.kernel in absent_kernels
    }
    rules: dict[str, Rule] = {}
    for rule in installed_rules():
        rules.setdefault(rule.id, rule)
    return Overview(
        matrix=matrix,
        night=night,
        results=results,
        comparison=comparison,
        cells=cells(planned, results, comparison, absent),
        acceptances=acceptances,
        past=past(history, night, acceptances),
        rules=rules,
        folder=NightFolder(folder),
        made=made or datetime.datetime.now(datetime.UTC),
    )


def _planned(matrix: Matrix) -> dict[Place, int]:
    """Every place of a matrix, by device, workload and kernel, and its repetitions."""
    groups = chosen(matrix, lambda device, workload, kernel: True)
    devices = [device.name for device in matrix.devices]
    workloads = [workload.name for workload in matrix.workloads]
    groups.sort(key=lambda group: (devices.index(group[0].name), workloads.index(group[1].name)))
    return {
        Place(kernel, device.name, workload.name): workload.repetitions
        for device, workload, kernel in groups
    }
