# SPDX-License-Identifier: Apache-2.0
"""The statistics registers: what is counted of every frame, sizes with their checksum (FCS).

Source: Intel, *PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual*, 13.7.
"""

from __future__ import annotations

from bisect import bisect_left

from uvtrace.device.registerfile import Cell, RegisterFile

FCS = 4
_SIZES = (64, 127, 255, 511, 1023)
_SIZE_NAMES = ("64", "127", "255", "511", "1023", "1522")
_BROADCAST = b"\xff" * 6


class Statistics:
    """Counts frames of one direction: ``R`` or ``T``; counters stop at their largest value."""

    def __init__(self, registers: RegisterFile, direction: str) -> None:
        letter = direction
        total = "TPR" if letter == "R" else "TPT"
        octets = "TOR" if letter == "R" else "TOT"
        self._packets = (registers.cell(f"GP{letter}C"), registers.cell(total))
        self._octets = (registers.cell(f"GO{letter}C"), registers.cell(octets))
        self._sizes = [registers.cell(f"P{letter}C{size}") for size in _SIZE_NAMES]
        self._multicast = registers.cell(f"MP{letter}C")
        self._broadcast = registers.cell(f"BP{letter}C")

    def count(self, frame: bytes) -> None:
        """A good frame, given without its FCS."""
        size = len(frame) + FCS
        for cell in self._packets:
            _add(cell, 1)
        for cell in self._octets:
            _add(cell, size)
        _add(self._sizes[bisect_left(_SIZES, size)], 1)
        if frame[0] & 1:
            _add(self._broadcast if frame.startswith(_BROADCAST) else self._multicast, 1)


def _add(cell: Cell, amount: int) -> None:
    cell.value = min(cell.value + amount, cell.mask)
