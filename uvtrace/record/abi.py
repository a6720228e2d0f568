# SPDX-License-Identifier: Apache-2.0
"""The ioctls of ``/dev/uvbus0``, mirrored from ``kmod/include/uapi/uvbus.h``.

The header is the definition; ``tests/record/test_abi.py`` compiles it and compares every
size, offset and number in this file with it. Records and the ring are in
:mod:`uvtrace.trace.layout`.
"""

from __future__ import annotations

import ctypes

ABI_VERSION = 1


class Info(ctypes.Structure):
    """``struct uv_info``."""

    _fields_ = (
        ("abi", ctypes.c_uint32),
        ("record_version", ctypes.c_uint32),
        ("functions", ctypes.c_uint32),
        ("state", ctypes.c_uint32),
        ("ring_bytes", ctypes.c_uint64),
        ("shared", ctypes.c_uint32),
        ("unhooked", ctypes.c_uint32),
    )


class Select(ctypes.Structure):
    """``struct uv_select``."""

    _fields_ = (
        ("flags", ctypes.c_uint32),
        ("domain", ctypes.c_uint32),
        ("bus", ctypes.c_uint8),
        ("devfn", ctypes.c_uint8),
        ("vendor", ctypes.c_uint16),
        ("device", ctypes.c_uint16),
        ("index", ctypes.c_uint16),
        ("bound", ctypes.c_uint32),
        ("reserved0", ctypes.c_uint32),
        ("exclude_prefetchable", ctypes.c_uint64),
        ("reserved", ctypes.c_uint64),
    )


class RingSetup(ctypes.Structure):
    """``struct uv_ring_setup``."""

    _fields_ = (
        ("bytes", ctypes.c_uint64),
        ("policy", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
    )


STATISTICS = (
    "records",
    "lost",
    "traps",
    "string_traps",
    "undecoded",
    "stray",
    "stack_faults",
    "trapped_mappings",
    "port_accesses",
    "hook_calls",
    "hooks_missed",
    "sites",
    "functions_bound",
)
"""The counters of ``struct uv_stats``, in order."""


class Stats(ctypes.Structure):
    """``struct uv_stats``."""

    _fields_ = (
        *((name, ctypes.c_uint64) for name in STATISTICS),
        ("reserved", ctypes.c_uint64 * 3),
    )

    def as_dict(self) -> dict[str, int]:
        """The counters by name."""
        return {name: int(getattr(self, name)) for name in STATISTICS}


class Mark(ctypes.Structure):
    """``struct uv_mark``."""

    _fields_ = (
        ("text", ctypes.c_uint64),
        ("length", ctypes.c_uint32),
        ("topic", ctypes.c_uint32),
    )


_MAGIC = 0xB5
_NONE, _WRITE, _READ = 0, 1, 2


def _ioc(direction: int, number: int, structure: type[ctypes.Structure] | None) -> int:
    """``_IOC`` of ``asm-generic/ioctl.h``."""
    size = ctypes.sizeof(structure) if structure is not None else 0
    return direction << 30 | size << 16 | _MAGIC << 8 | number


IOC_INFO = _ioc(_READ, 0, Info)
IOC_SELECT = _ioc(_READ | _WRITE, 1, Select)
IOC_DESELECT = _ioc(_NONE, 2, None)
IOC_RING = _ioc(_WRITE, 3, RingSetup)
IOC_START = _ioc(_NONE, 4, None)
IOC_STOP = _ioc(_NONE, 5, None)
IOC_STATS = _ioc(_READ, 6, Stats)
IOC_MARK = _ioc(_WRITE, 7, Mark)
