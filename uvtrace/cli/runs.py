# SPDX-License-Identifier: Apache-2.0
"""Opening the recordings that a command names, and saying so where one is damaged."""

from __future__ import annotations

import click

import uvtrace
from uvtrace.errors import ExitCode
from uvtrace.trace.texts import printable
from uvtrace.trace.trace import Trace


def open_run(path: str) -> tuple[Trace, ExitCode]:
    """A recording, and how a command that could use only a part of it must end.

    A partial last record, as a killed recorder leaves it, is worth a warning; a file that is
    corrupt before its end is INPUT, although what could be read is used.

    Raises:
        InputError: nothing of it can be read.
    """
    trace = uvtrace.open(path)
    line, code = damage_of(trace)
    if line:
        click.echo(f"uvtrace: {line}", err=True)
    return trace, code


def damage_of(trace: Trace) -> tuple[str, ExitCode]:
    """What is wrong with a recording's file, and how a command that used it must end."""
    if trace.damage is None:
        return "", ExitCode.OK
    if trace.damage.partial_tail:
        return f"warning: {printable(str(trace.damage))}", ExitCode.OK
    return printable(str(trace.damage)), ExitCode.INPUT
