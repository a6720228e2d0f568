# SPDX-License-Identifier: Apache-2.0
"""``uvtrace export``: a recording as a table for other tools, or as a timeline."""

from __future__ import annotations

import sys

import click

from uvtrace.cli.bar import bar
from uvtrace.cli.runs import open_run
from uvtrace.errors import ExitCode, UsageError
from uvtrace.trace.export import to_csv, to_parquet
from uvtrace.trace.trace import Trace


@click.command(name="export")
@click.argument("run", metavar="RUN")
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["parquet", "csv", "perfetto"]),
    required=True,
    help="Of OUT.",
)
@click.option("-o", "--output", metavar="OUT", required=True, help="The file to write.")
def command(run: str, format_name: str, output: str) -> ExitCode:
    """Write a recording as a table: one row per record, every field a column.

    Or as a timeline for ui.perfetto.dev: accesses by thread and CPU, handlers, the device,
    mappings from when they are made to when they are gone.

    \b
    Example:
      uvtrace export run.pcapng --format parquet -o run.parquet
      uvtrace export run.pcapng --format csv -o - | head
      uvtrace export run.pcapng --format perfetto -o run.pftrace
    """
    if output == "-" and format_name != "csv":
        suffix = {"parquet": "parquet", "perfetto": "pftrace"}[format_name]
        raise UsageError(f"{format_name} needs a file to write to", hint=f"-o run.{suffix}")
    trace, code = open_run(run)
    if format_name == "perfetto":
        _timeline(trace, output)
    elif format_name == "parquet":
        to_parquet(trace, output)
    else:
        to_csv(trace, sys.stdout if output == "-" else output)
    return code


def _timeline(trace: Trace, output: str) -> None:
    from uvtrace.perfetto.export import to_perfetto

    with bar("writing", len(trace)) as moved:
        done = to_perfetto(trace, output, progress=moved)
    click.echo(
        f"uvtrace: {output}: {done.slices} slices and {done.instants} instants on {done.tracks}"
        " tracks; open it in ui.perfetto.dev",
        err=True,
    )
