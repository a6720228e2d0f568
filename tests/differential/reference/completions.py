# SPDX-License-Identifier: Apache-2.0
"""The CPL rules that judge single events; CPL001's other half is a duty."""

from __future__ import annotations

from uvtrace.trace.enums import Kind, Phase, Status

from .records import CONFIG, Event
from .requests import NON_POSTED
from .world import Function, Judges

_MS = 1_000_000
_PAGE = 4096
_WITH_DATA = (Kind.MMIO_READ, Kind.CONFIG_READ, Kind.PIO_READ, Kind.DMA_READ)


def non_posted(e: Event) -> bool:
    return e.is_a(*NON_POSTED) and e.at_host


def completes(e: Event) -> bool:
    return non_posted(e) and e.phase == Phase.COMPLETION


def brings_data(e: Event) -> bool:
    return completes(e) and e.is_a(*_WITH_DATA) and e.ok


def _answers(e: Event) -> bool:
    return non_posted(e) and e.phase in (Phase.COMPLETION, Phase.WHOLE)


def cpl001_timeout(f: Function, e: Event) -> bool:
    return _answers(e) and e.status == Status.TIMEOUT


def cpl002(f: Function, e: Event) -> bool:
    return completes(e) and e.tag != 0 and f.requests.of(e) is None


def cpl003(f: Function, e: Event) -> bool:
    request = f.requests.of(e)
    return brings_data(e) and request is not None and e.length > request.left


def cpl004(f: Function, e: Event) -> bool:
    request = f.requests.of(e)
    if not brings_data(e) or request is None or e.length > request.left:
        return False
    if e.kind != Kind.DMA_READ:
        return e.length < request.event.length
    tells_count = e.byte_count != 0 or request.left == _PAGE
    if tells_count and e.byte_count % _PAGE != request.left % _PAGE:
        return True
    asked = range(request.event.address, request.event.address + request.event.length)
    return e.address != 0 and e.address not in asked


def cpl005(f: Function, e: Event) -> bool:
    request = f.requests.of(e)
    if not completes(e) or e.status == Status.TIMEOUT or request is None:
        return False
    return e.time_ns - request.event.time_ns > f.parameter("CPL005.timeout_ns", 50 * _MS)


def cpl006(f: Function, e: Event) -> bool:
    asks = non_posted(e) and e.phase == Phase.REQUEST and e.tag != 0
    return asks and f.requests.of(e) is not None


def cpl007(f: Function, e: Event) -> bool:
    # The core asks for functions that may not be there.
    exempt = e.is_a(*CONFIG) and e.by_core
    return _answers(e) and not exempt and e.status in (Status.UNSUPPORTED, Status.ABORT)


JUDGES: Judges = {
    "CPL001": [cpl001_timeout],
    "CPL002": [cpl002],
    "CPL003": [cpl003],
    "CPL004": [cpl004],
    "CPL005": [cpl005],
    "CPL006": [cpl006],
    "CPL007": [cpl007],
}
"""Of each rule the declarations that judge single events."""
