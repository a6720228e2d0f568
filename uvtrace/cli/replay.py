# SPDX-License-Identifier: Apache-2.0
"""``uvtrace replay``: hold a recording against a model, or against a device of QEMU's."""

from __future__ import annotations

import json
import sys

import click

from uvtrace.check.contract import contract_named
from uvtrace.cli.runs import open_run
from uvtrace.cli.told import format_option
from uvtrace.errors import ExitCode, UsageError
from uvtrace.registers import load
from uvtrace.replay.api import DIVERGENCES_MAX, Options, Progress, replay
from uvtrace.replay.text import text_of
from uvtrace.trace.trace import Trace

INTERRUPTED = 130


@click.command(name="replay")
@click.argument("run", metavar="RUN")
@click.option(
    "--device",
    metavar="SPEC",
    required=True,
    help="model:NAME[,option=value…], model:FILE.py or qemu:MODEL[,property=value…].",
)
@click.option("--function", metavar="BDF", help="Which function of the recording, if it has more.")
@click.option(
    "--contract",
    metavar="NAME|PATH",
    help="Tells how frames come in; else the contract for the device, if there is one.",
)
@click.option("--registers", metavar="FILE", help="Names the registers: SystemRDL or CMSIS-SVD.")
@click.option(
    "--divergences",
    metavar="N",
    type=click.IntRange(min=1),
    default=DIVERGENCES_MAX,
    help="Stop after N divergences.",
)
@format_option
def command(
    run: str,
    device: str,
    function: str | None,
    contract: str | None,
    registers: str | None,
    divergences: int,
    format_name: str,
) -> int:
    """Hold a recording against a model of its device.

    What the host did is told to the device, each thing when its causes have happened; what the
    device answers, reads and writes in memory, and its interrupts are compared with the recorded
    device's, as far as PCI Express orders them. Exits with 1 if the two diverge.

    \b
    Example:
      uvtrace replay run.pcapng --device model:e1000
      uvtrace replay run.pcapng --device model:./model.py,seed=7 --format json
      uvtrace replay run.pcapng --device qemu:e1000
    """
    trace, code = open_run(run)
    options = Options(
        function=_function(trace, function),
        contract=contract_named(contract) if contract else None,
        registers=load(registers) if registers else None,
        divergences=divergences,
    )
    outcome = replay(trace, device, options, _progress())
    if format_name == "json":
        click.echo(json.dumps(outcome.as_json(), indent=1))
    else:
        click.echo(text_of(outcome), nl=False)
    if outcome.interrupted:
        return INTERRUPTED
    return code or (ExitCode.OK if outcome.agrees else ExitCode.FAILED)


def _function(trace: Trace, name: str | None) -> int | None:
    if name is None:
        return None
    for function in trace.functions:
        if function.name in (name, f"0000:{name}"):
            return function.index
    known = ", ".join(function.name for function in trace.functions)
    raise UsageError(f"has no function {name}", where=trace.path, hint=f"it has {known}")


def _progress() -> Progress | None:
    """A line that is written over, where somebody looks."""
    if not sys.stderr.isatty():
        return None

    def show(done: int, total: int) -> None:
        end = "\r" if done < total else "\r\x1b[K"
        click.echo(f"replaying {100 * done // max(total, 1):3} %{end}", nl=False, err=True)

    return show
