# SPDX-License-Identifier: Apache-2.0
"""``uvtrace scrub``: a recording that can be passed on."""

from __future__ import annotations

import os

import click

from uvtrace.cli.runs import open_run
from uvtrace.errors import ExitCode, UsageError
from uvtrace.trace.scrub import scrub


@click.command(name="scrub")
@click.argument("run", metavar="RUN")
@click.option("-o", "--output", metavar="OUT", required=True, help="The recording to write.")
@click.option("--drop-values", is_flag=True, help="Also zero what registers and ports held.")
def command(run: str, output: str, drop_values: bool) -> ExitCode:
    """Take addresses, data and names out of a recording.

    Addresses are moved consistently, so that the rules find the same. An address that a driver
    wrote into a register cannot be told from other data: --drop-values drops it.

    \b
    Example:
      uvtrace scrub run.pcapng -o public.pcapng.zst
      uvtrace scrub run.pcapng --drop-values -o public.pcapng
    """
    if os.path.exists(run) and os.path.exists(output) and os.path.samefile(run, output):
        raise UsageError("a recording cannot be scrubbed into itself", where=output)
    trace, code = open_run(run)
    done = scrub(trace, output, drop_values=drop_values)
    click.echo(
        f"uvtrace: {output}: {done['records']} records, {done['payloads_dropped']} payloads and"
        f" {done['values_dropped']} values dropped",
        err=True,
    )
    return code
