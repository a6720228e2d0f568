# SPDX-License-Identifier: Apache-2.0
"""The machines of one automaton, one per function and key, and the walk that counts their steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.automaton import Automaton
from uvtrace.check.steps import MISFIT
from uvtrace.graph.coverage import EdgeCoverage, MachineCoverage, StateCoverage
from uvtrace.loops.loop import loop, step
from uvtrace.trace.functions import Function

STARTS: Final = 1
"""Every machine of the function goes to its initial state."""
LOSES: Final = 2
"""The state of every machine of the function is not known any more."""
LOSES_ALL: Final = 4
"""A flag: before the event, the state of every machine became unknown."""
_NOT_MADE = -1
_Key = tuple[int, ...]


class Machines:
    """Counts of every machine of an automaton.

    Arrays are indexed by machine; the state behind the last one is the unknown one. A function
    has a place of its own (``slot``), which remembers what a new key of it begins with.
    """

    def __init__(self, automaton: Automaton, functions: Sequence[int]) -> None:
        self.functions = np.array(sorted(functions), np.int64)
        self._automaton = automaton
        self._states, self._edges = len(automaton.states), len(automaton.edges)
        self._index: dict[tuple[int, _Key], int] = {}
        self._slots = np.zeros(0, np.int64)
        self._state = np.zeros(0, np.int64)
        self._since = np.zeros(0, np.int64)
        self._counts = np.zeros((0, self._states + 1, self._edges), np.int64)
        self._visits = np.zeros((0, self._states + 1), np.int64)
        self._time_ns = np.zeros((0, self._states + 1), np.int64)
        self._misfits = np.zeros((0, self._states + 1), np.int64)
        self._first = np.zeros((0, self._edges), np.int64)
        self._begins_in = np.full(len(self.functions), self._states, np.int64)
        self._last_ns = np.zeros(len(self.functions), np.int64)
        self._seen = np.zeros(len(self.functions), bool)
        if not automaton.key:
            self._add([(slot, ()) for slot in range(len(self.functions))])

    def owners(
        self,
        function: NDArray[np.integer],
        keys: Sequence[NDArray[Any]],
        steps: NDArray[np.bool_],
    ) -> NDArray[np.int64]:
        """The machine of every event that makes a step; of others -1 - slot of its function."""
        slots = np.searchsorted(self.functions, function).astype(np.int64)
        owner = self._keyed(slots, keys, steps) if keys else slots
        return np.where(steps, owner, -1 - slots)

    def _keyed(
        self, slots: NDArray[Any], keys: Sequence[NDArray[Any]], rows: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        owner = np.zeros(len(slots), np.int64)
        wide = [slots.astype(np.int64), *(key.astype(np.int64) for key in keys)]
        table = np.stack(wide, axis=1)[rows]
        unique, inverse = np.unique(table, axis=0, return_inverse=True)
        # A key of 64 bits reads as unsigned where its column is.
        unsigned = [key.dtype == np.uint64 for key in keys]
        numbers = []
        for slot, *values in unique.tolist():
            key = tuple(
                value % 2**64 if word else value
                for value, word in zip(values, unsigned, strict=True)
            )
            numbers.append(self._number(slot, key))
        owner[rows] = np.array(numbers, np.int64)[inverse.reshape(-1)] if numbers else 0
        return owner

    def _number(self, slot: int, key: _Key) -> int:
        found = self._index.get((slot, key))
        if found is None:
            found = len(self._index)
            self._add([(slot, key)])
        return found

    def _add(self, machines: Sequence[tuple[int, _Key]]) -> None:
        for machine in machines:
            self._index[machine] = len(self._index)
        more = len(machines)
        self._slots = np.concatenate([self._slots, [slot for slot, _ in machines]]).astype(np.int64)
        self._state = _grown(self._state, more, _NOT_MADE)
        self._since = _grown(self._since, more, 0)
        self._counts = _grown(self._counts, more, 0)
        self._visits = _grown(self._visits, more, 0)
        self._time_ns = _grown(self._time_ns, more, 0)
        self._misfits = _grown(self._misfits, more, 0)
        self._first = _grown(self._first, more, -1)

    def walk(
        self,
        steps: NDArray[np.int32],
        symbol: NDArray[np.int64],
        owner: NDArray[np.int64],
        command: NDArray[np.int8],
        time_ns: NDArray[np.int64],
        position: NDArray[np.int64],
    ) -> None:
        """Let events happen, in order.

        Args:
            steps: what :meth:`StepTable.rows` gives.
            symbol: row of ``steps`` of every event, shape (n,).
            owner: its machine, shape (n,).
            command: what it does to the function's machines instead of a step, 0 nothing; and
                LOSES_ALL; shape (n,).
            time_ns: its time, shape (n,).
            position: its position in the trace, shape (n,).
        """
        initial = self._automaton.index(self._automaton.initial)
        alone = not self._automaton.key
        _walk(
            *(steps, symbol, owner, command, time_ns, position, initial, alone),
            *(self._slots, self._state, self._since, self._begins_in),
            *(self._counts, self._visits, self._time_ns, self._misfits, self._first),
        )

    def see_time(self, function: NDArray[np.integer], time_ns: NDArray[np.int64]) -> None:
        """Take note of when functions were last heard of."""
        for slot, index in enumerate(self.functions):
            times = time_ns[function == index]
            if len(times):
                self._last_ns[slot] = max(self._last_ns[slot], int(times.max()))
                self._seen[slot] = True

    def coverage(self, functions: Mapping[int, Function]) -> list[MachineCoverage]:
        """What was counted, by function and key; machines that nothing happened to included."""
        return [
            self._machine(number, functions[int(self.functions[slot])], key)
            for (slot, key), number in sorted(self._index.items())
            if self._seen[slot]
        ]

    def _machine(self, number: int, function: Function, key: _Key) -> MachineCoverage:
        names = [*self._automaton.states, ""]
        state = int(self._state[number])
        time_ns = self._time_ns[number].copy()
        if state != _NOT_MADE:
            last = self._last_ns[self._slots[number]]
            time_ns[state] += max(int(last - self._since[number]), 0)
        states = tuple(
            StateCoverage(
                name,
                int(self._visits[number, index]),
                int(time_ns[index]),
                int(self._misfits[number, index]),
            )
            for index, name in enumerate(names)
        )
        edges = tuple(self._edge(number, index, names) for index in range(self._edges))
        final = names[state] if state != _NOT_MADE else ""
        return MachineCoverage(
            self._automaton, function, key, edges, states[:-1], states[-1], final
        )

    def _edge(self, number: int, index: int, names: Sequence[str]) -> EdgeCoverage:
        counts = self._counts[number, :, index].tolist()
        sources = tuple((name, n) for name, n in zip(names, counts, strict=True) if n)
        first = int(self._first[number, index])
        return EdgeCoverage(self._automaton.edges[index], sum(counts), first, sources)


def _grown(array: NDArray[Any], more: int, fill: int) -> NDArray[np.int64]:
    return np.concatenate([array, np.full((more, *array.shape[1:]), fill, np.int64)])


@step
def _enter(
    machine: int,
    state: int,
    now: int,
    states: NDArray[np.int64],
    since: NDArray[np.int64],
    visits: NDArray[np.int64],
    time_ns: NDArray[np.int64],
) -> None:
    """Into a state, counted as a visit also where it is the same one."""
    before = states[machine]
    if before != _NOT_MADE:
        time_ns[machine, before] += max(now - since[machine], 0)
    states[machine] = state
    since[machine] = now
    visits[machine, state] += 1


@loop
def _walk(
    steps: Any,
    symbol: Any,
    owner: Any,
    command: Any,
    now: Any,
    position: Any,
    initial: int,
    alone: bool,
    slots: Any,
    states: Any,
    since: Any,
    begins_in: Any,
    counts: Any,
    visits: Any,
    time_ns: Any,
    misfits: Any,
    first: Any,
) -> None:
    unknown = visits.shape[1] - 1
    for event in range(len(symbol)):
        machine = owner[event]
        if command[event] & LOSES_ALL:
            begins_in[:] = unknown
            for each in range(len(states)):
                if states[each] != _NOT_MADE and states[each] != unknown:
                    _enter(each, unknown, now[event], states, since, visits, time_ns)
        own = command[event] & ~LOSES_ALL
        if own != 0:
            slot = -1 - machine
            state = initial if own == STARTS else unknown
            begins_in[slot] = state
            for each in range(len(states)):
                made = alone or states[each] != _NOT_MADE
                if slots[each] == slot and made and states[each] != state:
                    _enter(each, state, now[event], states, since, visits, time_ns)
        if machine < 0:
            continue
        if states[machine] == _NOT_MADE:
            state = begins_in[slots[machine]]
            _enter(machine, state, now[event], states, since, visits, time_ns)
        before = states[machine]
        state = steps[symbol[event], before, 0]
        edge = steps[symbol[event], before, 1]
        if edge >= 0:
            counts[machine, before, edge] += 1
            if first[machine, edge] < 0:
                first[machine, edge] = position[event]
        elif edge == MISFIT:
            misfits[machine, before] += 1
        if state != before:
            _enter(machine, state, now[event], states, since, visits, time_ns)
