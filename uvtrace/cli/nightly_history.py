# SPDX-License-Identifier: Apache-2.0
"""``uvtrace nightly history``: what the nights tell of findings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import click

from uvtrace.cli.nightly_common import HISTORY, OUTPUT, history_of, name_of
from uvtrace.cli.told import format_option
from uvtrace.errors import UsageError
from uvtrace.nightly.history import History
from uvtrace.nightly.queries import Known, known_findings
from uvtrace.trace.texts import printable

_FORMAT = 1


@click.command(name="history")
@click.argument("matrix_path", metavar="MATRIX.toml")
@click.option("-o", "--output", metavar="DIR", required=True, help=OUTPUT)
@click.option("--history", "history_url", metavar="URL", help=HISTORY)
@click.option(
    "--signature",
    metavar="PATTERN",
    default="*",
    show_default=True,
    help="Findings whose signature fits; * and ? are wildcards.",
)
@click.option("--kernel", metavar="PATTERN", default="*", help="Kernels' names.  [*]")
@click.option("--device", metavar="PATTERN", default="*", help="Devices' names.  [*]")
@click.option("--flaky", is_flag=True, help="Only what some repetitions of a night did not have.")
@format_option
def command(
    matrix_path: str,
    output: str,
    history_url: str | None,
    signature: str,
    kernel: str,
    device: str,
    flaky: bool,
    format_name: str,
) -> int:
    """Tell when findings were seen first and last, how often, and on which kernels.

    Only nights that have finished count. A finding that is suppressed is none.

    \b
    Example:
      uvtrace nightly history matrix.toml -o nightly
      uvtrace nightly history matrix.toml -o nightly --signature 'DMA007:*' --kernel '6.1*'
      uvtrace nightly history matrix.toml -o nightly --flaky --format json
    """
    name = name_of(matrix_path)
    with History(history_of(output, history_url)) as history:
        nights = history.nights(name)
        if not nights:
            raise UsageError(f"there is no finished night of {name}", hint="run one first")
        found = known_findings(
            history, name, signature=signature, kernel=kernel, device=device, flaky_only=flaky
        )
    if format_name == "json":
        document = {"format": _FORMAT, "matrix": name, "nights": len(nights)}
        document |= {"findings": [_as_json(group) for group in _groups(found)]}
        click.echo(json.dumps(document, indent=1))
    else:
        for line in _lines(found, len(nights)):
            click.echo(printable(line))
    return 0


def _groups(found: Sequence[Known]) -> list[list[Known]]:
    """By signature: a finding with all the kernels and devices where it was seen."""
    groups: dict[str, list[Known]] = {}
    for each in found:
        groups.setdefault(each.signature, []).append(each)
    return list(groups.values())


def _lines(found: Sequence[Known], nights: int) -> Iterator[str]:
    groups = _groups(found)
    for group in groups:
        newest = max(group, key=lambda each: each.last_night)
        severity = "" if newest.severity == "error" else f" ({newest.severity})"
        yield f"{newest.rule}{severity}: {newest.message}"
        yield f"  {newest.signature}"
        for each in group:
            yield f"    {_place(each, nights)}"
    findings = f"{len(groups)} finding{'' if len(groups) == 1 else 's'}"
    yield f"{findings} in {nights} night{'' if nights == 1 else 's'}"


def _place(known: Known, nights: int) -> str:
    seen = f"first {known.first:%Y-%m-%d}, last {known.last:%Y-%m-%d}"
    often = f"{known.nights} of {nights} nights"
    flaky = f", flaky on {known.flaky_nights}" if known.flaky_nights else ""
    where = f"{known.kernel}/{known.device} ({', '.join(known.workloads)})"
    return f"{where}: {seen}, {often}{flaky}"


def _as_json(group: Sequence[Known]) -> dict[str, Any]:
    newest = max(group, key=lambda each: each.last_night)
    return {
        "signature": newest.signature,
        "rule": newest.rule,
        "severity": newest.severity,
        "message": newest.message,
        "first": min(each.first for each in group).isoformat(),
        "last": max(each.last for each in group).isoformat(),
        "places": [
            {
                "kernel": each.kernel,
                "device": each.device,
                "workloads": list(each.workloads),
                "first": each.first.isoformat(),
                "last": each.last.isoformat(),
                "nights": each.nights,
                "flaky_nights": each.flaky_nights,
            }
            for each in group
        ],
    }
