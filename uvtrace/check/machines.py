# SPDX-License-Identifier: Apache-2.0
"""Automata at work: in which state every machine is, since when, and what must not be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.automaton import FORBIDDEN, Automaton, Edge
from uvtrace.check.chunk import Chunk, Rows
from uvtrace.check.columns import record
from uvtrace.check.compiled import loop, rare_step, step
from uvtrace.check.expression import Truth
from uvtrace.check.followers import WORD, Asked, Follower, Followers, Found, Key, Marked, unsure_of
from uvtrace.check.latest import Latest
from uvtrace.check.steps import MISFIT, NO_EDGE, TRUE, StepTable
from uvtrace.check.symbols import Symbols
from uvtrace.check.terms import is_return, probe_begins
from uvtrace.trace.enums import Kind

_is_reset: Final = (record.kind == Kind.RESET) & is_return
OVERSTAYED: Final = -3
_KEYS: Final = 1 << 14
_WAYS: Final = 4
_NEVER: Final = np.iinfo(np.int64).max

SLOT: Final = np.dtype(
    [
        ("key", np.uint64),
        ("epoch", np.int64),
        ("used", np.int64),
        ("state", np.int64),
        ("entered", np.int64),
        ("since_ns", np.int64),
        ("function", np.int64),
    ]
)
"""A machine: ``entered`` is the position of the event that led to its state, -1 unseen."""
HIT: Final = np.dtype(
    [
        ("row", np.int64),
        ("state", np.int64),
        ("edge", np.int64),
        ("entered", np.int64),
        ("stay_ns", np.int64),
        ("limit_ns", np.int64),
        ("function", np.int64),
    ]
)
"""What a machine must not meet: the event's row in the chunk (-1: the trace's end), the state,
the edge it fits or OVERSTAYED; the event that led to that state, how long ago it was, and the
state's time limit."""


class Machine(NamedTuple):
    """An automaton's machines as the compiled walk sees them."""

    slots: NDArray[np.void]
    epochs: NDArray[np.int64]
    base: NDArray[np.int64]
    begun: NDArray[np.int64]
    limits_ns: NDArray[np.int64]
    told: NDArray[np.bool_]


class Walked(NamedTuple):
    """The events that concern an automaton, in order, and the losses among them.

    ``bits`` are of the guards, two of each; number ``starts`` says that machines start over, and
    those behind it that the time limit of one of ``told_states`` is told by ``told_ns`` (by state,
    then event). ``function`` and ``latest_ns`` (which is empty where nothing is timed) are of the
    whole chunk, whose first record is at position ``first``.
    """

    function: NDArray[np.uint16]
    latest_ns: NDArray[np.int64]
    rows: Rows
    symbol: NDArray[np.int32]
    bits: NDArray[np.uint64]
    starts: int
    keys: NDArray[np.uint64]
    told_states: NDArray[np.int64]
    told_ns: NDArray[np.int64]
    lost: Rows
    lost_of: NDArray[np.int64]
    first: int


