# SPDX-License-Identifier: Apache-2.0
"""The DMA rules, as docs and the rules' statements put them."""

from __future__ import annotations

from uvtrace.trace.enums import Direction, Flag, Flavour, Kind

from .mappings import STREAMING, Mapping
from .records import DEVICE, MAKING, REMOVAL, SYNC, Event
from .world import Function, Judges

MAPPING_ERROR = 2**64 - 1
_PAGE = 4096
_USER_END = 1 << 47
_MODULES = range(0xFFFFFFFFC0000000, 0xFFFFFFFFFF000000 + 1)


def _meets_memory(e: Event) -> bool:
    return e.is_a(*DEVICE) and e.begins and not e.has(Flag.FAR)


def _sent(e: Event) -> bool:
    return e.is_a(*DEVICE) and e.begins and not e.has(Flag.APART)


def _removes(f: Function, e: Event) -> bool:
    """A call that gives something back; freeing nothing is legal."""
    nothing = e.address == 0 and f.found.live is None
    return e.is_a(*REMOVAL) and e.begins and not nothing


def _streaming(f: Function) -> Mapping | None:
    live = f.found.live
    return live if live is not None and live.family == STREAMING else None


def dma001(f: Function, e: Event) -> bool:
    return _meets_memory(e) and f.found.state == "never"


def dma002(f: Function, e: Event) -> bool:
    return _meets_memory(e) and f.found.gone is not None


def dma003(f: Function, e: Event) -> bool:
    live = f.found.live
    if not _meets_memory(e) or live is None or e.length <= live.room(e.address):
        return False
    end = live.end
    if live.flavour == Flavour.SG:
        for segment in live.made.segments:
            if segment.address != end:
                break
            end += segment.length
    return e.address + e.length > end


def dma004(f: Function, e: Event) -> bool:
    live = _streaming(f)
    if not _meets_memory(e) or live is None or e.length == 0:
        return False
    refused = Direction.FROM_DEVICE if e.kind == Kind.DMA_READ else Direction.TO_DEVICE
    return live.direction == refused


def dma005(f: Function, e: Event) -> bool:
    live = _streaming(f)
    if not _meets_memory(e) or live is None or e.kind != Kind.DMA_WRITE or e.length == 0:
        return False
    if live.direction != Direction.BIDIRECTIONAL or not live.held_by_cpu:
        return False
    assert live.sync is not None
    begin, end = live.sync.address, live.sync.address + live.sync.length
    return e.address < end and begin < e.address + e.length


def dma006(f: Function, e: Event) -> bool:
    known = f.found.state in ("gone", "never")
    return _removes(f, e) and known and not f.found.elsewhere


def dma007(f: Function, e: Event) -> bool:
    live = f.found.live
    by_pool = e.kind == Kind.POOL_FREE and e.length == 0
    return _removes(f, e) and live is not None and e.length != live.length and not by_pool


def dma008(f: Function, e: Event) -> bool:
    live = f.found.live
    is_unmap = e.kind == Kind.UNMAP and e.begins
    return is_unmap and live is not None and e.direction != live.direction


def dma009(f: Function, e: Event) -> bool:
    live = f.found.live
    if not _removes(f, e) or f.found.state == "unknown":
        return False
    return f.found.elsewhere if live is None else e.flavour != live.flavour


def dma010(f: Function, e: Event) -> bool:
    gone = f.found.gone
    if not _removes(f, e) or gone is None or f.found.elsewhere:
        return False
    return e.length == gone.length or e.kind == Kind.POOL_FREE


def dma012(f: Function, e: Event) -> bool:
    live = f.found.live
    of_list = e.is_a(*REMOVAL, *SYNC) and e.begins and e.flavour == Flavour.SG and e.entry == 0
    if not of_list or live is None:
        return False
    return live.flavour == Flavour.SG and e.nents != live.made.nents


def dma013_call(f: Function, e: Event) -> bool:
    return e.is_a(Kind.UNMAP, *SYNC) and e.begins and e.address == MAPPING_ERROR


def dma013_device(f: Function, e: Event) -> bool:
    return _meets_memory(e) and e.address == MAPPING_ERROR


def dma014(f: Function, e: Event) -> bool:
    known = f.found.state in ("gone", "never")
    return e.is_a(*SYNC) and e.begins and e.length > 0 and known


def dma015(f: Function, e: Event) -> bool:
    live = f.found.live
    is_sync = e.is_a(*SYNC) and e.begins
    return is_sync and live is not None and e.length > live.room(e.address)


def dma016(f: Function, e: Event) -> bool:
    live = _streaming(f)
    if not e.is_a(*SYNC) or not e.begins or live is None:
        return False
    return live.direction not in (Direction.BIDIRECTIONAL, e.direction)


