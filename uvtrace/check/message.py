# SPDX-License-Identifier: Apache-2.0
"""The sentence of a finding, from a rule's template and an event's columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from uvtrace.check.chunk import Chunk
from uvtrace.check.columns import ALL
from uvtrace.check.expression import Column, EventColumn, TruthColumn
from uvtrace.check.loss import Losses
from uvtrace.registers import RegisterMap
from uvtrace.trace.enums import Kind
from uvtrace.trace.texts import kind_text, loss_cause_text
from uvtrace.trace.trace import Trace

_READS = (Kind.CONFIG_READ, Kind.MMIO_READ, Kind.PIO_READ, Kind.DMA_READ)


class Named(int):
    """A member of an enumeration: reads as its name, or as a number with a format for one."""

    name: str

    def __new__(cls, value: int, name: str) -> Named:
        made = super().__new__(cls, value)
        made.name = name
        return made

    def __format__(self, spec: str) -> str:
        return format(int(self), spec) if spec else self.name


class Unseen(str):
    """Stands for a value that the trace has not shown: reads the same in any format."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        return str(self)


class Witness:
    """What findings need of the trace: the records that evidence points at, and names."""

    def __init__(self, trace: Trace, registers: RegisterMap | None = None) -> None:
        self.trace = trace
        self.registers = registers

    def chunk(self, position: int) -> Chunk:
        """The record at a position of the trace, as a chunk of its own."""
        part = self.trace[position : position + 1]
        return Chunk(part.records, position, Losses.none(), lambda row: part.payload(row))

    def record(self, position: int) -> np.void:
        """The record at a position of the trace."""
        record: np.void = self.trace[position : position + 1].records[0]
        return record

    def seq(self, position: int) -> int:
        """Its number."""
        return int(self.record(position)["seq"])

    def site(self, position: int) -> int:
        """Its site, 0 where it has none."""
        record = self.record(position)
        return int(record["caller"]) or int(record["ip"])

    def symbol(self, site: int) -> str:
        """A site's name, empty for 0."""
        return self.trace.symbol(site) if site else ""


class Values(Mapping[str, Any]):
    """What a message may name, of one event of a chunk.

    Args:
        witness: the trace.
        chunk: where the event is.
        row: which it is.
        words: what the kind of rule adds: ``count`` and so on.
    """

    def __init__(
        self, witness: Witness, chunk: Chunk, row: int, words: Mapping[str, Any] | None = None
    ) -> None:
        self._witness = witness
        self._chunk = chunk
        self._rows = np.array([row], np.int64)
        self._words = dict(words or {})

    def __getitem__(self, name: str) -> Any:
        if name in self._words:
            return self._words[name]
        if name in ALL:
            return self.shown(ALL[name])
        return _WORDS[name](self)

    def __iter__(self) -> Iterator[str]:
        return iter((*self._words, *ALL, *_WORDS))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def value(self, name: str) -> int:
        """A column's value."""
        return int(self._chunk.take(name, self._rows)[0])

    def shown(self, column: Column) -> Any:
        """A column's value as a message shows it."""
        value = self.value(column.name)
        if isinstance(column, EventColumn):
            return f"#{self._witness.seq(value)}" if value >= 0 else Unseen("an unseen event")
        if column.unknown == value:
            return Unseen("unknown")
        if isinstance(column, TruthColumn):
            return bool(value)
        if column.values is not None:
            known = {int(each): each.name for each in column.values}
            return Named(value, known.get(value, str(value)))
        return value

    @property
    def kind(self) -> int:
        """The event's kind."""
        return self.value("kind")

    @property
    def witness(self) -> Witness:
        """The trace."""
        return self._witness


def _access(values: Values) -> str:
    return "read" if values.kind in _READS else "write"


def _access_to(values: Values) -> str:
    return "read of" if values.kind in _READS else "write to"


_CALLS = {
    Kind.MAP: "map",
    Kind.UNMAP: "unmap",
    Kind.ALLOC: "allocation",
    Kind.FREE: "free",
    Kind.POOL_ALLOC: "allocation",
    Kind.POOL_FREE: "free",
    Kind.SYNC_FOR_CPU: "sync for the CPU",
    Kind.SYNC_FOR_DEVICE: "sync for the device",
}


def _call(values: Values) -> str:
    return _CALLS.get(Kind(values.kind), kind_text(values.kind))


_FAMILIES = {
    Kind.MAP: "mapping",
    Kind.ALLOC: "coherent memory",
    Kind.POOL_ALLOC: "pool block",
}


def _family(values: Values) -> str:
    return _FAMILIES.get(Kind(values.kind), kind_text(values.kind))


def _register_name(values: Values) -> str:
    element = values.value("register")
    if values.witness.registers is None or element < 0:
        return f"BAR {values.value('bar')} + {values.value('offset'):#x}"
    return values.witness.registers.element_name(element)


def _seq_before(values: Values) -> int:
    return values.value("seq") - values.value("missing_before") - 1


_WORDS: dict[str, Callable[[Values], Any]] = {
    "access": _access,
    "access_to": _access_to,
    "call": _call,
    "family": _family,
    "kind_name": lambda values: kind_text(values.kind),
    "register_name": _register_name,
    "handler_name": lambda values: values.witness.symbol(values.value("handler")),
    "loss_cause": lambda values: loss_cause_text(values.value("topic")),
    "seq_before": _seq_before,
    "damage": lambda values: str(values.witness.trace.damage),
    "opened_at": lambda values: values.witness.symbol(values.value("site")) or "an unknown site",
}


def render(message: str, values: Values) -> str:
    """The message with its names filled in."""
    return message.format_map(values)
