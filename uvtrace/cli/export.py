# SPDX-License-Identifier: Apache-2.0
"""``uvtrace export``: a recording as a table for other tools."""

from __future__ import annotations

import sys

import click

from uvtrace.cli.runs import open_run
from uvtrace.errors import ExitCode, UsageError
from uvtrace.trace.export import to_csv, to_parquet


@click.command(name="export")
@click.argument("run", metavar="RUN")
@click.option(
    "--format", "format_name", type=click.Choice(["parquet", "csv"]), required=True, help="Of OUT."
)
@click.option("-o", "--output", metavar="OUT", required=True, help="The file to write.")
def command(run: str, format_name: str, output: str) -> ExitCode:
    """Write a recording as a table: one row per record, every field a column.

    \b
    Example:
      uvtrace export run.pcapng --format parquet -o run.parquet
      uvtrace export run.pcapng --format csv -o - | head
    """
    if output == "-" and format_name == "parquet":
        raise UsageError("Parquet needs a file to write to", hint="-o run.parquet")
    trace, code = open_run(run)
    if format_name == "parquet":
        to_parquet(trace, output)
    else:
        to_csv(trace, sys.stdout if output == "-" else output)
    return code
