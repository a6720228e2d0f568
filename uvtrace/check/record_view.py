# SPDX-License-Identifier: Apache-2.0
"""Records as a compiled loop reads them: the few fields that it needs, where they lie."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from uvtrace.trace.layout import RECORD, RECORD_SIZE, UNION_SIZE

_UNION: Final = RECORD_SIZE - UNION_SIZE
_NO_MEMBERS: Final[Mapping[str, tuple[np.dtype[Any], str]]] = MappingProxyType({})


def record_view(
    common: tuple[str, ...], members: Mapping[str, tuple[np.dtype[Any], str]] = _NO_MEMBERS
) -> np.dtype[np.void]:
    """A dtype of the size of a record, with some of its fields.

    Args:
        common: fields that every kind has.
        members: fields of the union, by the name that they get: the member and its field.
    """
    names, formats, offsets = list(common), [], []
    for name in common:
        formats.append(_fields(RECORD)[name][0])
        offsets.append(int(_fields(RECORD)[name][1]))
    for name, (member, field) in members.items():
        names.append(name)
        formats.append(_fields(member)[field][0])
        offsets.append(_UNION + int(_fields(member)[field][1]))
    return np.dtype(
        {"names": names, "formats": formats, "offsets": offsets, "itemsize": RECORD_SIZE}
    )


def _fields(dtype: np.dtype[Any]) -> Mapping[str, Any]:
    assert dtype.fields is not None
    return dtype.fields
