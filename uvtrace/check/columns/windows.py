# SPDX-License-Identifier: Apache-2.0
"""Columns of windows that decode one address, told at the config write that made them clash."""

from __future__ import annotations

from typing import Final

import numpy as np

from uvtrace.check.expression import Column, EventColumn, NumberColumn

clash_bar = NumberColumn(
    "clash_bar",
    np.int8,
    "the function's own enabled BAR (6 the ROM) that another enabled window overlaps after this"
    " config write; -1 none",
)
clash_other_bar = NumberColumn("clash_other_bar", np.int8, "the other window's BAR")
clash_other_function = NumberColumn(
    "clash_other_function", np.int32, "the index of the function that the other window belongs to"
)
clash_address = NumberColumn("clash_address", np.uint64, "the first address that both decode")
clash_other_since = EventColumn(
    "clash_other_since", np.int64, "what put the other window where it is"
)

COLUMNS: Final[tuple[Column, ...]] = tuple(
    term for term in globals().copy().values() if isinstance(term, Column)
)
