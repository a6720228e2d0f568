# SPDX-License-Identifier: Apache-2.0
"""Records that go together: a mapping with its accesses, a request with its completion.

A transaction is kept or left out as a whole. What only happens within it (an access to a mapping,
a sync) may be left out of one that is kept, but for its partner.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.minimize.depend import DEVICE, MAKES, REMOVES
from uvtrace.trace.enums import Flavour, Kind, Phase
from uvtrace.trace.layout import VIEW_OF_KIND, kinds_of, view_of
from uvtrace.trace.trace import Trace

Positions = NDArray[np.int64]

_PAGE_SHIFT: Final = 12
_PAGES_MAX: Final = 1 << 10
"""A mapping of more pages is looked for by all of its function's large ones."""
_LARGE: Final = -1

# What is least likely to be needed comes first.
_RANK: Final = (
    frozenset(kinds_of("dma")) | {*DEVICE},
    frozenset({Kind.MMIO_READ, Kind.MMIO_WRITE, Kind.PIO_READ, Kind.PIO_WRITE}),
    frozenset({Kind.MARK, Kind.CONFIG_READ}),
    frozenset({Kind.HANDLER_ENTER, Kind.HANDLER_EXIT, Kind.MSI, Kind.MSIX}),
    frozenset({Kind.INTX_ASSERT, Kind.INTX_DEASSERT}),
    frozenset(range(Kind.VECTOR_ALLOC, Kind.IRQ_FREE + 1)),
    frozenset(range(Kind.IOMAP, Kind.REGION_RELEASE + 1)),
    frozenset(range(Kind.ENABLE_DEVICE, Kind.SEGMENT_LIMIT + 1)),
    frozenset({Kind.POWER, Kind.RESET, Kind.ERROR}),
    frozenset({Kind.CONFIG_WRITE}),
    frozenset({Kind.UNBIND, Kind.BIND, Kind.PROBE}),
    frozenset({Kind.SNAPSHOT}),
)


@dataclass(frozen=True)
class Transaction:
    """Records that go together.

    Attributes:
        positions: all of them, ascending.
        inner: those that it can be without, each with its partners.
    """

    positions: tuple[int, ...]
    inner: tuple[tuple[int, ...], ...]


def transactions(trace: Trace, positions: Positions) -> list[Transaction]:
    """The transactions among some records, those first that are least likely to be needed."""
    part = trace[positions]
    rows = part.records
    groups = _Groups(len(rows))
    is_inner = _join_mappings(rows, groups)
    outer = groups.copy()
    _join_pairs(rows, outer)
    pairs = _Groups(len(rows))
    _join_pairs(rows, pairs)
    found = []
    for members in outer.all():
        inner: dict[int, list[int]] = defaultdict(list)
        for row in members:
            if is_inner[row]:
                inner[pairs.root(row)].append(int(positions[row]))
        found.append(
            Transaction(
                tuple(int(positions[row]) for row in members),
                tuple(tuple(each) for each in inner.values()),
            )
        )
    kind = dict(zip(positions.tolist(), rows["kind"].tolist(), strict=True))
    return sorted(found, key=lambda each: (_rank(kind[each.positions[0]]), each.positions))


def _rank(kind: int) -> int:
    return next((rank for rank, kinds in enumerate(_RANK) if kind in kinds), 0)


class _Groups:
    """Rows that are joined to groups (union-find)."""

    def __init__(self, n: int) -> None:
        self._parent = list(range(n))

    def copy(self) -> _Groups:
        other = _Groups(0)
        other._parent = self._parent.copy()
        return other

    def root(self, row: int) -> int:
        while self._parent[row] != row:
            self._parent[row] = self._parent[self._parent[row]]
            row = self._parent[row]
        return row

    def join(self, one: int, other: int) -> None:
        low, high = sorted((self.root(one), self.root(other)))
        self._parent[high] = low

    def all(self) -> Iterator[list[int]]:
        members: dict[int, list[int]] = defaultdict(list)
        for row in range(len(self._parent)):
            members[self.root(row)].append(row)
        yield from members.values()


