# SPDX-License-Identifier: Apache-2.0
"""How numba compiles :func:`uvtrace.loops.loop.copy_element`."""

from __future__ import annotations

from typing import Any

from numba.core import cgutils, types
from numba.extending import intrinsic, overload

from uvtrace.loops.loop import copy_element


def _copy_code(typing_context: Any, source: Any, start: Any, into: Any, index: Any) -> Any:
    """Copy as many bytes as an element has, in the largest pieces that the processor moves."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        places: Any = cgutils
        ends = []
        for of, view, number in (
            (signature.args[2], arguments[2], arguments[3]),
            (signature.args[0], arguments[0], arguments[1]),
        ):
            array = context.make_array(of)(context, builder, view)
            ends.append(
                places.get_item_pointer(context, builder, of, array, [number], wraparound=False)
            )
        size = context.get_abi_sizeof(context.get_data_type(into.dtype))
        places.raw_memcpy(builder, *ends, context.get_constant(types.intp, size), 1)
        return context.get_dummy_value()

    return types.void(source, types.intp, into, types.intp), code


_copy: Any = intrinsic(_copy_code)


@overload(copy_element, jit_options={"forceinline": True})
def _compiled_copy(source: Any, start: Any, into: Any, index: Any) -> Any:
    def code(source: Any, start: Any, into: Any, index: Any) -> None:
        _copy(source, start, into, index)

    return code
