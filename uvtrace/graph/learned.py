# SPDX-License-Identifier: Apache-2.0
"""A state machine of the device, learned from what a driver wrote and read.

AALpy's state merging (RPNI) gives the machine that answers every access of the run as the device
did. It is a draft: what the run did not try it cannot know, and states that the run did not tell
apart, or not often enough, are merged or doubled.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from uvtrace.errors import EnvironmentLacksError, UvtraceError
from uvtrace.graph.accesses import RegisterNames, accesses
from uvtrace.graph.drawing import Graph, add_edge, add_node, new_graph
from uvtrace.registers import RegisterMap
from uvtrace.trace.functions import Function
from uvtrace.trace.trace import Trace

MAX_STEPS: Final = 1200
"""Accesses that are learned from: merging takes time that grows with their square."""
MAX_VALUES: Final = 8
"""A register with more different values carries data, not state."""
MAX_REGISTERS: Final = 10
"""Registers that are learned from, unless they are named: a picture of more cannot be read."""
MAX_REPEATS: Final = 2
"""How much of a run of equal steps is learned from: polling tells nothing by its length."""
_TAIL = 2

Step = tuple[str, str]
"""What the driver did (``CTRL = 0x1``, ``read STATUS``) and what the device answered."""


@dataclass(frozen=True)
class Steps:
    """What is learned from.

    Attributes:
        episodes: a sequence of steps for each probe or reset.
        taken: how many accesses they stand for; of many alike in a row two are steps.
        all: how many accesses there were.
    """

    episodes: list[list[Step]]
    taken: int
    all: int


def learned_graph(
    trace: Trace,
    function: Function,
    described: RegisterMap | None = None,
    *,
    registers: Collection[str] = (),
    max_steps: int = MAX_STEPS,
) -> Graph:
    """Learn a state machine of a device.

    Registers whose values differ more than :data:`MAX_VALUES` times are left out, as are those
    that are only read and never change. Of the others :data:`MAX_REGISTERS` are taken, first
    those that the driver changes and that change when they are read.

    Args:
        trace: what :func:`uvtrace.open` gives.
        function: of the trace.
        described: names the registers.
        registers: learn from these alone, by name.
        max_steps: how many steps to learn from.

    Returns:
        A ``networkx.MultiDiGraph``, a draft; see :mod:`uvtrace.graph.drawing`. An edge's count
        says how often it was taken in what was learned from.

    Raises:
        UvtraceError: the trace has no such access.
        EnvironmentLacksError: AALpy is not installed.
    """
    steps = gathered(trace, function, RegisterNames(described), registers, max_steps)
    if not steps.episodes:
        raise UvtraceError(
            "no register access to learn from", where=function.name, hint="try --mine registers"
        )
    model, method = _learn(steps.episodes)
    numbers = {state: number for number, state in enumerate(_reached(model))}
    note = f"learned by {method} from {steps.taken} of {steps.all} accesses"
    graph = new_graph("learned", f"behaviour of {function.name}", draft=True, note=note)
    group = f"{function.name} ({function.driver})" if function.driver else function.name
    counts = _counts(model, steps.episodes)
    entered: dict[Any, int] = {model.initial_state: len(steps.episodes)}
    for (source, _, _, target), count in counts.items():
        entered[target] = entered.get(target, 0) + (count if source is not target else 0)
    for state, number in numbers.items():
        initial = state is model.initial_state
        count = entered.get(state, 0)
        add_node(
            graph, f"{function.name} s{number}", f"s{number}", group, count=count, initial=initial
        )
    for (source, step, answer, target), count in counts.items():
        ends = (f"{function.name} s{numbers[source]}", f"{function.name} s{numbers[target]}")
        add_edge(graph, *ends, f"{step} → {answer}" if answer else step, count=count)
    return graph


def gathered(
    trace: Trace,
    function: Function,
    names: RegisterNames,
    registers: Collection[str],
    max_steps: int,
) -> Steps:
    """The steps to learn from; see :func:`learned_graph`."""
    sight = _Values()
    for each in accesses(trace, function, reads=True):
        named = names.of(each.place, each.write)
        sight.see(named, each.write, each.value)
    chosen = sight.chosen() if not registers else set(registers)
    episodes: dict[int, list[Step]] = {}
    taken = length = 0
    for each in accesses(trace, function, reads=True):
        named = names.of(each.place, each.write)
        for row in np.flatnonzero(np.isin(named.astype(str), sorted(chosen))).tolist():
            if length >= max_steps:
                break
            step = sight.step(str(named[row]), bool(each.write[row]), int(each.value[row]))
            episode = episodes.setdefault(int(each.epoch[row]), [])
            if episode[-MAX_REPEATS:] != [step] * MAX_REPEATS:
                episode.append(step)
                length += 1
            taken += 1
    return Steps(list(episodes.values()), taken, sight.accesses)


@dataclass
class _Values:
    """The different values of each register, up to one more than matter."""

    written: dict[str, set[int]] = field(default_factory=dict)
    read: dict[str, set[int]] = field(default_factory=dict)
    accesses: int = 0

    def see(self, names: Any, write: Any, value: Any) -> None:
        self.accesses += len(names)
        for name, writes, number in zip(names, write, value, strict=True):
            known = (self.written if writes else self.read).setdefault(name, set())
            if len(known) <= MAX_VALUES:
                known.add(int(number))

    def chosen(self) -> set[str]:
        """The registers that tell of states: best those that change both ways, in few values."""
        ranks = {}
        for name in {*self.written, *self.read}:
            written, read = len(self.written.get(name, ())), len(self.read.get(name, ()))
            if max(written, read) <= MAX_VALUES and (written or read > 1):
                changes = (written > 1) + (read > 1)
                ranks[name] = (-changes, written + read, name)
        return set(sorted(ranks, key=lambda name: ranks[name])[:MAX_REGISTERS])

    def step(self, name: str, write: bool, value: int) -> Step:
        """An access as input and answer."""
        if write:
            few = len(self.written[name]) <= MAX_VALUES
            return (f"{name} = {value:#x}" if few else f"write {name}"), ""
        few = len(self.read[name]) <= MAX_VALUES
        return f"read {name}", f"{value:#x}" if few else "…"


def _learn(episodes: list[list[Step]]) -> tuple[Any, str]:
    """A learned machine, and the method: RPNI, or k-tails where one device answers in two ways."""
    try:
        from aalpy.learning_algs.general_passive.GeneralizedStateMerging import run_GSM
        from aalpy.learning_algs.general_passive.GsmAlgorithms import run_k_tails
    except ImportError as error:
        raise EnvironmentLacksError("AALpy is not installed", hint="pip install aalpy") from error
    with warnings.catch_warnings():
        # That not every input is known in every state is what a draft is like.
        warnings.simplefilter("ignore")
        if _is_deterministic(episodes):
            model = run_GSM(
                episodes,
                output_behavior="mealy",
                transition_behavior="deterministic",
                data_format="io_traces",
            )
            return model, "RPNI"
        return run_k_tails(episodes, "mealy", _TAIL, print_info=False), f"k-tails (k = {_TAIL})"


def _is_deterministic(episodes: list[list[Step]]) -> bool:
    """Whether the same inputs always got the same answers."""
    tree: dict[str, Any] = {}
    for episode in episodes:
        node = tree
        for step, answer in episode:
            known, node = node.setdefault(step, (answer, {}))
            if known != answer:
                return False
    return True


def _moves(state: Any) -> list[tuple[str, str, Any]]:
    """The moves out of a state of a Mealy machine, or of a nondeterministic one."""
    moves = []
    for step, target in state.transitions.items():
        if isinstance(target, list):
            moves += [(step, answer, to) for answer, to in target]
        else:
            moves.append((step, state.output_fun[step], target))
    return sorted(moves, key=lambda move: (move[0], move[1]))


def _reached(model: Any) -> list[Any]:
    """The states, breadth first from the initial one: an order that means something."""
    order = [model.initial_state]
    known = {id(model.initial_state)}
    for state in order:
        for _, _, target in _moves(state):
            if id(target) not in known:
                known.add(id(target))
                order.append(target)
    return order


def _counts(model: Any, episodes: list[list[Step]]) -> dict[tuple[Any, str, str, Any], int]:
    """How often each move was made, in a fixed order."""
    counts = {
        (state, step, answer, target): 0
        for state in _reached(model)
        for step, answer, target in _moves(state)
    }
    for episode in episodes:
        states = {model.initial_state}
        for step, answer in episode:
            moves = [
                (state, step, answer, target)
                for state in states
                for known, given, target in _moves(state)
                if (known, given) == (step, answer)
            ]
            for move in moves:
                counts[move] += 1
            states = {target for _, _, _, target in moves}
    return counts
