# SPDX-License-Identifier: Apache-2.0
"""The reference's DMA mappings of one function: a list of those that live, one of those gone.

With direct mapping, an address can be mapped several times at once. An unmap takes the mapping that
fits best (as kernel/dma/debug.c does); a sync or an access of the device concerns one that holds
its first byte.
"""

from __future__ import annotations

from dataclasses import dataclass

from uvtrace.trace.enums import Direction, Flavour, Kind, Snapshot

from .records import DEVICE, MAKING, REMOVAL, SYNC, Event, Lost

STREAMING, COHERENT, POOL = "streaming", "coherent", "pool"
LIVE, GONE, NEVER, UNKNOWN = "live", "gone", "never", "unknown"
_FAMILY = {
    Kind.MAP: STREAMING,
    Kind.UNMAP: STREAMING,
    Kind.ALLOC: COHERENT,
    Kind.FREE: COHERENT,
    Kind.POOL_ALLOC: POOL,
    Kind.POOL_FREE: POOL,
}
_SKIP_CPU_SYNC = 1 << 5
_ONE_CALL = (Flavour.SINGLE, Flavour.PAGES)


@dataclass(eq=False)
class Mapping:
    """A mapping, as the call that made it said, and what has become of it."""

    made: Event
    family: str
    sync: Event | None = None
    """The last sync of it."""
    gone_at: int = -1

    @property
    def address(self) -> int:
        return self.made.address

    @property
    def length(self) -> int:
        return self.made.length

    @property
    def end(self) -> int:
        return self.address + self.length

    @property
    def direction(self) -> int:
        return self.made.direction

    @property
    def flavour(self) -> int:
        return self.made.flavour

    @property
    def behind_pool(self) -> bool:
        """Pages that a pool has allocated for its blocks."""
        return self.family == COHERENT and self.flavour == Flavour.POOL

    @property
    def held_by_cpu(self) -> bool:
        return self.sync is not None and self.sync.kind == Kind.SYNC_FOR_CPU

    def room(self, address: int) -> int:
        """Bytes from an address to its end."""
        return self.end - address


@dataclass
class Found:
    """What is known of the mapping that an event concerns."""

    state: str = UNKNOWN
    mapping: Mapping | None = None
    elsewhere: bool = False
    """Another family of calls has mapped the address (not: a pool's block)."""

    @property
    def live(self) -> Mapping | None:
        return self.mapping if self.state == LIVE else None

    @property
    def gone(self) -> Mapping | None:
        return self.mapping if self.state == GONE else None


