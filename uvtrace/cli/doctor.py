# SPDX-License-Identifier: Apache-2.0
"""``uvtrace doctor``: what this machine can record, and what to install for the rest."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from itertools import chain

import click

from uvtrace.errors import ExitCode
from uvtrace.record.environment import Check, State, examine, possible
from uvtrace.trace.texts import printable
from uvtrace.wireshark.install import find_folders

FORMAT = 1

_SIGNS = {State.OK: ("ok", "green"), State.LIMITED: ("--", "yellow"), State.MISSING: ("NO", "red")}
_USES = {
    "here": "record on this machine",
    "vm": "record in a VM",
    "reading": "read recordings in Wireshark and filter them",
}


@click.command(name="doctor")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, with stable names.")
def command(as_json: bool) -> ExitCode:
    """Say what this machine can record, and what to install for the rest.

    Ends with 5 when it can record neither itself nor in a VM.

    \b
    Example:
      uvtrace doctor
    """
    found = chain(examine(), [_dissector()])
    checks = list(found) if as_json else _shown(found)
    can = possible(checks)
    if as_json:
        document = {"format": FORMAT, "can": can, "checks": [asdict(check) for check in checks]}
        click.echo(json.dumps(document, indent=1))
    else:
        click.echo()
        for use, text in _USES.items():
            click.echo(f"{text}: {'yes' if can[use] else 'no'}")
    return ExitCode.OK if can["here"] or can["vm"] else ExitCode.ENVIRONMENT


def _dissector() -> Check:
    place = find_folders().plugins / "uvbus.lua"
    if place.is_file():
        return Check("dissector", ("reading",), State.OK, str(place))
    detail = "Wireshark does not know recordings yet"
    return Check("dissector", ("reading",), State.LIMITED, detail, "uvtrace wireshark install")


def _shown(checks: Iterable[Check]) -> list[Check]:
    """Print each check when it is done: some take seconds."""
    done = []
    for check in checks:
        sign, colour = _SIGNS[check.state]
        click.echo(f"{click.style(sign, fg=colour)}  {check.name:14} {printable(check.detail)}")
        if check.remedy and check.state is not State.OK:
            click.echo(f"    {'':14} -> {printable(check.remedy)}")
        done.append(check)
    return done
