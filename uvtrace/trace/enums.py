# SPDX-License-Identifier: Apache-2.0
"""The numbers of the trace format, named as ``kmod/include/uapi/uvbus.h`` names them.

Names are the header's without their prefix (``UV_KIND_MMIO_READ`` is ``Kind.MMIO_READ``). A test
parses the header and compares every one, so that none is forgotten.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag


class Kind(IntEnum):
    """What a record tells of (``enum uv_kind``)."""

    CONFIG_READ = 1
    CONFIG_WRITE = 2
    MMIO_READ = 3
    MMIO_WRITE = 4
    PIO_READ = 5
    PIO_WRITE = 6
    DMA_READ = 7
    DMA_WRITE = 8
    MSI = 9
    MSIX = 10
    INTX_ASSERT = 11
    INTX_DEASSERT = 12
    HANDLER_ENTER = 13
    HANDLER_EXIT = 14
    MAP = 16
    UNMAP = 17
    SYNC_FOR_CPU = 18
    SYNC_FOR_DEVICE = 19
    ALLOC = 20
    FREE = 21
    POOL_CREATE = 22
    POOL_DESTROY = 23
    POOL_ALLOC = 24
    POOL_FREE = 25
    MEMORY = 26
    IOMAP = 32
    IOUNMAP = 33
    REGION_REQUEST = 34
    REGION_RELEASE = 35
    VECTOR_ALLOC = 36
    VECTOR_FREE = 37
    IRQ_REQUEST = 38
    IRQ_FREE = 39
    ENABLE_DEVICE = 40
    DISABLE_DEVICE = 41
    SET_MASTER = 42
    CLEAR_MASTER = 43
    DMA_MASK = 44
    SEGMENT_LIMIT = 45
    MODULE_LOAD = 46
    MODULE_UNLOAD = 47
    PROBE = 48
    BIND = 49
    UNBIND = 50
    POWER = 51
    RESET = 52
    ERROR = 53
    SNAPSHOT = 64
    METADATA = 65
    MARK = 66
    LOSS = 67
    PAD = 254
    CONTINUATION = 255


class Phase(IntEnum):
    """Which part of a transaction a record tells of (``enum uv_phase``)."""

    POSTED = 0
    REQUEST = 1
    COMPLETION = 2
    WHOLE = 3


class Status(IntEnum):
    """How a transaction ended (``enum uv_status``)."""

    OK = 0
    UNSUPPORTED = 1
    RETRY = 2
    ABORT = 4
    TIMEOUT = 8
    FAILED = 9
    REFUSED = 10
    UNKNOWN = 255


class Flag(IntFlag):
    """Bits of ``flags`` (``UV_FLAG_*``)."""

    HARDIRQ = 1 << 0
    SOFTIRQ = 1 << 1
    IRQS_OFF = 1 << 2
    NMI = 1 << 3
    UNDECODED = 1 << 4
    OUTSIDE = 1 << 5
    STALE = 1 << 6
    STRING = 1 << 7
    FILL = 1 << 8
    WRITE = 1 << 9
    PREFETCHABLE = 1 << 10
    RELAXED = 1 << 11
    ID_ORDERED = 1 << 12
    NO_SNOOP = 1 << 13
    THREADED = 1 << 14
    IMPORTED = 1 << 15
    VALUE_CUT = 1 << 16
    EARLIER = 1 << 17
    PREDICTED = 1 << 18
    APART = 1 << 19
    FAR = 1 << 20


class Flavour(IntEnum):
    """The family of DMA-API calls a mapping came from (``enum uv_map_flavour``)."""

    SINGLE = 0
    SG = 1
    COHERENT = 2
    POOL = 3
    RESOURCE = 4
    PAGES = 5
    NONCONTIGUOUS = 6


class Direction(IntEnum):
    """``enum uv_direction``, the kernel's ``enum dma_data_direction``."""

    BIDIRECTIONAL = 0
    TO_DEVICE = 1
    FROM_DEVICE = 2
    NONE = 3


class MemoryType(IntEnum):
    """How a BAR was mapped (``enum uv_memory_type``)."""

    UC_MINUS = 0
    WC = 1
    UC = 2
    WT = 3
    CACHED = 4
    PROT = 5


class MemoryMoment(IntEnum):
    """``value`` of a MEMORY record: when it was looked at (``enum uv_memory_moment``)."""

    TO_DEVICE = 1
    TO_CPU = 2


class IrqType(IntEnum):
    """``enum uv_irq_type``."""

    INTX = 0
    MSI = 1
    MSIX = 2
    OTHER = 3


class Snapshot(IntEnum):
    """``topic`` of a SNAPSHOT record (``enum uv_snapshot``)."""

    CONFIG = 1
    BARS = 2
    DRIVER = 3
    DELAYS = 4
    REGISTERS = 5
    LIMITS = 6


class Topic(IntEnum):
    """``topic`` of a METADATA record (``enum uv_topic``)."""

    SESSION = 1
    SYMBOL = 2
    CONSOLE = 3
    RESULT = 4
    CONVERTED = 5


class LossCause(IntEnum):
    """``topic`` of a LOSS record (``enum uv_loss_cause``)."""

    RING_FULL = 1
    HOOK_MISSED = 2
    OVERWRITTEN = 3
    STOPPED = 4
    NOT_HOOKED = 5
    NOT_TRAPPED = 6
    DAMAGED = 7
    MEMORY = 8


class RingState(IntEnum):
    """``state`` of a ring header (``enum uv_ring_state``)."""

    IDLE = 0
    RUNNING = 1
    STOPPED = 2
    FULL = 3


class RingPolicy(IntEnum):
    """What a full ring does (``enum uv_ring_policy``)."""

    DROP = 0
    STOP = 1
    OVERWRITE = 2


class SelectFlag(IntFlag):
    """Bits of ``uv_select.flags`` (``UV_SELECT_*``)."""

    BY_ID = 1 << 0
    REBIND = 1 << 1
    ALL = 1 << 2


class SetupFlag(IntFlag):
    """Bits of ``uv_ring_setup.flags`` (``UV_SETUP_*``)."""

    MEMORY = 1 << 0


COUNTED_LOSS = (
    LossCause.RING_FULL,
    LossCause.HOOK_MISSED,
    LossCause.OVERWRITTEN,
    LossCause.STOPPED,
    LossCause.DAMAGED,
)
"""Causes whose ``value`` is a number of lost records; the others tell of things never seen."""
