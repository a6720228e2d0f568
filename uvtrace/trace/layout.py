# SPDX-License-Identifier: Apache-2.0
"""The layout of a record, of its union and of the ring, as numpy dtypes.

``kmod/include/uapi/uvbus.h`` is the definition; every name, offset and size here is compared with
the compiled header in ``tests/trace/test_layout.py``. All fields are little-endian, nothing is
padded.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from uvtrace.trace.enums import Kind

RECORD_VERSION: Final = 1
RECORD_SIZE: Final = 128
FUNCTION_NONE: Final = 0xFFFF
"""``function`` of a record that belongs to no PCI function."""
BAR_NONE: Final = 0xFF
"""``bar`` of an access outside every BAR, or not to a BAR at all."""
BAR_ROM: Final = 6
SITE_MODULE_SHIFT: Final = 48
SITE_OFFSET_MASK: Final = (1 << 48) - 1
SITE_MODULE_UNKNOWN: Final = 0xFFFF
CONTINUATION_BYTES: Final = 112
RING_MAGIC: Final = 0x31474E4952565555
RING_VERSION: Final = 1
RING_HEADER_SIZE: Final = 4096
RING_PAYLOAD_MAX: Final = 64 * 1024

UNION_SIZE: Final = 40

RECORD: Final = np.dtype(
    [
        ("version", "<u1"),
        ("kind", "<u1"),
        ("phase", "<u1"),
        ("status", "<u1"),
        ("flags", "<u4"),
        ("seq", "<u8"),
        ("time_ns", "<u8"),
        ("tid", "<u4"),
        ("cpu", "<u2"),
        ("function", "<u2"),
        ("address", "<u8"),
        ("length", "<u8"),
        ("value", "<u8"),
        ("tag", "<u8"),
        ("ip", "<u8"),
        ("caller", "<u8"),
        ("payload", "<u4"),
        ("duration_ns", "<u4"),
        ("raw", f"V{UNION_SIZE}"),
    ]
)
"""``struct uv_record``; ``raw`` is the union, seen through :func:`view_of`."""

COMMON: Final = tuple(name for name in (RECORD.names or ()) if name != "raw")
"""The fields that every kind has, in the record's order."""

BAR: Final = np.dtype(
    [
        ("bus_address", "<u8"),
        ("length", "<u8"),
        ("phys_address", "<u8"),
        ("flags", "<u4"),
        ("index", "<u4"),
    ]
)
"""``struct uv_bar``: an element of the payload of a BARS snapshot."""

ACCESS: Final = np.dtype(
    [
        ("bar", "<u1"),
        ("width", "<u1"),
        ("insn_length", "<u1"),
        ("memory_type", "<u1"),
        ("mapping", "<u4"),
        ("offset", "<u8"),
        ("string_index", "<u4"),
        ("string_count", "<u4"),
        ("insn", "<u1", (16,)),
    ]
)
"""``struct uv_access``: config, MMIO and port I/O."""

DMA_CALL: Final = np.dtype(
    [
        ("direction", "<u1"),
        ("flavour", "<u1"),
        ("align", "<u2"),
        ("attrs", "<u4"),
        ("cpu_address", "<u8"),
        ("phys", "<u8"),
        ("entry", "<u4"),
        ("entries", "<u4"),
        ("nents", "<u4"),
        ("result", "<i4"),
    ]
)
"""``struct uv_dma_call``: the DMA API and contents of memory."""

BUS: Final = np.dtype(
    [
        ("requester", "<u2"),
        ("completer", "<u2"),
        ("vector", "<u2"),
        ("first_be", "<u1"),
        ("last_be", "<u1"),
        ("traffic_class", "<u1"),
        ("attributes", "<u1"),
        ("byte_count", "<u2"),
        ("message_data", "<u4"),
        ("message_address", "<u8"),
        ("mapping", "<u8"),
        ("reserved", "<u8"),
    ]
)
"""``struct uv_bus``: DMA and interrupt messages from the device."""

IRQ: Final = np.dtype(
    [
        ("irq", "<u4"),
        ("vector", "<u2"),
        ("type", "<u1"),
        ("shared", "<u1"),
        ("result", "<i4"),
        ("count", "<u4"),
        ("handler", "<u8"),
        ("thread", "<u8"),
        ("irq_flags", "<u4"),
        ("minimum", "<u4"),
    ]
)
"""``struct uv_irq``: handlers, request and release of interrupts and vectors."""

LIFE: Final = np.dtype(
    [
        ("bar", "<u1"),
        ("memory_type", "<u1"),
        ("old_state", "<u1"),
        ("new_state", "<u1"),
        ("result", "<i4"),
        ("offset", "<u8"),
        ("mapping", "<u4"),
        ("error_status", "<u4"),
        ("severity", "<u1"),
        ("trapped", "<u1"),
        ("module", "<u2"),
        ("reserved", "<u4"),
        ("segment_boundary", "<u8"),
    ]
)
"""``struct uv_life``: the life of a function and of its resources."""

