# SPDX-License-Identifier: Apache-2.0
"""Which step an automaton makes: a table, looked up by state and by which guards hold."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.automaton import ANY, FORBIDDEN, Automaton, Edge

FALSE, UNKNOWN, TRUE = 0, 1, 2
"""The value of a guard."""
NO_EDGE: Final = -1
MISFIT: Final = -2
"""No edge is taken; a strict automaton's event fits an edge of another state only."""


class Step(NamedTuple):
    """Where an event leads.

    Attributes:
        state: index of the next state; ``len(states)`` where it is not known.
        edge: index of the edge taken, or NO_EDGE, or MISFIT.
    """

    state: int
    edge: int


class StepTable:
    """The steps of an automaton. Events whose guards have the same values share a row."""

    def __init__(self, automaton: Automaton) -> None:
        self._automaton = automaton
        self._unknown = len(automaton.states)
        self._order = [self._edges_from(state) for state in automaton.states]
        self._rows: dict[bytes, NDArray[np.int32]] = {}

    def rows(self, symbols: NDArray[np.uint8]) -> NDArray[np.int32]:
        """The steps of events by the values of their guards.

        Args:
            symbols: shape (n, edges), of FALSE, UNKNOWN and TRUE.

        Returns:
            Shape (n, states + 1, 2): next state and edge; the last state is the unknown one.
        """
        rows = [self._row(symbol) for symbol in symbols]
        shape = (len(symbols), self._unknown + 1, 2)
        return np.array(rows, np.int32).reshape(shape)

    def _row(self, symbol: NDArray[np.uint8]) -> NDArray[np.int32]:
        key = symbol.tobytes()
        found = self._rows.get(key)
        if found is None:
            steps = [self._step(state, symbol) for state in range(self._unknown)]
            found = np.array([*steps, self._from_unknown(steps)], np.int32)
            self._rows[key] = found
        return found

    def _edges_from(self, state: str) -> list[int]:
        edges = self._automaton.edges
        own = [index for index, edge in enumerate(edges) if edge.source == state]
        return own + [index for index, edge in enumerate(edges) if edge.source == ANY]

    def _step(self, state: int, symbol: NDArray[np.uint8]) -> Step:
        for index in self._order[state]:
            if symbol[index] == TRUE:
                return Step(self._target(state, self._automaton.edges[index]), index)
            if symbol[index] == UNKNOWN:
                return Step(self._unknown, NO_EDGE)
        fits_elsewhere = self._automaton.strict and bool(np.any(symbol == TRUE))
        return Step(state, MISFIT if fits_elsewhere else NO_EDGE)

    def _target(self, state: int, edge: Edge) -> int:
        return state if edge.target == FORBIDDEN else self._automaton.index(edge.target)

    def _from_unknown(self, steps: list[Step]) -> Step:
        """From a state that is not known: a step that every state would make alike."""
        one = steps[0]
        alike = all(step == one for step in steps)
        return one if alike and one.edge >= 0 else Step(self._unknown, NO_EDGE)


def distinct(values: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The different columns of guards' values, and which one each event has.

    Args:
        values: shape (edges, n).

    Returns:
        Shape (k, edges), and shape (n,) of 0 … k - 1.
    """
    code: NDArray[Any] = np.zeros(values.shape[1], np.int64)
    span = 1
    for value in values:
        code = code * 3 + value
        span *= 3
        if span > 1 << 40:
            _, code = np.unique(code, return_inverse=True)
            span = values.shape[1] + 1
    _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
    return np.ascontiguousarray(values[:, first].T), inverse.astype(np.int64)
