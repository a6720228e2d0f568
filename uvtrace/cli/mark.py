# SPDX-License-Identifier: Apache-2.0
"""``uvtrace mark``: a text in the recording that is running."""

from __future__ import annotations

import click

from uvtrace.record.mark import write_mark


@click.command(name="mark")
@click.argument("text", metavar="TEXT")
def command(text: str) -> None:
    """Write TEXT into the recording that is running on this machine.

    \b
    Example:
      uvtrace mark "cable pulled"
    """
    write_mark(text)