MODULE: Final = np.dtype(
    [
        ("index", "<u2"),
        ("build_id_length", "<u1"),
        ("tainted", "<u1"),
        ("srcversion", "<u4"),
        ("build_id", "<u1", (32,)),
    ]
)
"""``struct uv_module``: a module's text, loaded or unloaded; the payload is its name."""

META: Final = np.dtype(
    [
        ("topic", "<u2"),
        ("reserved", "<u2"),
        ("document", "<u4"),
        ("chunk", "<u4"),
        ("chunks", "<u4"),
        ("first_seq", "<u8"),
        ("offset", "<u8"),
        ("total", "<u8"),
    ]
)
"""``struct uv_meta``: metadata, snapshots, marks, loss."""

CONTINUATION: Final = np.dtype(
    [
        ("version", "<u1"),
        ("kind", "<u1"),
        ("reserved", "<u2"),
        ("bytes", "<u4"),
        ("seq", "<u8"),
        ("data", "<u1", (CONTINUATION_BYTES,)),
    ]
)
"""``struct uv_continuation``: a ring slot that carries the payload of the record before it."""

# The counters stand on cache lines of their own, hence the explicit offsets.
RING_HEADER: Final = np.dtype(
    {
        "names": [
            "magic",
            "version",
            "slot_size",
            "slots",
            "data_offset",
            "policy",
            "state",
            "start_mono_ns",
            "start_real_ns",
            "head",
            "tail",
            "waiting",
            "reserved",
            "lost",
            "lost_total",
            "records",
        ],
        "formats": [
            *("<u8", "<u4", "<u4", "<u8", "<u8", "<u4", "<u4", "<u8", "<u8"),
            *("<u8", "<u8", "<u4", "<u4", "<u8", "<u8", "<u8"),
        ],
        "offsets": [0, 8, 12, 16, 24, 32, 36, 40, 48, 64, 128, 136, 140, 192, 200, 208],
        "itemsize": 256,
    }
)
"""``struct uv_ring_header``: the first page of the shared memory."""

VIEWS: Final = MappingProxyType(
    {
        "access": ACCESS,
        "dma": DMA_CALL,
        "bus": BUS,
        "irq": IRQ,
        "life": LIFE,
        "module": MODULE,
        "meta": META,
    }
)
"""The members of the record's union by their names in the header."""

_KINDS_OF_VIEW: Final = {
    "access": range(Kind.CONFIG_READ, Kind.PIO_WRITE + 1),
    "bus": range(Kind.DMA_READ, Kind.INTX_DEASSERT + 1),
    "dma": range(Kind.MAP, Kind.MEMORY + 1),
    "irq": (
        *(Kind.HANDLER_ENTER, Kind.HANDLER_EXIT),
        *range(Kind.VECTOR_ALLOC, Kind.IRQ_FREE + 1),
    ),
    "life": (
        *range(Kind.IOMAP, Kind.REGION_RELEASE + 1),
        *range(Kind.ENABLE_DEVICE, Kind.SEGMENT_LIMIT + 1),
        *range(Kind.PROBE, Kind.ERROR + 1),
    ),
    "module": (Kind.MODULE_LOAD, Kind.MODULE_UNLOAD),
    "meta": range(Kind.SNAPSHOT, Kind.LOSS + 1),
}

VIEW_OF_KIND: Final = MappingProxyType(
    {int(kind): view for view, kinds in _KINDS_OF_VIEW.items() for kind in kinds}
)
"""Kind number to the name of its union member; kinds that no file holds are missing."""


def kinds_of(view: str) -> tuple[int, ...]:
    """The kinds whose records use the union member ``view``, ascending."""
    return tuple(sorted(int(kind) for kind in _KINDS_OF_VIEW[view]))


def view_of(records: NDArray[np.void], view: str) -> NDArray[np.void]:
    """The union of ``records`` as the member ``view``, without copying.

    Args:
        records: structured array of dtype :data:`RECORD`, shape (n,); strides do not matter.
        view: a key of :data:`VIEWS`.

    Returns:
        Structured array of that member's dtype, shape (n,), on the same memory. Rows whose kind
        has another member hold that member's bytes: select by kind first.

    Raises:
        KeyError: there is no such member.
    """
    dtype = VIEWS[view]
    return np.asarray(records["raw"]).view(dtype)


def make_records(n: int, **fields: Any) -> NDArray[np.void]:
    """``n`` zeroed records of the current version, with the common ``fields`` set.

    Fields may be scalars or arrays of shape (n,). ``function`` is FUNCTION_NONE unless given.
    """
    records = np.zeros(n, RECORD)
    records["version"] = RECORD_VERSION
    records["function"] = FUNCTION_NONE
    for name, value in fields.items():
        records[name] = value
    return records


def site(module: int, offset: int) -> int:
    """The code address ``offset`` bytes into the text of module ``module`` (0 the kernel)."""
    return module << SITE_MODULE_SHIFT | offset & SITE_OFFSET_MASK


def site_parts(address: int) -> tuple[int, int]:
    """Module index and offset of a code address."""
    return address >> SITE_MODULE_SHIFT, address & SITE_OFFSET_MASK
