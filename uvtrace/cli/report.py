# SPDX-License-Identifier: Apache-2.0
"""``uvtrace report``: a folder that tells of a recording, to be passed on."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import click

from uvtrace import packs
from uvtrace.check.baseline import read_baseline
from uvtrace.check.catalogue import all_rules
from uvtrace.check.contract import contract_named
from uvtrace.check.engine import checker_of
from uvtrace.check.explain import explained
from uvtrace.check.page import PLAIN
from uvtrace.check.results import Results
from uvtrace.check.rules import Selection, parse_ids
from uvtrace.check.suppression import suppressed
from uvtrace.check.suppression_file import read_suppressions
from uvtrace.cli.compiling import compiling_told
from uvtrace.cli.judging import contract_option, pack_option, registers_option
from uvtrace.cli.runs import open_run
from uvtrace.errors import ExitCode
from uvtrace.registers import load
from uvtrace.report.document import Progress, Subject, no_progress
from uvtrace.report.findings import told_of
from uvtrace.report.folder import PAGE, Renderers, require_ours, write_report
from uvtrace.report.header import outcome
from uvtrace.report.states import known_devices
from uvtrace.report.transactions import ROWS_MAX
from uvtrace.trace.texts import printable

FILES: Final = {
    "result.json": "json",
    "junit.xml": "junit",
    "result.sarif": "sarif",
    "result.ktap": "ktap",
    "kcidb.json": "kcidb",
}
"""What lies beside the page, and the format of each."""


@click.command(name="report")
@click.argument("run", metavar="RUN")
@click.option("-o", "--output", metavar="DIR", required=True, help="A new folder, or a report.")
@click.option("--select", metavar="IDS", help="Judge only these rules: IDs or prefixes.")
@click.option("--ignore", metavar="IDS", help="Leave these rules out.")
@click.option("--suppressions", metavar="FILE", help="Findings that are accepted (TOML).")
@pack_option
@registers_option
@contract_option
@click.option(
    "--baseline",
    "baselines",
    metavar="FILE.json",
    multiple=True,
    help="What accepted runs did; may be repeated.",
)
@click.option(
    "--rows",
    metavar="N",
    type=click.IntRange(min=1),
    default=ROWS_MAX,
    show_default=True,
    help="Transactions that the page's table holds at most.",
)
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def command(
    run: str,
    output: str,
    select: str | None,
    ignore: str | None,
    suppressions: str | None,
    pack_paths: tuple[str, ...],
    registers: str | None,
    contract_name: str | None,
    baselines: tuple[str, ...],
    rows: int,
    quiet: bool,
) -> ExitCode:
    """Write a report of a recording into a folder.

    DIR/index.html is one page that loads nothing: findings with diagrams, verdicts, states, a
    timeline, and all transactions. DIR/findings holds a slice of the recording for each finding,
    which Wireshark and uvtrace open. The same results lie beside it for machines.

    Exits as check does: with 1 if a rule of severity error failed.

    \b
    Example:
      uvtrace report run.pcapng -o report
      uvtrace report run.pcapng --select DMA -o dma-report
    """
    click.get_current_context().with_resource(compiling_told())
    directory = Path(output)
    require_ours(directory, dict.fromkeys(FILES, str))
    rules = all_rules(pack_paths)
    known = {rule.id for rule in rules}
    accepted = read_suppressions(suppressions, known) if suppressions else ()
    described = load(registers) if registers else None
    wanted = contract_named(contract_name) if contract_name else None
    selection = Selection(parse_ids(select, known), parse_ids(ignore, known))
    baseline = read_baseline(baselines) if baselines else None
    trace, code = open_run(run)
    checker = checker_of(
        trace,
        selection=selection,
        rules=rules,
        registers=described,
        contract=wanted,
        baseline=baseline,
    )
    with _progress(quiet) as progress:
        progress("checking", 0, len(trace))
        judged = checker.check(trace, progress=lambda done: progress("checking", done, len(trace)))
        results = suppressed([explained(judged, trace, rules)], accepted).results[0]
        subject = Subject(
            trace=trace,
            results=results,
            told=told_of(results),
            device=known_devices(trace, wanted, described),
            registers=described,
            rows_max=rows,
        )
        told = write_report(directory, subject, checker.check, _renderers(results), progress)
    whole = sum(1 for each in told if each.slice)
    slices = f"{whole} slice{'' if whole == 1 else 's'}"
    click.echo(printable(f"{directory / PAGE}: {outcome(results)}; {slices}"))
    if code is not ExitCode.OK:
        return code
    return ExitCode.OK if results.ok else ExitCode.FAILED


def _renderers(results: Results) -> Renderers:
    """The machine formats whose renderers are installed."""
    installed = packs.names("uvtrace.reports")
    return {
        name: partial(_rendered, format_name, [results])
        for name, format_name in FILES.items()
        if format_name in installed
    }


def _rendered(format_name: str, results: Sequence[Results]) -> str:
    text: str = packs.load("uvtrace.reports", format_name)[0](results, PLAIN)
    return text


@contextmanager
def _progress(quiet: bool) -> Iterator[Progress]:
    """A live line on a terminal; nothing elsewhere: a report takes seconds."""
    if quiet or not sys.stderr.isatty():
        yield no_progress
        return
    from rich.console import Console
    from rich.status import Status

    with Status("reading", console=Console(stderr=True)) as status:

        def tell(stage: str, done: int = 0, total: int = 0) -> None:
            share = f"  {100 * done // total} %" if total else ""
            status.update(stage + share)

        yield tell
