# SPDX-License-Identifier: Apache-2.0
"""Rules about single events at work, kind by kind: only what a kind can break is looked at."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk, Rows
from uvtrace.check.expression import Truth
from uvtrace.check.flat import Flat
from uvtrace.check.native import store
from uvtrace.check.native.access import Access, How, Source, address_of, asked, groups_of, joined
from uvtrace.check.native.code import Code, compiled, loaded, processor
from uvtrace.check.native.function import Sizes, assembly_of
from uvtrace.check.native.plan import Output, What, planned
from uvtrace.check.program import Program

_WORD: Final = np.dtype(np.int64).itemsize
_NO_COLUMNS: Final[Mapping[str, int]] = {}


@dataclass(frozen=True)
class Single:
    """A rule that is broken by single events.

    Attributes:
        applies: the events that it judges.
        violation: what breaks it, of those.
        kinds: the kinds of event that are looked at; None: all.
        whole_trace: it judges the trace, not a function.
        checked, unknown: where to count, by function; the last is the trace.
        counts: whether anything is counted, or only told (of the whole trace).
    """

    applies: Truth
    violation: Truth
    kinds: frozenset[int] | None
    whole_trace: bool
    checked: NDArray[np.int64]
    unknown: NDArray[np.int64]
    counts: bool = True

    def looks_at(self, kind: int) -> bool:
        """Whether events of a kind are looked at."""
        return self.kinds is None or kind in self.kinds


class Told(NamedTuple):
    """What the code that judges a kind tells, and of which rules by their numbers.

    Attributes:
        counters: of each counter, the rules of which it counts the judged events.
        outputs: of each output, the rules that are broken by its rows.
        every: the rules that every event breaks.
    """

    counters: list[list[int]]
    outputs: list[list[int]]
    every: list[int]


@dataclass
class _Outputs:
    """What is asked of the events of a kind, each once."""

    flat: Flat
    told: Told = field(default_factory=lambda: Told([], [], []))
    asked: list[Output] = field(default_factory=list)
    _counters: dict[tuple[Any, ...], int] = field(default_factory=dict)
    _rows: dict[frozenset[int], int] = field(default_factory=dict)

    def add(self, number: int, single: Single) -> None:
        """Add a rule."""
        own = frozenset() if single.whole_trace else frozenset({self.flat.inside})
        applies = self.flat.conjuncts(self.flat.add(single.applies)) | own
        if self.flat.no in applies:
            return
        if single.counts:
            self._count(number, single, applies)
        broken = applies | self.flat.conjuncts(self.flat.add(single.violation))
        if self.flat.no in broken:
            return
        if single.counts:
            self._add(What.VIOLATION, single, broken, applies)
            self.told.outputs.append([number])
        elif not broken:
            self.told.every.append(number)
        elif broken in self._rows:
            self.told.outputs[self._rows[broken]].append(number)
        else:
            self._rows[broken] = len(self.told.outputs)
            self._add(What.ROWS, single, broken, applies)
            self.told.outputs.append([number])

    def _count(self, number: int, single: Single, applies: frozenset[int]) -> None:
        key = applies, single.whole_trace
        if key not in self._counters:
            self._counters[key] = len(self.told.counters)
            decided, unsure = self._parted(applies)
            count = len(self.told.counters)
            self.asked.append(Output(What.COUNT, count, single.whole_trace, decided, unsure))
            self.told.counters.append([])
        self.told.counters[self._counters[key]].append(number)

    def _add(
        self, what: What, single: Single, broken: frozenset[int], applies: frozenset[int]
    ) -> None:
        decided, unsure = self._parted(broken)
        own = unsure & applies
        number = len(self.told.outputs)
        self.asked.append(Output(what, number, single.whole_trace, decided, unsure, own))

    def _parted(self, conjuncts: frozenset[int]) -> tuple[frozenset[int], frozenset[int]]:
        unsure = frozenset(each for each in conjuncts if self.flat.nodes[each].maybe)
        return conjuncts - unsure, unsure


class _Plan(NamedTuple):
    """What code there is, or is to be, and how it reads the columns."""

    accesses: tuple[Access, ...]
    groups: tuple[int, ...]


class _Counts(NamedTuple):
    """What the code counts, by function; the last is the trace.

    Attributes:
        judged: by counter, shape (functions + 1, counters).
        unknown: by output, what may break its rule, shape (functions + 1, outputs).
        doubted: what of that was counted as judged.
    """

    judged: NDArray[np.int64]
    unknown: NDArray[np.int64]
    doubted: NDArray[np.int64]

    @classmethod
    def of(cls, told: Told, functions: int) -> _Counts:
        """Nothing counted yet."""
        counters, outputs = len(told.counters), len(told.outputs)
        shapes = counters, outputs, outputs
        return cls(*(np.zeros((functions + 1, count), np.int64) for count in shapes))


class OfKind:
    """The rules that events of one kind can be judged by.

    Args:
        kind: of the events.
        rules: all rules.
    """

    def __init__(self, kind: int, rules: Rules) -> None:
        self.function = f"judge_{kind}"
        self._kind = kind
        self._rules = rules
        self._names: tuple[str, ...] = rules.columns_of(kind)
        self._plan: _Plan | None = None
        self._told = Told([], [], [])
        self._counts = _Counts.of(self._told, rules.functions)
        self._code: Code | None = None

    def use(self, code: Code) -> None:
        """Judge by code that :meth:`fit` gave."""
        self._code = code

    def count(self) -> None:
        """Tell the rules of the events that were judged since this was last done."""
        counts, singles = self._counts, self._rules.singles
        for counter, numbers in enumerate(self._told.counters):
            for number in numbers:
                singles[number].checked[:] += counts.judged[:, counter]
        for output, numbers in enumerate(self._told.outputs):
            for number in numbers:
                singles[number].checked[:] -= counts.doubted[:, output]
                singles[number].unknown[:] += counts.unknown[:, output]
        self._counts = _Counts.of(self._told, self._rules.functions)

    def fit(self, sources: Sequence[Source]) -> bytes | None:
        """Code that can read the columns where they lie; None: that which is used can."""
        accesses = tuple(source.access for source in sources)
        groups = groups_of(source.places_address for source in sources)
        plan = self._plan
        if plan is not None:
            if plan.accesses == accesses and plan.groups == groups:
                return None
            # What can be read is not made less: chunks differ by what there is in them.
            accesses = tuple(map(joined, plan.accesses, accesses))
            placed = [each.how == How.PLACED for each in accesses]
            if plan.accesses == accesses and _is_as_fine(plan.groups, groups, placed):
                return None
            groups = groups_of(zip(plan.groups, groups, strict=True))
        self._plan = _Plan(accesses, groups)
        return self._made(self._plan)

    def sources(self, chunk: Chunk, rows: Rows) -> list[Source]:
        """Where the columns lie."""
        return [chunk.source(name, self._kind, rows) for name in self._names]

    def judge(
        self, chunk: Chunk, rows: Rows, sources: Sequence[Source], room: Room
    ) -> dict[int, Rows]:
        """Judge the events of some rows; :meth:`count` tells how many.

        Args:
            chunk: in which they are.
            rows: all rows of the kind.
            sources: where the columns lie.
            room: for what is found.

        Returns:
            The rows that break a rule, ascending, by the rule's number.
        """
        assert self._plan is not None
        assert self._code is not None
        told, functions = self._told, self._rules.functions
        begins = room.for_rows(len(told.outputs), len(rows))
        ends = begins.copy()
        columns, kept = _read_by(self._plan, chunk, rows, self._names, sources)
        arguments = [
            *(address_of(chunk.records), chunk.records.strides[0]),
            *(address_of(rows), len(rows), chunk.first, functions),
            *map(address_of, (*self._counts, ends)),
            *columns,
        ]
        self._code(np.array(arguments, np.int64))
        del kept
        found = dict.fromkeys(told.every, rows)
        for output in np.flatnonzero(ends != begins).tolist():
            own = room.taken(int(begins[output]), int(ends[output]))
            found |= dict.fromkeys(told.outputs[output], own)
        return found

    def _made(self, plan: _Plan) -> bytes:
        key = store.key_of(processor(), self._rules.digest, self._kind, plan)
        kept = store.load(key)
        if kept is None:
            told, text = self._written(plan)
            kept = json.dumps(told).encode() + b"\n" + compiled(text)
            store.save(key, kept)
        head, _, code = kept.partition(b"\n")
        self.count()
        self._told = Told(*json.loads(head))
        self._counts = _Counts.of(self._told, self._rules.functions)
        return code

    def _written(self, plan: _Plan) -> tuple[Told, str]:
        named = dict(zip(self._names, plan.accesses, strict=True))
        constants = {
            name: access.fill
            for name, access in named.items()
            if access.how == How.CONSTANT and access.fill is not None
        }
        flat = Flat(self._kind, self._rules.program.parameters, constants)
        outputs = _Outputs(flat)
        for number, single in enumerate(self._rules.singles):
            if single.looks_at(self._kind):
                outputs.add(number, single)
        told = outputs.told
        sizes = Sizes(len(told.counters), len(told.outputs))
        grouped = dict(zip(self._names, plan.groups, strict=True))
        steps = planned(flat, outputs.asked)
        return told, assembly_of(self.function, flat, steps, sizes, named, grouped)


def _is_as_fine(one: Sequence[int], other: Sequence[int], chosen: Sequence[bool]) -> bool:
    """Whether what ``one`` puts into one group is in one of ``other``, too."""
    pairs = {
        pair for pair, wanted in zip(zip(one, other, strict=True), chosen, strict=True) if wanted
    }
    return len(pairs) == len({number for number, _ in pairs})


def _read_by(
    plan: _Plan, chunk: Chunk, rows: Rows, names: Sequence[str], sources: Sequence[Source]
) -> tuple[list[int], list[Source]]:
    """The addresses of columns, and of the groups of places; and what must be kept meanwhile."""
    used: list[Source] = []
    for name, source, access in zip(names, sources, plan.accesses, strict=True):
        if source.access == access:
            used.append(source)
        elif access.how == How.ASKED:
            values = np.ascontiguousarray(chunk.take(name, rows), access.counts)
            used.append(Source.of(asked(access.counts), values))
        elif access.how == How.ROW:
            values = np.full(len(chunk), source.access.fill, access.counts)
            used.append(Source.of(access, values))
        else:
            used.append(Source.of(access, rows[:0], chunk.nowhere))
    places = [0] * (max(plan.groups, default=-1) + 1)
    for group, source in zip(plan.groups, used, strict=True):
        places[group] = source.places_address or places[group]
    return [*(source.address for source in used), *places], used


class Rules:
    """All rules that are broken by single events.

    Args:
        singles: the rules.
        program: to which their terms are added.
        functions: how many there are.
    """

    def __init__(self, singles: Iterable[Single], program: Program, functions: int) -> None:
        self.singles = tuple(singles)
        self.program = program
        self.functions = functions
        self.digest = program.digest(
            (each.applies, each.violation, each.kinds, each.whole_trace, each.counts)
            for each in self.singles
        )

    def columns_of(self, kind: int) -> tuple[str, ...]:
        """The columns that the rules about events of a kind depend on."""
        key = store.key_of(self.digest, kind)
        kept = store.load(key)
        if kept is None:
            kept = json.dumps(self._columns_of(kind)).encode()
            store.save(key, kept)
        return tuple(json.loads(kept))

    def _columns_of(self, kind: int) -> list[str]:
        flat = Flat(kind, self.program.parameters, _NO_COLUMNS)
        outputs = _Outputs(flat)
        for number, single in enumerate(self.singles):
            if single.looks_at(kind):
                outputs.add(number, single)
        return flat.columns()


class Room:
    """Where the rows that break rules are written, again and again."""

    def __init__(self) -> None:
        self._rows: Rows = np.zeros(0, np.int64)

    def for_rows(self, outputs: int, rows: int) -> NDArray[np.int64]:
        """The addresses at which so many outputs have room for so many rows each."""
        if len(self._rows) < outputs * rows:
            self._rows = np.empty(outputs * rows, np.int64)
        return address_of(self._rows) + _WORD * rows * np.arange(outputs, dtype=np.int64)

    def taken(self, begin: int, end: int) -> Rows:
        """The rows written from one address to another."""
        first = (begin - address_of(self._rows)) // _WORD
        return self._rows[first : first + (end - begin) // _WORD].copy()


class ByKind:
    """Rules that are broken by single events, judged kind by kind.

    Args:
        singles: the rules.
        program: to which their terms are added.
        functions: how many there are.
    """

    def __init__(self, singles: Iterable[Single], program: Program, functions: int) -> None:
        self._singles = tuple(singles)
        self._program = program
        self._functions = functions
        self._rules: Rules | None = None
        self._of: dict[int, OfKind] = {}
        self._room = Room()

    def judge(self, chunk: Chunk) -> dict[int, Rows]:
        """Judge the events of a chunk; :meth:`count` tells how many.

        Returns:
            The rows that break a rule, ascending, by the rule's number; the numbers ascend.
        """
        kinds = {kind: self._of_kind(kind) for kind in sorted(chunk.kinds)}
        sources = {kind: of.sources(chunk, chunk.rows({kind})) for kind, of in kinds.items()}
        self._fit(kinds, sources)
        found: dict[int, list[Rows]] = {}
        for kind, of in kinds.items():
            told = of.judge(chunk, chunk.rows({kind}), sources[kind], self._room)
            for number, rows in told.items():
                found.setdefault(number, []).append(rows)
        return {number: _merged(found[number]) for number in sorted(found)}

    def count(self) -> None:
        """Tell the rules how many events were judged."""
        for of in self._of.values():
            of.count()

    def _of_kind(self, kind: int) -> OfKind:
        if self._rules is None:
            self._rules = Rules(self._singles, self._program, self._functions)
        if kind not in self._of:
            self._of[kind] = OfKind(kind, self._rules)
        return self._of[kind]

    def _fit(self, kinds: Mapping[int, OfKind], sources: Mapping[int, list[Source]]) -> None:
        made = {kind: of.fit(sources[kind]) for kind, of in kinds.items()}
        new = {kinds[kind].function: code for kind, code in made.items() if code is not None}
        if new:
            codes = loaded(new)
            for of in kinds.values():
                if of.function in codes:
                    of.use(codes[of.function])


def _merged(parts: list[Rows]) -> Rows:
    # Parts that ascend are merged, not sorted.
    return parts[0] if len(parts) == 1 else np.sort(np.concatenate(parts), kind="stable")
