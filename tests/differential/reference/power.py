# SPDX-License-Identifier: Apache-2.0
"""The PWR rules that judge single events and need no register map."""

from __future__ import annotations

from uvtrace.trace.enums import Kind

from .records import CONFIG, DEVICE, MMIO, Event
from .space import POWER
from .world import Function, Judges

_MS = 1_000_000


def _uses(e: Event) -> bool:
    """A driver's code uses the device."""
    access = e.is_a(*MMIO) and e.begins and e.in_bar and e.executed
    return access and e.at_host and e.by_driver


def _asleep(f: Function) -> bool:
    return f.space.power is not None and f.space.power >= 1


def pwr001_driver(f: Function, e: Event) -> bool:
    return _uses(e) and _asleep(f)


def pwr001_device(f: Function, e: Event) -> bool:
    return e.is_a(*DEVICE) and e.begins and e.as_sent and _asleep(f)


def _asks_or_uses(e: Event) -> bool:
    asks = e.is_a(*CONFIG) and e.begins and e.at_host and not e.by_core
    return asks or _uses(e)


def pwr002(f: Function, e: Event) -> bool:
    begun = f.recovery.reset_ns
    if not _asks_or_uses(e) or begun is None or f.recovery.ready is not False:
        return False
    return 0 <= e.time_ns - begun < f.parameter("PWR002.delay_ns", 100 * _MS)


def pwr002_retry(f: Function, e: Event) -> bool:
    # Asking for the vendor ID is how to find out.
    asks = e.is_a(*CONFIG) and e.begins and e.at_host and not e.by_core and e.address >= 2
    return (asks or _uses(e)) and f.recovery.retried


def pwr003(f: Function, e: Event) -> bool:
    woken = f.recovery.woken_ns
    if not _asks_or_uses(e) or woken is None or f.recovery.ready is not False:
        return False
    own = f.life.sleep_delay_ms
    return 0 <= e.time_ns - woken < (10 if own is None else own) * _MS


def _puts_to_sleep(f: Function, e: Event) -> bool:
    writes = e.kind == Kind.CONFIG_WRITE and e.begins and e.at_host and e.value & 3 != 0
    return writes and f.space.place(e.address) == (POWER, 4)


def pwr004(f: Function, e: Event) -> bool:
    changes = (e.kind == Kind.RESET and e.begins) or _puts_to_sleep(f, e)
    return changes and f.requests.device_reads > 0


def pwr005(f: Function, e: Event) -> bool:
    return e.unbound and f.space.bus_master is True


def pwr006(f: Function, e: Event) -> bool:
    if not _uses(e) or e.bar >= 6:
        return False
    return f.recovery.command_lost or e.bar in f.recovery.bars_lost


def pwr006_msi(f: Function, e: Event) -> bool:
    # Without a handler nobody misses an interrupt.
    return _uses(e) and f.recovery.messages_lost and f.life.handles_anything is True


def pwr008(f: Function, e: Event) -> bool:
    is_read = e.kind == Kind.MMIO_READ
    return is_read and f.polling.reads(e) == f.parameter("PWR008.reads", 5000)


JUDGES: Judges = {
    "PWR001": [pwr001_driver, pwr001_device],
    "PWR002": [pwr002, pwr002_retry],
    "PWR003": [pwr003],
    "PWR004": [pwr004],
    "PWR005": [pwr005],
    "PWR006": [pwr006, pwr006_msi],
    "PWR008": [pwr008],
}
"""Of each rule the declarations that judge single events."""
