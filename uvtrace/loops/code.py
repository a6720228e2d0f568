# SPDX-License-Identifier: Apache-2.0
"""LLVM's assembly language as machine code of this processor."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

import llvmlite.binding as llvm
import numpy as np
from numpy.typing import NDArray

from uvtrace.loops.heads import address_of

_EFFORT: Final = 2
"""How hard the code generator tries: as by default. What passes over the assembly language would
find is written as they would leave it; they take longer than all the rest, and gain nothing."""
_SIGNATURE: Final = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class Code:
    """A compiled function, ready to be called; ``address`` is where it lies."""

    def __init__(self, engine: Any, name: str) -> None:
        # The engine owns the code's memory.
        self._engine = engine
        self.address: int = engine.get_function_address(name)
        self._call: Callable[[int], None] = _SIGNATURE(self.address)

    def __call__(self, arguments: NDArray[np.int64]) -> None:
        """Call it with the address of an array."""
        self._call(address_of(arguments))


class Linker:
    """Loads one object file after another; it owns the memory of their code."""

    def __init__(self) -> None:
        # It owns the machine that it is given, too.
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _new_machine())

    def address_of(self, name: str, content: bytes) -> int:
        """Load an object file; where a function of it lies."""
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(content))
        self._engine.finalize_object()
        address: int = self._engine.get_function_address(name)
        return address


def loaded(objects: Mapping[str, bytes]) -> dict[str, Code]:
    """Functions by their names.

    Args:
        objects: by the function's name what :func:`compiled` gave for this processor.
    """
    # It owns the machine that it is given, too.
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _new_machine())
    for content in objects.values():
        engine.add_object_file(llvm.ObjectFileRef.from_data(content))
    engine.finalize_object()
    return {name: Code(engine, name) for name in objects}


def compiled(assembly: str) -> bytes:
    """An object file of a function in LLVM's assembly language."""
    machine = _machine()
    module = llvm.parse_assembly(assembly)
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    return object_of(module)


def object_of(module: Any) -> bytes:
    """An object file of a module."""
    made: bytes = _machine().emit_object(module)
    return made


@cache
def processor() -> str:
    """What machine code depends on besides the assembly language."""
    version = ".".join(map(str, llvm.llvm_version_info))
    return f"{version} {_machine().triple} {llvm.get_host_cpu_name()} {_features()}"


@cache
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
