# SPDX-License-Identifier: Apache-2.0
"""Which guards hold, as one number per event: an automaton's events that are alike share it."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.compiled import loop, step
from uvtrace.check.followers import WORD
from uvtrace.check.keys import MIX

_ROOM: Final = 64
"""Symbols that there is room for to begin with: most automata have fewer."""
_MIX: Final = np.uint64(MIX)
_SHIFT: Final = np.uint64(40)


class Table(NamedTuple):
    """Symbols: the bits of each, shape (capacity, words), and where they are found by these."""

    bits: NDArray[np.uint64]
    slots: NDArray[np.int32]


class Symbols:
    """The symbols of an automaton, which stay the same through a trace.

    Args:
        guards: how many there are.

    Attributes:
        count: symbols that there are. Number 0 is that of an event of which no guard holds.
    """

    def __init__(self, guards: int) -> None:
        self.count = 1
        self._guards = guards
        words = 2 * guards // WORD + 1
        self._mask = np.array(
            [((1 << 2 * guards) - 1) >> WORD * word & (1 << WORD) - 1 for word in range(words)],
            np.uint64,
        )
        self._table = self._room(_ROOM)
        _put(self._table, 0, self._mask)

    def _room(self, capacity: int) -> Table:
        bits = np.zeros((capacity, len(self._mask)), np.uint64)
        return Table(bits, np.full(4 * capacity, -1, np.int32))

    @property
    def values(self) -> NDArray[np.uint8]:
        """The values of the guards, by symbol, shape (count, guards); 0 where one is false."""
        octets = np.ascontiguousarray(self._table.bits[: self.count], "<u8").view(np.uint8)
        bits = np.unpackbits(octets, axis=1, bitorder="little")[:, : 2 * self._guards]
        return np.asarray(2 * bits[:, ::2] + bits[:, 1::2], np.uint8)

    def of(self, bits: NDArray[np.uint64]) -> NDArray[np.int32]:
        """The symbols of some events.

        Args:
            bits: two of each guard, whether it is true and whether that is unknown; others may
                follow. Shape (n, words).

        Returns:
            Shape (n,).
        """
        symbols, done = np.empty(len(bits), np.int32), 0
        while True:
            done, self.count = _find(self._table, self.count, self._mask, bits, symbols, done)
            if done == len(bits):
                return symbols
            self._make_room()

    def _make_room(self) -> None:
        old, self._table = self._table, self._room(2 * len(self._table.bits))
        self._table.bits[: self.count] = old.bits[: self.count]
        for symbol in range(self.count):
            _put(self._table, symbol, self._mask)


@loop
def _find(
    table: Table,
    count: int,
    mask: NDArray[np.uint64],
    bits: NDArray[np.uint64],
    symbols: NDArray[np.int32],
    first: int,
) -> tuple[int, int]:
    """Fill in symbols from the first event on, until there is no room for more; returns how many
    are filled in, and how many symbols there are now."""
    for i in range(first, len(bits)):
        slot: Any = np.int64(_hash(bits, i, mask)) & (len(table.slots) - 1)
        while table.slots[slot] >= 0 and not _is_same(table, table.slots[slot], bits, i, mask):
            slot = (slot + 1) & (len(table.slots) - 1)
        if table.slots[slot] < 0:
            if count == len(table.bits):
                return i, count
            for word in range(len(mask)):
                table.bits[count, word] = bits[i, word] & mask[word]
            table.slots[slot] = count
            count += 1
        symbols[i] = table.slots[slot]
    return len(bits), count


@loop
def _put(table: Table, symbol: int, mask: NDArray[np.uint64]) -> None:
    """Make a symbol found by its bits, in a table that has room."""
    slot: Any = np.int64(_hash(table.bits, symbol, mask)) & (len(table.slots) - 1)
    while table.slots[slot] >= 0:
        slot = (slot + 1) & (len(table.slots) - 1)
    table.slots[slot] = symbol


@step
def _hash(bits: NDArray[np.uint64], i: int, mask: NDArray[np.uint64]) -> np.uint64:
    key: Any = np.uint64(0)
    for word in range(len(mask)):
        key = (key ^ (bits[i, word] & mask[word])) * _MIX
        key ^= key >> _SHIFT
    return np.uint64(key)


@step
def _is_same(
    table: Table, symbol: int, bits: NDArray[np.uint64], i: int, mask: NDArray[np.uint64]
) -> bool:
    same = True
    for word in range(len(mask)):
        same = same and table.bits[symbol, word] == bits[i, word] & mask[word]
    return same
