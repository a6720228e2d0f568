# SPDX-License-Identifier: Apache-2.0
"""``uvtrace rules``: the catalogue, one rule, or the proofs that the rules are sound."""

from __future__ import annotations

import click

from uvtrace.check.catalogue import installed_rules, ordered, rules_of_path
from uvtrace.check.contract import contract_named, installed_contracts
from uvtrace.check.lint import TIMEOUT_MS, Report, lint
from uvtrace.check.rule import Rule
from uvtrace.check.rules import SIGHT_TEXT
from uvtrace.errors import ExitCode, UsageError
from uvtrace.trace.texts import printable


@click.command(name="rules")
@click.argument("rule_id", metavar="[ID]", required=False)
@click.option("--pack", "packs", metavar="PATH", multiple=True, help="Rules of this file, too.")
@click.option(
    "--lint",
    "with_lint",
    is_flag=True,
    help="Prove that every rule can fire and that none is implied by another, that automata"
    " leave no choice, and that a rule sees windows that overlap.",
)
@click.option(
    "--contract",
    "contracts",
    metavar="NAME|PATH",
    multiple=True,
    help="With --lint: the automata of this contract, too.",
)
@click.option(
    "--timeout",
    "timeout_s",
    metavar="SECONDS",
    type=click.FloatRange(min=0.001, max=86400),
    default=TIMEOUT_MS / 1000,
    show_default=True,
    help="With --lint: the time for each question to z3.",
)
def command(
    rule_id: str | None,
    packs: tuple[str, ...],
    with_lint: bool,
    contracts: tuple[str, ...],
    timeout_s: float,
) -> int:
    """List the rules, explain one, or prove them sound.

    With --lint, exits with 1 if a proof fails.

    \b
    Example:
      uvtrace rules
      uvtrace rules DMA007
      uvtrace rules --lint --pack mypack.py
    """
    rules = ordered((*installed_rules(), *(rule for path in packs for rule in rules_of_path(path))))
    if with_lint:
        if rule_id is not None:
            raise UsageError("--lint proves every rule, as they are compared with each other")
        return _lint(rules, contracts, timeout_s)
    if rule_id is None:
        for rule in rules:
            click.echo(f"{rule.id}  {rule.severity:8} {rule.statement}")
        return ExitCode.OK
    found = [rule for rule in rules if rule.id == rule_id.upper()]
    if not found:
        raise UsageError(f"there is no rule {rule_id}", hint="uvtrace rules lists them")
    _explain(found[0])
    return ExitCode.OK


def _explain(rule: Rule) -> None:
    needs = ", ".join(SIGHT_TEXT[sight] for sight in sorted(rule.needs)) or "nothing"
    click.echo(f"{rule.id} ({rule.severity})")
    click.echo(f"  what is wrong  {rule.statement}")
    click.echo(f"  for example    {rule.example}")
    click.echo(f"  source         {rule.source}")
    click.echo(f"  needs to see   {needs}")


# ------------------------------------------------------------------------ lint


def _lint(rules: tuple[Rule, ...], contracts: tuple[str, ...], timeout_s: float) -> ExitCode:
    named = {contract.name: contract for contract in installed_contracts()}
    named |= {contract.name: contract for contract in map(contract_named, contracts)}
    automata = [automaton for contract in named.values() for automaton in contract.automata]
    report = lint(rules, automata, timeout_ms=max(int(timeout_s * 1000), 1))
    _show(report)
    return ExitCode.FAILED if report.failures else ExitCode.OK


def _show(report: Report) -> None:
    width = max((len(line.rule) for line in report.rules), default=4)
    click.echo(f"{'rule':{width}}  fires on  also proven")
    for line in report.rules:
        click.echo(f"{line.rule:{width}}  {line.shown:8}  {', '.join(line.checks)}".rstrip())
    if report.automata:
        click.echo("\nautomaton: every edge can be taken, no two by one event")
    for each in report.automata:
        click.echo(f"{each.name}: {each.states} states, {each.edges} edges; {_default(each.stays)}")
    click.echo()
    for sentence in report.windows:
        click.echo(sentence)
    for problem in report.unknown:
        click.echo(f"unknown: {printable(str(problem))}")
    for problem in report.failures:
        click.echo(f"failed: {printable(str(problem))}")
    click.echo(
        f"{len(report.rules)} rules, {len(report.automata)} automata:"
        f" {len(report.failures)} failures, {len(report.unknown)} unknown"
    )


def _default(stays: tuple[tuple[str, str], ...]) -> str:
    if not stays:
        return "every event has an edge out of every state"
    state, event = stays[0]
    count = f"{len(stays)} of its states" if len(stays) > 1 else "one state"
    return f"events without an edge leave {count} as they are: {state!r} by {event}"
