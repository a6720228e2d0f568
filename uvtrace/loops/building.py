# SPDX-License-Identifier: Apache-2.0
"""Loops as numba compiles them. Importing this module imports numba (most of half a second)."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

import llvmlite.binding as llvm
import numba
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection
from numba.core import types
from numba.core.event import Event, Listener, register
from numba.core.options import DefaultOptions
from numba.extending import register_jitable, typeof_impl

from uvtrace.loops import telling
from uvtrace.loops.calling import NUMBER, TRUTH, TUPLE, WORD, room_of
from uvtrace.loops.code import object_of
from uvtrace.loops.loop import STEPS, Loop

_UNCOUNTED: Final[dict[str, Any]] = {"_nrt": False} if hasattr(DefaultOptions, "_nrt") else {}
"""Numba's option against counting references, where the installed version has it."""
_ALONE: Final[dict[str, Any]] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
_OF_LIBC: Final = frozenset({"memcpy", "memmove", "memset", "_GLOBAL_OFFSET_TABLE_"})
_FORMS: Final[dict[Any, str]] = {
    types.none: "",
    types.boolean: TRUTH,
    types.int64: NUMBER,
    types.uint64: WORD,
}
_ADDRESSES: Final = "numba.dynamic.globals"
"""What addresses in this process are called in the assembly language."""


_type_of: Any = numba.typeof


def dispatcher_of(loop: Loop) -> Any:
    """A loop as numba calls it; it keeps the code beside the source."""
    _register_steps()
    return _dispatcher(loop)


@cache
def _dispatcher(loop: Loop) -> Any:
    options = {} if loop.makes_arrays else _UNCOUNTED
    return numba.njit(cache=True, nogil=True, **options)(loop.function)


def built(loop: Loop, arguments: Sequence[Any], name: str) -> bytes:
    """A loop for arguments like these, as :class:`uvtrace.loops.calling.Entry` takes it.

    Args:
        loop: what is compiled.
        arguments: it is compiled for their types.
        name: of the function that is to be called.

    Returns:
        Nothing, where it needs numba to be called.
    """
    telling.compiles()
    _register_steps()
    compiled = numba.njit(**_UNCOUNTED, **_ALONE)(loop.function)
    compiled.compile(tuple(map(_type_of, arguments)))
    (made,) = compiled.overloads.values()
    form = _form(made.signature.return_type)
    if form is None:
        return b""
    module = llvm.parse_assembly(made.library.get_llvm_str())
    inner = module.get_function(made.fndesc.llvm_func_name)
    module.link_in(llvm.parse_assembly(_entry(name, inner, room_of(form))))
    for each in (*module.functions, *module.global_variables):
        if not each.is_declaration and each.name != name:
            each.linkage = llvm.Linkage.internal
    code = object_of(module)
    return form.encode() + b"\n" + code if _stands_alone(module, code) else b""


def _stands_alone(module: Any, made: bytes) -> bool:
    """Whether code needs nothing of numba, of Python, or of this process."""
    table = ELFFile(io.BytesIO(made)).get_section_by_name(".symtab")
    symbols = table.iter_symbols() if isinstance(table, SymbolTableSection) else ()
    needed = {each.name for each in symbols if each["st_shndx"] == "SHN_UNDEF" and each.name}
    if needed - _OF_LIBC:
        return False
    return not any(each.name.startswith(_ADDRESSES) for each in module.global_variables)


def _form(result: Any) -> str | None:
    """How a result is read; None: otherwise than by :class:`uvtrace.loops.calling.Entry`."""
    if result in _FORMS:
        return _FORMS[result]
    if isinstance(result, types.UniTuple | types.Tuple):
        forms = [_form(each) for each in result.types]
        if forms and all(form in (NUMBER, WORD) for form in forms):
            return TUPLE + "".join(map(str, forms))
    return None


def _entry(name: str, inner: Any, room: int) -> str:
    """A function that takes its arguments from an array of numbers, in assembly language."""
    kinds = [str(each.type) for each in inner.arguments]
    lines = [
        f"declare i32 @{_quoted(inner.name)}({', '.join(kinds)})",
        f"define i32 @{name}(ptr %block) {{",
        f"  %error = getelementptr i64, ptr %block, i64 {room - 1}",
    ]
    given = ["ptr %block", "ptr %error"]
    for number, kind in enumerate(kinds[2:]):
        lines.append(f"  %a{number} = getelementptr i64, ptr %block, i64 {room + number}")
        lines.append(f"  %n{number} = load i64, ptr %a{number}")
        lines.append(f"  %v{number} = {_converted(kind, f'%n{number}')}")
        given.append(f"{kind} %v{number}")
    lines.append(f"  %status = call i32 @{_quoted(inner.name)}({', '.join(given)})")
    return "\n".join([*lines, "  ret i32 %status", "}"])


def _converted(kind: str, number: str) -> str:
    if kind == "i64":
        return f"add i64 {number}, 0"
    return f"{'inttoptr' if kind == 'ptr' else 'trunc'} i64 {number} to {kind}"


def _quoted(name: str) -> str:
    return f'"{name}"'


_REGISTERED: Final[set[Callable[..., Any]]] = set()


def _register_steps() -> None:
    """Tell numba of the steps that it has not been told of."""
    # They tell numba of steps, too.
    import uvtrace.loops.copying
    import uvtrace.loops.fetching  # noqa: F401

    for function, options in list(STEPS.items()):
        if function not in _REGISTERED:
            _REGISTERED.add(function)
            register_jitable(**options, **_UNCOUNTED)(function)


@typeof_impl.register(Loop)
def _type_of_loop(value: Loop, context: Any) -> Any:
    """Loops may call loops."""
    return types.Dispatcher(_called(value))


@cache
def _called(loop: Loop) -> Any:
    return numba.njit(**_UNCOUNTED, **_ALONE)(loop.function)


class _Compiles(Listener):
    """Tells when numba compiles what it does not find among what it has kept."""

    def on_start(self, event: Event) -> None:
        """Something is going to be compiled."""
        telling.compiles()

    def on_end(self, event: Event) -> None:
        """It is compiled."""


_register: Any = register
_register("numba:compile", _Compiles())
