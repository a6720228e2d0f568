# SPDX-License-Identifier: Apache-2.0
"""``uvtrace check``: judge recordings by the rules."""

from __future__ import annotations

from typing import Any

import click
from click.core import ParameterSource

from uvtrace.cli.compiling import compiling_told
from uvtrace.cli.judging import contract_option, pack_option, registers_option
from uvtrace.cli.nightly_common import SCHEDULER
from uvtrace.cli.there import require_there


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
@click.option(
    "--jobs",
    metavar="N",
    type=click.IntRange(min=1),
    help="Judge in so many processes.  [1 for few recordings, else one for each CPU]",
)
@click.option("--scheduler", metavar="ADDRESS", help=SCHEDULER)
@click.option("-o", "--output", metavar="FILE", help="Write the result here instead of to stdout.")
def command(runs: tuple[str, ...], **options: Any) -> int:
    """Judge recordings by the rules.

    Exits with 0 if nothing failed, with 1 if a rule of severity error did.

    \b
    Example:
      uvtrace check run.pcapng
      uvtrace check run.pcapng --select DMA,ADR --format json -o result.json
      uvtrace check *.pcapng.zst --suppressions known.toml --format junit -o result.xml
      uvtrace check *.pcapng.zst --scheduler tcp://host:8786
    """
    context = click.get_current_context()
    # What judges takes longer to import than to see that there is nothing to be judged. Of
    # options that make no sense, which only it can tell, the user hears first.
    if len(runs) == 1 and all(
        context.get_parameter_source(name) is ParameterSource.DEFAULT for name in options
    ):
        require_there(runs[0])
    from uvtrace.cli.checking import Asked, checked

    context.with_resource(compiling_told())
    return checked(Asked(runs=runs, **options))
