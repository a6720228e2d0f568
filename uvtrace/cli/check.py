# SPDX-License-Identifier: Apache-2.0
"""``uvtrace check``: judge recordings by the rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from uvtrace import packs
from uvtrace.check.engine import check, installed_checks
from uvtrace.check.results import Results, Verdict
from uvtrace.check.rules import Selection, parse_ids
from uvtrace.cli.runs import open_run
from uvtrace.errors import ExitCode, UsageError, UvtraceError


@click.command(name="check")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@click.option(
    "--select", metavar="IDS", help="Judge only these rules: IDs or prefixes, DMA,CFG001."
)
@click.option("--ignore", metavar="IDS", help="Leave these rules out.")
@click.option(
    "--require", metavar="IDS", help="Exit with 1 unless each of these passes everywhere."
)
@click.option("--format", "format_name", default="text", show_default=True, help="text or json.")
@click.option("-o", "--output", metavar="FILE", help="Write the result here instead of to stdout.")
def command(
    runs: tuple[str, ...],
    select: str | None,
    ignore: str | None,
    require: str | None,
    format_name: str,
    output: str | None,
) -> int:
    """Judge recordings by the rules.

    Exits with 0 if nothing failed, with 1 if a rule of severity error did.

    \b
    Example:
      uvtrace check run.pcapng
      uvtrace check run.pcapng --select DMA,ADR --format json -o result.json
    """
    render = _renderer(format_name)
    known = {rule.id for each in installed_checks() for rule in each.rules}
    selection = Selection(parse_ids(select, known), parse_ids(ignore, known))
    required = parse_ids(require, known)
    results, code = _check_all(runs, selection)
    text = render(results)
    if output is None or output == "-":
        click.echo(text, nl=False)
    else:
        Path(output).write_text(text, encoding="utf-8")
    if code is not ExitCode.OK:
        return code
    failed = not all(result.ok for result in results) or _unmet(results, required)
    return ExitCode.FAILED if failed else ExitCode.OK


def _renderer(name: str) -> Callable[[Sequence[Results]], str]:
    there = packs.names("uvtrace.reports")
    if name not in there:
        raise UsageError(
            f"no renderer for the format {name!r} is installed",
            hint=f"there are {', '.join(there)}",
        )
    render: Callable[[Sequence[Results]], str] = packs.load("uvtrace.reports", name)[0]
    return render


def _check_all(runs: tuple[str, ...], selection: Selection) -> tuple[list[Results], ExitCode]:
    """Check every recording that can be read; one that cannot decides the exit code."""
    results = []
    worst = ExitCode.OK
    for run in runs:
        try:
            trace, code = open_run(run)
        except UvtraceError as error:
            if len(runs) == 1:
                raise
            click.echo(f"uvtrace: {error}", err=True)
            worst = ExitCode(error.exit_code)
            continue
        results.append(check(trace, selection=selection))
        worst = worst or code
    return results, worst


def _unmet(results: list[Results], required: tuple[str, ...]) -> bool:
    """Whether a required rule is not a pass somewhere; says which on stderr."""
    unmet = [
        f"{verdict.rule} is {verdict.verdict} for {verdict.function}"
        for result in results
        for verdict in result.verdicts
        if required and verdict.rule.startswith(required) and verdict.verdict is not Verdict.PASS
    ]
    judged = {verdict.rule for result in results for verdict in result.verdicts}
    unmet += [
        f"{wanted} was not judged"
        for wanted in required
        if not any(rule.startswith(wanted) for rule in judged)
    ]
    for text in unmet:
        click.echo(f"uvtrace: required: {text}", err=True)
    return bool(unmet)
