# SPDX-License-Identifier: Apache-2.0
"""``uvtrace info``: what is in a recording."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

import click

from uvtrace.cli.runs import open_run
from uvtrace.errors import ExitCode
from uvtrace.trace.digest import Digest, digest
from uvtrace.trace.enums import Kind, LossCause
from uvtrace.trace.texts import kind_text, loss_cause_text, printable

FORMAT = 1


@click.command(name="info")
@click.argument("run", metavar="RUN")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, with stable names.")
def command(run: str, as_json: bool) -> ExitCode:
    """Say what is in a recording: functions, kinds, counts, loss, kernel.

    \b
    Example:
      uvtrace info run.pcapng
      uvtrace info --json run.pcapng.zst
    """
    trace, code = open_run(run)
    found = digest(trace)
    if as_json:
        click.echo(json.dumps(_as_json(found), indent=1))
    elif sys.stdout.isatty():
        _print_rich(found)
    else:
        click.echo("\n".join(_plain(found)))
    return code


def _as_json(found: Digest) -> dict[str, Any]:
    document = {"format": FORMAT, **asdict(found)}
    document["kinds"] = _kind_names(found.kinds)
    document["losses"] = {_enum_name(LossCause, c): n for c, n in found.losses.items()}
    for function, entry in zip(found.functions, document["functions"], strict=True):
        entry["kinds"] = _kind_names(function.kinds)
    document["sites"] = [{"site": site, "records": count} for site, count in found.sites]
    return document


def _kind_names(kinds: dict[int, int]) -> dict[str, int]:
    return {_enum_name(Kind, kind): count for kind, count in kinds.items()}


def _enum_name(enum: type[Kind] | type[LossCause], number: int) -> str:
    return enum(number).name.lower() if number in set(enum) else str(number)


def _facts(found: Digest) -> Iterator[tuple[str, str]]:
    """What there is to say about the recording as a whole."""
    yield "recording", found.file
    if found.kernel:
        yield "kernel", found.kernel
    if found.command:
        ended = "" if found.exit_code is None else f"  (exit code {found.exit_code})"
        yield "command", found.command + ended
    if found.converted:
        yield "converted", found.converted
    yield "records", f"{found.records}, of which {found.transactions} events"
    yield "lost", _lost(found)
    yield "duration", f"{found.duration_ns / 1e9:.3f} s on {len(found.cpus)} CPUs"
    if found.undecoded:
        yield "undecoded", f"{found.undecoded} accesses"
    if found.modules:
        yield "modules", ", ".join(found.modules)
    if found.damage:
        yield "damage", found.damage


def _lost(found: Digest) -> str:
    causes = ", ".join(f"{loss_cause_text(cause)} ({n})" for cause, n in found.losses.items())
    return f"{found.lost}: {causes}" if causes else "0"


def _kind_rows(found: Digest) -> Iterator[tuple[str, ...]]:
    for kind, total in found.kinds.items():
        counts = (str(function.kinds.get(kind, 0)) for function in found.functions)
        yield (kind_text(kind), str(total), *(counts if len(found.functions) > 1 else ()))


def _columns(found: Digest) -> list[str]:
    names = [function.name for function in found.functions] if len(found.functions) > 1 else []
    return ["kind", "records", *names]


def _function_lines(found: Digest) -> Iterator[str]:
    for function in found.functions:
        yield printable(f"{function.name}  {function.description}  {function.records} records")


def _plain(found: Digest) -> Iterator[str]:
    for name, text in _facts(found):
        yield f"{name:10} {printable(text)}"
    for line in _function_lines(found):
        yield f"function   {line}"
    yield ""
    yield from _aligned([tuple(_columns(found)), *_kind_rows(found)])
    if found.sites:
        yield ""
        yield from _aligned([("site", "records"), *((s, str(n)) for s, n in found.sites)])


def _aligned(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Rows as columns: the first to the left, numbers to the right."""
    cells = [tuple(printable(cell) for cell in row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for first, *rest in cells:
        numbers = (f"{cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True))
        yield "  ".join([f"{first:{widths[0]}}", *numbers])


def _print_rich(found: Digest) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # Text, not markup: square brackets of a trace are no colours.
    console = Console(highlight=False)
    facts = Table.grid(padding=(0, 2))
    for name, text in _facts(found):
        facts.add_row(Text(name, "bold"), Text(printable(text)))
    for line in _function_lines(found):
        facts.add_row(Text("function", "bold"), Text(line))
    console.print(facts)
    kinds = Table(*_columns(found))
    for column in kinds.columns[1:]:
        column.justify = "right"
    for row in _kind_rows(found):
        kinds.add_row(*map(Text, row))
    console.print(kinds)
    if found.sites:
        sites = Table("most frequent call sites", "records")
        sites.columns[1].justify = "right"
        for site, count in found.sites:
            sites.add_row(Text(printable(site)), Text(str(count)))
        console.print(sites)
