# SPDX-License-Identifier: Apache-2.0
"""Automata at work: in which state every machine is, and the steps that must not be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numba
import numpy as np
from numpy.typing import NDArray

from uvtrace.check.automaton import FORBIDDEN, Automaton
from uvtrace.check.chunk import Frame, Rows
from uvtrace.check.expression import Truth
from uvtrace.check.keys import keys_of
from uvtrace.check.program import Program, Run
from uvtrace.check.steps import MISFIT, NO_EDGE, TRUE, StepTable, distinct
from uvtrace.check.terms import probe_begins
from uvtrace.trace.enums import Kind, Phase

STEPS, STARTS, LOSES = 1, 2, 4
_KEYS: Final = 1 << 14
_WAYS: Final = 4

SLOT: Final = np.dtype(
    [("key", np.uint64), ("epoch", np.int64), ("used", np.int64), ("state", np.int64)]
)
HIT: Final = np.dtype([("index", np.int64), ("state", np.int64), ("edge", np.int64)])
"""An event that a machine must not meet: index in the frame, the state, the edge it fits."""


@dataclass
class Machines:
    """The machines of one automaton, followed through a trace.

    Args:
        automaton: the declaration.
        program: where its terms are compiled.
        functions: how many there are.

    Attributes:
        stepped, unknown: events that met a machine in a known state, or not, by function.
    """

    automaton: Automaton
    program: Program
    functions: int
    stepped: NDArray[np.int64] = field(init=False)
    unknown: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        one = self.automaton
        self._guards = [self.program.add(one.relevant & edge.guard) for edge in one.edges]
        self._starts = self.program.add(one.starts_over | probe_begins)
        for part in one.key:
            self.program.add(part)
        self._table = StepTable(one)
        self._forbidden = np.array([edge.target == FORBIDDEN for edge in one.edges])
        self._unknown = len(one.states)
        self._slots = np.zeros(_KEYS, SLOT)
        self._epochs = np.ones(self.functions + 1, np.int64)
        self._base = np.full(self.functions + 1, self._unknown, np.int64)
        self.stepped = np.zeros(self.functions + 1, np.int64)
        self.unknown = np.zeros(self.functions + 1, np.int64)

    def truths(self) -> tuple[Truth, ...]:
        """The terms that say which events are looked at."""
        guards = (self.automaton.relevant & edge.guard for edge in self.automaton.edges)
        return (self.automaton.starts_over, probe_begins, *guards)

    def take(
        self, frame: Frame, run: Run, lost: tuple[Rows, NDArray[np.int64]]
    ) -> NDArray[np.void]:
        """Follow a chunk; arguments as of :meth:`uvtrace.check.duties.Duties.take`.

        Returns:
            The events that a machine must not meet, dtype HIT.
        """
        truths = [run.truth(guard) for guard in self._guards]
        # FALSE, UNKNOWN or TRUE
        values = np.stack(
            [truth.possible.astype(np.uint8) + truth.certain.astype(np.uint8) for truth in truths]
        )
        what = values.any(axis=0) * STEPS + self._begins(frame, run) * STARTS
        function = np.minimum(frame.column("function").astype(np.int64), self.functions)
        keys = keys_of(
            function, (run.number(self.program.add(part)).value for part in self.automaton.key)
        )
        index = np.flatnonzero(what).astype(np.int64)
        symbols, symbol = distinct(values[:, index])
        rows = index if frame.rows is None else frame.rows[index]
        order = np.argsort(np.concatenate((lost[0], rows)), kind="stable")
        none = np.zeros(len(lost[0]), np.int64)
        hits = np.zeros(len(index), HIT)
        count = _walk(
            self._slots,
            self._epochs,
            self._base,
            self._table.rows(symbols),
            self._forbidden,
            (symbols == TRUE).argmax(axis=1),
            self.automaton.index(self.automaton.initial),
            np.concatenate((none - 1, index))[order],
            np.concatenate((none, symbol))[order],
            np.concatenate((none + LOSES, what[index]))[order],
            np.concatenate((lost[1], function[index]))[order],
            np.concatenate((none.astype(np.uint64), keys[index]))[order],
            hits,
            self.stepped,
            self.unknown,
        )
        return hits[:count]

    def _begins(self, frame: Frame, run: Run) -> NDArray[np.bool_]:
        reset = (frame.column("kind") == Kind.RESET) & (frame.column("phase") != Phase.REQUEST)
        begins: NDArray[np.bool_] = run.truth(self._starts).certain | reset
        return begins


@numba.njit(cache=True)
def _walk(
    slots: NDArray[np.void],
    epochs: NDArray[np.int64],
    base: NDArray[np.int64],
    steps: NDArray[np.int32],
    forbidden: NDArray[np.bool_],
    stranger: NDArray[np.int64],
    initial: int,
    index: NDArray[np.int64],
    symbol: NDArray[np.int64],
    what: NDArray[np.int64],
    function: NDArray[np.int64],
    keys: NDArray[np.uint64],
    hits: NDArray[np.void],
    stepped: NDArray[np.int64],
    unknown: NDArray[np.int64],
) -> int:
    count = 0
    nowhere = steps.shape[1] - 1
    for i in range(len(index)):
        f = function[i]
        if what[i] & LOSES:
            for each in range(0 if f < 0 else f, len(epochs) if f < 0 else f + 1):
                epochs[each] += 1
                base[each] = nowhere
            continue
        if what[i] & STARTS:
            epochs[f] += 1
            base[f] = initial
        if not what[i] & STEPS:
            continue
        slot = slots[_slot(slots, keys[i], i)]
        if slot.epoch != epochs[f]:
            slot.epoch, slot.state = epochs[f], base[f]
        before = slot.state
        slot.state = steps[symbol[i], before, 0]
        edge = steps[symbol[i], before, 1]
        if before == nowhere or slot.state == nowhere:
            unknown[f] += 1
            continue
        stepped[f] += 1
        if edge == MISFIT or (edge != NO_EDGE and forbidden[edge]):
            hits[count].index, hits[count].state = index[i], before
            hits[count].edge = stranger[symbol[i]] if edge == MISFIT else edge
            count += 1
    return count


@numba.njit(cache=True)
def _slot(slots: NDArray[np.void], key: np.uint64, now: Any) -> int:
    base = np.int64(key >> np.uint64(20)) & (len(slots) - 1)
    oldest = base
    for way in range(_WAYS):
        place = (base + way) & (len(slots) - 1)
        if slots[place].key == key and slots[place].used > 0:
            return int(place)
        if slots[place].used < slots[oldest].used:
            oldest = place
    slots[oldest].key, slots[oldest].epoch, slots[oldest].used = key, 0, now + 1
    return int(oldest)
