# SPDX-License-Identifier: Apache-2.0
"""Memory as a driver maps it for its device, simulated: for tests and replays of models."""

from __future__ import annotations

from bisect import bisect_right, insort


class Memory:
    """Mapped ranges of DMA addresses; there is nothing between them."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ranges: dict[int, bytearray] = {}

    def map(self, address: int, content: bytes | int) -> bytearray:
        """Map a range: its bytes, or how many zero bytes it has. Change the result to change it.

        Raises:
            ValueError: it overlaps another range.
        """
        data = bytearray(content)
        if self._find(address, 1) or self._find(address + len(data) - 1, 1):
            raise ValueError(f"{address:#x} and {len(data)} bytes overlap what is mapped")
        insort(self._starts, address)
        self._ranges[address] = data
        return data

    def unmap(self, address: int) -> None:
        """Unmap the range that begins there.

        Raises:
            KeyError: there is none.
        """
        del self._ranges[address]
        self._starts.remove(address)

    def holds(self, address: int, length: int) -> bool:
        """Whether one range has all of these bytes."""
        return self._find(address, length) is not None

    def read(self, address: int, length: int) -> bytes:
        """Bytes.

        Raises:
            KeyError: they are not all in one range.
        """
        data, at = self._place(address, length)
        return bytes(data[at : at + length])

    def write(self, address: int, content: bytes) -> None:
        """Change bytes. Raises as :meth:`read`."""
        data, at = self._place(address, len(content))
        data[at : at + len(content)] = content

    def _place(self, address: int, length: int) -> tuple[bytearray, int]:
        found = self._find(address, length)
        if found is None:
            raise KeyError(f"{length} bytes at {address:#x} are not mapped")
        return found

    def _find(self, address: int, length: int) -> tuple[bytearray, int] | None:
        number = bisect_right(self._starts, address) - 1
        if number < 0:
            return None
        start = self._starts[number]
        data = self._ranges[start]
        at = address - start
        return (data, at) if at + length <= len(data) else None
