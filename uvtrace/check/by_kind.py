# SPDX-License-Identifier: Apache-2.0
"""Rules about single events, and what followers of several ask of each one, kind by kind: code is
made of what a kind can break, and a chunk's events are judged in one walk, piece by piece."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.chunk import Chunk, Rows
from uvtrace.check.expression import Truth
from uvtrace.check.flat import Flat
from uvtrace.check.followers import Asked, Follower, Key, Marked
from uvtrace.check.layout import Layout
from uvtrace.check.native import function, plan
from uvtrace.check.native.access import How
from uvtrace.check.native.function import Argument, Column, Sizes, assembly_of, walk_assembly
from uvtrace.check.native.plan import Output, What, planned
from uvtrace.check.native.sources import sources
from uvtrace.check.program import Program
from uvtrace.check.told import Room
from uvtrace.loops import store
from uvtrace.loops.code import Code, compiled, loaded, processor
from uvtrace.loops.heads import address_of

_NO_COLUMNS: Final[Mapping[str, int]] = {}
_KINDS: Final = 256


@dataclass(frozen=True)
class Single:
    """A rule that is broken by single events.

    Attributes:
        applies: the events that it judges.
        violation: what breaks it, of those.
        kinds: the kinds of event that are looked at; None: all.
        whole_trace: it judges the trace, not a function.
        checked, unknown: where to count, by function; the last is the trace.
    """

    applies: Truth
    violation: Truth
    kinds: frozenset[int] | None
    whole_trace: bool
    checked: NDArray[np.int64]
    unknown: NDArray[np.int64]

    def looks_at(self, kind: int) -> bool:
        """Whether events of a kind are looked at."""
        return self.kinds is None or kind in self.kinds


@dataclass
class _Outputs:
    """What is asked of the events of a kind, each once.

    Attributes:
        counters: of each counter, the rules of which it counts the judged events.
    """

    flat: Flat
    counters: list[list[int]] = field(default_factory=list)
    asked: list[Output] = field(default_factory=list)
    _counters: dict[tuple[Any, ...], int] = field(default_factory=dict)

    def add(self, number: int, single: Single) -> None:
        """Add a rule."""
        own = frozenset() if single.whole_trace else frozenset({self.flat.inside})
        applies = self.flat.conjuncts(self.flat.add(single.applies)) | own
        if self.flat.no in applies:
            return
        self._count(number, single, applies)
        broken = applies | self.flat.conjuncts(self.flat.add(single.violation))
        if self.flat.no not in broken:
            decided, unsure = self._parted(broken)
            whole, own = single.whole_trace, unsure & applies
            self.asked.append(Output(What.VIOLATION, number, whole, decided, unsure, own))

    def _count(self, number: int, single: Single, applies: frozenset[int]) -> None:
        key = applies, single.whole_trace
        if key not in self._counters:
            count = self._counters[key] = len(self.counters)
            parted = self._parted(applies)
            self.asked.append(Output(What.COUNT, count, single.whole_trace, *parted))
            self.counters.append([])
        self.counters[self._counters[key]].append(number)

    def follow(self, number: int, follower: Follower, kind: int) -> None:
        """Add a follower."""
        for mark in follower.marks:
            if mark.kinds is not None and kind not in mark.kinds:
                continue
            conjuncts = self.flat.conjuncts(self.flat.add(mark.term))
            if self.flat.no in conjuncts:
                continue
            numbers = tuple(
                self._asked(place, asked)
                for place, asked in enumerate(follower.asked)
                if asked.bits >> mark.bit & 1
            )
            parted = self._parted(conjuncts)
            one = Output(What.EVENT, number, True, *parted, bit=mark.bit, numbers=numbers)
            self.asked.append(one)

    def _asked(self, place: int, asked: Asked) -> plan.Asked:
        nodes = tuple(map(self.flat.value, asked.parts))
        is_key = isinstance(asked.what, Key)
        every = isinstance(asked.what, Key) and asked.what.every
        return plan.Asked(place, nodes, is_key, every)

    def _parted(self, conjuncts: frozenset[int]) -> tuple[frozenset[int], frozenset[int]]:
        unsure = frozenset(each for each in conjuncts if self.flat.nodes[each].maybe)
        return conjuncts - unsure, unsure


class Rules:
    """All rules that are broken by single events, and all followers.

    Args:
        singles: the rules.
        followers: what is asked besides.
        program: to which their terms are added.
        functions: how many there are.

    Attributes:
        digest: what tells them from others.
        columns: all that they may depend on.
    """

    def __init__(
        self,
        singles: Iterable[Single],
        followers: Iterable[Follower],
        program: Program,
        functions: int,
    ) -> None:
        self.singles = tuple(singles)
        self.followers = tuple(followers)
        self.program = program
        self.functions = functions
        of_singles = (
            (each.applies, each.violation, each.kinds, each.whole_trace) for each in self.singles
        )
        of_followers = (each.digest_parts() for each in self.followers)
        self.digest = program.digest((*of_singles, *of_followers))
        self.columns = program.columns()

    def outputs(self, kind: int, constants: Mapping[str, int] = _NO_COLUMNS) -> _Outputs:
        """What is asked of the events of a kind; ``constants`` as of :class:`Flat`."""
        outputs = _Outputs(Flat(kind, self.program.parameters, constants))
        for number, single in enumerate(self.singles):
            if single.looks_at(kind):
                outputs.add(number, single)
        for number, follower in enumerate(self.followers):
            outputs.follow(number, follower, kind)
        return outputs

    def columns_of(self, kind: int) -> tuple[str, ...]:
        """The columns that the rules about events of a kind depend on."""
        key = store.key_of(sources(), self.digest, kind)
        kept = store.load(key)
        if kept is None:
            kept = json.dumps(self.outputs(kind).flat.columns()).encode()
            store.save(key, kept)
        return tuple(json.loads(kept))


class OfKind:
    """The code that judges events of one kind.

    Args:
        kind: of the events.
        rules: all rules.
        told: where followers are told of events.
    """

    def __init__(self, kind: int, rules: Rules, told: Sequence[function.Told]) -> None:
        self.function = f"judge_{kind}"
        self.names = rules.columns_of(kind)
        self.version = -1
        self._kind = kind
        self._rules = rules
        self._room = told
        self._columns: dict[str, Column] = {}
        self._counters: list[list[int]] = []
        self.counts = self._nothing_counted()

    def _nothing_counted(self) -> NDArray[np.int64]:
        return np.zeros((self._rules.functions + 1, len(self._counters)), np.int64)

    def count(self) -> None:
        """Tell the rules of the events that were judged since this was last done."""
        for counter, numbers in enumerate(self._counters):
            for number in numbers:
                self._rules.singles[number].checked[:] += self.counts[:, counter]
        self.counts[:] = 0

    def fit(self, layout: Layout) -> bytes | None:
        """Code that reads the columns as they lie now; None: that which is used does."""
        if self.version == layout.version:
            return None
        self.version = layout.version
        columns = layout.columns(self._kind, self.names)
        if columns == self._columns and self._columns:
            return None
        self._columns = columns
        return self._made(columns)

    def _made(self, columns: dict[str, Column]) -> bytes:
        digest, places = self._rules.digest, tuple(columns.values())
        made_of = (sources(), processor(), digest)
        key = store.key_of(*made_of, self._kind, self._rules.functions, places)
        kept = store.load(key)
        if kept is None:
            counters, text = self._written(columns)
            kept = json.dumps(counters).encode() + b"\n" + compiled(text)
            store.save(key, kept)
        head, _, code = kept.partition(b"\n")
        self.count()
        self._counters = json.loads(head)
        self.counts = self._nothing_counted()
        return code

    def _written(self, columns: dict[str, Column]) -> tuple[list[list[int]], str]:
        constants = {
            name: access.fill
            for name, (access, _, _) in columns.items()
            if access.how == How.CONSTANT and access.fill is not None
        }
        outputs = self._rules.outputs(self._kind, constants)
        sizes = Sizes(len(outputs.counters), len(self._rules.singles))
        steps = planned(outputs.flat, outputs.asked)
        text = assembly_of(self.function, outputs.flat, steps, sizes, columns, self._room)
        return outputs.counters, text


class ByKind:
    """Rules that are broken by single events, and followers.

    Args:
        singles: the rules.
        followers: what is asked besides.
        program: to which their terms are added.
        functions: how many there are.
    """

    def __init__(
        self,
        singles: Iterable[Single],
        followers: Iterable[Follower],
        program: Program,
        functions: int,
    ) -> None:
        self._singles = tuple(singles)
        self._followers = tuple(followers)
        self._program = program
        self._functions = functions
        self._rules: Rules | None = None

    def judge(self, chunk: Chunk) -> dict[int, Rows]:
        """Judge the events of a chunk; :meth:`count` tells how many.

        Returns:
            The rows that break a rule, ascending, by the rule's number; to be used before the
            next chunk is judged.
        """
        self._begin()
        for kind in sorted(chunk.kinds - self._of.keys()):
            self._add_kind(kind)
        kept = self._layout.fit(chunk)
        self._fit({kind: self._of[kind] for kind in sorted(chunk.kinds)})
        self._room.begin(len(chunk))
        codes = self._tell_arguments(chunk)
        self._walk(self._layout.arguments)
        del kept, codes
        return self._room.rows()

    def events(self, follower: int) -> Marked:
        """The events of the chunk judged last that concern a follower."""
        return self._room.events(follower)

    def count(self) -> None:
        """Tell the rules how many events were judged."""
        if self._rules is None:
            return
        for of in self._of.values():
            of.count()
        for number, single in enumerate(self._singles):
            single.checked[:] -= self._counted[:, number]
            single.unknown[:] += self._unknown[:, number]
        self._counted[:] = 0
        self._unknown[:] = 0

    def _begin(self) -> None:
        if self._rules is not None:
            return
        rules = Rules(self._singles, self._followers, self._program, self._functions)
        self._rules = rules
        self._layout = Layout(rules.columns)
        self._room = Room(len(self._singles), self._followers)
        shape = self._functions + 1, len(self._singles)
        self._unknown, self._counted = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        self._of: dict[int, OfKind] = {}
        self._codes = np.zeros((_KINDS, function.Code.SIZE), np.int64)
        self._loaded: dict[int, Code] = {}
        self._walk = _walk()

    def _add_kind(self, kind: int) -> None:
        assert self._rules is not None
        of = self._of[kind] = OfKind(kind, self._rules, self._room.places)
        self._layout.use(kind, of.names)

    def _fit(self, kinds: Mapping[int, OfKind]) -> None:
        made = {kind: of.fit(self._layout) for kind, of in kinds.items()}
        new = {kinds[kind].function: code for kind, code in made.items() if code is not None}
        if not new:
            return
        codes = loaded(new)
        for kind, of in kinds.items():
            if of.function in codes:
                code = self._loaded[kind] = codes[of.function]
                self._codes[kind, function.Code.FUNCTION] = code.address
                self._codes[kind, function.Code.COUNTS] = address_of(of.counts)

    def _tell_arguments(self, chunk: Chunk) -> NDArray[np.int64]:
        """Returns what must be kept as long as they are used."""
        told = self._layout.arguments
        told[Argument.RECORDS] = address_of(chunk.records)
        told[Argument.STRIDE] = chunk.records.strides[0]
        told[Argument.COUNT] = len(chunk)
        told[Argument.FIRST] = chunk.first
        told[Argument.FUNCTIONS] = self._functions
        codes = self._codes[sorted(chunk.kinds)]
        codes[:, function.Code.NEXT :] = [*chunk.addresses_by_kind().values()]
        told[Argument.CODES] = address_of(codes)
        told[Argument.KINDS] = len(codes)
        told[Argument.UNKNOWN] = address_of(self._unknown)
        told[Argument.COUNTED] = address_of(self._counted)
        told[Argument.ENDS] = address_of(self._room.ends)
        told[Argument.TOLD] = address_of(self._room.arguments)
        told[Argument.BEHIND] = self._room.behind.code
        told[Argument.GIVEN] = self._room.behind.block
        return codes


def _walk() -> Code:
    """The function that calls those of the kinds, piece by piece."""
    key = store.key_of(sources(), processor(), function.WALK)
    code = store.load(key)
    if code is None:
        code = compiled(walk_assembly())
        store.save(key, code)
    return loaded({function.WALK: code})[function.WALK]
