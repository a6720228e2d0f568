# SPDX-License-Identifier: Apache-2.0
"""The link's memory and messages, as ``kmod/include/uapi/uvbus_link.h`` defines them.

Every number, offset and size here is compared with the compiled header in
``tests/device/test_linkabi.py``.
"""

from __future__ import annotations

import ctypes
import struct
from enum import IntEnum
from typing import ClassVar, Final

LINK_MAGIC: Final = 0x314B4E494C565555
LINK_VERSION: Final = 1
LINK_HEADER_SIZE: Final = 4096
LINK_ALIGN: Final = 1024 * 1024
LINK_SLOTS_MIN: Final = 64
LINK_SLOTS_MAX: Final = 16384
LINK_DATA_MIN: Final = 128
LINK_DATA_MAX: Final = 4096
LINKS_MAX: Final = 16
MESSAGE_SIZE: Final = 64
SIGNAL_MESSAGES: Final = 1 << 0
SIGNAL_STATE: Final = 1 << 1


class LinkState(IntEnum):
    """What the kernel's end says of itself (``enum uv_link_state``)."""

    ABSENT = 0
    WAITING = 1
    ATTACHED = 2
    DEAD = 3
    CLOSED = 4


class LinkReason(IntEnum):
    """Why a link is dead (``enum uv_link_reason``)."""

    NONE = 0
    TIMEOUT = 1
    VERSION = 2
    GEOMETRY = 3
    PROTOCOL = 4
    OVERRUN = 5
    CONFIG = 6
    BAR = 7
    MEMORY = 8
    BUSY = 9


REASONS: Final = {
    LinkReason.NONE: "for no reason given",
    LinkReason.TIMEOUT: "the model did not answer the driver in time",
    LinkReason.VERSION: "the module speaks another version of the link",
    LinkReason.GEOMETRY: "the link's memory has an impossible shape",
    LinkReason.PROTOCOL: "the model sent a message that no function could send",
    LinkReason.OVERRUN: "the ring's positions cannot be",
    LinkReason.CONFIG: "the config space is not one of a type 0 function",
    LinkReason.BAR: "a BAR is too large, or there are too many",
    LinkReason.MEMORY: "the kernel had no memory for it",
    LinkReason.BUSY: "the function is being removed, or another one is there",
}


class Message(IntEnum):
    """``enum uv_message_type``."""

    HELLO = 1
    CONFIG = 2
    LIMITS = 3
    PLUG = 4
    UNPLUG = 5
    DMA_READ = 8
    DMA_WRITE = 9
    INTERRUPT = 10
    INTX = 11
    MESSAGE = 12
    CONFIG_SET = 13
    LOG = 14
    WELCOME = 32
    PLUGGED = 33
    READ = 34
    WRITE = 35
    CONFIG_WRITTEN = 36
    RESET = 37
    POWER = 38
    UNPLUGGED = 39
    COMPLETION = 64


class ConfigImage(IntEnum):
    """``enum uv_config_image``."""

    VALUES = 0
    WRITABLE = 1
    CLEARABLE = 2


MESSAGE: Final = struct.Struct("<BBBxIQIIQQIHxxQ8x")
"""``struct uv_message``: its fields in order, without the reserved ones."""
MESSAGE_FIELDS: Final = (
    *("type", "status", "bar", "flags", "address", "length", "byte_count"),
    *("tag", "value", "number", "vector", "time_ns"),
)

LIMITS: Final = struct.Struct("<IIIII12xQ8x")
"""``struct uv_link_limits``."""


class Header:
    """Offsets in ``struct uv_link_header``, bytes."""

    MAGIC: ClassVar = 0
    VERSION: ClassVar = 8
    MESSAGE_SIZE: ClassVar = 12
    SLOTS: ClassVar = 16
    TO_MODEL_OFFSET: ClassVar = 20
    TO_KERNEL_OFFSET: ClassVar = 24
    BYTES: ClassVar = 32
    STATE: ClassVar = 64
    REASON: ClassVar = 68
    GENERATION: ClassVar = 72
    KERNEL_SIGNALS: ClassVar = 80
    TIMEOUT_NS: ClassVar = 88
    MODEL_SIGNALS: ClassVar = 128
    TO_MODEL_HEAD: ClassVar = 192
    TO_MODEL_ROOM_AT: ClassVar = 200
    TO_MODEL_TAIL: ClassVar = 256
    TO_MODEL_NOTIFY_AT: ClassVar = 264
    TO_KERNEL_HEAD: ClassVar = 320
    TO_KERNEL_ROOM_AT: ClassVar = 328
    TO_KERNEL_TAIL: ClassVar = 384
    TO_KERNEL_NOTIFY_AT: ClassVar = 392


class Make(ctypes.Structure):
    """``struct uv_link_make``."""

    _pack_ = 1
    _fields_: ClassVar = [
        ("slots", ctypes.c_uint32),
        ("data", ctypes.c_uint32),
        ("bytes", ctypes.c_uint64),
        ("reserved", ctypes.c_uint64 * 2),
    ]


IOC_MAKE: Final = 0xC020B600
