# SPDX-License-Identifier: Apache-2.0
"""``uvtrace check``: judge recordings by the rules."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from uvtrace import packs
from uvtrace.check.baseline import Baseline, read_baseline
from uvtrace.check.catalogue import all_rules
from uvtrace.check.contract import Contract, contract_named
from uvtrace.check.engine import check
from uvtrace.check.explain import explained
from uvtrace.check.page import PLAIN, Page, Renderer
from uvtrace.check.requirement import unmet
from uvtrace.check.results import Results, Suppression
from uvtrace.check.rule import Rule
from uvtrace.check.rules import Selection, parse_ids
from uvtrace.check.suppression import suppressed
from uvtrace.check.suppression_file import read_suppressions
from uvtrace.cli.compiling import compiling_told
from uvtrace.cli.judging import contract_option, pack_option, registers_option
from uvtrace.cli.runs import open_run
from uvtrace.errors import ExitCode, UsageError, UvtraceError
from uvtrace.registers import RegisterMap, load
from uvtrace.trace.texts import printable


@click.command(name="check")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@click.option(
    "--select", metavar="IDS", help="Judge only these rules: IDs or prefixes, DMA,CFG001."
)
@click.option("--ignore", metavar="IDS", help="Leave these rules out.")
@click.option(
    "--require", metavar="IDS", help="Exit with 1 unless each of these passes everywhere."
)
@click.option(
    "--suppressions",
    metavar="FILE",
    help="Findings that are known and accepted, each with its reason (TOML).",
)
@click.option(
    "--format",
    "format_name",
    metavar="FORMAT",
    default="text",
    show_default=True,
    help="text, json, junit, ktap, sarif, kcidb or html.",
)
@pack_option
@registers_option
@contract_option
@click.option(
    "--baseline",
    "baselines",
    metavar="FILE.json",
    multiple=True,
    help="What accepted runs did, as uvtrace graph RUN -o FILE.json writes it: what was never"
    " done before fails FSM003. May be repeated.",
)
@click.option(
    "--explain",
    "with_facts",
    is_flag=True,
    help="Tell of findings the fewest facts that prove them (text only; asks z3).",
)
@click.option("-o", "--output", metavar="FILE", help="Write the result here instead of to stdout.")
def command(
    runs: tuple[str, ...],
    select: str | None,
    ignore: str | None,
    require: str | None,
    suppressions: str | None,
    format_name: str,
    pack_paths: tuple[str, ...],
    registers: str | None,
    contract_name: str | None,
    baselines: tuple[str, ...],
    with_facts: bool,
    output: str | None,
) -> int:
    """Judge recordings by the rules.

    Exits with 0 if nothing failed, with 1 if a rule of severity error did.

    \b
    Example:
      uvtrace check run.pcapng
      uvtrace check run.pcapng --select DMA,ADR --format json -o result.json
      uvtrace check *.pcapng.zst --suppressions known.toml --format junit -o result.xml
    """
    click.get_current_context().with_resource(compiling_told())
    render = _renderer(format_name)
    rules = all_rules(pack_paths)
    known = {rule.id for rule in rules}
    selection = Selection(parse_ids(select, known), parse_ids(ignore, known))
    required = parse_ids(require, known)
    accepted = read_suppressions(suppressions, known) if suppressions else ()
    described = load(registers) if registers else None
    contract = contract_named(contract_name) if contract_name else None
    baseline = read_baseline(baselines) if baselines else None
    results, code = _check_all(runs, selection, rules, described, contract, baseline, with_facts)
    judged = _suppress(results, accepted)
    _write(render(judged, _page(output)), output)
    lines = unmet(judged, required)
    for line in lines:
        click.echo(f"uvtrace: required: {printable(line)}", err=True)
    if code is not ExitCode.OK:
        return code
    passed = all(result.ok for result in judged) and not lines
    return ExitCode.OK if passed else ExitCode.FAILED


def _renderer(name: str) -> Renderer:
    there = packs.names("uvtrace.reports")
    if name not in there:
        raise UsageError(
            f"no renderer for the format {name!r} is installed",
            hint=f"there are {', '.join(there)}",
        )
    render: Renderer = packs.load("uvtrace.reports", name)[0]
    return render


def _check_all(
    runs: tuple[str, ...],
    selection: Selection,
    rules: Sequence[Rule],
    registers: RegisterMap | None,
    contract: Contract | None,
    baseline: Baseline | None,
    with_facts: bool,
) -> tuple[list[Results], ExitCode]:
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
        found = check(
            trace,
            selection=selection,
            rules=rules,
            registers=registers,
            contract=contract,
            baseline=baseline,
            facts=with_facts,
        )
        results.append(explained(found, trace, rules))
        worst = worst or code
    return results, worst


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
