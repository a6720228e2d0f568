# SPDX-License-Identifier: Apache-2.0
"""ORD006: relaxed ordering and ID ordering without leave."""

from __future__ import annotations

from uvtrace.trace.enums import Flag, Kind, Phase

from .records import CONFIG, DEVICE, MESSAGE, PORT, Event
from .world import Function, Judges

_RELAXED, _ID_ORDERED = 2, 4


def ord006(f: Function, e: Event) -> bool:
    if e.has(Flag.FAR):
        return False
    relaxed, id_ordered = e.has(Flag.RELAXED), e.has(Flag.ID_ORDERED)
    if e.is_a(*DEVICE, *MESSAGE) and e.begins:
        relaxed = relaxed or e.attributes & _RELAXED != 0
        id_ordered = id_ordered or e.attributes & _ID_ORDERED != 0
        if relaxed and (e.is_a(*MESSAGE) or f.space.relaxed_enable is False):
            return True
        return id_ordered and f.space.id_ordered_request_enable is False
    answers = e.is_a(*CONFIG, Kind.MMIO_READ, *PORT) and e.phase == Phase.COMPLETION
    return answers and id_ordered and f.space.id_ordered_completion_enable is False


JUDGES: Judges = {"ORD006": [ord006]}
"""Of each rule the declarations that judge single events."""
