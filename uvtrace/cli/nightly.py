# SPDX-License-Identifier: Apache-2.0
"""``uvtrace nightly``: record and judge a whole matrix, and tell what is new since yesterday."""

from __future__ import annotations

import datetime
import fcntl
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from uvtrace.check.catalogue import installed_rules
from uvtrace.cli import nightly_history, nightly_page
from uvtrace.cli.nightly_common import HISTORY, OUTPUT, SCHEDULER, history_of, name_of, now
from uvtrace.cli.nightly_page import Page
from uvtrace.errors import UsageError
from uvtrace.nightly.acceptance import Acceptance
from uvtrace.nightly.crew import crew
from uvtrace.nightly.folder import NightFolder
from uvtrace.nightly.history import History
from uvtrace.nightly.job import Job, jobs_of
from uvtrace.nightly.junit import as_junit
from uvtrace.nightly.kcidb import as_kcidb
from uvtrace.nightly.ktap import as_ktap
from uvtrace.nightly.matrix import Matrix, read_matrix, releases_of
from uvtrace.nightly.night import Morning, run_night
from uvtrace.nightly.outcome import JobResult
from uvtrace.nightly.proofs import prove
from uvtrace.nightly.task import site_of
from uvtrace.nightly.text import as_text
from uvtrace.trace.texts import printable

_STORE = "Put the recordings there: s3://BUCKET/FOLDER or another of fsspec's URLs.  [DIR]"


