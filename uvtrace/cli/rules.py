# SPDX-License-Identifier: Apache-2.0
"""``uvtrace rules``: the catalogue, or one rule."""

from __future__ import annotations

import click

from uvtrace.check.catalogue import installed_rules
from uvtrace.check.rule import Rule
from uvtrace.check.rules import SIGHT_TEXT
from uvtrace.errors import UsageError


@click.command(name="rules")
@click.argument("rule_id", metavar="[ID]", required=False)
def command(rule_id: str | None) -> None:
    """List the rules, or explain one.

    \b
    Example:
      uvtrace rules
      uvtrace rules DMA007
    """
    rules = installed_rules()
    if rule_id is None:
        for rule in rules:
            click.echo(f"{rule.id}  {rule.severity:8} {rule.statement}")
        return
    found = [rule for rule in rules if rule.id == rule_id.upper()]
    if not found:
        raise UsageError(f"there is no rule {rule_id}", hint="uvtrace rules lists them")
    _explain(found[0])


def _explain(rule: Rule) -> None:
    needs = ", ".join(SIGHT_TEXT[sight] for sight in sorted(rule.needs)) or "nothing"
    click.echo(f"{rule.id} ({rule.severity})")
    click.echo(f"  what is wrong  {rule.statement}")
    click.echo(f"  for example    {rule.example}")
    click.echo(f"  source         {rule.source}")
    click.echo(f"  needs to see   {needs}")