class Mappings:
    """The mappings of one function."""

    def __init__(self) -> None:
        self.live: list[Mapping] = []
        self.gone: list[Mapping] = []
        self.complete = False
        """Every live mapping was seen to be made."""
        self.blind = False
        self.mask: dict[str, int | None] = {STREAMING: None, COHERENT: None}
        self.max_segment: int | None = None
        self.boundary: int | None = None

    # ------------------------------------------------------------- looking

    def concerned(self, event: Event) -> Found:
        """The mapping that an event concerns."""
        if event.is_a(*REMOVAL) and event.begins:
            return self._to_be_removed(event)
        if event.is_a(*SYNC, *DEVICE):
            return self._around(event)
        return Found()

    def _to_be_removed(self, event: Event) -> Found:
        family = _FAMILY[Kind(event.kind)]
        best = self._beginning(event, family)
        if best is not None:
            # Where some were made unseen, one of another length may be the one that is meant.
            sure = self.complete or best.length == event.length
            return Found(LIVE if sure else UNKNOWN, best)
        if not self.complete:
            return Found()
        elsewhere = any(
            (other := self._beginning(event, each)) is not None and other.flavour != Flavour.POOL
            for each in (STREAMING, COHERENT, POOL)
            if each != family
        )
        for mapping in self.gone:
            if mapping.address == event.address and mapping.family == family:
                return Found(GONE, mapping, elsewhere)
        return Found(NEVER, None, elsewhere)

    def _beginning(self, event: Event, family: str) -> Mapping | None:
        """The live mapping of a family that begins at the event's address and fits it best."""
        there = [m for m in self.live if m.address == event.address and m.family == family]

        def fit(mapping: Mapping) -> tuple[bool, bool, bool]:
            same_call = mapping.flavour == event.flavour or (
                mapping.flavour in _ONE_CALL and event.flavour in _ONE_CALL
            )
            return (
                mapping.length == event.length,
                mapping.direction == event.direction,
                same_call,
            )

        return max(there, key=fit, default=None)  # of equals the first, that is the oldest

    def _around(self, event: Event) -> Found:
        address = event.address
        holding = [m for m in self.live if m.address <= address < m.end]
        usual = [
            m
            for m in holding
            if not m.behind_pool and not (m.family == POOL and event.length > m.room(address))
        ]
        pages = [m for m in holding if m.behind_pool]
        cut_blocks = [m for m in holding if m.family == POOL and m not in usual]
        freed = [m for m in self.gone if m.address <= address < m.end]
        freed_blocks = [m for m in freed if m.family == POOL]
        if usual:
            return Found(LIVE, max(reversed(usual), key=lambda m: self._suits(event, m)))
        if freed_blocks and self.complete:
            return Found(GONE, max(freed_blocks, key=lambda m: m.gone_at))
        if freed_blocks:
            return Found()
        if pages or cut_blocks:
            return Found(LIVE, (pages or cut_blocks)[-1])
        if not self.complete:
            return Found()
        if freed:
            return Found(GONE, max(freed, key=lambda m: m.gone_at))
        return Found(NEVER)

    @staticmethod
    def _suits(event: Event, mapping: Mapping) -> tuple[bool, bool, bool]:
        fits = event.length <= mapping.room(event.address)
        if event.kind == Kind.DMA_READ:
            suits = mapping.direction != Direction.FROM_DEVICE
        elif event.kind == Kind.DMA_WRITE:
            suits = mapping.direction != Direction.TO_DEVICE
        else:
            suits = mapping.direction == event.direction
        return fits, suits, mapping.family != COHERENT

    def overlapping(self, event: Event) -> bool:
        """A new streaming mapping meets a live one, and one of the two lets the device write."""
        if event.length == 0 or event.attrs & _SKIP_CPU_SYNC:
            return False
        for other in self.live:
            meets = event.address < other.end and other.address < event.address + event.length
            meets = meets and other.length > 0
            exempt = other.family == POOL or other.flavour == Flavour.POOL
            if not meets or exempt or other.made.attrs & _SKIP_CPU_SYNC:
                continue
            if Direction.TO_DEVICE not in (event.direction, other.direction):
                return True
            if event.direction != other.direction:
                return True
        return False

    def mask_for(self, event: Event) -> int | None:
        """The DMA mask in force for a call."""
        return self.mask[STREAMING if event.kind == Kind.MAP else COHERENT]

    @property
    def streaming(self) -> int:
        """How many streaming mappings live."""
        return sum(mapping.family == STREAMING for mapping in self.live)

    # ----------------------------------------------------------- following

    def follow(self, event: Event, found: Found) -> None:
        """An event has happened, which concerned ``found``."""
        if event.is_a(*MAKING):
            if event.returned and event.ok:
                self._make(event)
        elif event.is_a(*REMOVAL):
            if event.begins and found.mapping in self.live:
                assert found.mapping is not None
                self._remove(event, found.mapping)
        elif event.is_a(*SYNC):
            if found.live is not None:
                found.live.sync = event
        elif event.kind == Kind.POOL_DESTROY:
            self.live = [m for m in self.live if m.family != POOL or m.made.phys != event.phys]
        elif event.kind == Kind.DMA_MASK and event.ok:
            self.mask[COHERENT if event.new_state else STREAMING] = event.value or None
        elif event.kind == Kind.SEGMENT_LIMIT:
            self.max_segment = event.value or None
            self.boundary = event.segment_boundary or None
        elif event.probing or _tells_of_no_driver(event):
            self._forget()
            self.complete = not self.blind

    def _make(self, event: Event) -> None:
        self.live.append(Mapping(event, _FAMILY[Kind(event.kind)]))

    def _remove(self, event: Event, mapping: Mapping) -> None:
        self.live.remove(mapping)
        self.gone = [
            m for m in self.gone if (m.address, m.family) != (mapping.address, mapping.family)
        ]
        mapping.gone_at = event.position
        self.gone.append(mapping)

    def _forget(self) -> None:
        self.live, self.gone = [], []

    def lose(self, lost: Lost) -> None:
        """Calls may have been missed."""
        if "map" in lost.sights:
            self._forget()
            self.complete = False
            self.blind = self.blind or lost.lasting
            self.mask = {STREAMING: None, COHERENT: None}
            self.max_segment = self.boundary = None


def _tells_of_no_driver(event: Event) -> bool:
    return (
        event.kind == Kind.SNAPSHOT
        and event.topic == Snapshot.DRIVER
        and not event.payload.strip(b"\0")
    )
