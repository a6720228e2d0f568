# SPDX-License-Identifier: Apache-2.0
"""Where columns that are fields of the record lie in it."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numpy as np

from uvtrace.check.columns import ALL
from uvtrace.check.columns.record import COMMON_FIELDS, VIEW_FIELDS
from uvtrace.check.native.access import Access, How
from uvtrace.trace.layout import RECORD, RECORD_SIZE, UNION_SIZE, VIEW_OF_KIND, VIEWS

_UNION: Final = RECORD_SIZE - UNION_SIZE


@cache
def is_field(name: str) -> bool:
    """Whether a column is read of the record, whatever its kind."""
    if name in ("position", "site") or name in COMMON_FIELDS:
        return True
    return any(name in fields for fields in VIEW_FIELDS.values())


@cache
def field_access(name: str, kind: int) -> Access:
    """How a column that is a field is read of records of a kind."""
    if name == "position":
        return Access(How.POSITION)
    if name == "site":
        caller, ip = _access(RECORD, "caller", name), _access(RECORD, "ip", name)
        return caller._replace(instead=ip.offset)
    if name in COMMON_FIELDS:
        return _access(RECORD, COMMON_FIELDS[name], name)
    view = VIEW_OF_KIND.get(kind, "")
    if name not in VIEW_FIELDS.get(view, {}):
        return Access(How.CONSTANT, fill=0)
    access = _access(VIEWS[view], VIEW_FIELDS[view][name], name)
    return access._replace(offset=_UNION + access.offset)


def _access(layout: np.dtype[Any], field: str, name: str) -> Access:
    assert layout.fields is not None
    lies, offset = layout.fields[field][:2]
    own = np.dtype(ALL[name].dtype)
    # Columns of the same size are the same bits, and others count as they lie.
    counts = own if own.itemsize == lies.itemsize or layout is not RECORD else lies
    return Access(How.RECORD, lies.str[1:], counts.str[1:], offset=int(offset))
