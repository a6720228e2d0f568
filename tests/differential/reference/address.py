# SPDX-License-Identifier: Apache-2.0
"""The ADR rules that need no register map."""

from __future__ import annotations

from uvtrace.trace.enums import Flag, Kind

from .life import UNBOUND
from .records import MMIO, Event
from .space import COMMAND
from .world import Function, Judges


def _access(e: Event) -> bool:
    return e.is_a(*MMIO) and e.begins


def _ends_behind(e: Event, size: int, length: int | None) -> bool:
    """Bytes of ``size`` at the event's offset end behind a BAR of a known length."""
    return length is not None and e.offset + size > length


def adr001(f: Function, e: Event) -> bool:
    if not _access(e) or e.has(Flag.STALE):
        return False
    past_end = _ends_behind(e, max(e.width, 1), f.life.bar_length(e.bar))
    return e.has(Flag.OUTSIDE) or not e.in_bar or past_end


def adr002(f: Function, e: Event) -> bool:
    if e.kind != Kind.CONFIG_WRITE or not e.begins:
        return False
    return (e.address == COMMAND or not e.by_core) and f.shared.windows.clash(e)


def adr003(f: Function, e: Event) -> bool:
    if not _access(e) or not e.in_bar or not e.executed:
        return False
    return e.offset % e.width != 0 and f.life.prefetchable(e.bar) is False


def adr004(f: Function, e: Event) -> bool:
    return _access(e) and e.has(Flag.STALE) and not e.has(Flag.IMPORTED)


def adr005_unbound(f: Function, e: Event) -> bool:
    concerned = _access(e) and e.by_driver and not e.has(Flag.STALE)
    return concerned and f.life.driver == UNBOUND


def adr005_released(f: Function, e: Event) -> bool:
    concerned = _access(e) and e.in_bar and e.by_driver and not e.has(Flag.STALE)
    if not concerned or f.life.driver in (UNBOUND, None):
        return False
    return e.bar in f.life.touched_regions and f.life.region_held(e.bar) is False


def _maps(e: Event) -> bool:
    return e.kind == Kind.IOMAP and e.returned and e.ok and e.in_bar


def adr008_larger(f: Function, e: Event) -> bool:
    return _maps(e) and _ends_behind(e, max(e.length, 1), f.life.bar_length(e.bar))


def adr008_unrequested(f: Function, e: Event) -> bool:
    of_core = f.space.msix_table == (e.bar, e.offset) if _maps(e) else False
    return _maps(e) and e.by_driver and not of_core and f.life.region_held(e.bar) is False


JUDGES: Judges = {
    "ADR001": [adr001],
    "ADR002": [adr002],
    "ADR003": [adr003],
    "ADR004": [adr004],
    "ADR005": [adr005_unbound, adr005_released],
    "ADR008": [adr008_larger, adr008_unrequested],
}
"""Of each rule the declarations that judge single events."""
