# SPDX-License-Identifier: Apache-2.0
"""What loops must know of an array, read where numpy keeps it: attributes take far longer.

An array object begins with what every object begins with, and then holds its address, how many
dimensions it has, where its shape and its strides lie, whose memory it is a part of, its dtype and
its flags: PyArrayObject_fields of numpy's C API, which is a part of its ABI. Whether the installed
numpy keeps to it is looked at once; else attributes are asked for.
"""

from __future__ import annotations

import ctypes
import struct
import sys
from collections.abc import Callable
from typing import Any, Final

import numpy as np

_BETWEEN: Final = 3 * struct.calcsize("P")
"""Bytes of what is not asked for: where the shape and the strides lie, and whose memory it is."""
_unpack: Callable[[Any, int], Any] = struct.Struct(f"@Pi0P{_BETWEEN}xPi").unpack_from
_BEGIN: Final = object.__basicsize__
_MEMORY: Final = (ctypes.c_char * sys.maxsize).from_address(0)
"""All of the process: a view of each object would take as long as to read it."""

Head = tuple[int, int, int, int]
"""Of an array where it lies, how many dimensions it has, the identity of its dtype, its flags."""


def _read(array: Any) -> Head:
    head: Head = _unpack(_MEMORY, id(array) + _BEGIN)
    return head


def _asked(array: Any) -> Head:
    # The array interface would describe a structure field by field.
    return array.ctypes.data, array.ndim, id(array.dtype), array.flags.num


def _is_read_right() -> bool:
    pairs = np.zeros((3, 2), np.int16)
    some = pairs, pairs.T, pairs[1:, 0], np.zeros(4, "i8,u2")["f1"]
    return all(_read(array) == _asked(array) for array in some)


head_of = _read if _is_read_right() else _asked
"""The :data:`Head` of an array."""


def address_of(array: Any) -> int:
    """Where an array begins in memory."""
    return head_of(array)[0]
