# SPDX-License-Identifier: Apache-2.0
"""What a loop is given: of which types it is, and the numbers that compiled code takes for it.

The numbers are those of numba's calling convention: a tuple is the sequence of what it consists
of, an array the owner of its memory and the object (both unused, as nothing is counted), how many
elements, bytes of one, the address, its shape and its strides.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Final

import numpy as np

from uvtrace.loops.heads import head_of

_IN_ORDER: Final = 0x0001
_LAYOUT: Final = _IN_ORDER | 0x0002 | 0x0100 | 0x0400
"""Of numpy's flags those of C's and Fortran's order, of alignment and of being writeable."""
_WORD: Final = 1 << 64

_DTYPES: Final[dict[int, tuple[int, np.dtype[Any]]]] = {}
"""By its identity how many bytes an element of a dtype has, and the dtype: it is kept, so that
no other can have that identity."""


class UnusualArgumentError(TypeError):
    """A loop is given what only numba can take apart."""


def taken_apart(arguments: Sequence[Any], numbers: list[int]) -> tuple[Hashable, ...]:
    """Append what compiled code takes for arguments to ``numbers``.

    Returns:
        What tells their types from others in this process; see :func:`types_of`.

    Raises:
        UnusualArgumentError: there is one that is neither an array, a number, a truth nor a tuple
            of such.
    """
    return tuple([_apart(each, numbers) for each in arguments])


def types_of(arguments: Sequence[Any]) -> tuple[Hashable, ...]:
    """The types of arguments: what the code depends on, and nothing that differs between two
    processes."""
    return tuple([_type_of(each) for each in arguments])


def _apart(value: Any, numbers: list[int]) -> Hashable:
    kind = type(value)
    if kind is np.ndarray:
        return _array(value, numbers)
    if isinstance(value, tuple):
        return kind, taken_apart(value, numbers)
    if kind is bool or kind is np.bool_:
        numbers.append(int(value))
        return "truth"
    if kind is int or kind is np.int64 or kind is np.uint64:
        return _number(int(value), numbers, unsigned=kind is np.uint64)
    if isinstance(value, np.ndarray):
        return _array(value, numbers)
    raise UnusualArgumentError(kind.__name__)


def _array(value: Any, numbers: list[int]) -> Hashable:
    at, dimensions, dtype, flags = head_of(value)
    known = _DTYPES.get(dtype)
    if known is None:
        known = _DTYPES[dtype] = value.itemsize, value.dtype
    size = known[0]
    if dimensions == 1 and flags & _IN_ORDER:
        count = len(value)
        numbers += (0, 0, count, size, at, count, size)
    else:
        numbers += (0, 0, value.size, size, at, *value.shape, *value.strides)
    return dtype, dimensions, flags & _LAYOUT


def _number(value: int, numbers: list[int], unsigned: bool) -> Hashable:
    if not -(_WORD >> 1) <= value < _WORD:
        raise UnusualArgumentError("a number of more than 64 bits")
    large = value >= _WORD >> 1
    numbers.append(value - _WORD if large else value)
    return "word" if large or unsigned else "number"


def _type_of(value: Any) -> Hashable:
    if isinstance(value, np.ndarray):
        return value.dtype, value.ndim, value.flags.num & _LAYOUT
    if isinstance(value, tuple):
        return type(value), types_of(value)
    return _apart(value, [])
