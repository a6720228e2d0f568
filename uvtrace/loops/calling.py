# SPDX-License-Identifier: Apache-2.0
"""Calling the code of a loop without numba."""

from __future__ import annotations

import ctypes
import pickle
import struct
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

from uvtrace.loops.code import Linker

_ENTRY: Final = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)
_ERROR: Final = struct.Struct("@Pi4xPPi4x")
"""Where numba's code describes what it raises: the pickle, its size, values that are known only
then, by what they are made objects of, and how many."""
_WORD: Final = (1 << 64) - 1

NUMBER: Final = "i"
WORD: Final = "u"
TRUTH: Final = "b"
TUPLE: Final = "t"
"""Begins the form of a tuple; the forms of its elements follow. Nothing has an empty form."""

_READ: Final[dict[str, Callable[[int], int | bool]]] = {
    NUMBER: int,
    WORD: lambda number: number & _WORD,
    TRUTH: lambda number: bool(number & 1),
}


def room_of(form: str) -> int:
    """How many numbers come before the arguments: the result, and where an error is described."""
    return max(len(form.removeprefix(TUPLE)), 1) + 1


class Entry:
    """A loop for arguments of some types.

    Attributes:
        address: of its code.

    Args:
        name: of the function in the object file that takes the address of an array of numbers:
            room for the result and for the address of an error, then the arguments.
        kept: the form of the result, a line's end, and the object file.
    """

    def __init__(self, name: str, kept: bytes) -> None:
        form, _, content = kept.partition(b"\n")
        self._form = form.decode()
        self._room = room_of(self._form)
        self._results = struct.Struct(f"{self._room}q")
        self._blocks: dict[int, tuple[Any, struct.Struct]] = {}
        self.address = _linker().address_of(name, content)
        self._call = _ENTRY(self.address)

    def __call__(self, numbers: Sequence[int]) -> Any:
        """Call it with what :func:`uvtrace.loops.arguments.taken_apart` gives."""
        block = self.block_of(numbers)
        status = self._call(block)
        form = self._form
        if not status and not form:
            return None
        results = self._results.unpack_from(block)
        if status:
            raise _error(status, results[-1])
        if form[0] == TUPLE:
            return tuple([_READ[of](number) for of, number in zip(form[1:], results, strict=False)])
        return _READ[form](results[0])

    def block_of(self, numbers: Sequence[int]) -> Any:
        """What its code is given."""
        made, layout = self._blocks.get(len(numbers)) or self._laid_out(len(numbers))
        block = made()
        layout.pack_into(block, 0, *numbers)
        return block

    def _laid_out(self, count: int) -> tuple[Any, struct.Struct]:
        """The block that it is called with, and how so many numbers lie in it."""
        layout = struct.Struct(f"{8 * self._room}x{count}q")
        self._blocks[count] = ctypes.c_char * layout.size, layout
        return self._blocks[count]


@cache
def _linker() -> Linker:
    return Linker()


def _error(status: int, at: int) -> BaseException:
    """What a loop raises."""
    if status < 0 or not at:
        return RuntimeError(f"a loop ended with status {status}")
    description = ctypes.string_at(at, _ERROR.size)
    pickled, size, _, dynamic, _ = _ERROR.unpack(description)
    kind, arguments, _ = pickle.loads(ctypes.string_at(pickled, size))
    made: BaseException = kind(*(() if dynamic else arguments))
    return made
