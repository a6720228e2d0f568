# SPDX-License-Identifier: Apache-2.0
"""Arrays for compiled loops by their address, so that columns of different types share a list."""

from __future__ import annotations

from typing import Any, Final

import numba
from numba import carray, types  # type: ignore[attr-defined]
from numba.core import cgutils
from numba.extending import intrinsic

_UNBOUNDED: Final = 1 << 40


@intrinsic
def _pointer(_: Any, address: Any) -> Any:
    """An address as a pointer."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(address), generate


@numba.njit()
def array_at(address: Any, dtype: Any) -> Any:
    """The array that begins at an address; its length is for the caller to know."""
    return carray(_pointer(address), _UNBOUNDED, dtype)  # type: ignore[call-arg]
