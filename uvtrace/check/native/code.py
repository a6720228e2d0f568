# SPDX-License-Identifier: Apache-2.0
"""LLVM's assembly language as machine code of this processor."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import llvmlite.binding as llvm
import numpy as np
from numpy.typing import NDArray

from uvtrace.check.native.access import address_of
from uvtrace.check.native.function import NAME

_EFFORT: Final = 2
"""How hard LLVM tries: as compilers do by default."""
_SIGNATURE: Final = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class Code:
    """A compiled function, ready to be called.

    Args:
        compiled: what :func:`compiled` gave for this processor.
    """

    def __init__(self, compiled: bytes) -> None:
        # The engine owns the code's memory, and the machine that it is given.
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _new_machine())
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(compiled))
        self._engine.finalize_object()
        self._call: Callable[[int], None] = _SIGNATURE(self._engine.get_function_address(NAME))

    def __call__(self, arguments: NDArray[np.int64]) -> None:
        """Call it; see :class:`uvtrace.check.native.function.Argument`."""
        self._call(address_of(arguments))


def compiled(assembly: str) -> bytes:
    """An object file of a function in LLVM's assembly language."""
    machine = _machine()
    module = llvm.parse_assembly(assembly)
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    options = llvm.create_pipeline_tuning_options(speed_level=_EFFORT)
    # One event after the other: their fields lie too far apart for several at a time.
    options.loop_vectorization = options.loop_unrolling = False
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    made: bytes = machine.emit_object(module)
    return made


@cache
def processor() -> str:
    """What machine code depends on besides the assembly language."""
    version = ".".join(map(str, llvm.llvm_version_info))
    return f"{version} {_machine().triple} {llvm.get_host_cpu_name()} {_features()}"


def _features() -> str:
    features: str = llvm.get_host_cpu_features().flatten()
    return features


@cache
def _machine() -> Any:
    return _new_machine()


def _new_machine() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    return target.create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=_features(), opt=_EFFORT, jit=True
    )
