# SPDX-License-Identifier: Apache-2.0
"""Copies of a replay under way, to come back to."""

from __future__ import annotations

import copyreg
import pickle
from collections import ChainMap
from io import BytesIO
from typing import Any

import numpy as np

from uvtrace.device.config import ConfigSpace
from uvtrace.errors import UvtraceError
from uvtrace.registers.map import Register, RegisterMap

_UNCHANGING = (RegisterMap, Register, ConfigSpace)


class Copier:
    """Makes copies as bytes. What never changes is left out: descriptions and their arrays, and
    everything of the types of ``constants``."""

    def __init__(self, *constants: object) -> None:
        self._kept: dict[int, object] = {}
        types = (*_UNCHANGING, *(type(each) for each in constants))
        reducers: dict[type, Any] = dict.fromkeys(types, self._keep)
        reducers[np.ndarray] = self._keep_if_constant
        # Pickle looks a type up there before it asks the object: no call for all the others.
        self._table = ChainMap(reducers, copyreg.dispatch_table)

    def _keep(self, thing: object) -> tuple[Any, ...]:
        self._kept[id(thing)] = thing
        return recall, (id(thing),)

    def _keep_if_constant(self, array: np.ndarray[Any, Any]) -> str | tuple[Any, ...]:
        return array.__reduce__() if array.flags.writeable else self._keep(array)

    def copy(self, thing: object) -> bytes | None:
        """A copy; None: it holds what cannot be copied, such as a handler that waits."""
        buffer = BytesIO()
        pickler = pickle.Pickler(buffer, protocol=5)
        pickler.dispatch_table = self._table
        try:
            pickler.dump(thing)
        except (TypeError, AttributeError, pickle.PicklingError):
            return None
        return buffer.getvalue()

    def restore(self, state: bytes) -> Any:
        """What was copied, as it was then."""
        unpickler = _Unpickler(BytesIO(state))
        unpickler.kept = self._kept
        return unpickler.load()


def recall(number: int) -> object:
    """Stands in a copy for what was left out; reading the copy puts it back."""
    raise UvtraceError(f"{number:#x} is known to the copier only")


class _Unpickler(pickle.Unpickler):
    kept: dict[int, object]

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if (module_name, global_name) == (__name__, recall.__name__):
            return self.kept.__getitem__
        return super().find_class(module_name, global_name)
