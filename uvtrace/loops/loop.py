# SPDX-License-Identifier: Apache-2.0
"""Loops, and the steps of which they consist.

A loop goes over arrays and changes state that lies in arrays; it makes no arrays of its own. So
nobody need count who refers to them: the caller holds every one. That counting, one atomic
addition per array of every tuple that a step is given, costs more than the steps do.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Hashable, Sequence
from functools import cache, update_wrapper
from importlib.metadata import distribution, version
from pathlib import Path
from threading import RLock
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from uvtrace.loops import store
from uvtrace.loops.arguments import UnusualArgumentError, taken_apart, types_of

if TYPE_CHECKING:
    from uvtrace.loops.calling import Entry

_Function = TypeVar("_Function", bound=Any)

_COMPILERS: Final = (
    *("arguments.py", "building.py", "calling.py", "code.py"),
    *("copying.py", "fetching.py", "heads.py"),
)
"""By what a loop becomes code that can be called."""
_LOCK: Final = RLock()


class Bound(NamedTuple):
    """A loop and its arguments, for machine code to call.

    Attributes:
        code: the address of a function; it takes the next one, and returns a number, 0 unless the
            loop raises something.
        block: the address of what it is given.
        kept: what must be there as long as it is called.
    """

    code: int
    block: int
    kept: tuple[Any, ...]


class Loop:
    """A function that Python calls, and other loops may: compiled at its first call, and kept.

    It returns nothing, a number, a truth, or a tuple of numbers. What it raises, it raises as
    Python would.

    Attributes:
        function: as it is written.
        makes_arrays: it does, and may return them; numba must call it.
    """

    def __init__(self, function: Any, *, makes_arrays: bool = False) -> None:
        update_wrapper(self, function)
        self.function: FunctionType = function
        self.makes_arrays = makes_arrays
        self._codes: dict[Hashable, Callable[[list[int]], Any]] = {}
        self._of_types: dict[Hashable, Callable[[list[int]], Any] | None] = {}

    def __call__(self, *arguments: Any) -> Any:
        """Call the code for arguments of these types; it is found or made when first needed."""
        numbers: list[int] = []
        try:
            told = taken_apart(arguments, numbers)
        except UnusualArgumentError:
            return self._plain(*arguments)
        code = self._codes.get(told)
        if code is not None:
            return code(numbers)
        types = types_of(arguments)
        with _LOCK:
            if types not in self._of_types:
                self._of_types[types] = self._found(types, arguments)
        code = self._of_types[types]
        if code is None:
            return self._plain(*arguments)
        self._codes[told] = code
        return code(numbers)

    def bound(self, *arguments: Any) -> Bound:
        """The loop with these arguments; what it returns goes unheard.

        Raises:
            TypeError: only numba can call it.
        """
        numbers: list[int] = []
        taken_apart(arguments, numbers)
        with _LOCK:
            entry = self._entry(types_of(arguments), arguments)
        if entry is None:
            raise TypeError(f"{self.function.__qualname__} cannot be called without numba")
        block = entry.block_of(numbers)
        return Bound(entry.address, ctypes.addressof(block), (entry, block, arguments))

    def _found(
        self, types: tuple[Hashable, ...], arguments: Sequence[Any]
    ) -> Callable[[list[int]], Any] | None:
        """The code for arguments, loaded; None: it is numba that must call it."""
        if self.makes_arrays or not store.is_there():
            return None
        return self._entry(types, arguments)

    def _entry(self, types: tuple[Hashable, ...], arguments: Sequence[Any]) -> Entry | None:
        from uvtrace.loops.calling import Entry
        from uvtrace.loops.code import processor
        from uvtrace.loops.source import digest

        name = f"{self.function.__module__}.{self.function.__qualname__}"
        text = digest(self.function)
        key = store.key_of(_state(), processor(), name, text, _described(types))
        kept = store.load(key)
        if kept is None:
            from uvtrace.loops.building import built

            kept = built(self, arguments, f"loop_{key}")
            store.save(key, kept)
        return Entry(f"loop_{key}", kept) if kept else None

    def _plain(self, *arguments: Any) -> Any:
        """Have numba call it, and keep what it compiles."""
        from uvtrace.loops.building import dispatcher_of

        return dispatcher_of(self)(*arguments)


def loop(function: _Function) -> _Function:
    """A function that Python calls: compiled at its first call, and kept on disk."""
    made: Any = Loop(function)
    compiled: _Function = made
    return compiled


def making_loop(function: _Function) -> _Function:
    """A loop that makes arrays, which takes longer to begin with."""
    made: Any = Loop(function, makes_arrays=True)
    compiled: _Function = made
    return compiled


STEPS: Final[dict[FunctionType, dict[str, Any]]] = {}
"""Steps, and with what options they are compiled."""


def step(function: _Function) -> _Function:
    """A function that only loops and other steps call: compiled as a part of each of them.

    A call would hand over every array of every tuple by its seven numbers: that can cost more
    than the step does. Python that calls it runs it as it is written.
    """
    STEPS[function] = {"forceinline": True}
    return function


def rare_step(function: _Function) -> _Function:
    """A step that is made so seldom that it is called: to have it in every loop takes longer to
    compile."""
    STEPS[function] = {}
    return function


def fetch(array: NDArray[Any], index: int) -> None:
    """Ask for an element of an array that is looked at some events later. Python need not."""


def fetch_line(array: NDArray[Any], index: int) -> None:
    """Ask for the first cache line of such an element."""


def lowest_bit(word: np.uint64) -> int:
    """Which is the lowest bit that a word has, which is not 0."""
    return (int(word) & -int(word)).bit_length() - 1


def copy_element(source: NDArray[Any], start: int, into: NDArray[Any], index: int) -> None:
    """Fill an element, a structure, with what lies in ``source`` from the start-th element on.

    Both indices are counted from the arrays' beginnings, and neither is checked. Compiled, it moves
    as many bytes at once as the processor can; a loop over numbers would look up each of them.
    """
    element = into[index : index + 1].view(source.dtype)
    element[:] = source[start : start + len(element)]


def _described(value: Hashable) -> str:
    """Types, as they are called in every process."""
    if isinstance(value, tuple):
        return f"({','.join(map(_described, value))})"
    if isinstance(value, np.dtype):
        return _of_elements(value)
    return f"{value.__module__}.{value.__qualname__}" if isinstance(value, type) else repr(value)


@cache
def _of_elements(dtype: np.dtype[Any]) -> str:
    return repr(dtype)


@cache
def _state() -> str:
    """What all code of loops depends on: what compiles it, and what it is written in."""
    here = Path(__file__).parent
    ours = store.digest_of(*(here / name for name in _COMPILERS))
    libraries = (np.__version__, _told_of("numba"), _told_of("llvmlite"))
    return f"{ours} {libraries} {sys.version_info}"


def _told_of(library: str) -> str:
    """What tells a version of a library from others: all that is told of it, as its version alone
    would have to be looked for in that."""
    return distribution(library).read_text("METADATA") or version(library)
