# SPDX-License-Identifier: Apache-2.0
"""``uvtrace show``: one line per transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from numpy.typing import NDArray

from uvtrace.cli.runs import open_run
from uvtrace.errors import ExitCode, UsageError
from uvtrace.layouts import Decoder, Layouts
from uvtrace.trace import descriptions
from uvtrace.trace.enums import Kind
from uvtrace.trace.layout import COMMON, FUNCTION_NONE, VIEW_OF_KIND, VIEWS, view_of
from uvtrace.trace.moments import start_ns
from uvtrace.trace.texts import printable
from uvtrace.trace.trace import Trace

if TYPE_CHECKING:
    from uvtrace.check.contract import Contract

CHUNK = 1 << 14


@click.command(name="show")
@click.argument("run", metavar="RUN")
@click.option("--filter", "display_filter", metavar="F", help="A Wireshark display filter.")
@click.option("--limit", metavar="N", type=click.IntRange(min=0), help="Stop after N lines.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line, every field.")
def command(run: str, display_filter: str | None, limit: int | None, as_json: bool) -> ExitCode:
    """Print one line per transaction: number, seconds, function, CPU, what, and where from.

    \b
    Example:
      uvtrace show run.pcapng --limit 20
      uvtrace show run.pcapng --filter 'uvbus.kind == 4 && uvbus.bar == 0'
    """
    trace, code = open_run(run)
    rows = _matching(run, display_filter)
    shown = 0
    first_ns = start_ns(trace)
    for part, contents in _parts(trace, rows):
        for row in range(len(part)):
            if limit is not None and shown == limit:
                return code
            text = contents.get(row, "")
            click.echo(_json(part, row, text) if as_json else _line(part, row, first_ns, text))
            shown += 1
    return code


def _matching(run: str, display_filter: str | None) -> NDArray[np.int64] | None:
    if display_filter is None:
        return None
    if run == "-":
        raise UsageError("--filter needs a file", hint="Wireshark's filters read it twice")
    from uvtrace.wireshark.filtering import matching_records

    return matching_records(run, display_filter)


def _parts(
    trace: Trace, rows: NDArray[np.int64] | None
) -> Iterator[tuple[Trace, Mapping[int, str]]]:
    """The chosen records in parts small enough to be gathered, and what memory in them holds."""
    decoder = Decoder(_layouts_of(trace))
    if rows is None:
        for part in trace.chunks(CHUNK):
            yield part, decoder.take(part)
        return
    rows = rows[rows < len(trace)]
    told: dict[int, str] = {}
    first = 0
    for part in trace.chunks(CHUNK):
        told |= {first + row: text for row, text in decoder.take(part).items()}
        first += len(part)
    for begin in range(0, len(rows), CHUNK):
        chosen = rows[begin : begin + CHUNK]
        contents = {row: told.get(place, "") for row, place in enumerate(chosen.tolist())}
        yield trace[chosen], contents


def _layouts_of(trace: Trace) -> Callable[[int], Layouts | None]:
    """Finds what the installed contracts say of a function's memory."""

    @cache
    def contracts() -> dict[int, Contract]:
        from uvtrace.check.contract_rules import contracts_of

        return contracts_of(trace, None)

    def find(index: int) -> Layouts | None:
        contract = contracts().get(index)
        return None if contract is None else contract.layouts

    return find


def _line(part: Trace, row: int, first_ns: int, contents: str) -> str:
    record = part[row]
    seconds = max(0, int(record["time_ns"]) - first_ns) / 1e9
    return (
        f"#{record['seq']:<7} {seconds:12.6f} {_function(part, record):12} cpu{record['cpu']}  "
        f"{descriptions.line(part, row, contents)}"
    )


def _function(part: Trace, record: np.void) -> str:
    index = int(record["function"])
    if index == FUNCTION_NONE or index >= len(part.functions):
        return "-"
    return printable(part.functions[index].name)


def _json(part: Trace, row: int, contents: str) -> str:
    record = part[row]
    index = int(record["function"])
    kind = int(record["kind"])
    known = index < len(part.functions)
    fields: dict[str, Any] = {name: int(record[name]) for name in COMMON}
    fields["kind_name"] = Kind(kind).name.lower() if kind in set(Kind) else None
    fields["function_name"] = part.functions[index].name if known else None
    fields["site"] = part.site(row)
    fields["text"] = descriptions.summary(part, row, contents)
    member = VIEW_OF_KIND.get(kind)
    if member is not None:
        facts = view_of(part.records[row : row + 1], member)[0]
        names = VIEWS[member].names or ()
        fields[member] = {name: facts[name].tolist() for name in names if name != "reserved"}
    payload = part.payload(row)
    if payload:
        fields["payload_hex"] = payload.hex()
    return json.dumps(fields)
