# SPDX-License-Identifier: Apache-2.0
"""A trace as a pandas data frame. Imported when one is asked for: pandas is slow to import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from uvtrace.trace.layout import VIEWS, kinds_of

if TYPE_CHECKING:
    from uvtrace.trace.trace import Trace

_NO_FACTS = frozenset({"reserved", "srcversion"})


def to_frame(trace: Trace, *, details: bool) -> pd.DataFrame:
    """See :meth:`uvtrace.trace.trace.Trace.to_pandas`."""
    columns: dict[str, Any] = dict(trace.columns())
    if details:
        for member in VIEWS:
            columns.update(_member(trace, member))
    return pd.DataFrame(columns, copy=False)


def _member(trace: Trace, member: str) -> dict[str, Any]:
    absent = ~np.isin(trace.column("kind"), kinds_of(member))
    view = trace.view(member)
    return {
        f"{member}.{name}": _nullable(view[name], absent)
        for name in VIEWS[member].names or ()
        if name not in _NO_FACTS
    }


def _nullable(values: NDArray[Any], absent: NDArray[np.bool_]) -> Any:
    if values.ndim == 1:
        return pd.arrays.IntegerArray(np.where(absent, 0, values).astype(values.dtype), absent)
    texts = np.full(len(values), None, object)
    present = np.flatnonzero(~absent)
    texts[present] = [values[row].tobytes().hex() for row in present]
    return pd.array(texts, dtype="string")
