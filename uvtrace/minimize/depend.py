# SPDX-License-Identifier: Apache-2.0
"""What a finding may depend on, from little to much: the slices that a minimiser begins with.

Each slice holds the one before it, so that the first one that proves the finding is where the
reduction begins. All are looked up in columns: a million records take a part of a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.automaton import Automaton
from uvtrace.check.expression import Expression, Truth
from uvtrace.check.obligation import Obligation
from uvtrace.check.rule import kinds_of as kinds_of_term
from uvtrace.check.window import Window
from uvtrace.minimize.target import Target
from uvtrace.trace.enums import Flavour, Kind, Phase, Snapshot
from uvtrace.trace.layout import FUNCTION_NONE, kinds_of, view_of
from uvtrace.trace.trace import Trace

Positions = NDArray[np.int64]

MAKES: Final = (Kind.MAP, Kind.ALLOC, Kind.POOL_ALLOC)
REMOVES: Final = (Kind.UNMAP, Kind.FREE, Kind.POOL_FREE)
DEVICE: Final = (Kind.DMA_READ, Kind.DMA_WRITE)
REGISTERS: Final = (Kind.MMIO_READ, Kind.MMIO_WRITE, Kind.PIO_READ, Kind.PIO_WRITE)
_OF_MAPPINGS: Final = (*DEVICE, *range(Kind.MAP, Kind.MEMORY + 1))
_BEGINS: Final = (Kind.PROBE, Kind.BIND)
_BASIC: Final = (Snapshot.CONFIG, Snapshot.BARS, Snapshot.DRIVER, Snapshot.DELAYS, Snapshot.LIMITS)
_IN_FORCE: Final = (
    *(Kind.CONFIG_READ, Kind.CONFIG_WRITE, Kind.SNAPSHOT),
    *range(Kind.IOMAP, Kind.SEGMENT_LIMIT + 1),
    *range(Kind.PROBE, Kind.ERROR + 1),
    *(Kind.POOL_CREATE, Kind.POOL_DESTROY),
)
SAME_PLACE: Final = 64
"""Accesses to the same register that are looked at, the latest ones."""
_TEXTS: Final = (Kind.METADATA, Kind.MODULE_LOAD)


class Dependencies:
    """What a finding may depend on.

    Args:
        trace: the whole.
        target: the finding.
        named: positions of records that its derived columns name.
        needs_tail: it shows only behind its record: when time passes, or the trace ends.
    """

    def __init__(
        self, trace: Trace, target: Target, named: Iterable[int], *, needs_tail: bool
    ) -> None:
        self._trace = trace
        self._target = target
        self._needs_tail = needs_tail
        self._end = len(trace) if needs_tail else target.position + 1
        seeds = np.array(sorted({*target.proof, *named}), np.int64)
        self.seeds = seeds[~np.isin(self._column("kind")[seeds], _TEXTS)]

    @cached_property
    def required(self) -> Positions:
        """What proves the finding, and what each of that is half of."""
        parts = [self.seeds, *(self._with(position) for position in self.seeds.tolist())]
        return np.unique(np.concatenate(parts)).astype(np.int64)

    def slices(self) -> Iterator[Positions]:
        """From the proof alone to everything, each larger than the one before it."""
        last = np.zeros(0, np.int64)
        for each in self._slices():
            larger = np.union1d(each, last)
            if len(larger) > len(last):
                yield larger
            last = larger

    def _slices(self) -> Iterator[Positions]:
        proof = np.union1d(self.required, self._tail)
        yield proof
        basic = self._rows(_BEGINS)
        yield np.concatenate((proof, basic, self._snapshots))
        yield np.concatenate((proof, self._rows(_IN_FORCE), self._around))
        looked_at = self._kinds
        if looked_at:
            yield self._rows(tuple(looked_at))
        yield np.flatnonzero(self._ours)
        yield np.arange(self._end)
        yield np.arange(len(self._trace))

    def counted(self, kept: Positions) -> Positions:
        """Those that are counted, since the first evidence: all are needed, or none.

        An aggregate counts kinds of events; other rules at most those like the finding's record.
        """
        position = self._target.position
        record = self._trace[position]
        first = int(self.seeds[0]) if len(self.seeds) else position
        if all(isinstance(rule.violation, Window) for rule in self._target.rules):
            own = self._ours[kept] & np.isin(self._column("kind")[kept], list(self._kinds))
            counted: Positions = kept[own & (kept >= first) & (kept <= position)]
            return counted
        same = self._column("kind")[kept] == record["kind"]
        same &= self._column("ip")[kept] == record["ip"]
        same &= self._column("caller")[kept] == record["caller"]
        like: Positions = kept[same & (kept >= first) & (kept <= position)]
        return like

    # ---------------------------------------------------------------- what there is

    def _column(self, name: str) -> NDArray[Any]:
        return self._trace.column(name)

    @cached_property
    def _functions(self) -> NDArray[np.uint16]:
        functions = np.unique(self._column("function")[self.seeds])
        own: NDArray[np.uint16] = functions[functions != FUNCTION_NONE]
        if len(own):
            return own
        return np.arange(len(self._trace.functions), dtype=np.uint16)

    @cached_property
    def _start(self) -> int:
        """Where what is known of the functions begins: their last snapshot before the proof."""
        first = int(self.seeds[0]) if len(self.seeds) else self._end
        rows = np.flatnonzero(self._column("kind")[: first + 1] == Kind.SNAPSHOT)
        records = self._trace[rows].records
        meta = view_of(records, "meta")
        begins = (meta["topic"] == Snapshot.CONFIG) & (meta["offset"] == 0)
        starts = []
        for function in self._functions.tolist():
            own = rows[begins & (records["function"] == function)]
            starts.append(int(own[-1]) if len(own) else 0)
        return min(starts, default=0)

    @cached_property
    def _ours(self) -> NDArray[np.bool_]:
        """The records of the functions since then, shape (n,)."""
        kind = self._column("kind")
        ours = np.isin(self._column("function"), self._functions)
        ours[: self._start] = False
        ours[self._end :] = False
        return ours & ~np.isin(kind, _TEXTS)

    def _rows(self, kinds: Iterable[int]) -> Positions:
        wanted = np.zeros(256, bool)
        wanted[list(kinds)] = True
        return np.flatnonzero(self._ours & wanted[self._column("kind")])

    @cached_property
    def _snapshots(self) -> Positions:
        rows = self._rows((Kind.SNAPSHOT,))
        topics = view_of(self._trace[rows].records, "meta")["topic"]
        return rows[np.isin(topics, _BASIC)]

    @cached_property
    def _tail(self) -> Positions:
        """The last events of the functions and of the trace: until then time passes."""
        if not self._needs_tail:
            return np.zeros(0, np.int64)
        events = ~np.isin(self._column("kind"), _TEXTS)
        own = np.flatnonzero(events & np.isin(self._column("function"), self._functions))[-1:]
        return np.concatenate((own, np.flatnonzero(events)[-1:])).astype(np.int64)

    @cached_property
    def _kinds(self) -> frozenset[int]:
        """The kinds of event that the rule follows; none where that may be every kind."""
        found: set[int] = set()
        for rule in self._target.rules:
            for term in _followed(rule.violation):
                kinds = kinds_of_term(term) if isinstance(term, Truth) else None
                if kinds is not None:
                    found |= kinds
        if found & {*MAKES, *REMOVES}:
            # How many mappings are live is told by all that make and remove them.
            found |= {*MAKES, *REMOVES}
        return frozenset(found)

    # ------------------------------------------------------------- what belongs to what

    def _with(self, position: int) -> Positions:
        """What a record cannot be without: its request, its mapping, its handler's beginning."""
        record = self._trace[position]
        kind = int(record["kind"])
        if kind in _OF_MAPPINGS:
            mapping = self._mapping_of(record, position)
            return np.concatenate((mapping, self._pair(record, position)))
        if kind == Kind.HANDLER_EXIT:
            return self._last(position, Kind.HANDLER_ENTER, cpu=int(record["cpu"]))
        return self._pair(record, position)

    def _mapping_of(self, record: np.void, position: int) -> Positions:
        """The call that made the mapping that is live at a record's address.

        One that was removed, or was left by a driver before, matters only if the proof names it.
        """
        if int(record["kind"]) in MAKES:
            return self._segments(position)
        kind, before = self._column("kind")[:position], slice(0, position)
        address = record["address"]
        own = self._column("function")[before] == record["function"]
        begins, lengths = self._column("address")[before], self._column("length")[before]
        holds = own & np.isin(kind, MAKES) & (begins <= address) & (address - begins < lengths)
        made = np.flatnonzero(holds)[-1:]
        if not len(made):
            return made
        since = slice(int(made[0]) + 1, position)
        ended = own[since] & np.isin(kind[since], REMOVES) & (begins[since] == begins[made])
        ended |= own[since] & (kind[since] == Kind.PROBE)
        return made[:0] if ended.any() else self._segments(int(made[0]))

    def _segments(self, position: int) -> Positions:
        """All records of the call that mapped a scatterlist, of which this is one."""
        one = self._trace[position : position + 1]
        call = one.view("dma")[0]
        if int(one[0]["kind"]) != Kind.MAP or int(call["flavour"]) != Flavour.SG:
            return np.array([position], np.int64)
        first = position - int(call["entry"])
        rows = np.arange(max(first, 0), min(first + int(call["entries"]), len(self._trace)))
        around = self._trace[rows]
        dma = around.view("dma")
        same = (around.column("kind") == Kind.MAP) & (dma["flavour"] == Flavour.SG)
        same &= (dma["entry"] == rows - first) & (around.column("tid") == one[0]["tid"])
        return np.union1d(rows[same], [position]).astype(np.int64)

    def _pair(self, record: np.void, position: int) -> Positions:
        """The request of a completion."""
        if int(record["phase"]) != Phase.COMPLETION or not int(record["tag"]):
            return np.zeros(0, np.int64)
        before = slice(0, position)
        same = self._column("tag")[before] == record["tag"]
        same &= self._column("kind")[before] == record["kind"]
        same &= self._column("function")[before] == record["function"]
        same &= self._column("phase")[before] == Phase.REQUEST
        return np.flatnonzero(same)[-1:]

    def _last(self, position: int, kind: int, *, cpu: int) -> Positions:
        before = slice(0, position)
        same = (self._column("kind")[before] == kind) & (self._column("cpu")[before] == cpu)
        same &= np.isin(self._column("function")[before], self._functions)
        return np.flatnonzero(same)[-1:]

    @cached_property
    def _around(self) -> Positions:
        """Handlers that run, accesses to the same places, calls about the same memory."""
        parts = [np.zeros(0, np.int64)]
        for position in self.required.tolist():
            record = self._trace[position]
            parts.append(self._last(position, Kind.HANDLER_ENTER, cpu=int(record["cpu"])))
            if int(record["kind"]) in REGISTERS:
                parts.append(self._same_place(position))
            if int(record["kind"]) in _OF_MAPPINGS:
                parts.append(self._same_memory(record))
        return np.unique(np.concatenate(parts)).astype(np.int64)

    def _same_place(self, position: int) -> Positions:
        rows = self._rows(REGISTERS)
        access = view_of(self._trace[rows].records, "access")
        own = view_of(self._trace[position : position + 1].records, "access")[0]
        same = (access["bar"] == own["bar"]) & (access["offset"] == own["offset"])
        latest: Positions = rows[same & (rows <= position)][-SAME_PLACE:]
        return latest

    def _same_memory(self, record: np.void) -> Positions:
        rows = self._rows(kinds_of("dma"))
        begins = self._column("address")[rows]
        lengths = np.maximum(self._column("length")[rows], 1)
        end = record["address"] + max(record["length"], np.uint64(1))
        same = (begins < end) & (record["address"] < begins + lengths)
        since: Positions = rows[same & (rows >= int(self.seeds[0]))]
        return since


def _followed(violation: Expression | Obligation | Window | Automaton) -> Iterable[Expression]:
    """The terms that say which events a rule follows; none of a rule about single events."""
    if isinstance(violation, Obligation):
        return violation.truths()
    if isinstance(violation, Window):
        return (violation.counts, violation.reset_by)
    if isinstance(violation, Automaton):
        return (violation.relevant, violation.starts_over)
    return ()
