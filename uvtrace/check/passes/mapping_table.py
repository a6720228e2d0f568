# SPDX-License-Identifier: Apache-2.0
"""The table of DMA mappings: by address, live ones and those that went lately.

With direct mapping a DMA address is a physical one, so that one address can be mapped several
times at once: the table is a multiset, and an unmap takes the entry that fits best, as
kernel/dma/debug.c does.

A mapping is entered into the one or two cells that it touches on the level whose cells are at
least as large as it is; who looks for an address looks into one cell of every level in use. So
making, removing and finding a mapping cost the same however many there are.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uvtrace.check.compiled import fetch, loop, rare_step, step
from uvtrace.check.lines import lined

LEVEL_SHIFTS: Final = (11, 12, 14, 17, 20, 24, 28, 32, 40, 52)
_LEVELS = len(LEVEL_SHIFTS)
_SHIFTS: Final = np.array(LEVEL_SHIFTS, np.uint64)
CAPACITY_MAX: Final = 1 << 22
"""Mappings beyond which a function is no longer followed: about half a gigabyte."""
FREE, LIVE, DEAD = 0, 1, 2
_AHEAD: Final = 4
"""Mappings ahead of the oldest that are asked for."""
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
_NONE: Final = np.int32(-1)
_ALL_FITS: Final = 7
_ONE_SYMBOL: Final = (0, 5)  # dma_unmap_single and dma_unmap_page have been one since 4.x

_HOT: Final = (
    *(("address", np.uint64), ("length", np.uint64), ("id", np.int64), ("gone", np.int64)),
    *(("attrs", np.uint32), ("function", np.uint16), ("state", np.uint8), ("family", np.uint8)),
    *(("direction", np.uint8), ("flavour", np.uint8), ("owner", np.uint8), ("level", np.uint8)),
    *(("next", np.int32, (2,)), ("previous", np.int32, (2,)), ("unused", np.uint32)),
)
"""What is looked at of a mapping that is passed by: one cache line of it."""
ENTRY: Final = np.dtype(
    [
        *_HOT,
        *(("cpu_address", np.uint64), ("pool", np.uint64), ("made", np.int64)),
        *(("synced", np.int64), ("synced_address", np.uint64), ("synced_length", np.uint64)),
        *(("nents", np.uint32), ("entries", np.uint32), ("rest", np.uint64)),
    ],
    align=True,
)
"""A mapping. ``synced`` is its last sync, of which ``synced_address`` and ``synced_length`` tell
the bytes. ``next`` and ``previous`` chain the entries of each of its cells: node 2 * entry +
side; -1 ends a chain, -2 - bucket is its head."""


class Table(NamedTuple):
    """The table, of all functions together.

    Attributes:
        entries: dtype ENTRY.
        heads: first node of each bucket's chain.
        unused: stack of entries that are free; ``counts[0]`` of them.
        dead: ring of entries that have gone, oldest first from ``counts[1]``, ``counts[2]`` of
            them.
        counts: also [3] the serial number last given, [4] the entries live, [5] the levels that
            there were entries on so far, counted from the lowest.
        levels: entries on each level.
        gone: those of them that have gone.
        live: live streaming mappings of each function.
        last: the last entry found, by function; most accesses stay in one mapping.
    """

    entries: NDArray[np.void]
    heads: NDArray[np.int32]
    unused: NDArray[np.int32]
    dead: NDArray[np.int32]
    counts: NDArray[np.int64]
    levels: NDArray[np.int64]
    gone: NDArray[np.int64]
    live: NDArray[np.int32]


UNUSED, DEAD_FIRST, DEAD_COUNT, SERIAL, LIVE_COUNT, HEIGHT = range(6)


def new_table(functions: int, capacity: int, history: int) -> Table:
    """An empty table for ``capacity`` mappings, ``history`` of which may be gone ones."""
    counts = np.zeros(6, np.int64)
    counts[UNUSED] = capacity
    return Table(
        entries=lined(capacity, ENTRY),
        heads=np.full(1 << max(int(capacity - 1).bit_length() + 1, 4), _NONE, np.int32),
        unused=np.arange(capacity - 1, -1, -1, dtype=np.int32),
        dead=np.zeros(history, np.int32),
        counts=counts,
        levels=np.zeros(_LEVELS, np.int64),
        gone=np.zeros(_LEVELS, np.int64),
        live=np.zeros(functions + 1, np.int32),
    )


def grown(table: Table) -> Table:
    """The same table with room for twice as many mappings."""
    capacity = len(table.entries)
    larger = new_table(len(table.live) - 1, 2 * capacity, len(table.dead))
    larger.entries[:capacity] = table.entries
    free = int(table.counts[UNUSED])
    larger.unused[:capacity] = np.arange(2 * capacity - 1, capacity - 1, -1)
    larger.unused[capacity : capacity + free] = table.unused[:free]
    larger.counts[:] = table.counts
    larger.counts[UNUSED] = capacity + free
    larger.dead[:] = table.dead
    larger.gone[:] = table.gone
    larger.live[:] = table.live
    _enter_all(larger, capacity)
    return larger


@loop
def _enter_all(table: Table, count: int) -> None:
    for entry in range(count):
        if table.entries[entry].state != FREE:
            _enter(table, entry)


@step
def _bucket(table: Table, function: int, level: int, cell: np.uint64) -> int:
    mixed = cell ^ (np.uint64(function) << np.uint64(48)) ^ (np.uint64(level) << np.uint64(58))
    mixed = mixed * _MIX
    return int((mixed >> np.uint64(20)) & np.uint64(len(table.heads) - 1))


@step
def expect(table: Table, function: int, address: np.uint64) -> None:
    """Ask for what is looked at when an address is looked for some events later."""
    for level in range(table.counts[HEIGHT]):
        if table.levels[level] != 0:
            node = table.heads[_bucket(table, function, level, address >> _SHIFTS[level])]
            # Asked for without waiting to know whether there is one.
            fetch(table.entries, max(node, 0) >> 1)


@step
def level_of(length: np.uint64) -> int:
    """The lowest level whose cells are at least that large."""
    for level in range(_LEVELS):
        if length <= np.uint64(1) << _SHIFTS[level]:
            return level
    return _LEVELS - 1


@step
def _last_byte(address: np.uint64, length: np.uint64) -> np.uint64:
    if length == 0:
        return address
    last = address + (length - np.uint64(1))
    return last if last >= address else np.uint64(0xFFFFFFFFFFFFFFFF)


@step
def _enter(table: Table, entry: int) -> None:
    one = table.entries[entry]
    level = level_of(one.length)
    one.level = level
    table.levels[level] += 1
    table.counts[HEIGHT] = max(table.counts[HEIGHT], level + 1)
    low = one.address >> _SHIFTS[level]
    high = _last_byte(one.address, one.length) >> _SHIFTS[level]
    _link(table, entry, 0, _bucket(table, one.function, level, low))
    one.next[1] = _NONE
    one.previous[1] = _NONE
    if high != low:
        _link(table, entry, 1, _bucket(table, one.function, level, high))


@step
def _link(table: Table, entry: int, side: int, bucket: int) -> None:
    node = np.int32(2 * entry + side)
    head = table.heads[bucket]
    table.entries[entry].next[side] = head
    table.entries[entry].previous[side] = np.int32(-2 - bucket)
    if head >= 0:
        table.entries[head // 2].previous[head % 2] = node
    table.heads[bucket] = node


@step
def _leave(table: Table, entry: int) -> None:
    one = table.entries[entry]
    table.levels[one.level] -= 1
    if one.state == DEAD:
        table.gone[one.level] -= 1
    for side in range(2):
        following, before = one.next[side], one.previous[side]
        if before == _NONE:
            continue
        if before >= 0:
            table.entries[before // 2].next[before % 2] = following
        else:
            table.heads[-2 - before] = following
        if following >= 0:
            table.entries[following // 2].previous[following % 2] = before
    one.state = FREE
    table.unused[table.counts[UNUSED]] = entry
    table.counts[UNUSED] += 1


@step
def add(table: Table) -> int:
    """A free entry, to be filled in and given to :func:`enter`; -1 when the table is full."""
    if table.counts[UNUSED] == 0:
        return -1
    table.counts[UNUSED] -= 1
    return int(table.unused[table.counts[UNUSED]])


@step
def enter(table: Table, entry: int) -> None:
    """A filled entry comes to life; live ones are found before what went from the same place."""
    one = table.entries[entry]
    table.counts[SERIAL] += 1
    table.counts[LIVE_COUNT] += 1
    one.id = table.counts[SERIAL]
    one.state = LIVE
    if one.family == 0:
        table.live[one.function] += 1
    _enter(table, entry)


@step
def _forget_dead(table: Table, entry: int) -> None:
    # Its place in the ring stays, and is skipped when its turn comes: the id tells.
    _leave(table, entry)
    table.entries[entry].id = 0


@step
def remove(table: Table, entry: int, position: int) -> None:
    """A live mapping goes; it is remembered until ``history`` others have gone."""
    one = table.entries[entry]
    table.counts[LIVE_COUNT] -= 1
    if one.family == 0:
        table.live[one.function] -= 1
    before = find_gone(table, one.function, one.family, one.address)
    if before >= 0:
        _forget_dead(table, before)
    one.state = DEAD
    table.gone[one.level] += 1
    one.gone = position
    size = len(table.dead)
    if table.counts[DEAD_COUNT] == size:
        oldest = table.dead[table.counts[DEAD_FIRST]]
        fetch(table.entries, table.dead[(table.counts[DEAD_FIRST] + _AHEAD) % size])
        table.counts[DEAD_FIRST] = (table.counts[DEAD_FIRST] + 1) % size
        table.counts[DEAD_COUNT] -= 1
        if table.entries[oldest].state == DEAD and oldest != entry:
            _leave(table, oldest)
    table.dead[(table.counts[DEAD_FIRST] + table.counts[DEAD_COUNT]) % size] = entry
    table.counts[DEAD_COUNT] += 1


@rare_step
def forget(table: Table, entry: int) -> None:
    """A mapping is no longer known of."""
    one = table.entries[entry]
    if one.state == LIVE:
        table.counts[LIVE_COUNT] -= 1
        if one.family == 0:
            table.live[one.function] -= 1
    _leave(table, entry)


@step
def find_gone(table: Table, function: int, family: int, address: np.uint64) -> int:
    """The mapping that began at an address and has gone, -1 if there is none."""
    for level in range(table.counts[HEIGHT]):
        if table.gone[level] == 0:
            continue
        node = table.heads[_bucket(table, function, level, address >> _SHIFTS[level])]
        while node >= 0:
            one = table.entries[node // 2]
            if (
                one.state == DEAD
                and one.address == address
                and one.family == family
                and one.function == function
            ):
                return int(node // 2)
            node = one.next[node % 2]
    return -1


@step
def find_start(
    table: Table,
    function: int,
    family: int,
    address: np.uint64,
    length: np.uint64,
    direction: int,
    flavour: int,
) -> int:
    """The live mapping that begins at an address and fits best, -1 if there is none."""
    # One that fits in everything has the length that is looked for: it is on that length's level.
    own = level_of(length)
    best, best_fit = _fitting(table, own, function, family, address, length, direction, flavour)
    if best_fit == _ALL_FITS:
        return best
    for level in range(table.counts[HEIGHT]):
        if table.levels[level] == 0 or level == own:
            continue
        one, fit = _fitting(table, level, function, family, address, length, direction, flavour)
        older = one >= 0 and best >= 0 and table.entries[one].id < table.entries[best].id
        if fit > best_fit or (fit == best_fit and older):
            best, best_fit = one, fit
    return best


@step
def _fitting(
    table: Table,
    level: int,
    function: int,
    family: int,
    address: np.uint64,
    length: np.uint64,
    direction: int,
    flavour: int,
) -> tuple[int, int]:
    """The same of one level, and how well it fits; -1 if there is none."""
    best, best_fit = -1, -1
    node = table.heads[_bucket(table, function, level, address >> _SHIFTS[level])]
    while node >= 0:
        one = table.entries[node // 2]
        if (
            one.state == LIVE
            and one.address == address
            and one.family == family
            and one.function == function
        ):
            fit = _fit(one, length, direction, flavour)
            older = best >= 0 and one.id < table.entries[best].id
            if fit > best_fit or (fit == best_fit and older):
                best, best_fit = int(node // 2), fit
        node = one.next[node % 2]
    return best, best_fit


@step
def _fit(one: Any, length: np.uint64, direction: int, flavour: int) -> int:
    same = one.flavour == flavour or (one.flavour in _ONE_SYMBOL and flavour in _ONE_SYMBOL)
    same_length, same_direction = one.length == length, one.direction == direction
    return 4 * int(same_length) + 2 * int(same_direction) + int(same)


@step
def find_around(
    table: Table,
    function: int,
    address: np.uint64,
    length: np.uint64,
    wanted: int,
    refused: int,
) -> int:
    """A live mapping that holds an address, else the one there that went last; -1 none.

    Of several live ones, one that holds all of ``length`` bytes goes first, then one of the
    direction ``wanted`` or at least not ``refused`` (-1: any), then a streaming mapping before the
    coherent memory that it may lie in, then the youngest. A block that was given back to its pool
    goes before the pages behind the pool, which live on.
    """
    best, best_rank, best_id = -1, -1, np.int64(-1)
    for level in range(table.counts[HEIGHT]):
        if table.levels[level] == 0:
            continue
        node = table.heads[_bucket(table, function, level, address >> _SHIFTS[level])]
        while node >= 0:
            one = table.entries[node // 2]
            if (
                one.function == function
                and address >= one.address
                and address - one.address < one.length
            ):
                fits = length <= one.length - (address - one.address)
                suits = one.direction != refused and (wanted < 0 or one.direction == wanted)
                rank = _rank(one, fits, suits)
                order = one.id if one.state == LIVE else one.gone
                if rank > best_rank or (rank == best_rank and order > best_id):
                    best, best_rank, best_id = node // 2, rank, order
            node = one.next[node % 2]
    return best


@rare_step
def forget_function(table: Table, function: int) -> None:
    """Every mapping of a function is no longer known of, also what has gone."""
    for entry in range(len(table.entries)):
        if table.entries[entry].state != FREE and table.entries[entry].function == function:
            forget(table, entry)


@rare_step
def forget_pool(table: Table, function: int, pool: np.uint64) -> None:
    """The blocks of a pool go with it."""
    for entry in range(len(table.entries)):
        one = table.entries[entry]
        if one.state == LIVE and one.family == 2 and one.function == function and one.pool == pool:
            forget(table, entry)


_SKIP_CPU_SYNC: Final = np.uint32(1 << 5)
_TO_DEVICE, _POOL_FLAVOUR, _COHERENT_FAMILY, _POOL_FAMILY = 1, 3, 1, 2
_CELLS_MAX: Final = 256


@step
def find_overlap(
    table: Table,
    function: int,
    address: np.uint64,
    length: np.uint64,
    direction: int,
    attrs: np.uint32,
) -> int:
    """A live mapping that a new streaming one would overlap so that the device may write; -1 none.

    Mappings with DMA_ATTR_SKIP_CPU_SYNC and pools may overlap. Of a mapping longer than 256
    cells of a level only the first and the last cell of that level are searched.
    """
    if length == 0 or attrs & _SKIP_CPU_SYNC:
        return -1
    last = _last_byte(address, length)
    for level in range(table.counts[HEIGHT]):
        if table.levels[level] == 0:
            continue
        low, high = address >> _SHIFTS[level], last >> _SHIFTS[level]
        cells = np.int64(min(high - low, np.uint64(_CELLS_MAX))) + 1
        for each in range(cells if cells <= _CELLS_MAX else 2):
            cell = low + np.uint64(each) if cells <= _CELLS_MAX or each == 0 else high
            found = _overlap_in(table, function, level, cell, address, last, direction)
            if found >= 0:
                return found
    return -1


@step
def _overlap_in(
    table: Table,
    function: int,
    level: int,
    cell: np.uint64,
    address: np.uint64,
    last: np.uint64,
    direction: int,
) -> int:
    node = table.heads[_bucket(table, function, level, cell)]
    while node >= 0:
        one = table.entries[node // 2]
        if (
            one.state == LIVE
            and one.function == function
            and one.length != 0
            and one.address <= last
            and _last_byte(one.address, one.length) >= address
            and not (one.attrs & _SKIP_CPU_SYNC)
            and one.family != _POOL_FAMILY
            and one.flavour != _POOL_FLAVOUR
            and (one.direction != _TO_DEVICE or direction != _TO_DEVICE)
        ):
            return int(node // 2)
        node = one.next[node % 2]
    return -1


@step
def _rank(one: Any, fits: bool, suits: bool) -> int:
    if one.state != LIVE:
        return 3 if one.family == _POOL_FAMILY else 0
    if one.family == _COHERENT_FAMILY and one.flavour == _POOL_FLAVOUR:
        return 2
    if one.family == _POOL_FAMILY and not fits:
        # What runs past a block is still in memory that the pool has mapped.
        return 1
    streams = one.family != _COHERENT_FAMILY
    return 8 + 4 * int(fits) + 2 * int(suits) + int(streams)
