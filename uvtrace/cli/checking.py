# SPDX-License-Identifier: Apache-2.0
"""What ``uvtrace check`` does with what it is asked."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from uvtrace import packs
from uvtrace.check.page import PLAIN, Page, Renderer
from uvtrace.check.requirement import unmet
from uvtrace.check.results import Results, Suppression
from uvtrace.check.rules import Selection, parse_ids
from uvtrace.check.suppression import suppressed
from uvtrace.cluster.judge import Case, Judged, Rulebook, judged, judgement, loaded
from uvtrace.errors import ExitCode, UsageError
from uvtrace.trace.texts import printable

_WORTH_A_PROCESS: Final = 4
"""So many recordings, most of them small, take as long as another process to begin."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be judged, by what, and what becomes of it: the command's options."""

    runs: tuple[str, ...]
    select: str | None
    ignore: str | None
    require: str | None
    suppressions: str | None
    format_name: str
    pack_paths: tuple[str, ...]
    registers: str | None
    contract_name: str | None
    baselines: tuple[str, ...]
    with_facts: bool
    jobs: int | None
    scheduler: str | None
    output: str | None


def checked(asked: Asked) -> int:
    """Judge recordings; how the command must end.

    Raises:
        UvtraceError: something asked makes no sense, or the only recording cannot be read.
    """
    render = _renderer(asked.format_name)
    book = Rulebook(
        packs=asked.pack_paths,
        registers=asked.registers or "",
        contract=asked.contract_name or "",
        baselines=asked.baselines,
    )
    known = {rule.id for rule in loaded(book).rules}
    selection = Selection(parse_ids(asked.select, known), parse_ids(asked.ignore, known))
    required = parse_ids(asked.require, known)
    accepted = _accepted(asked.suppressions, known)
    cases = [
        Case(run=run, book=book, selection=selection, with_facts=asked.with_facts)
        for run in asked.runs
    ]
    outcomes = _judged(cases, asked.scheduler, asked.jobs)
    results, code = _told(outcomes)
    judged = _suppress(results, accepted)
    _write(render(judged, _page(asked.output)), asked.output)
    lines = unmet(judged, required)
    for line in lines:
        click.echo(f"uvtrace: required: {printable(line)}", err=True)
    if code is not ExitCode.OK:
        return code
    passed = all(result.ok for result in judged) and not lines
    return ExitCode.OK if passed else ExitCode.FAILED


def _accepted(path: str | None, known: Collection[str]) -> Sequence[Suppression]:
    if path is None:
        return ()
    from uvtrace.check.suppression_file import read_suppressions

    return read_suppressions(path, known)


def _renderer(name: str) -> Renderer:
    there = packs.names("uvtrace.reports")
    if name not in there:
        raise UsageError(
            f"no renderer for the format {name!r} is installed",
            hint=f"there are {', '.join(there)}",
        )
    render: Renderer = packs.load("uvtrace.reports", name)[0]
    return render


def _judged(cases: Sequence[Case], scheduler: str | None, jobs: int | None) -> Sequence[Judged]:
    """What judging each recording came to, in the order given."""
    if scheduler is None and len(cases) == 1:
        # An error in the only one is the command's.
        return [judgement(cases[0])]
    if scheduler is None:
        jobs = jobs or max(1, min(_cpus(), len(cases) // _WORTH_A_PROCESS))
        if jobs == 1:
            return [judged(case) for case in cases]
        from uvtrace.cluster.judging import in_processes

        return in_processes(cases, min(jobs, len(cases)))
    from uvtrace.cluster.judging import on_cluster

    return on_cluster(cases, scheduler, _warn)


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def _told(outcomes: Sequence[Judged]) -> tuple[list[Results], ExitCode]:
    """The judgements; a recording that cannot be read is told, and decides the exit code."""
    worst = ExitCode.OK
    for outcome in outcomes:
        if outcome.line:
            click.echo(f"uvtrace: {outcome.line}", err=True)
        worst = worst if outcome.results is not None and worst else outcome.code or worst
    return [each.results for each in outcomes if each.results is not None], worst


def _warn(line: str) -> None:
    click.echo(f"uvtrace: warning: {line}", err=True)


def _suppress(results: Sequence[Results], accepted: Sequence[Suppression]) -> tuple[Results, ...]:
    """Mark what is suppressed; say which suppressions are of no use, or no longer hold."""
    outcome = suppressed(results, accepted)
    for each in outcome.expired:
        text = f"expired on {each.expires}, its findings count again ({each.reason})"
        _warn_of(each, text)
    for each in outcome.unused:
        _warn_of(each, "matches no finding")
    return outcome.results


def _warn_of(suppression: Suppression, text: str) -> None:
    where = f"{suppression.file}:{suppression.line}"
    entry = f"the suppression of {suppression.rule} at {suppression.site}"
    click.echo(f"uvtrace: warning: {printable(f'{where}: {entry} {text}')}", err=True)


def _page(output: str | None) -> Page:
    if output not in (None, "-") or not sys.stdout.isatty():
        return PLAIN
    colour = "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    return Page(width=shutil.get_terminal_size().columns, colour=colour)


def _write(text: str, output: str | None) -> None:
    if output not in (None, "-"):
        Path(output).write_text(text, encoding="utf-8")
        return
    # A terminal of another encoding must not make a defect of a quotation mark.
    encoding = sys.stdout.encoding or "utf-8"
    click.echo(text.encode(encoding, "backslashreplace").decode(encoding), nl=False, color=True)
