# SPDX-License-Identifier: Apache-2.0
"""What a loop is made of: its code, that of its steps, and the values that they name.

Whatever else changes in a file, the loop need not be compiled anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from enum import Enum
from functools import cache
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType
from typing import Any, Final

import numpy as np

from uvtrace.loops.loop import STEPS, Loop
from uvtrace.loops.store import digest_of

_PLAIN: Final = (int, float, str, bytes, type(None), type(...), np.generic, np.dtype)


def digest(function: FunctionType) -> str:
    """A digest of a function and of all that it refers to."""
    whole = hashlib.sha256()
    seen: set[FunctionType] = set()
    new = [function]
    while new:
        each = new.pop()
        if each not in seen:
            seen.add(each)
            text, called = _of_function(each)
            whole.update(text)
            new.extend(called)
    return whole.hexdigest()


@cache
def _of_function(function: FunctionType) -> tuple[bytes, tuple[FunctionType, ...]]:
    """A digest of a function without those that it calls; those."""
    codes = list(_codes(function.__code__))
    texts = [function.__qualname__, repr(function.__defaults__)]
    for code in codes:
        texts += (repr((code.co_code, code.co_names, code.co_varnames)), _constants(code))
    texts += [_of_value(cell.cell_contents, function) for cell in function.__closure__ or ()]
    called = []
    for name in [name for code in codes for name in code.co_names]:
        if name in function.__globals__:
            value = function.__globals__[name]
            if isinstance(value, Loop):
                value = value.function
                called.append(value)
            elif isinstance(value, FunctionType) and value in STEPS:
                called.append(value)
            texts.append(f"{name}={_of_value(value, function)}")
    return hashlib.sha256("\0".join(texts).encode()).digest(), tuple(called)


def _codes(code: CodeType) -> Iterable[CodeType]:
    """A function's code, and that of functions within it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _constants(code: CodeType) -> str:
    # Sets of texts have another order in every process.
    return repr(
        [
            sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant
            for constant in code.co_consts
            if not isinstance(constant, CodeType)
        ]
    )


def _of_value(value: Any, function: FunctionType) -> str:
    """A value that a function names."""
    if isinstance(value, Enum):
        return repr(value)
    if isinstance(value, _PLAIN):
        return f"{type(value)} {value!r}"
    if isinstance(value, tuple):
        return f"{type(value)} {[_of_value(each, function) for each in value]}"
    if isinstance(value, np.ndarray):
        return f"{value.dtype!r} {value.shape} {value.tobytes().hex()}"
    if value is np:
        return np.__name__
    if isinstance(value, FunctionType | BuiltinFunctionType):
        return value.__name__
    if isinstance(value, type):
        members = list(value) if issubclass(value, Enum) else getattr(value, "_fields", ())
        return f"{value.__module__}.{value.__qualname__} {members}"
    # Whatever it is, it comes from one of our files, or from that of the loop.
    return _of_all() + digest_of(Path(function.__code__.co_filename))


@cache
def _of_all() -> str:
    package = Path(__file__).parent.parent
    return digest_of(*sorted((*package.glob("check/**/*.py"), *package.glob("trace/*.py"))))
