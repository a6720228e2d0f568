# SPDX-License-Identifier: Apache-2.0
"""How the loops of the check engine are compiled.

A loop goes over the columns of a chunk and changes state that lies in arrays; it makes no arrays
of its own. So numba need not count who refers to them: the caller holds every one. That counting,
one atomic addition per array of every tuple that a step is given, costs more than the steps do.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.options import DefaultOptions
from numba.extending import intrinsic, register_jitable
from numpy.typing import NDArray

_Function = TypeVar("_Function", bound=Any)

_UNCOUNTED: Final = {"_nrt": False} if hasattr(DefaultOptions, "_nrt") else {}
"""Numba's option against counting references, where the installed version has it."""


def loop(function: _Function) -> _Function:
    """A function that Python calls: compiled at its first call, and kept on disk."""
    options: dict[str, Any] = {"cache": True, **_UNCOUNTED}
    compiled: _Function = numba.njit(**options)(function)
    return compiled


def step(function: _Function) -> _Function:
    """A function that only loops and other steps call: compiled as a part of each of them.

    A call would hand over every array of every tuple by its seven numbers: that can cost more
    than the step does. Python that calls it runs it as it is written.
    """
    usable: _Function = register_jitable(forceinline=True, **_UNCOUNTED)(function)
    return usable


def rare_step(function: _Function) -> _Function:
    """A step that is made so seldom that it is called: to have it in every loop takes longer to
    compile."""
    usable: _Function = register_jitable(**_UNCOUNTED)(function)
    return usable


_CACHE_LINE: Final = 64
AHEAD: Final = 12
"""How many events before it is looked at a record is asked for."""


def _fetch_code(typing_context: Any, array: Any, index: Any) -> Any:
    """Ask for an element of an array, all of it, before it is needed."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        of, number = signature.args[0], arguments[1]
        view = context.make_array(of)(context, builder, arguments[0])
        places: Any = cgutils
        place = places.get_item_pointer(context, builder, of, view, [number], wraparound=False)
        pointer, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        shape = ir.FunctionType(ir.VoidType(), [pointer, word, word, word])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [pointer], shape)
        begin = builder.bitcast(place, pointer)
        size = context.get_abi_sizeof(context.get_data_type(of.dtype))
        for line in range(0, size, _CACHE_LINE):
            at = builder.gep(begin, [word(line)])
            builder.call(prefetch, [at, word(0), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(array, types.intp), code


_fetch: Any = intrinsic(_fetch_code)


@register_jitable(forceinline=True)
def fetch(array: NDArray[Any], index: int) -> None:
    """Ask for an element of an array that is looked at some events later."""
    _fetch(array, index)


@register_jitable(forceinline=True)
def fetch_ahead(records: NDArray[Any], rows: NDArray[np.int64], i: int) -> None:
    """Ask for the record of an event that is looked at some events after the ``i``-th.

    Events are every third or tenth record, so that the processor does not guess which come.
    """
    if i + AHEAD < len(rows):
        _fetch(records, rows[i + AHEAD])


@step
def copy_row(target: NDArray[Any], to: int, source: NDArray[Any], of: int) -> None:
    """One row of a matrix becomes one of another; a slice would be copied by way of a new array."""
    for column in range(source.shape[1]):
        target[to, column] = source[of, column]
