# SPDX-License-Identifier: Apache-2.0
"""The folder of a report: made aside, and put in its place when it is whole."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from uvtrace.errors import UsageError, UvtraceError
from uvtrace.report.around import Surroundings
from uvtrace.report.document import GENERATOR, Progress, Subject, no_progress, page
from uvtrace.report.findings import Told
from uvtrace.report.slices import SHOWS, Judge, Slices

PAGE: Final = "index.html"
SLICES: Final = "findings"
_SLICES_MAX: Final = 200
_HEAD_BYTES: Final = 4096

Renderers = dict[str, Callable[[], str]]
"""Name of a file to what makes its text."""


def write_report(
    directory: Path,
    subject: Subject,
    judge: Judge,
    others: Renderers,
    progress: Progress = no_progress,
) -> list[Told]:
    """Write a report: the page, a slice for each finding, and what machines read.

    Args:
        directory: where to; made, or a report of ours that is replaced.
        subject: what it is about.
        judge: judges a slice as the recording was judged.
        others: files beside the page.
        progress: told what is being done.

    Returns:
        The findings as they were told, with their slices.

    Raises:
        UsageError: there is something else at that place.
        UvtraceError: it cannot be written.
    """
    require_ours(directory, others)
    try:
        with _aside(directory) as folder:
            told = _slices(folder, subject, judge, progress)
            text = page(replace(subject, told=told), progress)
            (folder / PAGE).write_text(text, encoding="utf-8")
            for name, render in others.items():
                progress(f"writing {name}")
                (folder / name).write_text(render(), encoding="utf-8")
    except OSError as error:
        raise UvtraceError(
            f"cannot write the report: {(error.strerror or str(error)).lower()}",
            where=str(directory),
        ) from error
    return told


def require_ours(directory: Path, others: Renderers) -> None:
    """Refuse a place that holds something which a report would destroy.

    Raises:
        UsageError: it is a file, or a folder with files that are not a report's.
    """
    if not directory.exists() and not directory.is_symlink():
        return
    hint = "give a new folder, or remove it first"
    if not directory.is_dir() or directory.is_symlink():
        raise UsageError("is no folder", where=str(directory), hint=hint)
    names = {entry.name for entry in directory.iterdir()}
    foreign = sorted(names - {PAGE, SLICES, *others})
    if foreign:
        raise UsageError(
            f"holds {foreign[0]!r}, which is no part of a report", where=str(directory), hint=hint
        )
    if names and not _is_page(directory / PAGE):
        raise UsageError("is not empty, and no report", where=str(directory), hint=hint)


def _is_page(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return f'name="generator" content="{GENERATOR}'.encode() in file.read(_HEAD_BYTES)
    except OSError:
        return False


@contextmanager
def _aside(directory: Path) -> Iterator[Path]:
    """A folder beside the one that is wanted, which takes its place if all goes well."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    try:
        new = made / "new"
        new.mkdir()
        yield new
        if directory.exists():
            os.rename(directory, made / "old")
        os.rename(new, directory)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _slices(folder: Path, subject: Subject, judge: Judge, progress: Progress) -> list[Told]:
    """Write the slices; the findings with what there is to say of them."""
    told = list(subject.told)
    if told:
        (folder / SLICES).mkdir()
    around = Surroundings(subject.trace)
    places = around.places(each.finding for each in told)
    slices = Slices(subject.trace, around, subject.results, judge)
    for index, (each, place) in enumerate(list(zip(told, places, strict=True))[:_SLICES_MAX]):
        progress("cutting slices", index, len(told))
        name = f"{SLICES}/{each.number:03}-{each.finding.rule}.pcapng"
        written = slices.write(folder / name, each.finding, place)
        if written is not None:
            note = f"{written.records:,} records{'' if written.proves else '. ' + SHOWS}"
            told[index] = replace(each, slice=name, slice_note=note)
    return told