@dataclass
class Machines:
    """The machines of one automaton, followed through a trace.

    Args:
        automaton: the declaration.
        followers: where it is added.
        functions: how many there are.

    Attributes:
        stepped, unknown: events that met a machine in a known state, or not, by function.
    """

    automaton: Automaton
    followers: Followers
    functions: int
    stepped: NDArray[np.int64] = field(init=False)
    unknown: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        one = self.automaton
        guards = [one.relevant & edge.guard for edge in one.edges]
        self._starts = 2 * len(guards)
        starts = (one.starts_over, probe_begins, _is_reset)
        limits = self._read_limits()
        marks = [(guard, 2 * number) for number, guard in enumerate(guards)]
        marks += [(unsure_of(guard), 2 * number + 1) for number, guard in enumerate(guards)]
        marks += [(term, self._starts) for term in starts]
        marks += [(limit.event, self._starts + 1 + n) for n, (_, limit) in enumerate(limits)]
        asked = [Asked(Key(one.key), (1 << self._starts) - 1)]
        asked += [
            Asked(limit.value, 1 << self._starts + 1 + n) for n, (_, limit) in enumerate(limits)
        ]
        self._number = self.followers.add(Follower(marks, asked))
        self._told_states = np.array([state for state, _ in limits], np.int64)
        self._table = StepTable(one)
        self._symbols = Symbols(len(one.edges))
        self._steps = np.zeros((0, len(one.states) + 1, 2), np.int32)
        self._strangers = np.zeros(0, np.int64)
        self._latest_ns = 0
        self._timed = bool(one.time_limits_ns)
        known = self.functions + 1
        limits_ns = np.full((known, len(one.states) + 1), _NEVER, np.int64)
        for state, limit in one.time_limits_ns.items():
            if not isinstance(limit, Latest):
                limits_ns[:, one.index(state)] = limit
        self._machine = Machine(
            slots=np.zeros(_KEYS, SLOT),
            epochs=np.ones(known, np.int64),
            base=np.full(known, len(one.states), np.int64),
            begun=np.full(known, -1, np.int64),
            limits_ns=limits_ns,
            told=np.array(
                [[self._is_told(edge, state) for state in one.states] for edge in one.edges]
            ),
        )
        self.stepped = np.zeros(known, np.int64)
        self.unknown = np.zeros(known, np.int64)

    def _is_told(self, edge: Edge, state: str) -> bool:
        return edge.target == FORBIDDEN or state in edge.told_from

    def looked_at(self) -> tuple[Truth, ...]:
        """The terms that say which events are looked at."""
        guards = (self.automaton.relevant & edge.guard for edge in self.automaton.edges)
        told = (limit.event for _, limit in self._read_limits())
        return (self.automaton.starts_over, probe_begins, *guards, *told)

    def take(
        self, chunk: Chunk, found: Found, lost: tuple[Rows, NDArray[np.int64]]
    ) -> NDArray[np.void]:
        """Follow a chunk; arguments as of :meth:`uvtrace.check.duties.Duties.take`.

        Returns:
            What a machine must not meet, dtype HIT.
        """
        events = found.events(self._number)
        if not len(events.rows) and not len(lost[0]):
            return np.zeros(0, HIT)
        symbol = self._symbols.of(events.bits)
        self._see_symbols()
        walked = self._walked(chunk, events, symbol, lost)
        # An event can break a step, and the machine that it made a stay.
        hits = np.empty(2 * len(events.rows) + self._live(), HIT)
        initial = self.automaton.index(self.automaton.initial)
        tables = self._steps, self._strangers
        tallies = self.stepped, self.unknown
        count = _walk(self._machine, walked, *tables, initial, self._timed, hits, *tallies)
        return hits[:count]

    def _see_symbols(self) -> None:
        """Work out the steps of symbols that there were none of before."""
        if self._symbols.count > len(self._steps):
            values = self._symbols.values
            self._steps = self._table.rows(values)
            self._strangers = (values == TRUE).argmax(axis=1)

    def see_time(self, chunk: Chunk) -> None:
        """Take note of when a chunk ends."""
        if self._timed and len(chunk):
            self._latest_ns = int(chunk.latest_ns(self._latest_ns)[-1])

    def finish(self) -> NDArray[np.void]:
        """The trace ends: the machines that have been in a state for too long, dtype HIT."""
        hits = np.zeros(self._live(), HIT)
        return hits[: _overstayed(self._machine, -1, self._latest_ns, -1, hits, 0)]

    def _live(self) -> int:
        return _KEYS if self._timed else 0

    def _walked(
        self,
        chunk: Chunk,
        events: Marked,
        symbol: NDArray[np.int32],
        lost: tuple[Rows, NDArray[np.int64]],
    ) -> Walked:
        latest_ns = chunk.latest_ns(self._latest_ns) if self._timed else np.zeros(0, np.int64)
        limits_ns = events.numbers[1:]
        return Walked(
            function=chunk.function,
            latest_ns=latest_ns,
            rows=events.rows,
            symbol=symbol,
            bits=events.bits,
            starts=self._starts,
            keys=events.numbers[0].view(np.uint64),
            told_states=self._told_states,
            told_ns=np.array(limits_ns) if limits_ns else np.zeros((0, 0), np.int64),
            lost=lost[0],
            lost_of=lost[1],
            first=chunk.first,
        )

    def _read_limits(self) -> list[tuple[int, Latest]]:
        limits = self.automaton.time_limits_ns.items()
        return [
            (self.automaton.index(state), limit)
            for state, limit in limits
            if isinstance(limit, Latest)
        ]


