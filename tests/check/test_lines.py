# SPDX-License-Identifier: Apache-2.0
"""Structures that begin where cache lines do."""

from __future__ import annotations

import numpy as np
import pytest

from uvtrace.check.lines import LINE, lined
from uvtrace.check.native.access import offset_in_row
from uvtrace.check.passes.mapping_kernel import TOLD
from uvtrace.check.passes.mapping_table import ENTRY
from uvtrace.loops.heads import address_of

PAIR = np.dtype([("one", np.int64), ("rest", np.int64, 7)])


@pytest.mark.parametrize("count", [0, 1, 5, 1000])
def test_every_structure_begins_a_cache_line(count: int) -> None:
    pairs = lined(count, PAIR)
    assert len(pairs) == count
    assert address_of(pairs) % LINE == 0


def test_they_are_zeros_and_can_be_written() -> None:
    pairs = lined(9, PAIR)
    assert not pairs["rest"].any()
    pairs["one"][8] = 3
    assert pairs["one"].tolist() == [0] * 8 + [3]


def test_a_field_lies_as_far_behind_the_line_as_behind_the_structure() -> None:
    assert offset_in_row(lined(9, PAIR)[2:5]["one"]) == 0


@pytest.mark.parametrize(
    ("dtype", "hot"),
    [
        (TOLD, ("mapping_id", "mapping_state", "mapping_room", "mapping_slot", "meets_synced")),
        (ENTRY, ("address", "length", "state", "function", "family", "next")),
    ],
)
def test_what_is_looked_at_most_lies_on_the_first_line(
    dtype: np.dtype[np.void], hot: tuple[str, ...]
) -> None:
    assert dtype.itemsize % LINE == 0
    assert dtype.fields is not None
    assert all(dtype.fields[name][1] < LINE for name in hot)
