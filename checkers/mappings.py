# SPDX-License-Identifier: Apache-2.0
"""What a function has mapped: a table that the DMA rules share.

With direct mapping a DMA address is a physical one, so that one address can be mapped several
times at once: the table is a multiset, and an unmap takes the entry that fits it best, as
kernel/dma/debug.c does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from uvtrace.trace.enums import Flavour, Kind


class Family(Enum):
    """Mappings that may share an address without being the same thing.

    The pages behind a pool are coherent memory of the same function.
    """

    STREAMING = "mapping"
    COHERENT = "coherent memory"
    POOL = "pool block"


FAMILY_OF_KIND = {
    Kind.MAP: Family.STREAMING,
    Kind.UNMAP: Family.STREAMING,
    Kind.ALLOC: Family.COHERENT,
    Kind.FREE: Family.COHERENT,
    Kind.POOL_ALLOC: Family.POOL,
    Kind.POOL_FREE: Family.POOL,
}


@dataclass(frozen=True, slots=True)
class Call:
    """One record of a DMA-API call."""

    seq: int
    time_ns: int
    kind: int
    address: int
    length: int
    direction: int
    flavour: int
    pool: int
    site: int

    @property
    def family(self) -> Family:
        """The table that this call works on."""
        return FAMILY_OF_KIND[Kind(self.kind)]


class Mappings:
    """The live mappings of one function."""

    def __init__(self) -> None:
        self._live: dict[tuple[Family, int], list[Call]] = defaultdict(list)
        self._gone: dict[tuple[Family, int], tuple[Call, Call]] = {}

    def add(self, made: Call) -> None:
        """A mapping was made."""
        self._live[made.family, made.address].append(made)
        self._gone.pop((made.family, made.address), None)

    def remove(self, call: Call) -> Call | None:
        """Take out the mapping that an unmap or free fits best; None where there is none."""
        key = (call.family, call.address)
        candidates = self._live.get(key)
        if not candidates:
            return None
        made = max(candidates, key=lambda candidate: _fit(candidate, call))
        candidates.remove(made)
        if not candidates:
            del self._live[key]
        self._gone[key] = (made, call)
        return made

    def last_removed(self, call: Call) -> tuple[Call, Call] | None:
        """The mapping at this address that went last, and the call that removed it."""
        return self._gone.get((call.family, call.address))

    def is_live_elsewhere(self, call: Call) -> bool:
        """Whether the address is mapped, but by the calls of another family."""
        return any(
            self._live.get((family, call.address)) for family in Family if family != call.family
        )

    def drop_pool(self, pool: int) -> None:
        """A pool was destroyed, and its blocks with it."""
        for key in [key for key in self._live if key[0] is Family.POOL]:
            kept = [made for made in self._live[key] if made.pool != pool]
            if kept:
                self._live[key] = kept
            else:
                del self._live[key]

    def clear(self) -> None:
        """Forget everything."""
        self._live.clear()
        self._gone.clear()

    def __iter__(self) -> Iterator[Call]:
        for made in self._live.values():
            yield from made


def _fit(made: Call, call: Call) -> tuple[bool, bool, bool, int]:
    """How well a mapping fits an unmap; the oldest of equals goes first."""
    return (
        made.length == call.length,
        made.direction == call.direction,
        made.flavour == call.flavour or {made.flavour, call.flavour} <= _ONE_SYMBOL,
        -made.seq,
    )


# dma_unmap_single and dma_unmap_page have been one symbol since 4.x.
_ONE_SYMBOL = {int(Flavour.SINGLE), int(Flavour.PAGES)}
