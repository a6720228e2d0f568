# SPDX-License-Identifier: Apache-2.0
"""``uvtrace diff``: what a run does that another one did not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from uvtrace.check.catalogue import all_rules
from uvtrace.check.contract import Contract, contract_named
from uvtrace.check.rule import Rule
from uvtrace.cli.bar import bar
from uvtrace.cli.judging import contract_option, pack_option, registers_option
from uvtrace.cli.runs import open_run
from uvtrace.cli.told import format_option
from uvtrace.diff.difference import RATIO, difference
from uvtrace.diff.run import Run, run_of
from uvtrace.diff.text import as_json, as_text
from uvtrace.errors import ExitCode
from uvtrace.registers import RegisterMap, load


@click.command(name="diff")
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@format_option
@click.option(
    "--ratio",
    type=click.FloatRange(min=1.0, min_open=True),
    default=RATIO,
    show_default=True,
    help="A time has changed if it is so many times what it was, or less than its inverse.",
)
@registers_option
@contract_option
@pack_option
@click.option("-o", "--output", metavar="FILE", help="Write the result here instead of to stdout.")
def command(
    old: str,
    new: str,
    format_name: str,
    ratio: float,
    registers: str | None,
    contract_name: str | None,
    pack_paths: tuple[str, ...],
    output: str | None,
) -> ExitCode:
    """Tell what NEW does that OLD did not, and the other way round.

    Findings, states and edges of the device's contract, registers, times. Exits with 1 if NEW has
    an error that OLD had not.

    \b
    Example:
      uvtrace diff 6.1.pcapng 6.12.pcapng
      uvtrace diff good.pcapng bad.pcapng --format json -o diff.json
    """
    rules = all_rules(pack_paths)
    described = load(registers) if registers else None
    contract = contract_named(contract_name) if contract_name else None
    runs, worst = [], ExitCode.OK
    for path in (old, new):
        run, code = _look_at(path, rules, described, contract)
        runs.append(run)
        worst = worst or code
    found = difference(*runs, ratio=ratio)
    text = as_json(found) if format_name == "json" else as_text(found)
    if output in (None, "-"):
        click.echo(text, nl=False)
    else:
        Path(str(output)).write_text(text, encoding="utf-8")
    if worst is not ExitCode.OK:
        return worst
    return ExitCode.FAILED if found.is_regression else ExitCode.OK


def _look_at(
    path: str, rules: Sequence[Rule], registers: RegisterMap | None, contract: Contract | None
) -> tuple[Run, ExitCode]:
    trace, code = open_run(path)
    with bar(f"looking at {path}", len(trace)) as moved:
        run = run_of(trace, rules=rules, registers=registers, contract=contract, progress=moved)
    return run, code