class _Mappings:
    """The mappings that are live, and those that went last, by function and page."""

    def __init__(self) -> None:
        self._at: dict[tuple[int, int], list[int]] = defaultdict(list)
        self._span: dict[int, tuple[int, int, int]] = {}
        self._gone: set[int] = set()

    def make(self, row: int, function: int, address: int, length: int) -> None:
        self._span[row] = function, address, max(length, 1)
        for key in self._pages(row):
            # What went from here is forgotten when something new comes.
            self._at[key] = [each for each in self._at[key] if each not in self._gone] + [row]

    def holding(self, function: int, address: int) -> int:
        """The mapping that holds an address: a live one, else the one that went last; -1 none."""
        keys = (function, address >> _PAGE_SHIFT), (function, _LARGE)
        found = [
            row
            for key in keys
            for row in self._at.get(key, ())
            if 0 <= address - self._span[row][1] < self._span[row][2]
        ]
        live = [row for row in found if row not in self._gone]
        return max(live or found, default=-1)

    def remove(self, row: int) -> None:
        self._gone.add(row)

    def starting(self, function: int, address: int) -> int:
        """The live mapping that begins at an address; -1 none."""
        row = self.holding(function, address)
        return row if row >= 0 and row not in self._gone else -1

    def _pages(self, row: int) -> list[tuple[int, int]]:
        function, address, length = self._span[row]
        first, last = address >> _PAGE_SHIFT, address + length - 1 >> _PAGE_SHIFT
        if last - first >= _PAGES_MAX:
            return [(function, _LARGE)]
        return [(function, page) for page in range(first, last + 1)]


def _join_mappings(rows: NDArray[np.void], groups: _Groups) -> NDArray[np.bool_]:
    """Join mappings with what concerns them; says which rows only happen within one."""
    is_inner = np.zeros(len(rows), bool)
    live = _Mappings()
    about = np.flatnonzero(np.isin(rows["kind"], (*kinds_of("dma"), *DEVICE)))
    dma = view_of(rows, "dma")
    segment = {"first": -1}
    fields = ("kind", "function", "address", "length")
    columns = [rows[name][about].tolist() for name in fields]
    for row, kind, function, address, length in zip(about.tolist(), *columns, strict=True):
        if kind in MAKES:
            live.make(row, function, address, length)
            if dma["flavour"][row] == Flavour.SG:
                # The segments of a list are one call.
                if int(dma["entry"][row]) == 0:
                    segment["first"] = row
                elif segment["first"] >= 0:
                    groups.join(segment["first"], row)
            continue
        if kind in REMOVES:
            mapping = live.starting(function, address)
            if mapping >= 0:
                live.remove(mapping)
        else:
            mapping = live.holding(function, address)
            is_inner[row] = mapping >= 0
        if mapping >= 0:
            groups.join(mapping, row)
    return is_inner


def _join_pairs(rows: NDArray[np.void], groups: _Groups) -> None:
    """Join requests with completions, and what takes something with what gives it back."""
    open_: dict[Hashable, int] = {}
    irq, life = view_of(rows, "irq"), view_of(rows, "life")
    fields = ("kind", "phase", "function", "tag", "tid", "cpu", "address")
    columns = [rows[name].tolist() for name in fields]
    for row, (kind, phase, function, tag, tid, cpu, address) in enumerate(
        zip(*columns, strict=True)
    ):
        key: Hashable = (kind, function, tag or f"thread {tid}")
        if phase == Phase.REQUEST:
            open_[key] = row
            continue
        if phase == Phase.COMPLETION and key in open_:
            groups.join(open_[key], row)
            continue
        member = VIEW_OF_KIND.get(kind)
        number = int(irq["irq"][row]) if member == "irq" else 0
        number = int(life["mapping"][row]) if kind in (Kind.IOMAP, Kind.IOUNMAP) else number
        own = _key(kind, function, number, cpu, address)
        if own is not None and kind in _TAKES:
            open_[own] = row
        elif own is not None and own in open_:
            groups.join(open_.pop(own), row)


_TAKES: Final = {
    Kind.HANDLER_ENTER: Kind.HANDLER_EXIT,
    Kind.IOMAP: Kind.IOUNMAP,
    Kind.REGION_REQUEST: Kind.REGION_RELEASE,
    Kind.IRQ_REQUEST: Kind.IRQ_FREE,
    Kind.VECTOR_ALLOC: Kind.VECTOR_FREE,
    Kind.POOL_CREATE: Kind.POOL_DESTROY,
}
_GIVES: Final = {gives: takes for takes, gives in _TAKES.items()}


def _key(kind: int, function: int, number: int, cpu: int, address: int) -> Hashable | None:
    """What is taken, or given back."""
    takes = kind if kind in _TAKES else _GIVES.get(Kind(kind)) if kind in set(Kind) else None
    if takes is None:
        return None
    if takes == Kind.HANDLER_ENTER:
        return takes, function, number, cpu
    if takes in (Kind.IRQ_REQUEST, Kind.IOMAP):
        return takes, function, number
    return (takes, function) if takes == Kind.VECTOR_ALLOC else (takes, function, address)
