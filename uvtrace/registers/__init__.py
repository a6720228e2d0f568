# SPDX-License-Identifier: Apache-2.0
"""What a device's registers are: one map, read from SystemRDL or CMSIS-SVD."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from uvtrace.errors import InputError, UsageError, UvtraceError
from uvtrace.registers.map import (
    Access,
    AddressPart,
    AddressSpace,
    Dimension,
    Field,
    HalfOrder,
    OnRead,
    OnWrite,
    Register,
    RegisterMap,
)

__all__ = [
    "Access",
    "AddressPart",
    "AddressSpace",
    "Dimension",
    "Field",
    "HalfOrder",
    "OnRead",
    "OnWrite",
    "Register",
    "RegisterMap",
    "load",
]


def load(
    path: str | os.PathLike[str], *, parameters: Mapping[str, int] | None = None
) -> RegisterMap:
    """Read a register description.

    Args:
        path: SystemRDL (``.rdl``) or CMSIS-SVD (``.svd``, ``.xml``); of another suffix the
            contents decide.
        parameters: values for the parameters of a SystemRDL top address map.

    Raises:
        InputError: the file is neither, or what it says makes no sense; one line that names the
            file, the line where there is one, and the reason.
        UsageError: ``parameters`` for a language that has none.
    """
    try:
        if _is_xml(Path(path)):
            if parameters:
                raise UsageError("an SVD file has no parameters", where=os.fspath(path))
            from uvtrace.registers.svd import load_svd

            return load_svd(path)
        # Imported here: the compiler takes a third of a second to load.
        from uvtrace.registers.rdl import load_rdl

        return load_rdl(path, parameters)
    except (InputError, UsageError):
        raise
    except UvtraceError as error:
        raise InputError(f"{error.where}: {error.what}", path=path) from error


def _is_xml(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix in (".svd", ".xml"):
        return True
    if suffix == ".rdl":
        return False
    try:
        with path.open("rb") as file:
            start = file.read(256)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", path=path) from error
    return start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<")