@loop
def _walk(
    machine: Machine,
    events: Walked,
    steps: NDArray[np.int32],
    strangers: NDArray[np.int64],
    initial: int,
    timed: bool,
    hits: NDArray[np.void],
    stepped: NDArray[np.int64],
    unknown: NDArray[np.int64],
) -> int:
    """Follow a chunk; returns how many ``hits`` there were."""
    count, following, nowhere = 0, 0, steps.shape[1] - 1
    for i in range(len(events.rows)):
        row = events.rows[i]
        while following < len(events.lost) and events.lost[following] <= row:
            _lose(machine, events.lost_of[following], nowhere)
            following += 1
        f: Any = min(np.int64(events.function[row]), len(machine.epochs) - 1)
        now_ns = events.latest_ns[row] if timed else 0
        for number in range(len(events.told_states)):
            limit_ns = events.told_ns[number, i]
            if _has(events, i, events.starts + 1 + number) and limit_ns >= 0:
                machine.limits_ns[f, events.told_states[number]] = limit_ns
        if _has(events, i, events.starts):
            if timed:
                count = _overstayed(machine, f, now_ns, row, hits, count)
            machine.epochs[f] += 1
            machine.base[f], machine.begun[f] = initial, events.first + row
        if events.symbol[i] > 0:
            slot = machine.slots[_slot(machine.slots, events.keys[i], i + following)]
            if slot.epoch != machine.epochs[f]:
                slot.epoch, slot.state, slot.function = machine.epochs[f], machine.base[f], f
                slot.entered, slot.since_ns = machine.begun[f], now_ns
            tallies = stepped, unknown
            count = _step(machine, slot, events, i, now_ns, steps, strangers, *tallies, hits, count)
    for each in range(following, len(events.lost)):
        _lose(machine, events.lost_of[each], nowhere)
    return count


@step
def _has(events: Walked, i: int, bit: int) -> bool:
    return bool((events.bits[i, bit // WORD] >> np.uint64(bit % WORD)) & np.uint64(1))


@rare_step
def _lose(machine: Machine, f: int, nowhere: int) -> None:
    """Where the machines of a function (-1: of all) are is not known."""
    for each in range(len(machine.epochs)):
        if f < 0 or each == f:
            machine.epochs[each] += 1
            machine.base[each], machine.begun[each] = nowhere, -1


@step
def _step(
    machine: Machine,
    slot: Any,
    events: Walked,
    i: int,
    now_ns: int,
    steps: NDArray[np.int32],
    strangers: NDArray[np.int64],
    stepped: NDArray[np.int64],
    unknown: NDArray[np.int64],
    hits: NDArray[np.void],
    count: int,
) -> int:
    """A machine meets an event; returns how many hits there are now."""
    f, symbol, nowhere = slot.function, events.symbol[i], steps.shape[1] - 1
    before, entered, stay_ns = slot.state, slot.entered, now_ns - slot.since_ns
    slot.state, edge = steps[symbol, before, 0], steps[symbol, before, 1]
    if slot.state != before:
        slot.entered, slot.since_ns = events.first + events.rows[i], now_ns
    if before == nowhere or slot.state == nowhere:
        unknown[f] += 1
        return count
    stepped[f] += 1
    late = slot.state != before and stay_ns > machine.limits_ns[f, before]
    if edge == MISFIT or (edge != NO_EDGE and machine.told[edge, before]) or late:
        hit = hits[count]
        hit.row, hit.state, hit.function = events.rows[i], before, f
        hit.entered, hit.stay_ns = entered, stay_ns
        hit.edge = strangers[symbol] if edge == MISFIT else edge
        hit.limit_ns = machine.limits_ns[f, before]
        hit.edge = OVERSTAYED if late else hit.edge
        count += 1
    return count


@loop
def _overstayed(
    machine: Machine, f: int, now_ns: int, row: int, hits: NDArray[np.void], count: int
) -> int:
    """The machines of a function (-1: of all) that have been in their state for too long."""
    for place in range(len(machine.slots)):
        slot = machine.slots[place]
        own = slot.used > 0 and (f < 0 or slot.function == f)
        if not own or slot.epoch != machine.epochs[slot.function]:
            continue
        stay_ns = now_ns - slot.since_ns
        if stay_ns > machine.limits_ns[slot.function, slot.state]:
            hit = hits[count]
            hit.row, hit.state, hit.function = row, slot.state, slot.function
            hit.edge, hit.entered, hit.stay_ns = OVERSTAYED, slot.entered, stay_ns
            hit.limit_ns = machine.limits_ns[slot.function, slot.state]
            count += 1
    return count


@step
def _slot(slots: NDArray[np.void], key: np.uint64, now: Any) -> int:
    base = np.int64(key >> np.uint64(20)) & (len(slots) - 1)
    oldest = base
    for way in range(_WAYS):
        place = (base + way) & (len(slots) - 1)
        if slots[place].key == key and slots[place].used > 0:
            return int(place)
        if slots[place].used < slots[oldest].used:
            oldest = place
    slots[oldest].key, slots[oldest].epoch, slots[oldest].used = key, -1, now + 1
    return int(oldest)