def dma017(f: Function, e: Event) -> bool:
    maps = e.kind == Kind.MAP and e.returned and e.ok
    return maps and e.direction != Direction.TO_DEVICE and f.mappings.overlapping(e)


def dma018(f: Function, e: Event) -> bool:
    maps = e.kind == Kind.MAP and e.returned
    if not maps or e.flavour == Flavour.RESOURCE or e.cpu_address == 0:
        return False
    return e.cpu_address < _USER_END or e.cpu_address in _MODULES


def dma019(f: Function, e: Event) -> bool:
    if not e.is_a(*MAKING) or not e.returned or not e.ok:
        return False
    mask = f.mappings.mask_for(e)
    return mask is not None and e.address + max(e.length, 1) - 1 > mask


def dma020(f: Function, e: Event) -> bool:
    return _sent(e) and e.address % _PAGE + e.length > _PAGE


def dma021(f: Function, e: Event) -> bool:
    space = f.space
    limit = space.max_payload if e.kind == Kind.DMA_WRITE else space.max_read_request
    return _sent(e) and limit is not None and e.length > limit


def dma022(f: Function, e: Event) -> bool:
    alignment = f.parameter("DMA022.alignment", 1)
    if not _sent(e) or e.length == 0:
        return False
    if e.address % alignment or e.length % alignment:
        return True
    if not e.first_be and not e.last_be:
        return False
    in_one_dword = e.address % 4 + e.length <= 4
    return e.last_be != 0 if in_one_dword else not (e.first_be and e.last_be)


def dma023(f: Function, e: Event) -> bool:
    live = f.found.live
    if e.kind != Kind.FREE or not e.begins or live is None:
        return False
    if e.length != live.length:
        return True
    told = e.cpu_address and live.made.cpu_address
    other = e.cpu_address != live.made.cpu_address
    return e.flavour == Flavour.COHERENT and bool(told) and other


def dma024(f: Function, e: Event) -> bool:
    maps = e.kind == Kind.MAP and e.returned and e.ok and e.flavour == Flavour.SG
    if not maps:
        return False
    limit, boundary = f.mappings.max_segment, f.mappings.boundary
    if limit is not None and e.length > limit:
        return True
    if boundary is None or e.length == 0:
        return False
    return (e.address & boundary) + e.length - 1 > boundary


def dma025(f: Function, e: Event) -> bool:
    makes = e.is_a(Kind.MAP, Kind.ALLOC) and e.returned
    return makes and e.length == 0 and (e.ok or e.flavour != Flavour.SG)


def dma027(f: Function, e: Event) -> bool:
    live = f.found.live
    removes = e.is_a(*REMOVAL) and e.begins
    return removes and live is not None and f.device.is_waiting(live)


def dma030(f: Function, e: Event) -> bool:
    live = _streaming(f)
    writes = _meets_memory(e) and e.kind == Kind.DMA_WRITE and e.length > 0
    if not writes or live is None or live.direction == Direction.TO_DEVICE:
        return False
    return f.device.overwrites(e, live)


def dma031(f: Function, e: Event) -> bool:
    writes = e.kind == Kind.MMIO_WRITE and e.begins
    return writes and e.width == 8 and e.value == MAPPING_ERROR and f.device.map_failed(e)


def dma032(f: Function, e: Event) -> bool:
    live = f.found.live
    if e.kind != Kind.UNMAP or not e.begins or live is None:
        return False
    use = f.device.use(live)
    if live.direction == Direction.FROM_DEVICE:
        return use.whole and use.reads > 0 and use.writes == 0
    if live.direction == Direction.TO_DEVICE:
        return use.whole and use.writes > 0 and use.reads == 0
    return False


JUDGES: Judges = {
    "DMA001": [dma001],
    "DMA002": [dma002],
    "DMA003": [dma003],
    "DMA004": [dma004],
    "DMA005": [dma005],
    "DMA006": [dma006],
    "DMA007": [dma007],
    "DMA008": [dma008],
    "DMA009": [dma009],
    "DMA010": [dma010],
    "DMA012": [dma012],
    "DMA013": [dma013_call, dma013_device],
    "DMA014": [dma014],
    "DMA015": [dma015],
    "DMA016": [dma016],
    "DMA017": [dma017],
    "DMA018": [dma018],
    "DMA019": [dma019],
    "DMA020": [dma020],
    "DMA021": [dma021],
    "DMA022": [dma022],
    "DMA023": [dma023],
    "DMA024": [dma024],
    "DMA025": [dma025],
    "DMA027": [dma027],
    "DMA030": [dma030],
    "DMA031": [dma031],
    "DMA032": [dma032],
}
"""Of each rule the declarations that judge single events."""
