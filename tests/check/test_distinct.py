# SPDX-License-Identifier: Apache-2.0
"""Numbers, each once, in order."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from uvtrace.check.distinct import distinct


@given(st.lists(st.integers(-3, 3)))
def test_numbers_come_in_order_and_once(numbers: list[int]) -> None:
    assert distinct(np.array(numbers, np.int64)).tolist() == sorted(set(numbers))
