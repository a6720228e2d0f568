# SPDX-License-Identifier: Apache-2.0
"""``uvtrace import``: another tool's log as a recording."""

from __future__ import annotations

import shutil
import sys
import tempfile

import click

from uvtrace.record.mmiotrace import import_log


@click.group(name="import")
def command() -> None:
    """Turn another tool's log into a recording.

    \b
    Example:
      uvtrace import mmiotrace log.txt -o run.pcapng
    """


@command.command(name="mmiotrace")
@click.argument("log", metavar="LOG")
@click.option("-o", "--output", metavar="RUN.pcapng", required=True, help="The recording to write.")
def mmiotrace(log: str, output: str) -> None:
    """Turn a log of the kernel's mmiotrace into a recording.

    Such a log shows MMIO and mappings of BARs, but no config accesses, DMA or interrupts.

    \b
    Example:
      uvtrace import mmiotrace log.txt -o run.pcapng
      zcat log.txt.gz | uvtrace import mmiotrace - -o run.pcapng
    """
    if log == "-":
        # The log is read twice: what it maps decides which functions are declared first.
        with tempfile.NamedTemporaryFile(prefix="stdin-") as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy)
            copy.flush()
            count = import_log(copy.name, output)
    else:
        count = import_log(log, output)
    click.echo(f"uvtrace: {output}: {count} records", err=True)
