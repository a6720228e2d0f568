# SPDX-License-Identifier: Apache-2.0
"""How the loops of the check engine are compiled.

A loop goes over the columns of a chunk and changes state that lies in arrays; it makes no arrays
of its own. So numba need not count who refers to them: the caller holds every one. That counting,
one atomic addition per array of every tuple that a step is given, costs more than the steps do.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

import numba
from numba.core.options import DefaultOptions
from numba.extending import register_jitable
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


@step
def copy_row(target: NDArray[Any], to: int, source: NDArray[Any], of: int) -> None:
    """One row of a matrix becomes one of another; a slice would be copied by way of a new array."""
    for column in range(source.shape[1]):
        target[to, column] = source[of, column]
