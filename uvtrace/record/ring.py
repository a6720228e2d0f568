# SPDX-License-Identifier: Apache-2.0
"""The shared memory of a ring, as its consumer sees it.

The other side is a kernel, perhaps a guest's: what it wrote is data to be checked, never to
be believed. The shape of the ring is read and checked once; after that only positions are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from uvtrace.errors import UvtraceError
from uvtrace.trace import layout

Slots = npt.NDArray[np.void]
"""Ring slots, shape (n,), dtype :data:`SLOT`, 128 bytes each."""

SLOT = layout.RECORD
"""A slot, seen as a record; ``kind`` says whether it is one. ``version``, ``kind`` and ``seq``
lie at the same offsets in ``struct uv_continuation``."""


@dataclass(frozen=True)
class Clock:
    """One moment on the recorded machine's two clocks, in nanoseconds."""

    mono_ns: int
    real_ns: int

    @property
    def offset_ns(self) -> int:
        """What turns ``time_ns`` of a record into wall-clock time."""
        return self.real_ns - self.mono_ns


class Ring:
    """A ring in shared memory.

    Args:
        memory: the mapping, writable; the header lies at its start.

    Raises:
        UvtraceError: no valid ring lies there; the reason says why.
    """

    def __init__(self, memory: Any) -> None:
        self._bytes = np.frombuffer(memory, dtype=np.uint8)
        if self._bytes.size < layout.RING_HEADER_SIZE:
            raise UvtraceError(f"shared memory of {self._bytes.size} bytes holds no ring")
        self._header = self._bytes[: layout.RING_HEADER.itemsize].view(layout.RING_HEADER)[0]
        self.count = self._checked_count()
        start = int(self._header["data_offset"])
        end = start + self.count * layout.RECORD_SIZE
        self.slots: Slots = self._bytes[start:end].view(SLOT)

    def _checked_count(self) -> int:
        """The number of slots, once the header has been found to make sense."""
        header = self._header
        count, start = int(header["slots"]), int(header["data_offset"])
        if int(header["magic"]) != layout.RING_MAGIC:
            raise UvtraceError("shared memory holds no ring (wrong magic number)")
        if int(header["version"]) != layout.RING_VERSION:
            raise UvtraceError(
                f"ring has version {int(header['version'])}, not {layout.RING_VERSION}",
                hint="module and recorder differ: build the module again",
            )
        if int(header["slot_size"]) != layout.RECORD_SIZE or count == 0 or count & (count - 1):
            raise UvtraceError("ring header is damaged: slots of a strange size or number")
        if start < layout.RING_HEADER_SIZE or start % 8:
            raise UvtraceError("ring header is damaged: slots begin inside the header")
        if start + count * layout.RECORD_SIZE > self._bytes.size:
            raise UvtraceError("ring header is damaged: more slots than memory")
        return count

    @staticmethod
    def is_ready(memory: Any) -> bool:
        """Whether a ring's header has been written to the memory yet."""
        return int(np.frombuffer(memory, dtype="<u8", count=1)[0]) == layout.RING_MAGIC

    @property
    def state(self) -> int:
        """:class:`~uvtrace.trace.enums.RingState`, or whatever a damaged ring holds."""
        return int(self._header["state"])

    @property
    def policy(self) -> int:
        """:class:`~uvtrace.trace.enums.RingPolicy`, or whatever a damaged ring holds."""
        return int(self._header["policy"])

    @property
    def head(self) -> int:
        """The position that the next record will take; a hint that may lag behind."""
        return int(self._header["head"])

    @property
    def tail(self) -> int:
        """The first position that has not been consumed."""
        return int(self._header["tail"])

    @tail.setter
    def tail(self, position: int) -> None:
        self._header["tail"] = position

    @property
    def lost_total(self) -> int:
        """Records that found no room, told of in loss records or not yet."""
        return int(self._header["lost_total"])

    @property
    def lost_untold(self) -> int:
        """Records that found no room and that no loss record has told of yet."""
        return int(self._header["lost"])

    @property
    def records(self) -> int:
        """Records written in all, as of the end of a recording; earlier only a hint."""
        return int(self._header["records"])

    @property
    def clock(self) -> Clock:
        """The recorded machine's clocks when recording began."""
        return Clock(int(self._header["start_mono_ns"]), int(self._header["start_real_ns"]))
