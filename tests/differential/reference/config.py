# SPDX-License-Identifier: Apache-2.0
"""The CFG rules."""

from __future__ import annotations

from uvtrace.trace.enums import Kind

from .records import CONFIG, DEVICE, MESSAGE, MMIO, PORT, Event
from .space import COMMAND, EXPRESS, FIRST_BAR, POWER, snapshot_of_config
from .world import Function, Judges


def _writes(e: Event) -> bool:
    return e.kind == Kind.CONFIG_WRITE and e.begins and e.at_host


def _accesses(e: Event, *kinds: int) -> bool:
    return e.is_a(*kinds) and e.begins and e.in_bar and e.executed and e.at_host


def cfg001(f: Function, e: Event) -> bool:
    return _accesses(e, *MMIO) and f.space.memory_enable is False


def cfg002(f: Function, e: Event) -> bool:
    return _accesses(e, *PORT) and f.space.io_enable is False


def cfg003_dma(f: Function, e: Event) -> bool:
    return e.is_a(*DEVICE) and e.begins and e.as_sent and f.space.bus_master is False


def cfg003_message(f: Function, e: Event) -> bool:
    return e.is_a(*MESSAGE) and e.as_sent and f.space.bus_master is False


def _changed(f: Function, e: Event) -> int | None:
    """The bits that a write changes."""
    before = f.space.before(e)
    return None if before is None else (e.value & 0xFFFFFFFF) ^ before


def cfg004(f: Function, e: Event) -> bool:
    if not _writes(e) or e.by_core:
        return False
    return bool((_changed(f, e) or 0) & f.space.covered(e, f.space.read_only))


def cfg005(f: Function, e: Event) -> bool:
    whole_bar = FIRST_BAR <= e.address <= 0x24 and e.address % 4 == 0 and e.length == 4
    if not _writes(e) or e.by_core or not whole_bar:
        return False
    before, bar = f.space.before(e), (e.address - FIRST_BAR) // 4
    if before is None:
        return False
    is_upper = bar - 1 in f.recovery.wide
    is_io = before & 1 == 1 and not is_upper
    address_bits = 0xFFFFFFFF if is_upper else 0xFFFFFFFC if is_io else 0xFFFFFFF0
    moved = ((e.value & 0xFFFFFFFF) ^ before) & address_bits != 0
    return moved and (f.space.io_enable if is_io else f.space.memory_enable) is True


def _turns_decode_on(e: Event) -> bool:
    return _writes(e) and e.address == COMMAND and e.length > 0 and e.value & 0x3 != 0


def cfg006(f: Function, e: Event) -> bool:
    return _turns_decode_on(e) and bool(f.recovery.sized) and not f.recovery.split


def cfg007(f: Function, e: Event) -> bool:
    if not e.is_a(*CONFIG) or not e.begins or not e.at_host:
        return False
    misaligned = e.length not in (1, 2, 4) or e.address % e.length != 0
    return misaligned or e.address + e.length > f.space.size


def cfg008(f: Function, e: Event) -> bool:
    return snapshot_of_config(e) and type(f.space).of_snapshot(e.payload, e.total).faulty


def cfg009(f: Function, e: Event) -> bool:
    return _turns_decode_on(e) and bool(f.recovery.split)


def cfg010(f: Function, e: Event) -> bool:
    if not _writes(e) or f.space.place(e.address) != (EXPRESS, 8) or e.length < 2:
        return False
    payload, read_request = e.value >> 5 & 7, e.value >> 12 & 7
    if payload > 5 or read_request > 5:
        return True
    supported = f.space.max_payload_supported
    return supported is not None and payload != 0 and 128 << payload > supported


def cfg011(f: Function, e: Event) -> bool:
    if not _writes(e) or e.by_core:
        return False
    return bool((_changed(f, e) or 0) & f.space.covered(e, f.space.reserved))


def cfg012(f: Function, e: Event) -> bool:
    if not _writes(e) or e.by_core or f.space.place(e.address)[0] == POWER:
        return False
    clears = f.space.covered(e, f.space.clears)
    special = clears | f.space.covered(e, f.space.read_only) | f.space.covered(e, f.space.reserved)
    everything = (1 << 8 * (e.length if e.length in (2, 4) else 1)) - 1
    if not clears or not everything & ~special:
        # Writing back a register that holds nothing else is how its events are cleared.
        return False
    read = f.space.last_read.get(e.address // 4)
    cleared = e.value & clears
    return read is not None and cleared != 0 and cleared == read & clears


JUDGES: Judges = {
    "CFG001": [cfg001],
    "CFG002": [cfg002],
    "CFG003": [cfg003_dma, cfg003_message],
    "CFG004": [cfg004],
    "CFG005": [cfg005],
    "CFG006": [cfg006],
    "CFG007": [cfg007],
    "CFG008": [cfg008],
    "CFG009": [cfg009],
    "CFG010": [cfg010],
    "CFG011": [cfg011],
    "CFG012": [cfg012],
}
"""Of each rule the declarations that judge single events."""
