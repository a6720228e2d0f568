# SPDX-License-Identifier: Apache-2.0
"""Which guards hold, as one number per event."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from uvtrace.check.steps import FALSE, TRUE, UNKNOWN
from uvtrace.check.symbols import Symbols

GUARDS, ROWS = 5, 12


def bits_of(values: NDArray[np.uint8], beyond: int = 0) -> NDArray[np.uint64]:
    """Two bits of each guard, and ``beyond`` behind them."""
    guards = values.shape[1]
    words = 2 * guards // 64 + 1
    rows = []
    for event in values.tolist():
        number = beyond << 2 * guards
        for guard, value in enumerate(event):
            number |= {FALSE: 0, UNKNOWN: 2, TRUE: 1}[value] << 2 * guard
        rows.append([number >> 64 * word & (1 << 64) - 1 for word in range(words)])
    return np.array(rows, np.uint64).reshape(-1, words)


@settings(deadline=None)  # the loops are compiled when they are first called
@given(st.lists(st.lists(st.integers(0, 2), min_size=GUARDS, max_size=GUARDS), max_size=ROWS))
def test_events_with_the_same_guards_share_a_symbol(events: list[list[int]]) -> None:
    values = np.array(events, np.uint8).reshape(-1, GUARDS)
    symbols = Symbols(GUARDS)
    for chunk in (values[: len(values) // 2], values):
        told = symbols.of(bits_of(chunk))
        assert symbols.values[told].tolist() == chunk.tolist()
        assert len(np.unique(symbols.values, axis=0)) == symbols.count


def test_an_event_of_which_no_guard_holds_has_the_symbol_zero() -> None:
    symbols = Symbols(2)
    told = symbols.of(bits_of(np.array([[0, 0], [0, 2]], np.uint8), beyond=3))
    assert told.tolist() == [0, 1]
    assert symbols.values.tolist() == [[0, 0], [0, 2]]


@pytest.mark.parametrize("guards", [31, 32, 33, 70])
def test_there_is_room_for_any_number_of_guards_and_symbols(guards: int) -> None:
    values = np.random.default_rng(guards).integers(0, 3, (500, guards)).astype(np.uint8)
    symbols = Symbols(guards)
    told = symbols.of(bits_of(values))
    assert symbols.values[told].tolist() == values.tolist()
    assert symbols.of(bits_of(values)).tolist() == told.tolist()
