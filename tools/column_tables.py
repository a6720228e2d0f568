# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/writing-rules.md, from the columns' declarations."""

from __future__ import annotations

import numpy as np

from uvtrace.check.columns import FAMILIES
from uvtrace.check.expression import Column, EventColumn, TruthColumn


def column_table(family: str) -> str:
    """The columns of a family of :data:`uvtrace.check.columns.FAMILIES`, as a table."""
    rows = [_row(column) for column in FAMILIES[family]]
    return "\n".join(["| column | type | tells |", "|-|-|-|", *rows]) + "\n"


def _row(column: Column) -> str:
    kind = np.dtype(column.dtype).name
    if isinstance(column, EventColumn):
        kind = "event"
    elif isinstance(column, TruthColumn):
        kind = "truth"
    if column.values is not None:
        kind = f"{kind}, {column.values.__name__}"
    unit = f" ({column.unit})" if column.unit else ""
    unknown = "; can be unknown" if column.unknown is not None else ""
    return f"| `{column.name}` | {kind} | {column.meaning}{unit}{unknown} |"
