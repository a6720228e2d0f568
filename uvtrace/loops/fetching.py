# SPDX-License-Identifier: Apache-2.0
"""How numba compiles what a processor has an instruction for: to ask for memory, to find a bit."""

from __future__ import annotations

from typing import Any, Final

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, overload

from uvtrace.loops.loop import fetch, fetch_line, lowest_bit

_CACHE_LINE: Final = 64


def _fetch_code(most: int) -> Any:
    """Ask for an element of an array, at most so many bytes of it, before it is needed."""

    def typed(typing_context: Any, array: Any, index: Any) -> Any:
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
            for line in range(0, min(size, most), _CACHE_LINE):
                at = builder.gep(begin, [word(line)])
                builder.call(prefetch, [at, word(0), word(3), word(1)])
            return context.get_dummy_value()

        return types.void(array, types.intp), code

    return typed


_fetch: Any = intrinsic(_fetch_code(1 << 10))
_fetch_line: Any = intrinsic(_fetch_code(_CACHE_LINE))


@overload(fetch, jit_options={"forceinline": True})
def _compiled_fetch(array: Any, index: Any) -> Any:
    def code(array: Any, index: Any) -> None:
        _fetch(array, index)

    return code


@overload(fetch_line, jit_options={"forceinline": True})
def _compiled_fetch_line(array: Any, index: Any) -> Any:
    def code(array: Any, index: Any) -> None:
        _fetch_line(array, index)

    return code


def _lowest_bit_code(typing_context: Any, word: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.IntType(1)(1))

    return types.int64(types.uint64), code


_lowest_bit: Any = intrinsic(_lowest_bit_code)


@overload(lowest_bit, jit_options={"forceinline": True})
def _compiled_lowest_bit(word: Any) -> Any:
    def code(word: Any) -> Any:
        return _lowest_bit(word)

    return code
