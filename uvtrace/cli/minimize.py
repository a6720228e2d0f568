# SPDX-License-Identifier: Apache-2.0
"""``uvtrace minimize``: the fewest records of a recording that still prove a finding."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import click

from uvtrace.check.catalogue import all_rules
from uvtrace.check.contract import contract_named
from uvtrace.check.engine import Checker, checker_of
from uvtrace.check.explain import first_of_each
from uvtrace.check.results import Finding, Results
from uvtrace.check.rules import Selection
from uvtrace.cli.bar import bar
from uvtrace.cli.compiling import compiling_told
from uvtrace.cli.judging import contract_option, pack_option, registers_option
from uvtrace.cli.runs import open_run
from uvtrace.errors import ExitCode, UsageError
from uvtrace.minimize.judge import Also
from uvtrace.minimize.minimize import Minimal, UnconfirmedError, minimize, nothing_new
from uvtrace.minimize.reduce import Budget, counted
from uvtrace.minimize.target import choose
from uvtrace.minimize.written import Small, small_trace, write
from uvtrace.registers import load
from uvtrace.trace import descriptions
from uvtrace.trace.slice import Slicer
from uvtrace.trace.texts import printable
from uvtrace.trace.trace import Trace

SHOWN = 40
"""Records of the small trace that are printed."""


@click.command(name="minimize")
@click.argument("run", metavar="RUN")
@click.option(
    "--finding",
    "wanted",
    metavar="N|SIGNATURE",
    required=True,
    help="Which one: its place in what uvtrace check prints, from 1, or its signature.",
)
@click.option("-o", "--output", metavar="SMALL", required=True, help="The recording to write.")
@click.option(
    "--tests",
    type=click.IntRange(min=1),
    default=Budget.tests,
    show_default=True,
    help="How many parts may be judged.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.0),
    default=Budget.seconds,
    show_default=True,
    help="How long that may take.",
)
@click.option("--keep-values", is_flag=True, help="Leave values that do not matter as they are.")
@click.option(
    "--confirm",
    metavar="[MODEL]",
    is_flag=False,
    flag_value="recorded",
    help="Keep what it takes for the device's model to do again what the proof shows; the model"
    " of the recording, or model:NAME.",
)
@registers_option
@contract_option
@pack_option
def command(
    run: str,
    wanted: str,
    output: str,
    tests: int,
    seconds: float,
    keep_values: bool,
    confirm: str | None,
    registers: str | None,
    contract_name: str | None,
    pack_paths: tuple[str, ...],
) -> ExitCode:
    """Find the fewest records of a recording that still prove a finding.

    Writes them as a recording: each packet says in comments which part it plays, and which packet
    of RUN it was. Ctrl-C, or a budget that is spent, leaves the smallest part that was found.

    \b
    Example:
      uvtrace check run.pcapng
      uvtrace minimize run.pcapng --finding 1 -o small.pcapng
      uvtrace minimize run.pcapng --finding 2 --tests 40 --seconds 30 -o small.pcapng.zst
      uvtrace minimize run.pcapng --finding 1 --confirm -o small.pcapng
    """
    click.get_current_context().with_resource(compiling_told())
    if os.path.exists(run) and os.path.exists(output) and os.path.samefile(run, output):
        raise UsageError("a recording cannot be minimised into itself", where=output)
    trace, code = open_run(run)
    device = _device(trace, confirm)
    rules = all_rules(pack_paths)
    described = load(registers) if registers else None
    contract = contract_named(contract_name) if contract_name else None
    whole = checker_of(trace, rules=rules, registers=described, contract=contract)
    with bar("checking", len(trace)) as moved:
        results = whole.check(trace, progress=moved)
    finding = choose(results, wanted)
    only = Selection((finding.rule,))
    own = checker_of(trace, selection=only, rules=rules, registers=described, contract=contract)
    work = _Work(trace, finding, own, Budget(tests, seconds), keep_values)
    known = {each.signature for each in results.findings}
    minimal = work.honest(work.minimal(), whole, known)
    confirmed = ""
    if device:
        minimal, confirmed = work.confirmed(minimal, device)
    small = small_trace(trace, minimal, whole)
    noted = write(trace, minimal, small, output)
    lines = [*_lines(trace, output, minimal, small, noted), *_others(results, minimal, small)]
    for line in (*lines, confirmed):
        if line:
            click.echo(printable(line))
    return code


def _device(trace: Trace, confirm: str | None) -> str:
    """The model that is to confirm; empty for none."""
    if confirm is None:
        return ""
    if confirm == "recorded":
        from uvtrace.minimize.confirm import model_of

        return model_of(trace)
    if not confirm.startswith("model:"):
        raise UsageError(f"--confirm takes a model, not {printable(confirm)}", hint="model:NAME")
    return confirm


@dataclass(frozen=True)
class _Work:
    """What is minimised, and how."""

    trace: Trace
    finding: Finding
    checker: Checker
    budget: Budget
    keep_values: bool

    def honest(self, plain: Minimal, whole: Checker, known: set[str]) -> Minimal:
        """The smallest part in which nothing else looks wrong that is right in the whole.

        Where that cannot be had within the budget, the part that was found first, of which the
        output says what looks wrong in it.
        """
        if plain.stopped or not set(small_trace(self.trace, plain, whole).found) - known:
            return plain
        found = self.minimal(also=nothing_new(whole, known))
        return plain if found.stopped else found

    def minimal(self, device: str = "", also: Also | None = None) -> Minimal:
        """The smallest part, with a bar."""
        with bar("minimising" if not device else "confirming", self.budget.tests) as moved:
            return minimize(
                self.trace,
                self.finding,
                self.checker,
                budget=self.budget,
                keep_values=self.keep_values,
                confirm=device,
                also=also,
                progress=lambda done, kept: moved(done, f"{kept} records"),
            )

    def confirmed(self, plain: Minimal, device: str) -> tuple[Minimal, str]:
        """The smallest part in which a model does the same, and what is to be said of it.

        What was found without it is kept where the model does something else.
        """
        from uvtrace.minimize.confirm import Confirmation

        confirmation = Confirmation(self.trace, plain.target, device)
        if not confirmation.of_device:
            return plain, "nothing to confirm: nothing in the proof is done by the device"
        try:
            found = self.minimal(device)
        except UnconfirmedError as error:
            return plain, f"not confirmed: {error.what}"
        except KeyboardInterrupt:
            return plain, "not confirmed: interrupted"
        slicer = Slicer(self.trace)
        part, kept = slicer.trace(found.kept, silent=True), slicer.positions(found.kept)
        why = confirmation.why_not(part, kept.positions)
        return found, f"not confirmed: {why}" if why else f"confirmed: {device} does the same in it"


def _lines(
    trace: Trace, output: str, minimal: Minimal, small: Small, noted: dict[int, list[str]]
) -> Iterator[str]:
    finding = minimal.target.finding
    yield f"{trace.path}: {finding.rule}: {finding.message}"
    if minimal.stopped:
        yield f"stopped early ({minimal.stopped}): this is the smallest part that was found"
    took = f"{counted(minimal.tests, 'test')}, {minimal.seconds:.1f} s"
    yield f"{counted(len(trace), 'record')} to {len(minimal.kept)}, {took}: {output}"
    for row, position in enumerate(minimal.kept[:SHOWN].tolist(), small.sliced.texts):
        part = trace[position : position + 1]
        was = f"was #{int(part.column('seq')[0])}"
        yield f"  #{row:<4} {was:<12} {descriptions.summary(part, 0)}"
        for text in noted[position]:
            yield f"{'':>8}= {text}"
    if len(minimal.kept) > SHOWN:
        yield f"  and {len(minimal.kept) - SHOWN} more"


def _others(results: Results, minimal: Minimal, small: Small) -> Iterator[str]:
    firsts, _ = first_of_each(results.findings)
    known = {each.signature for each in firsts}
    for signature in minimal.others:
        yield f"met on the way: {signature}{_new(signature, known)}"
    for signature in small.found:
        yield f"also found in it: {signature}{_new(signature, known)}"


def _new(signature: str, known: set[str]) -> str:
    return "" if signature in known else " (not in the recording: of records left out)"
