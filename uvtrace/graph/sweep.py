# SPDX-License-Identifier: Apache-2.0
"""Runs a trace through a contract's automata, chunk by chunk, and counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.automaton import Automaton
from uvtrace.check.chunk import Chunk
from uvtrace.check.columns import record as record_columns
from uvtrace.check.contract import Contract
from uvtrace.check.loss import LossFollower
from uvtrace.check.program import Program, Run
from uvtrace.check.rules import Sight
from uvtrace.check.sight import Loss
from uvtrace.check.steps import TRUE, UNKNOWN, StepTable, distinct
from uvtrace.graph.coverage import Coverage, MachineCoverage
from uvtrace.graph.machines import LOSES, LOSES_ALL, STARTS, Machines
from uvtrace.registers import RegisterMap
from uvtrace.trace.enums import Kind, Phase
from uvtrace.trace.events import is_event
from uvtrace.trace.functions import Function
from uvtrace.trace.layout import FUNCTION_NONE
from uvtrace.trace.trace import Trace

if TYPE_CHECKING:
    from uvtrace.check.passes import Pass

CHUNK = 1 << 18
"""Records per step of the sweep: large enough for numpy, small enough for memory."""


def cover(
    trace: Trace,
    contract: Contract,
    functions: Iterable[Function] | None = None,
    *,
    registers: RegisterMap | None = None,
) -> Coverage:
    """Run a trace through a contract.

    A machine's state is unknown until the driver begins to probe, the function is reset, or an
    event comes that leads to the same state from every one; and again after loss.

    Args:
        trace: what :func:`uvtrace.open` gives.
        contract: the automata.
        functions: those of the trace that the contract is about; all by default.
        registers: what the registers are, for guards over ``columns.registers``.
    """
    chosen = tuple(trace.functions if functions is None else functions)
    sweeps = [_AutomatonSweep(automaton, chosen) for automaton in contract.automata]
    for chunk in _chunks(trace, _passes(trace, contract, registers)):
        for sweep in sweeps:
            sweep.take(chunk)
    machines = [machine for sweep in sweeps for machine in sweep.machines()]
    machines.sort(key=lambda machine: machine.function.index)
    return Coverage(contract.name, tuple(machines))


def _passes(trace: Trace, contract: Contract, registers: RegisterMap | None) -> list[Pass]:
    """What fills the columns that the guards look at."""
    terms = (term for automaton in contract.automata for term in automaton.terms())
    looked_at = {column.name for term in terms for column in term.columns()}
    if looked_at <= {column.name for column in record_columns.COLUMNS}:
        return []
    # Their compiled parts take a while to load, which most contracts need not wait for.
    from uvtrace.check.passes import PASSES, needed, with_inputs

    columns = with_inputs(looked_at)
    return [make(trace, columns, registers) for make in PASSES if needed(make, columns)]


def _chunks(trace: Trace, passes: list[Pass]) -> Iterator[Chunk]:
    losses = LossFollower(trace)
    first = 0
    for part in trace.chunks(CHUNK):
        records = part.records
        chunk = Chunk(records, first, losses.take(first, records), part.payload)
        for each in passes:
            each.run(chunk)
        yield chunk
        first += len(records)


class _AutomatonSweep:
    """One automaton over every function it is about."""

    def __init__(self, automaton: Automaton, functions: tuple[Function, ...]) -> None:
        self._automaton = automaton
        self._functions = functions
        self._steps = StepTable(automaton)
        self._machines = Machines(automaton, [function.index for function in functions])
        self._program = Program()
        guarded = (automaton.relevant & edge.guard for edge in automaton.edges)
        self._guards = [self._program.add(guard) for guard in guarded]
        self._starts_over = self._program.add(automaton.starts_over)
        self._key = [self._program.add(part) for part in automaton.key]

    def take(self, frame: Chunk) -> None:
        """The next records of the trace."""
        run = self._program.start(frame)
        function = frame.column("function")
        ours = np.isin(function, self._machines.functions)
        commands = self._commands(frame, run, ours)
        values = np.stack([_ternary(run, guard) for guard in self._guards])
        steps = values.any(axis=0) & ours & ((commands & ~LOSES_ALL) == 0)
        rows = np.flatnonzero(steps | (commands != 0))
        symbols, symbol = distinct(values[:, rows])
        keys = [run.number(part).value[rows] for part in self._key]
        owner = self._machines.owners(function[rows], keys, steps[rows])
        time_ns = frame.column("time_ns")
        self._machines.walk(
            self._steps.rows(symbols),
            symbol,
            owner,
            commands[rows],
            time_ns[rows],
            frame.column("position")[rows],
        )
        timed = ours & is_event(frame.column("kind"))
        self._machines.see_time(function[timed], time_ns[timed])

    def machines(self) -> list[MachineCoverage]:
        """The coverage of every machine, by function and key."""
        by_index = {function.index: function for function in self._functions}
        return self._machines.coverage(by_index)

    def _commands(self, frame: Chunk, run: Run, ours: NDArray[np.bool_]) -> NDArray[np.int8]:
        """What an event does to all machines of its function instead of a step, and loss to all."""
        kind, phase = frame.column("kind"), frame.column("phase")
        over, maybe_over = run.truth(self._starts_over)
        begins = over.copy()
        begins |= (kind == Kind.PROBE) & (phase != Phase.COMPLETION)
        begins |= (kind == Kind.RESET) & (phase != Phase.REQUEST)
        loses = (maybe_over & ~over) | self._unknown_keys(run)
        commands = np.zeros(len(frame), np.int8)
        commands[ours & begins] = STARTS
        commands[ours & loses] = LOSES
        for row, loss in zip(frame.losses.rows.tolist(), frame.losses.told, strict=True):
            if not _hides_events(loss):
                continue
            if loss.function == FUNCTION_NONE:
                commands[row] |= LOSES_ALL
            elif ours[row]:
                commands[row] = LOSES
        return commands

    def _unknown_keys(self, run: Run) -> NDArray[np.bool_] | bool:
        unknown: NDArray[np.bool_] | bool = False
        for part in self._key:
            known = run.number(part).known
            if known is not None:
                unknown = np.logical_or(unknown, ~known)
        return unknown


def _hides_events(loss: Loss) -> bool:
    """A hook that the kernel lacks is lacking throughout: nothing is missing just there."""
    return not loss.lasting or Sight.MMIO in loss.sights


def _ternary(run: Run, guard: int) -> NDArray[np.uint8]:
    certain, possible = run.truth(guard)
    return np.where(certain, TRUE, np.where(possible, UNKNOWN, 0)).astype(np.uint8)
