# SPDX-License-Identifier: Apache-2.0
"""Reads the recordings of kmod/faulty: which records lie between the marks of which fault."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from uvtrace.trace.enums import Kind
from uvtrace.trace.trace import Trace


@dataclass(frozen=True)
class Span:
    """The records of one fault: indices of its two marks."""

    begin: int
    end: int

    def __contains__(self, index: int) -> bool:
        return self.begin <= index <= self.end


def spans(trace: Trace) -> dict[str, Span]:
    """Name of each fault to its span; a fault whose end was not marked has none."""
    begun: dict[str, int] = {}
    found: dict[str, Span] = {}
    for index in np.flatnonzero(trace.column("kind") == Kind.MARK):
        word, _, name = trace.payload(int(index)).decode().partition(" ")
        if word == "begin":
            begun[name] = int(index)
        elif word == "end" and name in begun:
            found[name] = Span(begun[name], int(index))
    return found


def function_of(symbol: str) -> str:
    """``f`` of ``f.isra.0+0x1c/0x40 [module]``."""
    return symbol.partition("+")[0].partition(".")[0]


def events_at(trace: Trace, span: Span, function: str) -> Iterator[Kind]:
    """Kinds of the records of a span that a function of the driver caused, in order."""
    names = {site: function_of(text) for site, text in trace.metadata.symbols.items()}
    records = trace.records[span.begin : span.end + 1]
    for record in records:
        site = int(record["caller"]) or int(record["ip"])
        if names.get(site) == function:
            yield Kind(int(record["kind"]))
