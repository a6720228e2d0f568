# SPDX-License-Identifier: Apache-2.0
"""The receive side: which frames are taken, and the ring that they go to.

Source: Intel, *PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual*,
3.2 (reception, descriptors, checksums), chapter 13 (registers, 13.4.22: RCTL; filter tables).
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from uvtrace.devices.e1000.offload import check_received, ones_sum
from uvtrace.devices.e1000.statistics import FCS, Statistics

if TYPE_CHECKING:
    from uvtrace.devices.e1000.model import E1000

DESCRIPTOR = 16
BATCH = 32
FRAME_MIN = 60
FRAME_MAX, LONG_MAX = 1518, 16380
WRITE_BACK = struct.Struct("<HHBBH")
"""The upper half of a descriptor: length, checksum, status, errors, special."""

EN, UPE, MPE, LPE, BAM = 1 << 1, 1 << 3, 1 << 4, 1 << 5, 1 << 15
BSEX, SECRC = 1 << 25, 1 << 26
RXDMT0, RXT0 = 1 << 4, 1 << 7
DD, EOP, IXSM, TCPCS, IPCS, PIF = 1 << 0, 1 << 1, 1 << 2, 1 << 5, 1 << 6, 1 << 7
TCPE, IPE = 1 << 5, 1 << 6
IPOFLD, TUOFLD = 1 << 8, 1 << 9
ADDRESS_VALID = 1 << 31
_BROADCAST = b"\xff" * 6
_MULTICAST_SHIFTS = (4, 3, 2, 0)
_BUFFER_SIZES = (2048, 1024, 512, 256)
"""By RCTL.BSIZE; BSEX makes all but the first sixteen times as large."""


class Receiver:
    """Takes frames from the wire into the ring."""

    def __init__(self, device: E1000) -> None:
        self._device = device
        registers = device.reg
        self._head, self._tail = registers.cell("RDH"), registers.cell("RDT")
        self._control = registers.cell("RCTL")
        self._checksums = registers.cell("RXCSUM")
        self._stations = [
            (registers.cell(f"RA[{number}].RAL"), registers.cell(f"RA[{number}].RAH"))
            for number in range(16)
        ]
        self._statistics = Statistics(registers, "R")
        self.reset()

    def reset(self) -> None:
        """Nothing has been fetched of the ring."""
        self.changed = self._device.flag()
        self._fetched: list[bytes] = []

    def look_again(self, ring_moved: bool = False) -> None:
        """Tail, enable bit, or where the ring lies were written."""
        if ring_moved:
            self._fetched.clear()
        self.changed.set()

    async def take(self, frame: bytes) -> None:
        """A frame, without its FCS; waits for descriptors: meanwhile others wait on the wire."""
        if not self._control.value & EN:
            return
        exactly = self._filter(frame)
        if exactly is None:
            return
        frame = frame.ljust(FRAME_MIN, b"\0")
        if len(frame) + FCS > (LONG_MAX if self._control.value & LPE else FRAME_MAX):
            counter = self._device.reg.cell("ROC")
            counter.value = min(counter.value + 1, counter.mask)
            return
        status, errors = self._judge(frame)
        data = frame if self._control.value & SECRC else frame + fcs(frame)
        if await self._store(data, status if exactly else status | PIF, errors):
            self._statistics.count(frame)

    # --------------------------------------------------------------- filters

    def _filter(self, frame: bytes) -> bool | None:
        """True: exactly for us; False: by a filter that is not exact; None: not for us."""
        control, destination = self._control.value, frame[:6]
        if destination == _BROADCAST:
            return True if control & BAM else (False if control & MPE else None)
        low = int.from_bytes(destination[:4], "little")
        high = int.from_bytes(destination[4:], "little")
        for ral, rah in self._stations:
            if rah.value & ADDRESS_VALID and ral.value == low and rah.value & 0xFFFF == high:
                return True
        if destination[0] & 1:
            taken = control & MPE or self._in_table(destination)
        else:
            taken = control & UPE
        return False if taken else None

    def _in_table(self, destination: bytes) -> bool:
        shift = _MULTICAST_SHIFTS[self._control.value >> 12 & 3]
        place = (destination[5] << 8 | destination[4]) >> shift & 0xFFF
        return bool(self._device.reg[f"MTA[{place >> 5}]"] >> (place & 31) & 1)

    def _judge(self, frame: bytes) -> tuple[int, int]:
        """The status and error bits that speak of checksums."""
        offloads = self._checksums.value & (IPOFLD | TUOFLD)
        found = check_received(frame) if offloads else None
        status = errors = 0
        if found is not None and found.ip is not None and offloads & IPOFLD:
            status |= IPCS
            errors |= 0 if found.ip else IPE
        if found is not None and found.transport is not None and offloads & TUOFLD:
            status |= TCPCS
            errors |= 0 if found.transport else TCPE
        return status or IXSM, errors

    # -------------------------------------------------------------- the ring

    async def _store(self, data: bytes, status: int, errors: int) -> bool:
        """Put a frame into as many buffers as it needs. False: reception was stopped."""
        device = self._device
        size = self._buffer_size()
        # The checksum of all behind PCSS, for drivers that check it themselves.
        packet_sum = ones_sum(data[self._checksums.value & 0xFF : len(data) - FCS])
        for at in range(0, len(data), size):
            if not await self._fetch():
                return False
            address = int.from_bytes(self._fetched.pop(0)[:8], "little")
            part = data[at : at + size]
            last = at + size >= len(data)
            device.dma_write(address, part)
            told = WRITE_BACK.pack(
                len(part), packet_sum, DD | status | (EOP if last else 0), errors, 0
            )
            entries = device.reg["RDLEN"] // DESCRIPTOR
            device.dma_write(self._base() + self._head.value * DESCRIPTOR + 8, told)
            self._head.value = (self._head.value + 1) % entries
        left = (self._tail.value - self._head.value) % entries
        low = left == entries >> (1 + (self._control.value >> 8 & 3))
        device.set_causes(RXT0 | (RXDMT0 if low else 0))
        return True

    async def _fetch(self) -> bool:
        """See to it that there is a descriptor. False: reception was stopped."""
        device = self._device
        while not self._fetched:
            if not self._control.value & EN:
                return False
            head, tail = self._head.value, self._tail.value
            entries = device.reg["RDLEN"] // DESCRIPTOR
            if head == tail or head >= entries or tail >= entries:
                self.changed.clear()
                await self.changed.wait()
                continue
            count = min((tail if tail > head else entries) - head, BATCH)
            where = self._base() + head * DESCRIPTOR
            ring = await device.dma_read(where, count * DESCRIPTOR)
            self._fetched = [ring[at : at + DESCRIPTOR] for at in range(0, len(ring), DESCRIPTOR)]
        return True

    def _base(self) -> int:
        low: int = self._device.reg["RDBAL"]
        high: int = self._device.reg["RDBAH"]
        return low | high << 32

    def _buffer_size(self) -> int:
        size: int = _BUFFER_SIZES[self._control.value >> 16 & 3]
        return size * 16 if self._control.value & BSEX and size < _BUFFER_SIZES[0] else size


def fcs(frame: bytes) -> bytes:
    """A frame's checksum, as it goes over the wire (IEEE 802.3, clause 3)."""
    return zlib.crc32(frame).to_bytes(4, "little")
