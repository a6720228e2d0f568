# SPDX-License-Identifier: Apache-2.0
"""Which guards hold, as one number per event."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from uvtrace.check.symbols import Symbols

GUARDS, ROWS = 5, 12


@settings(deadline=None)  # the loops are compiled when they are first called
@given(st.lists(st.lists(st.integers(0, 2), min_size=GUARDS, max_size=GUARDS), max_size=ROWS))
def test_events_with_the_same_guards_share_a_symbol(events: list[list[int]]) -> None:
    values = np.array(events, np.uint8).reshape(-1, GUARDS)
    symbols = Symbols(GUARDS)
    for chunk in (values[: len(values) // 2], values):
        rows = 3 * np.arange(len(chunk))
        held = [
            (guard, value, rows[chunk[:, guard] == value])
            for guard in range(GUARDS)
            for value in (1, 2)
        ]
        told = symbols.of(3 * ROWS, rows, held)
        assert symbols.values[told].tolist() == chunk.tolist()
        assert len(np.unique(symbols.values, axis=0)) == symbols.count


def test_an_event_of_which_no_guard_holds_has_the_symbol_zero() -> None:
    symbols = Symbols(2)
    assert symbols.of(4, np.array([1, 3]), [(1, 2, np.array([3]))]).tolist() == [0, 1]
    assert symbols.values.tolist() == [[0, 0], [0, 2]]