class _Group(click.Group):
    """``nightly MATRIX.toml`` needs no word for what it does."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, *self.get_help_option_names(ctx)):
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group(name="nightly", cls=_Group, short_help="Record and judge a matrix every night.")
def command() -> None:
    """Record and judge a matrix of kernels, devices and workloads, and compare with yesterday.

    `uvtrace nightly MATRIX.toml -o DIR` is short for `uvtrace nightly run MATRIX.toml -o DIR`.

    \b
    Example:
      uvtrace nightly matrix.toml -o nightly
    """


@command.command(name="run")
@click.argument("matrix_path", metavar="MATRIX.toml")
@click.option("-o", "--output", metavar="DIR", required=True, help=OUTPUT)
@click.option("--history", "history_url", metavar="URL", help=HISTORY)
@click.option("--scheduler", metavar="ADDRESS", help=SCHEDULER)
@click.option("--store", metavar="URL", default="", help=_STORE)
def run(
    matrix_path: str, output: str, history_url: str | None, scheduler: str | None, store: str
) -> int:
    """Do all jobs of a matrix in VMs, and tell what is new.

    A night that was interrupted is taken up where it was left. Exits with 1 if there is a new
    failure.

    \b
    Example:
      uvtrace nightly run matrix.toml -o nightly
      uvtrace nightly run matrix.toml -o nightly --history postgresql://me@host/uvtrace
      uvtrace nightly run matrix.toml -o nightly --scheduler tcp://host:8786
    """
    matrix = read_matrix(matrix_path, {rule.id for rule in installed_rules()})
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    name = name_of(matrix_path)
    with (
        _alone(folder),
        History(history_url or folder / "history.db") as history,
        crew(scheduler, matrix.limits.jobs, store=store, warn=_warn) as who,
    ):
        jobs, missing = _jobs(matrix, who.kernels())
        night = history.unfinished(name) or history.begin(name, now())
        own = folder / name / str(night.number)
        tasks = who.tasks(jobs, matrix.limits, site_of(own, f"{name}/{night.number}", store))
        page = Page(matrix, history, night, own, missing, _Lines())
        page.write()
        try:
            morning = run_night(night, matrix, tasks, history, who, watcher=page)
            _write(morning, own)
            _prove(matrix, jobs, morning, own)
        finally:
            # Of a night that was interrupted there is something to be told, too.
            page.write()
    click.echo(as_text(morning.comparison, morning.results), nl=False)
    click.echo(f"uvtrace: {printable(str(page.path))} tells more", err=True)
    return morning.comparison.exit_code


def _prove(matrix: Matrix, jobs: Sequence[Job], morning: Morning, folder: Path) -> None:
    """Reports and minimised traces, for the page to lead to."""
    prove(
        jobs,
        morning.results,
        morning.comparison,
        NightFolder(folder),
        seconds=matrix.limits.reports_s,
        side_by_side=matrix.limits.jobs,
        told=lambda line: click.echo(f"uvtrace: {printable(line)}", err=True),
    )


@command.command(name="accept")
@click.argument("matrix_path", metavar="MATRIX.toml")
@click.argument("signature")
@click.option("-o", "--output", metavar="DIR", required=True, help=OUTPUT)
@click.option("--history", "history_url", metavar="URL", help=HISTORY)
@click.option("--reason", required=True, help="Why it is accepted.")
@click.option("--expires", metavar="DATE", type=click.DateTime(["%Y-%m-%d"]), help="Last day.")
@click.option("--device", default="*", show_default=True, help="Pattern of devices' names.")
@click.option("--kernel", default="*", show_default=True, help="Pattern of kernels' names.")
def accept(
    matrix_path: str,
    signature: str,
    output: str,
    history_url: str | None,
    reason: str,
    expires: datetime.datetime | None,
    device: str,
    kernel: str,
) -> int:
    """Take findings into the baseline: they are no news until a day.

    SIGNATURE is as a night tells it; * and ? stand for any text and any character.

    \b
    Example:
      uvtrace nightly accept matrix.toml 'DMA007:*' -o nightly --reason 'known' --expires 2027-03-31
    """
    where = history_of(output, history_url)
    today = now().date()
    last = None if expires is None else expires.date()
    if last is not None and last < today:
        raise UsageError("that day has passed", where=f"--expires {last}")
    acceptance = Acceptance(
        signature=signature,
        reason=reason,
        device=device,
        kernel=kernel,
        since=today,
        expires=last,
    )
    with History(where) as history:
        history.accept(name_of(matrix_path), acceptance)
    until = "" if last is None else f" until {last}"
    click.echo(f"uvtrace: {printable(signature)} is accepted{until}", err=True)
    return 0


command.add_command(nightly_history.command)
command.add_command(nightly_page.command)


class _Lines:
    """A line for each job, on stderr."""

    def skipped(self, job: Job) -> None:
        """Done on an earlier try."""
        click.echo(f"uvtrace: {job.key}: done before", err=True)

    def finished(self, result: JobResult, done: int, of: int) -> None:
        """Done, and kept."""
        found = sum(finding.is_failure for finding in result.findings)
        errors = f", {found} error{'' if found == 1 else 's'}" if found else ""
        why = f" ({result.reason})" if result.reason else ""
        line = f"[{done}/{of}] {result.key}: {result.ended}{why}{errors}, {result.seconds:.0f} s"
        click.echo(f"uvtrace: {printable(line)}", err=True)


def _warn(line: str) -> None:
    click.echo(f"uvtrace: warning: {line}", err=True)


def _jobs(matrix: Matrix, installed: Iterable[str]) -> tuple[tuple[Job, ...], tuple[str, ...]]:
    """The jobs of the kernels that are there, and the names of the others."""
    releases, missing = releases_of(matrix.kernels, installed)
    for name in missing:
        _warn(f"kernel {name} is not installed, or has no headers: its jobs are left out")
    return jobs_of(matrix, releases), missing


def _write(morning: Morning, folder: Path) -> None:
    """The machine formats, beside the recordings."""
    comparison, results = morning.comparison, morning.results
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (
        ("night.txt", as_text(comparison, results)),
        ("junit.xml", as_junit(comparison, results)),
        ("night.ktap", as_ktap(comparison, results)),
        ("kcidb.json", as_kcidb(morning.night, comparison, results)),
    ):
        (folder / name).write_text(text, encoding="utf-8")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else runs a night in this folder: he would take ours for one that was given up."""
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError("another night runs in this folder", where=str(folder)) from error
        yield
