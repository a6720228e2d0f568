# SPDX-License-Identifier: Apache-2.0
"""Finding a model by name or by path, and making one with the options of its SPEC."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from uvtrace import packs
from uvtrace.device.device import Device
from uvtrace.errors import UsageError

GROUP: Final = "uvtrace.models"
"""Entry points: a model's name and its class."""

TIMEOUT_MAX_MS: Final = 10_000
"""Completion timeout that the module grants at most (UV_LIMIT_TIMEOUT_MAX in kmod/links.h)."""

_TRUE, _FALSE = ("1", "yes", "on", "true"), ("0", "no", "off", "false")


def find(model: str) -> type[Device]:
    """The class of a model.

    Args:
        model: an installed model's name, or the path of a Python file that holds one.

    Raises:
        UsageError: there is no such model, or several are in the file.
        InputError: the file cannot be run.
    """
    if "/" in model or model.endswith(".py"):
        return _in_file(Path(model))
    names = packs.names(GROUP)
    if model not in names:
        raise UsageError(
            "there is no such model",
            where=f"model:{model}",
            hint=f"installed are {', '.join(names) or 'none'}; or give the path of a .py file",
        )
    found: type[Device] = packs.load(GROUP, model)[0]
    return found


def _in_file(path: Path) -> type[Device]:
    file = path / "model.py" if path.is_dir() else path
    module = packs.module_of_file(file)
    found = [
        each
        for each in vars(module).values()
        if isinstance(each, type)
        and issubclass(each, Device)
        and each.__module__ == module.__name__
    ]
    # A file may have a base and one that derives from it: the latter is meant.
    found = [each for each in found if not any(each in other.__mro__[1:] for other in found)]
    if len(found) != 1:
        names = ", ".join(each.__name__ for each in found)
        raise UsageError(
            f"holds {'several models: ' + names if found else 'no model'}",
            where=str(file),
            hint="one class that derives from uvtrace.device.Device",
        )
    return found[0]


def options_of(text: str) -> dict[str, str]:
    """The options in ``a=1,b=2``.

    Raises:
        UsageError: something that is no option.
    """
    options: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        name, equals, value = part.partition("=")
        if not equals or not name or name in options:
            raise UsageError("not an option, or given twice", where=part, hint="as in mac=…")
        options[name] = value
    return options


def make(model: str, options: Mapping[str, str] | None = None) -> Device:
    """A model, with its options converted to what its ``__init__`` says they are.

    Raises:
        UsageError: no such model, no such option, or no such value.
    """
    kind = find(model)
    where = f"model:{model}"
    arguments = _arguments(kind, options or {}, where)
    try:
        return kind(**arguments)
    except (TypeError, ValueError) as error:
        raise UsageError(str(error), where=where) from error


def _arguments(kind: type[Device], options: Mapping[str, str], where: str) -> dict[str, Any]:
    known = _parameters(kind)
    arguments = {}
    for name, text in options.items():
        if name not in known:
            there = ", ".join(known) or "no options"
            raise UsageError(f"has no option {name}", where=where, hint=f"it has {there}")
        try:
            arguments[name] = _converted(text, known[name])
        except ValueError as error:
            raise UsageError(f"{name}={text}: {error}", where=where) from error
    return arguments


def _parameters(kind: type[Device]) -> dict[str, Any]:
    """The options of a model and their types."""
    if kind.__init__ is object.__init__:
        return {}
    hints = typing.get_type_hints(kind.__init__)
    taken = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    parameters = list(inspect.signature(kind.__init__).parameters.values())[1:]
    return {each.name: hints.get(each.name, str) for each in parameters if each.kind not in taken}


def _converted(text: str, kind: Any) -> Any:
    for each in typing.get_args(kind) or (kind,):
        convert = _CONVERSIONS.get(each)
        if convert is not None:
            return convert(text)
    return text


def _truth(text: str) -> bool:
    if text.lower() in _TRUE + _FALSE:
        return text.lower() in _TRUE
    raise ValueError("is neither yes nor no")


_CONVERSIONS: dict[Any, Callable[[str], Any]] = {
    int: lambda text: int(text, 0),
    float: float,
    bool: _truth,
    Path: Path,
    bytes: lambda text: bytes.fromhex(text.replace(":", "")),
}


def timeout_ns_of(text: str | None) -> int | None:
    """The completion timeout that the option ``timeout_ms=`` asks for; None: it is not there.

    Raises:
        UsageError: the module would not grant that.
    """
    if text is None:
        return None
    if not text.isdecimal() or not 1 <= int(text) <= TIMEOUT_MAX_MS:
        raise UsageError(f"timeout_ms={text}", hint=f"1 to {TIMEOUT_MAX_MS} milliseconds")
    return int(text) * 1_000_000
